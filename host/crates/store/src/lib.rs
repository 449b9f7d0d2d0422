//! Executions, task runs, attempts, logs and the audit trail, kept.
//!
//! [`Store`] is the face; [`SqliteStore`] the embedded implementation. Text reaches a store only as
//! [`Masked`](autokestra_secrets::Masked), and a state only by a [`Transition`](autokestra_model::Transition).
//!
//! ```compile_fail
//! # use autokestra_store::{LogEntry, LogLevel, LogSource};
//! # use autokestra_model::Timestamp;
//! let raw: String = "token=abc".to_owned();
//! let entry = LogEntry {
//!     execution: None, task: None, attempt: None, at: Timestamp::from_millis(0), level: LogLevel::Info,
//!     source: LogSource::System, message: raw, metadata: None, // `message` takes masked text only
//! };
//! ```

mod audit;
mod change;
mod error;
pub mod fault;
mod filter;
mod lease;
mod row;
mod secret;
mod sqlite;
mod store;
mod trail;

pub use audit::{AUDIT_TYPES, AuditEvent};
pub use change::{
    AttemptErrorRow, Change, LogEntry, LogLevel, LogSource, NewExecution, NewTaskRun, ParentLink, RunKey, Usage,
    WorkflowSource,
};
pub use error::{FindError, StoreError};
pub use filter::{CleanupFilter, ExecutionFilter, ExecutionRef, LogFilter, SourceFilter};
pub use lease::{AcquireError, Admission, CancelAnswer, Lease, OwnerRow};
pub use row::{
    AttemptRow, AuditEventRow, ChildRow, ExecutionDetail, ExecutionPage, ExecutionRow, FileRow, LogRow, Removed,
    Shrunk, TaskRunRow,
};
pub use secret::{DataKeyRow, SecretChange, SecretRow, SecretRows, SecretUpdate};
pub use sqlite::{Plan, Question, SlowQueries, SqliteOptions, SqliteStore, Synchronous};
pub use store::{AuditReceiver, LogReceiver, Store};
pub use trail::{AuditFilter, AuditHead, AuditPage, BrokenEvent, ChainState, Cut, Flaw, HeadState, Proof, TrailState};
