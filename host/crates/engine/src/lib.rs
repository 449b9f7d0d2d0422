//! Runs executions: the scheduler, attempts, retries, and the way of a plugin's output into the log.
//!
//! Start reading at [`Runner::start`]; one execution is one task in `execution.rs`, which owns its graph (`dispatch.rs`)
//! and acts on a change of state only once the store has it.
#![warn(clippy::wildcard_enum_match_arm)]

mod artifacts;
mod attempt;
mod batch;
mod child;
mod cleanup;
mod clock;
mod dispatch;
mod elements;
mod error;
mod event;
mod execution;
mod flow;
mod hidden;
mod keeper;
mod lifecycle;
mod lists;
mod logs;
mod options;
mod own;
mod restore;
mod rows;
mod runner;
mod secret_store;
mod settle;
mod span;
mod state_source;
mod stop;
mod unit;
mod work;

pub use artifacts::{Artifacts, GUEST_OUT};
pub use cleanup::{Cleaned, Cleaner, CleanupError};
pub use clock::SystemClock;
pub use error::{RandomError, ResumeError, RunError, StartError};
pub use event::{ElementCounts, Outcome, RunEvent, TaskSummary};
pub use options::{Environment, Flow, FlowError, Flows, Given, Retried, RunnerOptions, StartRequest};
pub use own::{OwnPlugin, own_plugin, own_plugins};
pub use runner::{Canceller, RunHandle, Runner};
pub use secret_store::{SecretStore, SecretStoreError};
pub use span::{Span, SpanValue, Tracer};
pub use stop::StopReason;
