//! Rows back into values.

use std::str::FromStr;

use autokestra_model::{Digest, ExecutionId, Timestamp};
use autokestra_secrets::{Masked, MaskedJson, SealedJson};
use rusqlite::Row;
use rusqlite::types::Type;
use serde_json::Value;

use crate::change::{AttemptErrorRow, LogLevel, ParentLink, RunKey, Usage, WorkflowSource};
use crate::lease::OwnerRow;
use crate::row::{AttemptRow, AuditEventRow, ChildRow, ExecutionDetail, ExecutionRow, FileRow, LogRow, TaskRunRow};

type Decoded<T> = rusqlite::Result<T>;

fn wrong(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(row: &Row<'_>, column: usize) -> Decoded<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error| wrong(column, error))
}

fn parsed_option<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: usize,
) -> Decoded<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|error| wrong(column, error)))
        .transpose()
}

fn json(row: &Row<'_>, column: usize) -> Decoded<Option<MaskedJson>> {
    let text: Option<String> = row.get(column)?;
    let value = text.map(|text| serde_json::from_str::<Value>(&text).map_err(|error| wrong(column, error)));
    Ok(value.transpose()?.map(MaskedJson::from_store))
}

fn masked(row: &Row<'_>, column: usize) -> Decoded<Option<Masked>> {
    Ok(row.get::<_, Option<String>>(column)?.map(Masked::from_store))
}

fn time(row: &Row<'_>, column: usize) -> Decoded<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

fn number(row: &Row<'_>, column: usize) -> Decoded<Option<u64>> {
    Ok(row
        .get::<_, Option<i64>>(column)?
        .and_then(|value| u64::try_from(value).ok()))
}

fn hex(row: &Row<'_>, column: usize) -> Decoded<Option<String>> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    Ok(bytes.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// The columns of [`execution`].
macro_rules! execution_columns {
    () => {
        "id, workflow, state, reason, message, trigger, created_at, started_at, ended_at"
    };
}
pub(super) use execution_columns;

pub(super) fn execution(row: &Row<'_>) -> Decoded<ExecutionRow> {
    Ok(ExecutionRow {
        id: parsed(row, 0)?,
        workflow: row.get(1)?,
        state: parsed(row, 2)?,
        reason: parsed_option(row, 3)?,
        message: masked(row, 4)?,
        trigger: row.get(5)?,
        created_at: Timestamp::from_millis(row.get(6)?),
        started_at: time(row, 7)?,
        ended_at: time(row, 8)?,
    })
}

fn sealed(row: &Row<'_>, column: usize) -> Decoded<Option<SealedJson>> {
    let text: Option<String> = row.get(column)?;
    let value = text.map(|text| serde_json::from_str::<Value>(&text).map_err(|error| wrong(column, error)));
    Ok(value.transpose()?.map(SealedJson::from_store))
}

/// Reads one sealed value.
pub(super) fn only_sealed(row: &Row<'_>) -> Decoded<SealedJson> {
    Ok(sealed(row, 0)?.unwrap_or(SealedJson::from_store(Value::Null)))
}

/// Reads one execution's id.
pub(super) fn id(row: &Row<'_>) -> Decoded<ExecutionId> {
    parsed(row, 0)
}

/// The element of a task run; -1 stands for none.
fn item(row: &Row<'_>, column: usize) -> Decoded<Option<u32>> {
    Ok(row
        .get::<_, Option<i64>>(column)?
        .and_then(|item| u32::try_from(item).ok()))
}

/// Reads `host, process, expires_at`.
pub(super) fn owner(row: &Row<'_>) -> Decoded<OwnerRow> {
    Ok(OwnerRow {
        host: row.get(0)?,
        process: row.get(1)?,
        expires_at: Timestamp::from_millis(row.get(2)?),
    })
}

/// Reads `id, parent_position, parent_item, state`.
pub(super) fn child(row: &Row<'_>) -> Decoded<ChildRow> {
    Ok(ChildRow {
        execution: parsed(row, 0)?,
        position: number(row, 1)?.unwrap_or_default(),
        item: item(row, 2)?,
        state: parsed(row, 3)?,
    })
}

/// Reads `position, item, name, digest, size`.
pub(super) fn file(row: &Row<'_>) -> Decoded<((u64, Option<u32>), FileRow)> {
    let digest: [u8; 32] = row.get(3)?;
    let file = FileRow {
        name: row.get(2)?,
        digest: Digest::from_bytes(digest),
        size: number(row, 4)?.unwrap_or_default(),
    };
    Ok(((number(row, 0)?.unwrap_or_default(), item(row, 1)?), file))
}

/// Behind the columns of [`execution`]: `inputs, outputs, key, source_name, text, base, owner, cancel_by, parent,
/// parent_position, parent_item, parent_task, retry_of`.
pub(super) fn detail(row: &Row<'_>) -> Decoded<ExecutionDetail> {
    let sealed_inputs = sealed(row, 9)?.unwrap_or(SealedJson::from_store(Value::Null));
    let texts: (Option<String>, Option<SealedJson>, Option<String>) = (row.get(12)?, sealed(row, 13)?, row.get(14)?);
    let source = match texts {
        (Some(name), Some(text), Some(base)) => Some(WorkflowSource { name, text, base }),
        _ => None,
    };
    let parent: Option<ExecutionId> = parsed_option(row, 17)?;
    let parent = match parent {
        Some(execution) => Some(ParentLink {
            execution,
            run: RunKey {
                position: row.get(18)?,
                item: item(row, 19)?,
                task: parsed(row, 20)?,
            },
        }),
        None => None,
    };
    Ok(ExecutionDetail {
        row: execution(row)?,
        inputs: sealed_inputs.masked(),
        sealed_inputs,
        outputs: json(row, 10)?,
        source,
        owner: None,
        cancel_requested_by: masked(row, 16)?,
        parent,
        children: Vec::new(),
        retry_of: parsed_option(row, 21)?,
        retried_by: Vec::new(),
        tasks: Vec::new(),
    })
}

/// Reads `task, position, action, state, reason, message, needs, inputs, output, started_at, ended_at, item, due_at`.
pub(super) fn task_run(row: &Row<'_>) -> Decoded<TaskRunRow> {
    let needs: String = row.get(6)?;
    let sealed_output = sealed(row, 8)?;
    Ok(TaskRunRow {
        task: parsed(row, 0)?,
        position: number(row, 1)?.unwrap_or_default(),
        item: item(row, 11)?,
        action: row.get(2)?,
        state: parsed(row, 3)?,
        reason: parsed_option(row, 4)?,
        message: masked(row, 5)?,
        needs: serde_json::from_str(&needs).map_err(|error| wrong(6, error))?,
        inputs: json(row, 7)?,
        output: sealed_output.as_ref().map(SealedJson::masked),
        sealed_output,
        due_at: time(row, 12)?,
        files: Vec::new(),
        started_at: time(row, 9)?,
        ended_at: time(row, 10)?,
        attempts: Vec::new(),
    })
}

/// Reads `position, attempt, started_at, ended_at, digest, error_code, error_message, error_retryable, error_details, fuel,
/// peak_memory, cpu_ms, log_bytes, bytes_in, bytes_out, item`; the place comes first.
pub(super) fn attempt(row: &Row<'_>) -> Decoded<((u64, Option<u32>), AttemptRow)> {
    let ended_at = time(row, 3)?;
    let error = match (masked(row, 5)?, masked(row, 6)?) {
        (Some(code), Some(message)) => Some(AttemptErrorRow {
            code,
            message,
            retryable: row.get(7)?,
            details: json(row, 8)?,
        }),
        _ => None,
    };
    let usage = Usage {
        fuel: number(row, 9)?,
        peak_memory: number(row, 10)?.unwrap_or_default(),
        cpu_ms: row.get::<_, Option<f64>>(11)?.unwrap_or_default(),
        log_bytes: number(row, 12)?.unwrap_or_default(),
        bytes_in: number(row, 13)?.unwrap_or_default(),
        bytes_out: number(row, 14)?.unwrap_or_default(),
    };
    let place = (number(row, 0)?.unwrap_or_default(), item(row, 15)?);
    let decoded = AttemptRow {
        attempt: row.get(1)?,
        started_at: Timestamp::from_millis(row.get(2)?),
        ended_at,
        error,
        usage: ended_at.map(|_| usage),
        digest: hex(row, 4)?,
    };
    Ok((place, decoded))
}

/// The columns of [`log`].
macro_rules! log_columns {
    () => {
        "key, execution, task, attempt, at, level, source, message, metadata"
    };
}
pub(super) use log_columns;

/// Reads [`log_columns`]; whose id its execution's key stands for is known already.
pub(super) fn log(row: &Row<'_>, execution: Option<ExecutionId>) -> Decoded<LogRow> {
    let task: Option<String> = row.get(2)?;
    let source = match row.get::<_, i64>(6)? {
        0 => "scheduler".to_owned(),
        1 => "worker".to_owned(),
        3 => match (&execution, &task) {
            (Some(execution), Some(task)) => format!("plugin:{execution}/{task}"),
            _ => "plugin:".to_owned(),
        },
        _ => "system".to_owned(),
    };
    Ok(LogRow {
        execution,
        task,
        attempt: row.get(3)?,
        at: Timestamp::from_millis(row.get(4)?),
        level: LogLevel::from_number(row.get(5)?),
        source,
        message: masked(row, 7)?.unwrap_or_default(),
        metadata: json(row, 8)?,
    })
}

/// Reads `sequence, task, at, type, metadata, previous_hash, hash, execution`.
pub(super) fn audit_event(row: &Row<'_>) -> Decoded<AuditEventRow> {
    Ok(AuditEventRow {
        sequence: row.get(0)?,
        task: row.get(1)?,
        at: Timestamp::from_millis(row.get(2)?),
        kind: row.get(3)?,
        metadata: json(row, 4)?.unwrap_or(MaskedJson::from_store(Value::Null)),
        previous_hash: hex(row, 5)?.unwrap_or_default(),
        hash: hex(row, 6)?.unwrap_or_default(),
        execution: row.get(7)?,
    })
}
