//! Who may write an execution: one process at a time, by a lease with a fencing number.

use autokestra_model::{ExecutionId, ExecutionState, Timestamp};

use crate::error::StoreError;

/// The right to write one execution. Only a store makes one; a store refuses one whose number is no longer the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub(crate) execution: ExecutionId,
    pub(crate) key: i64,
    pub(crate) fence: i64,
}

impl Lease {
    /// The execution.
    #[must_use]
    pub fn execution(&self) -> ExecutionId {
        self.execution
    }
}

/// The process that drives an execution, as far as others know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerRow {
    /// The name of its machine.
    pub host: String,
    /// Its number there.
    pub process: u32,
    /// Without another sign of life, its lease ends then.
    pub expires_at: Timestamp,
}

/// Why an execution was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// There is none.
    #[error("there is no execution `{id}`")]
    NotFound {
        /// Which.
        id: ExecutionId,
    },
    /// It has ended.
    #[error("`{id}` has ended {state}")]
    Ended {
        /// Which.
        id: ExecutionId,
        /// How.
        state: ExecutionState,
    },
    /// Another process drives it.
    #[error("`{id}` is being run by process {} on {}; its lease ends at {} unless it gives a sign of life", .owner.process, .owner.host, .owner.expires_at)]
    Owned {
        /// Which.
        id: ExecutionId,
        /// By whom.
        owner: OwnerRow,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of asking for an execution's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelAnswer {
    /// The process that drives it will hear of it.
    Asked,
    /// It has ended already.
    Ended(ExecutionState),
}

/// What came of asking to begin under a workflow's `concurrency`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It runs.
    Begun,
    /// These run, oldest first, and are as many as may.
    Full(Vec<ExecutionId>),
}
