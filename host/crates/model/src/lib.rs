//! Workflow text to plan, and the rules of its states.
//!
//! Everything here is pure: no IO, no clock, no async runtime. A workflow file becomes a [`Workflow`] or all of its
//! diagnostics at once; states change only through the table in [`state`].

mod address;
pub mod cases;
pub mod diagnostic;
mod expression;
pub mod id;
mod misfit;
pub mod permission;
mod plan;
mod policy;
pub mod reader;
mod scope;
pub mod state;
pub mod time;
mod trace;
pub mod workflow;
pub mod yaml;

pub use address::{is_public, is_public_range};
pub use diagnostic::{Diagnostic, Diagnostics, Lines, RenderStyle, Severity, Source, Span};
pub use expression::{Expression, RenderError, Template};
pub use id::{ActionName, Digest, ExecutionId, IdError, PluginName, SecretName, TaskId, WorkflowId};
pub use permission::{NetworkPattern, Permissions, is_reserved_variable};
pub use plan::{Edge, Plan};
pub use policy::{Ceiling, Folders, PastCeiling, Policy, past_ceiling};
pub use scope::{ExecutionInfo, Scope};
pub use state::{ExecutionState, ReasonCode, State, TaskState, Transition};
pub use time::{Clock, Timestamp};
pub use trace::TraceContext;
pub use workflow::{
    ActionInfo, Backoff, Broken, CapabilityNeeds, Catalog, Concurrency, ForEach, GivenInput, InputCheck, InputSpec,
    InputType, Limits, Lookup, Need, NeedOn, OnError, OnLimit, Parsed, PermissionPlaces, Retry, SecretSpec, Task,
    Workflow,
};
