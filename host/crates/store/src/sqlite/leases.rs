//! Who drives an execution, and who may begin.

use std::path::Path;

use autokestra_model::{ExecutionId, ExecutionState, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::StoreError;
use crate::lease::{Lease, OwnerRow};
use crate::sqlite::connection::sqlite_error;
use crate::sqlite::owner::{self, Owner};

/// What came of asking for an execution.
#[derive(Debug)]
pub(super) enum Acquired {
    Yes(Lease),
    NotFound,
    Ended(ExecutionState),
    Owned(OwnerRow),
}

/// Takes an execution over, if nobody who lives drives it.
pub(super) fn acquire(
    connection: &Connection,
    path: &Path,
    owner: &Owner,
    id: ExecutionId,
    now: Timestamp,
) -> Result<Acquired, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let sql = "SELECT key, state, fence, owner FROM executions WHERE id = ?1";
    let found: Option<(i64, String, i64, Option<String>)> = connection
        .query_row(sql, [id.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()
        .map_err(sqlite)?;
    let Some((key, state, fence, by)) = found else {
        return Ok(Acquired::NotFound);
    };
    let state: ExecutionState = state
        .parse()
        .map_err(|error: autokestra_model::IdError| StoreError::Row {
            table: "executions",
            reason: error.to_string(),
        })?;
    if state.is_terminal() {
        return Ok(Acquired::Ended(state));
    }
    if let Some(by) = by
        && let Some(living) = living(connection, path, &by, now)?
    {
        return Ok(Acquired::Owned(living));
    }
    let fence = fence + 1;
    let sql = "UPDATE executions SET owner = ?2, fence = ?3 WHERE key = ?1";
    connection.execute(sql, params![key, owner.id, fence]).map_err(sqlite)?;
    Ok(Acquired::Yes(Lease {
        execution: id,
        key,
        fence,
    }))
}

/// An owner, if it lives: its lease has not ended, and its lock is held.
pub(super) fn living(
    connection: &Connection,
    path: &Path,
    id: &str,
    now: Timestamp,
) -> Result<Option<OwnerRow>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let sql = "SELECT host, process, expires_at FROM owners WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(sqlite)?;
    let found: Option<OwnerRow> = statement
        .query_row([id], |row| {
            Ok(OwnerRow {
                host: row.get(0)?,
                process: row.get(1)?,
                expires_at: Timestamp::from_millis(row.get(2)?),
            })
        })
        .optional()
        .map_err(sqlite)?;
    Ok(found.filter(|owner| owner.expires_at > now && !owner::is_gone(path, id)))
}

/// Executions of the same workflow that take a slot before this one: those that run, and those that wait and are older.
/// What nobody living drives takes none, so a dead process holds no slot.
pub(super) fn before(
    connection: &Connection,
    path: &Path,
    lease: &Lease,
    now: Timestamp,
) -> Result<Vec<ExecutionId>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let sql = "SELECT e.id, e.owner FROM executions e JOIN executions me ON me.key = ?1 \
               WHERE e.workflow = me.workflow AND e.key <> me.key AND e.ended_at IS NULL \
               AND (e.state IN ('RUNNING', 'WAITING') OR e.id < me.id) ORDER BY e.id";
    let mut statement = connection.prepare_cached(sql).map_err(sqlite)?;
    let rows = statement.query_map([lease.key], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
    });
    let rows: Vec<(String, Option<String>)> = rows.map_err(sqlite)?.collect::<Result<_, _>>().map_err(sqlite)?;
    let mut found = Vec::new();
    for (id, owner) in rows {
        let lives = match owner {
            Some(owner) => living(connection, path, &owner, now)?.is_some(),
            None => false,
        };
        if lives && let Ok(id) = id.parse() {
            found.push(id);
        }
    }
    Ok(found)
}

/// Executions that have not ended and that nobody living drives, oldest first. Those that another one started are that one's.
pub(super) fn orphans(connection: &Connection, path: &Path, now: Timestamp) -> Result<Vec<ExecutionId>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let sql = "SELECT id, owner FROM executions WHERE ended_at IS NULL AND parent IS NULL ORDER BY id";
    let mut statement = connection.prepare_cached(sql).map_err(sqlite)?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
    });
    let mut found = Vec::new();
    for row in rows.map_err(sqlite)? {
        let (id, owner) = row.map_err(sqlite)?;
        let lives = match owner {
            Some(owner) => living(connection, path, &owner, now)?.is_some(),
            None => false,
        };
        if !lives && let Ok(id) = id.parse() {
            found.push(id);
        }
    }
    Ok(found)
}

/// Who asked for the end of which of an owner's executions.
pub(super) fn cancel_requests(
    connection: &Connection,
    path: &Path,
    owner: &str,
) -> Result<Vec<(ExecutionId, autokestra_secrets::Masked)>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let sql = "SELECT id, cancel_by FROM executions WHERE owner = ?1 AND ended_at IS NULL AND cancel_by IS NOT NULL";
    let mut statement = connection.prepare_cached(sql).map_err(sqlite)?;
    let rows = statement.query_map([owner], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let mut found = Vec::new();
    for row in rows.map_err(sqlite)? {
        let (id, actor) = row.map_err(sqlite)?;
        if let Ok(id) = id.parse() {
            found.push((id, autokestra_secrets::Masked::from_store(actor)));
        }
    }
    Ok(found)
}
