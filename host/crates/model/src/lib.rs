//! Workflow text to plan, and the rules of its states.
//!
//! Everything here is pure: no IO, no clock, no async runtime. A workflow file becomes a [`Workflow`] or all of its
//! diagnostics at once; states change only through the table in [`state`].

pub mod id;
pub mod state;
pub mod time;

pub use id::{ActionName, Digest, ExecutionId, IdError, PluginName, SecretName, TaskId, WorkflowId};
pub use state::{ExecutionState, ReasonCode, TaskState};
pub use time::{Clock, Timestamp};
