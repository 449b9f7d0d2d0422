//! The JSON of the command line: its keys are promises, so these types are not those of the store.

use std::time::Duration;

use autokestra_model::{ExecutionState, ReasonCode, TaskState, Timestamp};
use autokestra_secrets::{Masked, MaskedJson};
use autokestra_store::{
    AttemptRow, AuditEventRow, ExecutionDetail, ExecutionPage, ExecutionRow, FileRow, LogRow, TaskRunRow,
};
use serde::Serialize;
use serde_json::Value;

/// `execution list`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageView<'a> {
    executions: Vec<ExecutionView<'a>>,
    total: u64,
    limit: u64,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecutionView<'a> {
    execution_id: String,
    workflow_id: &'a str,
    state: ExecutionState,
    reason_code: Option<ReasonCode>,
    message: Option<&'a Masked>,
    trigger_type: &'a str,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DetailView<'a> {
    #[serde(flatten)]
    execution: ExecutionView<'a>,
    inputs: &'a MaskedJson,
    outputs: Option<&'a MaskedJson>,
    retry_of: Option<String>,
    retried_by: Vec<String>,
    parent: Option<ParentView<'a>>,
    children: Vec<ChildView>,
    owner: Option<OwnerView<'a>>,
    tasks: Vec<TaskView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<Vec<LogView<'a>>>,
    /// How many there are, where `logs` may hold fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    logs_total: Option<usize>,
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

    pub(crate) fn logs(mut self, logs: impl IntoIterator<Item = &'a LogRow>, total: usize) -> Self {
        self.logs = Some(logs.into_iter().map(LogView::new).collect());
        self.logs_total = Some(total);
        self
    }

    pub(crate) fn audit(mut self, events: &'a [AuditEventRow]) -> Self {
        self.audit_events = Some(events.iter().map(AuditView::new).collect());
        self
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParentView<'a> {
    execution_id: String,
    task_id: &'a str,
    index: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChildView {
    execution_id: String,
    state: ExecutionState,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnerView<'a> {
    host: &'a str,
    process: u32,
    expires_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskView<'a> {
    task_id: &'a str,
    index: Option<u32>,
    #[serde(rename = "type")]
    action: &'a str,
    state: TaskState,
    reason_code: Option<ReasonCode>,
    message: Option<&'a Masked>,
    attempts: Vec<AttemptView<'a>>,
    needs: &'a [String],
    inputs: Option<&'a MaskedJson>,
    output: Option<&'a MaskedJson>,
    files: Vec<FileView<'a>>,
    due_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
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

#[derive(Serialize)]
struct FileView<'a> {
    name: &'a str,
    size: u64,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FilesView<'a> {
    execution_id: String,
    files: Vec<TaskFileView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskFileView<'a> {
    task_id: &'a str,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CleanupView {
    pub(crate) dry_run: bool,
    pub(crate) deleted_executions: u64,
    pub(crate) deleted_logs: u64,
    pub(crate) deleted_files: u64,
    pub(crate) deleted_file_bytes: u64,
    pub(crate) freed_bytes: u64,
    pub(crate) unused_bytes: u64,
    pub(crate) cutoff: Timestamp,
    pub(crate) states: Vec<ExecutionState>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptView<'a> {
    attempt: u32,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    duration: Option<u64>,
    error: Option<ErrorView<'a>>,
    usage: Option<UsageView>,
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

#[derive(Serialize)]
struct ErrorView<'a> {
    code: &'a Masked,
    message: &'a Masked,
    retryable: bool,
    details: Option<&'a MaskedJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageView {
    fuel: Option<u64>,
    peak_memory: u64,
    cpu_ms: f64,
    log_bytes: u64,
    bytes_in: u64,
    bytes_out: u64,
}

/// One entry of `execution logs`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogView<'a> {
    execution_id: Option<String>,
    task_id: Option<&'a str>,
    attempt: Option<u32>,
    timestamp: Timestamp,
    level: &'static str,
    source: &'a str,
    message: &'a Masked,
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuditView<'a> {
    sequence: i64,
    timestamp: Timestamp,
    #[serde(rename = "type")]
    kind: &'a str,
    task_id: Option<&'a str>,
    metadata: &'a MaskedJson,
    previous_hash: &'a str,
    hash: &'a str,
}

impl<'a> AuditView<'a> {
    fn new(row: &'a AuditEventRow) -> Self {
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
