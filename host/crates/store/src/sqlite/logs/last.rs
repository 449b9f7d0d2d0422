//! The newest entries of one execution or one of its tasks: read from the end of each range, not from its beginning.

use std::path::Path;

use autokestra_model::{ExecutionId, TaskId};
use rusqlite::{Connection, params};

use crate::change::LogLevel;
use crate::error::StoreError;
use crate::row::LogRow;
use crate::sqlite::connection::sqlite_error;
use crate::sqlite::decode::{self, log_columns};

use super::fit::{SOURCES, key};

/// Where the newest of one source and level are. `?1` is the execution, `?2` the source, `?3` the level, `?4` the most, `?5` the task, where one is asked for.
const NEWEST: [&str; 2] = [
    "SELECT at, key FROM logs INDEXED BY logs_by_execution WHERE execution = ?1 AND source = ?2 AND level = ?3 \
     AND ?5 IS NULL ORDER BY at DESC, key DESC LIMIT ?4",
    "SELECT at, key FROM logs INDEXED BY logs_by_execution WHERE execution = ?1 AND source = ?2 AND level = ?3 \
     AND task = ?5 ORDER BY at DESC, key DESC LIMIT ?4",
];

const COUNT: [&str; 2] = [
    "SELECT count(*) FROM logs INDEXED BY logs_by_execution WHERE execution = ?1 AND ?2 IS NULL",
    "SELECT count(*) FROM logs INDEXED BY logs_by_execution WHERE execution = ?1 AND task = ?2",
];

/// The newest `limit` entries, oldest first.
pub(in crate::sqlite) fn last_logs(
    connection: &Connection,
    path: &Path,
    id: ExecutionId,
    task: Option<&TaskId>,
    limit: u64,
) -> Result<Vec<LogRow>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let Some(execution) = key(connection, path, id)? else {
        return Ok(Vec::new());
    };
    let task = task.map(TaskId::as_str);
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    // One snapshot: a cleanup between the two questions would leave places without entries.
    let snapshot = connection.unchecked_transaction().map_err(sqlite)?;
    let mut places: Vec<(i64, i64)> = Vec::new();
    {
        let mut newest = snapshot
            .prepare_cached(NEWEST[usize::from(task.is_some())])
            .map_err(sqlite)?;
        for source in SOURCES {
            for level in LogLevel::ALL {
                let values = params![execution, source, level.number(), most, task];
                let rows = newest.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)));
                for place in rows.map_err(sqlite)? {
                    places.push(place.map_err(sqlite)?);
                }
            }
        }
    }
    places.sort_unstable();
    let passed_over = places
        .len()
        .saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    let sql = concat!("SELECT ", log_columns!(), " FROM logs WHERE key = ?1");
    let mut by_key = snapshot.prepare_cached(sql).map_err(sqlite)?;
    let entries = places.iter().skip(passed_over);
    let entries = entries.map(|(_, key)| by_key.query_row([key], |row| decode::log(row, Some(id))));
    entries.collect::<Result<_, _>>().map_err(sqlite)
}

/// How many entries there are.
pub(in crate::sqlite) fn count_logs(
    connection: &Connection,
    path: &Path,
    id: ExecutionId,
    task: Option<&TaskId>,
) -> Result<u64, StoreError> {
    let Some(execution) = key(connection, path, id)? else {
        return Ok(0);
    };
    let task = task.map(TaskId::as_str);
    let counted = connection
        .prepare_cached(COUNT[usize::from(task.is_some())])
        .and_then(|mut statement| statement.query_row(params![execution, task], |row| row.get::<_, i64>(0)));
    Ok(counted.map_err(|source| sqlite_error(path, source))?.unsigned_abs())
}
