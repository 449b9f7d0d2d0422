//! Removes executions that ended long ago, a few rows at a time, so that who writes meanwhile waits for little.

use std::path::Path;

use autokestra_model::{Digest, ExecutionState};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use crate::error::StoreError;
use crate::filter::CleanupFilter;
use crate::row::Removed;
use crate::sqlite::connection::sqlite_error;

/// Rows of one transaction. It keeps a writer beside it waiting for some milliseconds.
const ROWS_MAX: usize = 2000;

/// What belongs to an execution and has rows of its own, with the columns that tell them apart.
const PARTS: [(&str, &str); 4] = [
    ("logs", "key"),
    ("files", "execution, position, item, name"),
    ("attempts", "execution, position, item, attempt"),
    ("task_runs", "execution, position, item"),
];

/// Those that a filter takes. A child stays as long as the execution above it may ask for it.
fn condition(filter: &CleanupFilter) -> (String, Vec<Value>) {
    let states = if filter.states.is_empty() {
        ExecutionState::ALL
            .iter()
            .copied()
            .filter(|state| state.is_terminal())
            .collect()
    } else {
        filter.states.clone()
    };
    let marks = vec!["?"; states.len()].join(", ");
    let sql = format!(
        "e.ended_at < ? AND e.state IN ({marks}) AND NOT EXISTS \
         (SELECT 1 FROM executions AS above WHERE above.id = e.parent AND above.ended_at IS NULL)"
    );
    let mut values = vec![Value::Integer(filter.ended_before.as_millis())];
    values.extend(states.iter().map(|state| Value::Text(state.as_str().to_owned())));
    (sql, values)
}

/// What would be removed.
pub(super) fn count(connection: &Connection, path: &Path, filter: &CleanupFilter) -> Result<Removed, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let (condition, mut values) = condition(filter);
    let one = |sql: &str, values: &[Value]| -> Result<u64, StoreError> {
        let count: i64 = connection
            .query_row(sql, params_from_iter(values), |row| row.get(0))
            .map_err(sqlite)?;
        Ok(u64::try_from(count).unwrap_or_default())
    };
    let executions = one(
        &format!("SELECT count(*) FROM executions AS e WHERE {condition}"),
        &values,
    )?;
    let sql = format!("SELECT count(*) FROM executions AS e JOIN logs ON logs.execution = e.key WHERE {condition}");
    let mut logs = one(&sql, &values)?;
    if filter.states.is_empty() {
        values.truncate(1);
        logs += one("SELECT count(*) FROM logs WHERE at < ? AND execution IS NULL", &values)?;
    }
    Ok(Removed {
        executions,
        logs,
        more: false,
    })
}

/// Removes some of it, in the transaction that is open.
pub(super) fn remove_some(connection: &Connection, path: &Path, filter: &CleanupFilter) -> Result<Removed, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let (condition, values) = condition(filter);
    let sql = format!("SELECT e.key, e.source FROM executions AS e WHERE {condition} ORDER BY e.ended_at LIMIT 1");
    let mut removed = Removed::default();
    let mut left = ROWS_MAX;
    while left > 0 {
        let next: Option<(i64, Option<i64>)> = connection
            .prepare_cached(&sql)
            .and_then(|mut statement| {
                let found = statement.query_row(params_from_iter(&values), |row| Ok((row.get(0)?, row.get(1)?)));
                found.optional()
            })
            .map_err(sqlite)?;
        let Some((key, source)) = next else { break };
        for (table, columns) in PARTS {
            let sql = format!(
                "DELETE FROM {table} WHERE ({columns}) IN (SELECT {columns} FROM {table} WHERE execution = ?1 LIMIT ?2)"
            );
            let rows = i64::try_from(left).unwrap_or(i64::MAX);
            let deleted = connection.execute(&sql, params![key, rows]).map_err(sqlite)?;
            if table == "logs" {
                removed.logs += deleted as u64;
            }
            left -= deleted.min(left);
            if left == 0 {
                removed.more = true;
                return Ok(removed);
            }
        }
        connection
            .execute("DELETE FROM executions WHERE key = ?1", [key])
            .map_err(sqlite)?;
        let sql = "DELETE FROM workflow_sources WHERE key = ?1 \
                   AND NOT EXISTS (SELECT 1 FROM executions WHERE source = workflow_sources.key)";
        connection.execute(sql, [source]).map_err(sqlite)?;
        removed.executions += 1;
        left -= 1;
    }
    if left > 0 && filter.states.is_empty() {
        let sql = "DELETE FROM logs WHERE key IN (SELECT key FROM logs WHERE at < ?1 AND execution IS NULL LIMIT ?2)";
        let rows = i64::try_from(left).unwrap_or(i64::MAX);
        let deleted = connection
            .execute(sql, params![filter.ended_before.as_millis(), rows])
            .map_err(sqlite)?;
        removed.logs += deleted as u64;
        left -= deleted.min(left);
    }
    removed.more = left == 0;
    Ok(removed)
}

/// Those of `digests` that a task run names.
pub(super) fn named(connection: &Connection, path: &Path, digests: &[Digest]) -> Result<Vec<Digest>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let mut statement = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM files WHERE digest = ?1)")
        .map_err(sqlite)?;
    let mut found = Vec::new();
    for digest in digests {
        let bytes = digest.as_bytes().as_slice();
        if statement.query_row([bytes], |row| row.get(0)).map_err(sqlite)? {
            found.push(*digest);
        }
    }
    Ok(found)
}
