//! What runs: a task, or one element of a task's `forEach`; and what is known of it beyond the graph.

use autokestra_model::{ReasonCode, TaskState, Timestamp};
use autokestra_secrets::Masked;

use crate::event::ElementCounts;

/// A task by its position in the file, or one element of its `forEach`. Sorts in file order, a task before its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Unit {
    pub(crate) task: usize,
    pub(crate) item: Option<u32>,
}

impl Unit {
    /// The task itself.
    pub(crate) const fn task(task: usize) -> Self {
        Self { task, item: None }
    }

    /// One element of it.
    pub(crate) const fn element(task: usize, item: u32) -> Self {
        Self { task, item: Some(item) }
    }
}

/// The run of a unit.
#[derive(Debug)]
pub(crate) struct TaskRun {
    pub(crate) state: TaskState,
    /// Attempts that were started.
    pub(crate) attempts: u32,
    /// Attempts that failed by themselves; one whose process died does not count against `retry.max`.
    pub(crate) failures: u32,
    /// It waits for a time to pass, and then has succeeded.
    pub(crate) sleeping: bool,
    /// It sleeps only until its time limit, and then has failed.
    pub(crate) times_out: bool,
    pub(crate) started_at: Option<Timestamp>,
    /// When its last attempt began.
    pub(crate) attempt_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) reason: Option<ReasonCode>,
    pub(crate) message: Option<Masked>,
    /// What became of its elements.
    pub(crate) elements: Option<ElementCounts>,
}

impl Default for TaskRun {
    fn default() -> Self {
        Self {
            state: TaskState::Pending,
            attempts: 0,
            failures: 0,
            sleeping: false,
            times_out: false,
            started_at: None,
            attempt_at: None,
            ended_at: None,
            reason: None,
            message: None,
            elements: None,
        }
    }
}
