//! Runs executions: the scheduler, attempts, retries, and the way of a plugin's output into the log.
//!
//! Start reading at [`Runner::start`]; one execution is one task in `execution.rs`, which owns its graph (`dispatch.rs`)
//! and acts on a change of state only once the store has it.
#![warn(clippy::wildcard_enum_match_arm)]

mod attempt;
mod batch;
mod clock;
mod dispatch;
mod error;
mod event;
mod execution;
mod logs;
mod options;
mod rows;
mod runner;
mod settle;
mod state_source;

pub use clock::SystemClock;
pub use error::{RunError, StartError};
pub use event::{Outcome, RunEvent, TaskSummary};
pub use options::{Environment, RunnerOptions, StartRequest};
pub use runner::{Canceller, RunHandle, Runner, StopReason};
