//! Writes audit events, each chained to the one before it in its execution.

use std::path::Path;

use autokestra_model::{ExecutionId, TaskId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;

use super::heads::Trail;
use crate::audit::{Covered, Record, chain_hash};
use crate::error::StoreError;
use crate::sqlite::connection::sqlite_error;

/// Appends an event to the chain of `execution`, and notes it for the head of the trail.
pub(in crate::sqlite) fn append(
    (connection, path): (&Connection, &Path),
    trail: &Trail,
    (execution, task): (ExecutionId, Option<&TaskId>),
    at: Timestamp,
    record: &Record,
) -> Result<(), StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let id = execution.to_string();
    let sql = "SELECT hash FROM audit_events WHERE execution = ?1 ORDER BY sequence DESC LIMIT 1";
    let mut last = connection.prepare_cached(sql).map_err(sqlite)?;
    let previous: Option<[u8; 32]> = last.query_row([&id], |row| row.get(0)).optional().map_err(sqlite)?;
    let previous = previous.unwrap_or_default();
    let metadata = Value::Object(record.metadata.clone());
    let task = task.map(TaskId::as_str);
    let hash = chain_hash(
        &previous,
        &Covered {
            execution: &id,
            task,
            at,
            kind: record.kind,
            metadata: &metadata,
        },
    );
    let sql = "INSERT INTO audit_events (execution, task, at, type, metadata, previous_hash, hash) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut insert = connection.prepare_cached(sql).map_err(sqlite)?;
    insert
        .execute((
            &id,
            task,
            at.as_millis(),
            record.kind,
            metadata.to_string(),
            previous,
            hash,
        ))
        .map_err(sqlite)?;
    trail.note(connection.last_insert_rowid(), hash);
    Ok(())
}
