//! What is read back.

use std::time::Duration;

use autokestra_model::{Digest, ExecutionId, ExecutionState, ReasonCode, TaskId, TaskState, Timestamp};
use autokestra_secrets::{Masked, MaskedJson, SealedJson};

use crate::change::{AttemptErrorRow, LogLevel, ParentLink, Usage, WorkflowSource};
use crate::lease::OwnerRow;

/// One execution.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionRow {
    /// Its id.
    pub id: ExecutionId,
    /// The workflow's id.
    pub workflow: String,
    /// Its state.
    pub state: ExecutionState,
    /// Why it is in it.
    pub reason: Option<ReasonCode>,
    /// More, for people.
    pub message: Option<Masked>,
    /// What started it.
    pub trigger: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl ExecutionRow {
    /// From its start to its end; none while it runs, or where it never did.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.ended_at
            .zip(self.started_at)
            .map(|(ended, started)| ended.since(started))
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionPage {
    /// The executions of this page, newest first.
    pub executions: Vec<ExecutionRow>,
    /// How many there are in all.
    pub total: u64,
}

/// One execution, with its tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionDetail {
    /// The execution.
    pub row: ExecutionRow,
    /// Its inputs.
    pub inputs: MaskedJson,
    /// Its inputs with their secrets as references.
    pub sealed_inputs: SealedJson,
    /// Its outputs, once it succeeded.
    pub outputs: Option<MaskedJson>,
    /// The workflow's text; none where an older version made the execution.
    pub source: Option<WorkflowSource>,
    /// The process that drives it, where one does.
    pub owner: Option<OwnerRow>,
    /// Who asked for its end.
    pub cancel_requested_by: Option<Masked>,
    /// The task run that started it.
    pub parent: Option<ParentLink>,
    /// Executions that its task runs started, oldest first.
    pub children: Vec<ChildRow>,
    /// The execution that it retries.
    pub retry_of: Option<ExecutionId>,
    /// Executions that retry it, oldest first.
    pub retried_by: Vec<ExecutionId>,
    /// Its task runs, in file order, each task before its elements.
    pub tasks: Vec<TaskRunRow>,
}

/// An execution that a task run started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildRow {
    /// It.
    pub execution: ExecutionId,
    /// The task run's position.
    pub position: u64,
    /// The task run's element.
    pub item: Option<u32>,
    /// Its state.
    pub state: ExecutionState,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Executions.
    pub executions: u64,
    /// Log entries.
    pub logs: u64,
    /// There is more to remove.
    pub more: bool,
}

/// What a step of giving room back has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shrunk {
    /// Bytes that were given back to the disk.
    pub bytes: u64,
    /// Bytes of the database that nothing uses now.
    pub unused: u64,
    /// Another step would give back more. Where there is none and bytes are unused, only [`Store::compact`] does.
    ///
    /// [`Store::compact`]: crate::Store::compact
    pub more: bool,
}

/// A file that a task run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Its name, with `/` between folders.
    pub name: String,
    /// The digest of its content.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// One task run.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRunRow {
    /// The task.
    pub task: TaskId,
    /// Its position in the file, from 0.
    pub position: u64,
    /// The element of its `forEach`, from 0; none: the task itself.
    pub item: Option<u32>,
    /// What it runs.
    pub action: String,
    /// Its state.
    pub state: TaskState,
    /// Why it is in it.
    pub reason: Option<ReasonCode>,
    /// More, for people.
    pub message: Option<Masked>,
    /// The tasks that it needs.
    pub needs: Vec<String>,
    /// Its inputs, as templates.
    pub inputs: Option<MaskedJson>,
    /// Its output.
    pub output: Option<MaskedJson>,
    /// Its output with its secrets as references.
    pub sealed_output: Option<SealedJson>,
    /// When it goes on, where it waits for a time.
    pub due_at: Option<Timestamp>,
    /// The files that it left.
    pub files: Vec<FileRow>,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its attempts, in order.
    pub attempts: Vec<AttemptRow>,
}

impl TaskRunRow {
    /// From its first attempt's start to its end.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.ended_at
            .zip(self.started_at)
            .map(|(ended, started)| ended.since(started))
    }
}

/// One attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRow {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it failed, if it did.
    pub error: Option<AttemptErrorRow>,
    /// What it used, once it ended.
    pub usage: Option<Usage>,
    /// The digest of the component that it ran, in hex.
    pub digest: Option<String>,
}

/// One log entry.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    /// The execution that it belongs to.
    pub execution: Option<ExecutionId>,
    /// The task that it belongs to.
    pub task: Option<String>,
    /// The attempt that it belongs to.
    pub attempt: Option<u32>,
    /// When.
    pub at: Timestamp,
    /// How grave.
    pub level: LogLevel,
    /// Who.
    pub source: String,
    /// What.
    pub message: Masked,
    /// More.
    pub metadata: Option<MaskedJson>,
}

/// One event of the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEventRow {
    /// Its number, in the order of the trail.
    pub sequence: i64,
    /// The id of the execution that it belongs to.
    pub execution: String,
    /// The task that it is about.
    pub task: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Its type.
    pub kind: String,
    /// More.
    pub metadata: MaskedJson,
    /// The hash of the event before it in this execution, in hex.
    pub previous_hash: String,
    /// Its own hash, in hex.
    pub hash: String,
}
