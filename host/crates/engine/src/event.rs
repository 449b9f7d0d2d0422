//! What an observer of a running execution is told, and what is left of it in the end.

use std::time::Duration;

use autokestra_model::{ExecutionId, ExecutionState, ReasonCode, TaskId, TaskState, Timestamp, WorkflowId};
use autokestra_secrets::{Masked, MaskedJson};
use autokestra_store::LogEntry;

/// One step of a running execution, told after the store has it.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// The execution began, or was taken up where another process left it.
    Started {
        /// Its id.
        execution: ExecutionId,
        /// The workflow.
        workflow: WorkflowId,
        /// Another process began it.
        resumed: bool,
        /// Its tasks in file order, each with the state that it has by now.
        tasks: Vec<(TaskId, TaskState)>,
    },
    /// The workflow's `concurrency` makes it wait.
    Queued {
        /// The executions that come before it, oldest first.
        before: Vec<ExecutionId>,
    },
    /// The elements of a `forEach` became known.
    ListStarted {
        /// The task.
        task: TaskId,
        /// How many there are.
        count: u32,
        /// How many of them ended earlier, in a process that died or in the execution that this one retries.
        ended: u32,
    },
    /// An attempt began.
    AttemptStarted {
        /// The task.
        task: TaskId,
        /// The element of its `forEach`.
        item: Option<u32>,
        /// The attempt's number, from 1.
        attempt: u32,
    },
    /// An attempt failed and another follows.
    RetryPlanned {
        /// The task.
        task: TaskId,
        /// The element of its `forEach`.
        item: Option<u32>,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// The wait before the next.
        wait: Duration,
        /// Why it failed.
        message: Masked,
    },
    /// A unit waits for a time to pass, without an instance.
    Sleeping {
        /// The task.
        task: TaskId,
        /// The element of its `forEach`.
        item: Option<u32>,
        /// How long.
        wait: Duration,
    },
    /// What runs is being stopped.
    Stopping {
        /// Why.
        reason: ReasonCode,
        /// More, for people.
        message: Masked,
    },
    /// A task run ended.
    TaskEnded(TaskSummary),
    /// A log entry, as stored.
    Log(LogEntry),
    /// How far a plugin says that it has come.
    Progress {
        /// The task.
        task: TaskId,
        /// The element of its `forEach`.
        item: Option<u32>,
        /// Units done.
        done: u64,
        /// Units in all, where known.
        total: Option<u64>,
        /// A few words.
        note: Option<Masked>,
    },
}

/// How one task run, or that of one element, ended.
#[derive(Clone, Debug)]
pub struct TaskSummary {
    /// The task.
    pub task: TaskId,
    /// The element of its `forEach`; none: the task itself.
    pub item: Option<u32>,
    /// Its end state.
    pub state: TaskState,
    /// Why.
    pub reason: Option<ReasonCode>,
    /// More, for people.
    pub message: Option<Masked>,
    /// Attempts that were started.
    pub attempts: u32,
    /// What became of its elements, where it has a `forEach` that began.
    pub elements: Option<ElementCounts>,
    /// From the first attempt's start to the end; none where none was started.
    pub duration: Option<Duration>,
}

/// What became of the elements of a `forEach`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementCounts {
    /// How many there are.
    pub total: u32,
    /// How many of them failed.
    pub failed: u32,
}

/// How an execution ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its id.
    pub execution: ExecutionId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its end state.
    pub state: ExecutionState,
    /// Why.
    pub reason: Option<ReasonCode>,
    /// More, for people.
    pub message: Option<Masked>,
    /// The task that failed it, the first in time.
    pub failed: Option<TaskId>,
    /// The workflow's outputs, masked; none unless it succeeded.
    pub outputs: Option<MaskedJson>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Its tasks in file order.
    pub tasks: Vec<TaskSummary>,
}
