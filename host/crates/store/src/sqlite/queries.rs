//! What is asked of a database that others may be writing.

use std::collections::HashMap;
use std::path::Path;

use autokestra_model::{ExecutionId, PluginName, WorkflowId};
use autokestra_secrets::SealedJson;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use crate::error::{FindError, StoreError};
use crate::filter::{ExecutionFilter, ExecutionRef};
use crate::row::{AuditEventRow, ExecutionDetail, ExecutionPage};
use crate::sqlite::connection::sqlite_error;
use crate::sqlite::decode::{self, execution_columns};

/// Executions that an ambiguous beginning is shown to fit.
const CANDIDATES_SHOWN: usize = 5;

/// Conditions joined by AND, with their values: the one place where SQL is put together, from literals only.
#[derive(Default)]
pub(super) struct Where {
    pub(super) sql: String,
    pub(super) values: Vec<SqlValue>,
}

impl Where {
    pub(super) fn and(&mut self, condition: &'static str, values: impl IntoIterator<Item = SqlValue>) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    /// `column IN (?, ?, …)`; an empty list is no condition.
    pub(super) fn one_of(&mut self, column: &'static str, values: Vec<SqlValue>) {
        if values.is_empty() {
            return;
        }
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(column);
        self.sql.push_str(" IN (");
        self.sql.push_str(&vec!["?"; values.len()].join(", "));
        self.sql.push(')');
        self.values.extend(values);
    }
}

pub(super) fn text(value: &(impl ToString + ?Sized)) -> SqlValue {
    SqlValue::Text(value.to_string())
}

pub(super) fn count(value: u64) -> SqlValue {
    SqlValue::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// The execution that a person means.
pub(super) fn find(connection: &Connection, path: &Path, reference: &ExecutionRef) -> Result<ExecutionId, FindError> {
    let sqlite = |source| sqlite_error(path, source);
    let ids = |sql: &str, values: &[&str]| -> Result<Vec<String>, StoreError> {
        let mut statement = connection.prepare_cached(sql).map_err(sqlite)?;
        let rows = statement
            .query_map(params_from_iter(values), |row| row.get(0))
            .map_err(sqlite)?;
        rows.collect::<Result<_, _>>().map_err(sqlite)
    };
    let found = match reference {
        ExecutionRef::Last => ids("SELECT id FROM executions ORDER BY id DESC LIMIT 1", &[])?,
        ExecutionRef::Prefix(prefix) => {
            let end = format!("{prefix}~");
            ids(
                "SELECT id FROM executions WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 6",
                &[prefix, &end],
            )?
        }
    };
    one_of(&found, reference)
}

/// The one that was found, or what is wrong with none or several.
fn one_of(found: &[String], reference: &ExecutionRef) -> Result<ExecutionId, FindError> {
    match (found, reference) {
        ([id], _) => id.parse().map_err(|error: autokestra_model::IdError| {
            StoreError::Row {
                table: "executions",
                reason: error.to_string(),
            }
            .into()
        }),
        ([], ExecutionRef::Last) => Err(FindError::Empty),
        ([], ExecutionRef::Prefix(prefix)) => Err(FindError::NotFound {
            reference: prefix.clone(),
        }),
        (several, _) => Err(FindError::Ambiguous {
            reference: reference.to_string(),
            candidates: several.iter().take(CANDIDATES_SHOWN).cloned().collect(),
        }),
    }
}

/// The execution that a person means, where it may be one of which only the audit trail is left.
pub(super) fn find_audited(
    connection: &Connection,
    path: &Path,
    reference: &ExecutionRef,
) -> Result<ExecutionId, FindError> {
    match find(connection, path, reference) {
        Err(FindError::NotFound { .. } | FindError::Empty) => {}
        found => return found,
    }
    match reference {
        ExecutionRef::Last => {
            let sql = "SELECT execution FROM audit_events ORDER BY execution DESC LIMIT 1";
            one_of(&all(connection, path, sql, [], |row| row.get(0))?, reference)
        }
        ExecutionRef::Prefix(prefix) => {
            let sql = "SELECT DISTINCT execution FROM audit_events WHERE execution >= ?1 AND execution < ?2 \
                       ORDER BY execution LIMIT 6";
            let end = format!("{prefix}~");
            one_of(
                &all(connection, path, sql, [prefix, &end], |row| row.get(0))?,
                reference,
            )
        }
    }
}

/// A page of executions, newest first.
pub(super) fn list(
    connection: &Connection,
    path: &Path,
    filter: &ExecutionFilter,
) -> Result<ExecutionPage, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let mut conditions = Where::default();
    if let Some(workflow) = &filter.workflow {
        conditions.and("workflow = ?", [text(workflow)]);
    }
    conditions.one_of("state", filter.states.iter().map(text).collect());
    let sql = format!("SELECT COUNT(*) FROM executions{}", conditions.sql);
    let total: i64 = connection
        .query_row(&sql, params_from_iter(&conditions.values), |row| row.get(0))
        .map_err(sqlite)?;
    let columns = execution_columns!();
    let sql = format!(
        "SELECT {columns} FROM executions{} ORDER BY id DESC LIMIT ? OFFSET ?",
        conditions.sql
    );
    conditions.values.extend([count(filter.limit), count(filter.offset)]);
    let mut statement = connection.prepare(&sql).map_err(sqlite)?;
    let rows = statement
        .query_map(params_from_iter(&conditions.values), decode::execution)
        .map_err(sqlite)?;
    let executions = rows.collect::<Result<_, _>>().map_err(sqlite)?;
    Ok(ExecutionPage {
        executions,
        total: u64::try_from(total).unwrap_or_default(),
    })
}

/// One execution with its tasks and their attempts.
pub(super) fn detail(
    connection: &Connection,
    path: &Path,
    id: ExecutionId,
) -> Result<Option<ExecutionDetail>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    // One snapshot: a task that ends meanwhile is seen in all its rows or in none.
    let snapshot = connection.unchecked_transaction().map_err(sqlite)?;
    let sql = concat!(
        "SELECT ",
        execution_columns!(),
        ", inputs, outputs, key, source_name, (SELECT text FROM workflow_sources s WHERE s.key = executions.source), base, \
         owner, cancel_by, parent, parent_position, parent_item, parent_task, retry_of FROM executions WHERE id = ?1"
    );
    let found = snapshot.query_row(sql, [id.to_string()], |row| {
        Ok((
            decode::detail(row)?,
            row.get::<_, i64>(11)?,
            row.get::<_, Option<String>>(15)?,
        ))
    });
    let Some((mut detail, key, owner)) = found.optional().map_err(sqlite)? else {
        return Ok(None);
    };
    if let Some(owner) = owner
        && !detail.row.state.is_terminal()
    {
        let sql = "SELECT host, process, expires_at FROM owners WHERE id = ?1";
        let owner = snapshot.query_row(sql, [owner], decode::owner).optional();
        detail.owner = owner.map_err(sqlite)?;
    }
    let sql = "SELECT id, parent_position, parent_item, state FROM executions WHERE parent = ?1 ORDER BY id";
    detail.children = all(&snapshot, path, sql, [id.to_string()], decode::child)?;
    let sql = "SELECT id FROM executions WHERE retry_of = ?1 ORDER BY id";
    detail.retried_by = all(&snapshot, path, sql, [id.to_string()], decode::id)?;
    let sql = "SELECT task, position, action, state, reason, message, needs, inputs, output, started_at, ended_at, item, due_at \
               FROM task_runs WHERE execution = ?1 ORDER BY position, item";
    detail.tasks = all(&snapshot, path, sql, [key], decode::task_run)?;
    let places: HashMap<(u64, Option<u32>), usize> = detail
        .tasks
        .iter()
        .enumerate()
        .map(|(index, task)| ((task.position, task.item), index))
        .collect();
    let sql = "SELECT position, attempt, started_at, ended_at, digest, error_code, error_message, error_retryable, \
               error_details, fuel, peak_memory, cpu_ms, log_bytes, bytes_in, bytes_out, item \
               FROM attempts WHERE execution = ?1 ORDER BY position, item, attempt";
    for (place, attempt) in all(&snapshot, path, sql, [key], decode::attempt)? {
        if let Some(task) = places.get(&place).and_then(|index| detail.tasks.get_mut(*index)) {
            task.attempts.push(attempt);
        }
    }
    let sql = "SELECT position, item, name, digest, size FROM files WHERE execution = ?1 ORDER BY position, item, name";
    for (place, file) in all(&snapshot, path, sql, [key], decode::file)? {
        if let Some(task) = places.get(&place).and_then(|index| detail.tasks.get_mut(*index)) {
            task.files.push(file);
        }
    }
    Ok(Some(detail))
}

/// All rows of a query.
fn all<T>(
    connection: &Connection,
    path: &Path,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let mut statement = connection.prepare_cached(sql).map_err(sqlite)?;
    let rows = statement.query_map(params, read).map_err(sqlite)?;
    rows.collect::<Result<_, _>>().map_err(sqlite)
}

/// The audit trail of one execution.
pub(super) fn audit_events(
    connection: &Connection,
    path: &Path,
    id: ExecutionId,
) -> Result<Vec<AuditEventRow>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let sql = "SELECT sequence, task, at, type, metadata, previous_hash, hash, execution FROM audit_events \
               WHERE execution = ?1 ORDER BY sequence";
    let mut statement = connection.prepare_cached(sql).map_err(sqlite)?;
    let rows = statement
        .query_map([id.to_string()], decode::audit_event)
        .map_err(sqlite)?;
    rows.collect::<Result<_, _>>().map_err(sqlite)
}

/// A value that a plugin keeps.
pub(super) fn state_value(
    connection: &Connection,
    path: &Path,
    (workflow, plugin, key): (&WorkflowId, &PluginName, &str),
) -> Result<Option<SealedJson>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let sql = "SELECT value FROM plugin_state WHERE workflow = ?1 AND plugin = ?2 AND key = ?3";
    let mut statement = connection.prepare_cached(sql).map_err(sqlite)?;
    statement
        .query_row((workflow.as_str(), plugin.as_str(), key), decode::only_sealed)
        .optional()
        .map_err(sqlite)
}

/// The keys of values that a plugin keeps, from the first that begins with `prefix` to the last, or to the `most`-th.
pub(super) fn state_keys(
    connection: &Connection,
    path: &Path,
    (workflow, plugin): (&WorkflowId, &PluginName),
    (prefix, most): (&str, usize),
) -> Result<Vec<String>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    // Keys are in order of their bytes: those with the prefix stand together.
    let sql = "SELECT key FROM plugin_state WHERE workflow = ?1 AND plugin = ?2 AND key >= ?3 ORDER BY key";
    let mut statement = connection.prepare_cached(sql).map_err(sqlite)?;
    let mut rows = statement
        .query((workflow.as_str(), plugin.as_str(), prefix))
        .map_err(sqlite)?;
    let mut found = Vec::new();
    while found.len() < most
        && let Some(row) = rows.next().map_err(sqlite)?
    {
        let key: String = row.get(0).map_err(sqlite)?;
        if !key.starts_with(prefix) {
            break;
        }
        found.push(key);
    }
    Ok(found)
}
