//! The JSON of the command line: its keys are promises, so these types are not those of the store.

use std::time::Duration;

use autokestra_model::{ExecutionState, ReasonCode, TaskState, Timestamp};
use autokestra_secrets::{Masked, MaskedJson};
use autokestra_store::{
    AttemptRow, AuditEventRow, ExecutionDetail, ExecutionPage, ExecutionRow, FileRow, LogRow, TaskRunRow,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::schema::{Level, Reason, StateOfExecution, StateOfTask, Time};

/// `execution list`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageView<'a> {
    /// The executions of this page, newest first.
    executions: Vec<ExecutionView<'a>>,
    /// How many there are in all.
    total: u64,
    /// The most on a page.
    limit: u64,
    /// How many are before this page.
    offset: u64,
}

impl<'a> PageView<'a> {
    pub(crate) fn new(page: &'a ExecutionPage, limit: u64, offset: u64) -> Self {
        Self {
            executions: page.executions.iter().map(ExecutionView::new).collect(),
            total: page.total,
            limit,
            offset,
        }
    }
}

/// One execution.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecutionView<'a> {
    /// Its id.
    execution_id: String,
    /// The id of its workflow.
    workflow_id: &'a str,
    /// Its state.
    #[schemars(with = "StateOfExecution")]
    state: ExecutionState,
    /// Why it is in that state; null where there is nothing to say.
    #[schemars(with = "Option<Reason>")]
    reason_code: Option<ReasonCode>,
    /// More of why, for people.
    #[schemars(with = "Option<String>")]
    message: Option<&'a Masked>,
    /// What started it: `manual`, `retry`, `flow`.
    trigger_type: &'a str,
    /// When it was created.
    #[schemars(with = "Time")]
    created_at: Timestamp,
    /// When it began to run.
    #[schemars(with = "Option<Time>")]
    started_at: Option<Timestamp>,
    /// When it ended.
    #[schemars(with = "Option<Time>")]
    ended_at: Option<Timestamp>,
    /// From its start to its end, in milliseconds; null before its end.
    duration: Option<u64>,
}

impl<'a> ExecutionView<'a> {
    fn new(row: &'a ExecutionRow) -> Self {
        Self {
            execution_id: row.id.to_string(),
            workflow_id: &row.workflow,
            state: row.state,
            reason_code: row.reason,
            message: row.message.as_ref(),
            trigger_type: &row.trigger,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
            duration: row.duration().map(millis),
        }
    }
}

/// `execution inspect`, and `run --json`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DetailView<'a> {
    #[serde(flatten)]
    execution: ExecutionView<'a>,
    /// Its inputs by name, secrets masked.
    #[schemars(with = "Map<String, Value>")]
    inputs: &'a MaskedJson,
    /// Its outputs by name, secrets masked; null where it has none.
    #[schemars(with = "Option<Map<String, Value>>")]
    outputs: Option<&'a MaskedJson>,
    /// The execution that this one retries.
    retry_of: Option<String>,
    /// The executions that retry this one.
    retried_by: Vec<String>,
    /// The task that started it, where one did.
    parent: Option<ParentView<'a>>,
    /// The executions that its tasks started.
    children: Vec<ChildView>,
    /// The process that runs it now.
    owner: Option<OwnerView<'a>>,
    /// Its task runs in the order of the file; of a `forEach` the whole, then each element.
    tasks: Vec<TaskView<'a>>,
    /// Its last log entries; with `--with-logs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<Vec<LogView<'a>>>,
    /// How many there are, where `logs` may hold fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    logs_total: Option<u64>,
    /// Its audit trail, oldest first; with `--with-audit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_events: Option<Vec<AuditView<'a>>>,
}

impl<'a> DetailView<'a> {
    /// The tasks that `wanted` takes, of a whole execution.
    pub(crate) fn new(detail: &'a ExecutionDetail, wanted: impl Fn(&TaskRunRow) -> bool) -> Self {
        Self {
            execution: ExecutionView::new(&detail.row),
            inputs: &detail.inputs,
            outputs: detail.outputs.as_ref(),
            retry_of: detail.retry_of.map(|id| id.to_string()),
            retried_by: detail.retried_by.iter().map(ToString::to_string).collect(),
            parent: detail.parent.as_ref().map(|parent| ParentView {
                execution_id: parent.execution.to_string(),
                task_id: parent.run.task.as_str(),
                index: parent.run.item,
            }),
            children: detail
                .children
                .iter()
                .map(|child| ChildView {
                    execution_id: child.execution.to_string(),
                    state: child.state,
                })
                .collect(),
            owner: detail.owner.as_ref().map(|owner| OwnerView {
                host: &owner.host,
                process: owner.process,
                expires_at: owner.expires_at,
            }),
            tasks: detail
                .tasks
                .iter()
                .filter(|task| wanted(task))
                .map(TaskView::new)
                .collect(),
            logs: None,
            logs_total: None,
            audit_events: None,
        }
    }

    pub(crate) fn logs(mut self, logs: impl IntoIterator<Item = &'a LogRow>, total: u64) -> Self {
        self.logs = Some(logs.into_iter().map(LogView::new).collect());
        self.logs_total = Some(total);
        self
    }

    pub(crate) fn audit(mut self, events: &'a [AuditEventRow]) -> Self {
        self.audit_events = Some(events.iter().map(AuditView::new).collect());
        self
    }
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct ParentView<'a> {
    /// The execution of the task.
    execution_id: String,
    /// The task.
    task_id: &'a str,
    /// The element of its `forEach`.
    index: Option<u32>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChildView {
    /// The execution.
    execution_id: String,
    /// Its state.
    #[schemars(with = "StateOfExecution")]
    state: ExecutionState,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnerView<'a> {
    /// The name of the machine.
    host: &'a str,
    /// The id of the process.
    process: u32,
    /// When another process may take the execution over, unless this one is heard of again.
    #[schemars(with = "Time")]
    expires_at: Timestamp,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskView<'a> {
    /// The id of the task.
    task_id: &'a str,
    /// The position in the list of `forEach`; null for the task as a whole.
    index: Option<u32>,
    /// The action that it runs.
    #[serde(rename = "type")]
    action: &'a str,
    /// Its state.
    #[schemars(with = "StateOfTask")]
    state: TaskState,
    /// Why it is in that state; null where there is nothing to say.
    #[schemars(with = "Option<Reason>")]
    reason_code: Option<ReasonCode>,
    /// More of why, for people.
    #[schemars(with = "Option<String>")]
    message: Option<&'a Masked>,
    /// Its attempts, the first one first.
    attempts: Vec<AttemptView<'a>>,
    /// The ids of the tasks that it waits for.
    needs: &'a [String],
    /// Its inputs as templates, secrets as their names; null before it began.
    #[schemars(with = "Option<Map<String, Value>>")]
    inputs: Option<&'a MaskedJson>,
    /// What it gave, secrets masked; null where it did not succeed.
    #[schemars(with = "Option<Value>")]
    output: Option<&'a MaskedJson>,
    /// The files that it left.
    files: Vec<FileView<'a>>,
    /// When it goes on, where it waits for a time.
    #[schemars(with = "Option<Time>")]
    due_at: Option<Timestamp>,
    /// When it began to run.
    #[schemars(with = "Option<Time>")]
    started_at: Option<Timestamp>,
    /// When it ended.
    #[schemars(with = "Option<Time>")]
    ended_at: Option<Timestamp>,
    /// From its start to its end, in milliseconds; null before its end.
    duration: Option<u64>,
}

impl<'a> TaskView<'a> {
    fn new(row: &'a TaskRunRow) -> Self {
        Self {
            task_id: row.task.as_str(),
            index: row.item,
            action: &row.action,
            state: row.state,
            reason_code: row.reason,
            message: row.message.as_ref(),
            attempts: row.attempts.iter().map(AttemptView::new).collect(),
            needs: &row.needs,
            inputs: row.inputs.as_ref(),
            output: row.output.as_ref(),
            files: row.files.iter().map(FileView::new).collect(),
            due_at: row.due_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
            duration: row.duration().map(millis),
        }
    }
}

#[derive(JsonSchema, Serialize)]
struct FileView<'a> {
    /// Its name.
    name: &'a str,
    /// Its size in bytes.
    size: u64,
    /// The BLAKE3 digest of its content.
    digest: String,
}

impl<'a> FileView<'a> {
    fn new(row: &'a FileRow) -> Self {
        Self {
            name: &row.name,
            size: row.size,
            digest: row.digest.to_string(),
        }
    }
}

/// `execution files`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FilesView<'a> {
    /// The execution.
    execution_id: String,
    /// The files of all its tasks.
    files: Vec<TaskFileView<'a>>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskFileView<'a> {
    /// The task that left it.
    task_id: &'a str,
    /// The element of its `forEach`.
    index: Option<u32>,
    #[serde(flatten)]
    file: FileView<'a>,
}

impl<'a> FilesView<'a> {
    pub(crate) fn new(detail: &'a ExecutionDetail) -> Self {
        let files = detail.tasks.iter().flat_map(|task| {
            task.files.iter().map(|file| TaskFileView {
                task_id: task.task.as_str(),
                index: task.item,
                file: FileView::new(file),
            })
        });
        Self {
            execution_id: detail.row.id.to_string(),
            files: files.collect(),
        }
    }
}

/// `execution cleanup`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CleanupView {
    /// Whether nothing was removed, and only counted.
    pub(crate) dry_run: bool,
    /// Executions that were removed, or would be.
    pub(crate) deleted_executions: u64,
    /// Their log entries.
    pub(crate) deleted_logs: u64,
    /// Files that no other execution has.
    pub(crate) deleted_files: u64,
    /// Their size in bytes.
    pub(crate) deleted_file_bytes: u64,
    /// Bytes that the database's file is smaller by.
    pub(crate) freed_bytes: u64,
    /// Bytes in it that are free, and not given back.
    pub(crate) unused_bytes: u64,
    /// What ended before this time is removed.
    #[schemars(with = "Time")]
    pub(crate) cutoff: Timestamp,
    /// Only executions in these states; empty: in any that is an end.
    #[schemars(with = "Vec<StateOfExecution>")]
    pub(crate) states: Vec<ExecutionState>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptView<'a> {
    /// Its number, from 1.
    attempt: u32,
    /// When it began.
    #[schemars(with = "Time")]
    started_at: Timestamp,
    /// When it ended.
    #[schemars(with = "Option<Time>")]
    ended_at: Option<Timestamp>,
    /// From its start to its end, in milliseconds; null before its end.
    duration: Option<u64>,
    /// Why it failed; null where it did not.
    error: Option<ErrorView<'a>>,
    /// What it used; null where nobody could measure it.
    usage: Option<UsageView>,
    /// The BLAKE3 digest of the component that ran.
    plugin_digest: Option<&'a str>,
}

impl<'a> AttemptView<'a> {
    fn new(row: &'a AttemptRow) -> Self {
        Self {
            attempt: row.attempt,
            started_at: row.started_at,
            ended_at: row.ended_at,
            duration: row.ended_at.map(|ended| millis(ended.since(row.started_at))),
            error: row.error.as_ref().map(|error| ErrorView {
                code: &error.code,
                message: &error.message,
                retryable: error.retryable,
                details: error.details.as_ref(),
            }),
            usage: row.usage.as_ref().map(|usage| UsageView {
                fuel: usage.fuel,
                peak_memory: usage.peak_memory,
                cpu_ms: usage.cpu_ms,
                log_bytes: usage.log_bytes,
                bytes_in: usage.bytes_in,
                bytes_out: usage.bytes_out,
            }),
            plugin_digest: row.digest.as_deref(),
        }
    }
}

#[derive(JsonSchema, Serialize)]
struct ErrorView<'a> {
    /// The code of the plugin, or a reason code.
    #[schemars(with = "String")]
    code: &'a Masked,
    /// What happened, for people.
    #[schemars(with = "String")]
    message: &'a Masked,
    /// Whether another attempt may go well.
    retryable: bool,
    /// What the plugin said beside it.
    #[schemars(with = "Option<Value>")]
    details: Option<&'a MaskedJson>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageView {
    /// Instructions, roughly; null where they were not counted.
    fuel: Option<u64>,
    /// The most memory, in bytes.
    peak_memory: u64,
    /// Time of the processor, in milliseconds.
    cpu_ms: f64,
    /// Bytes of log.
    log_bytes: u64,
    /// Bytes that came over the network.
    bytes_in: u64,
    /// Bytes that went over the network.
    bytes_out: u64,
}

/// One entry of `execution logs`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogView<'a> {
    /// The execution; null for an entry of the system itself.
    execution_id: Option<String>,
    /// The task; null for an entry of the execution as a whole.
    task_id: Option<&'a str>,
    /// The attempt of the task.
    attempt: Option<u32>,
    /// When it was written.
    #[schemars(with = "Time")]
    timestamp: Timestamp,
    /// How bad it is.
    #[schemars(with = "Level")]
    level: &'static str,
    /// Who wrote it: `scheduler`, `worker`, `system` or `plugin:EXECUTION/TASK`.
    source: &'a str,
    /// The message, secrets masked.
    #[schemars(with = "String")]
    message: &'a Masked,
    #[schemars(
        with = "Map<String, Value>",
        description = "More, for machines: `stream`, `plugin`, `action`, `duration`, and what a plugin adds."
    )]
    metadata: Value,
}

impl<'a> LogView<'a> {
    pub(crate) fn new(row: &'a LogRow) -> Self {
        Self {
            execution_id: row.execution.map(|id| id.to_string()),
            task_id: row.task.as_deref(),
            attempt: row.attempt,
            timestamp: row.at,
            level: row.level.as_str(),
            source: &row.source,
            message: &row.message,
            // Always an object, so that `.metadata.duration` of a script finds null, not an error.
            metadata: row
                .metadata
                .as_ref()
                .map_or_else(|| Value::Object(serde_json::Map::new()), |found| found.value().clone()),
        }
    }
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditView<'a> {
    /// Its number in the trail of its execution.
    sequence: i64,
    /// When it happened.
    #[schemars(with = "Time")]
    timestamp: Timestamp,
    /// What happened: `CREATED`, `STARTED`, `STATE_CHANGE`, …
    #[serde(rename = "type")]
    kind: &'a str,
    /// The task that it is about.
    task_id: Option<&'a str>,
    /// What belongs to it, by its type.
    #[schemars(with = "Map<String, Value>")]
    metadata: &'a MaskedJson,
    /// The hash of the event before it.
    previous_hash: &'a str,
    /// Its own hash.
    hash: &'a str,
}

impl<'a> AuditView<'a> {
    pub(crate) fn new(row: &'a AuditEventRow) -> Self {
        Self {
            sequence: row.sequence,
            timestamp: row.at,
            kind: &row.kind,
            task_id: row.task.as_deref(),
            metadata: &row.metadata,
            previous_hash: &row.previous_hash,
            hash: &row.hash,
        }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
