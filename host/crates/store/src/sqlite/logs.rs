//! Log entries as they are read: a few at a time, and those that come while they are read where a reader follows.

use std::path::Path;
use std::time::Duration;

use autokestra_model::ExecutionId;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use tokio::sync::mpsc;

use crate::error::StoreError;
use crate::filter::{LogFilter, SourceFilter};
use crate::row::LogRow;
use crate::sqlite::connection::sqlite_error;
use crate::sqlite::decode;
use crate::sqlite::queries::{Where, text};

/// How often a reader that follows asks whether anything was committed. The question reads one number of the file's header.
const LOOK_INTERVAL: Duration = Duration::from_millis(40);

type Sender = mpsc::Sender<Result<LogRow, StoreError>>;

/// How far a reader has come.
struct Place {
    /// The key of the last entry that was looked at.
    after: i64,
    skip: u64,
    left: u64,
}

/// Sends log rows, oldest first, until there are no more or nobody takes them. A reader that follows is sent those that come
/// later, until its execution has ended.
pub(super) fn logs(
    connection: &Connection,
    path: &Path,
    filter: &LogFilter,
    sender: &Sender,
) -> Result<(), StoreError> {
    let mut place = Place {
        after: 0,
        skip: filter.offset,
        left: filter.limit.unwrap_or(u64::MAX),
    };
    loop {
        let seen = data_version(connection, path)?;
        // Asked before the entries are read: the last of them share the transaction of the end.
        let ended = !filter.follow || has_ended(connection, path, filter.execution)?;
        send(connection, path, filter, &mut place, sender)?;
        if ended || place.left == 0 {
            return Ok(());
        }
        while data_version(connection, path)? == seen {
            if sender.is_closed() {
                return Ok(());
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }
}

/// Changes with every commit of another connection.
fn data_version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let version = connection.query_row("PRAGMA data_version", [], |row| row.get(0));
    version.map_err(|source| sqlite_error(path, source))
}

fn has_ended(connection: &Connection, path: &Path, execution: Option<ExecutionId>) -> Result<bool, StoreError> {
    let Some(execution) = execution else { return Ok(false) };
    let sql = "SELECT ended_at IS NOT NULL FROM executions WHERE id = ?1";
    let ended = connection
        .query_row(sql, [execution.to_string()], |row| row.get(0))
        .optional();
    // One that was cleaned up meanwhile has nothing more to say.
    Ok(ended.map_err(|source| sqlite_error(path, source))?.unwrap_or(true))
}

fn send(
    connection: &Connection,
    path: &Path,
    filter: &LogFilter,
    place: &mut Place,
    sender: &Sender,
) -> Result<(), StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let Some(mut conditions) = conditions(filter) else {
        return Ok(());
    };
    if place.after > 0 {
        conditions.and("l.key > ?", [SqlValue::Integer(place.after)]);
    }
    let sql = format!(
        "SELECT e.id, l.task, l.attempt, l.at, l.level, l.source, l.message, l.metadata, l.key \
         FROM logs l LEFT JOIN executions e ON e.key = l.execution{} ORDER BY l.key",
        conditions.sql
    );
    let mut statement = connection.prepare(&sql).map_err(sqlite)?;
    let mut rows = statement.query(params_from_iter(&conditions.values)).map_err(sqlite)?;
    while place.left > 0
        && let Some(row) = rows.next().map_err(sqlite)?
    {
        place.after = row.get(8).map_err(sqlite)?;
        // The pattern is held against the text where it lies; what does not match is not decoded.
        if let Some(pattern) = &filter.grep {
            let message = row
                .get_ref(6)
                .and_then(|value| value.as_str().map_err(rusqlite::Error::from))
                .map_err(sqlite)?;
            if !pattern.is_match(message) {
                continue;
            }
        }
        if place.skip > 0 {
            place.skip -= 1;
            continue;
        }
        place.left -= 1;
        let row = decode::log(row).map_err(sqlite)?;
        if sender.blocking_send(Ok(row)).is_err() {
            place.left = 0;
        }
    }
    Ok(())
}

/// The conditions of a filter; none where nothing can fit.
fn conditions(filter: &LogFilter) -> Option<Where> {
    let mut conditions = Where::default();
    if let Some(execution) = filter.execution {
        conditions.and(
            "l.execution = (SELECT key FROM executions WHERE id = ?)",
            [text(&execution)],
        );
    }
    conditions.one_of(
        "l.level",
        filter
            .levels
            .iter()
            .map(|level| SqlValue::Integer(level.number()))
            .collect(),
    );
    if let Some(since) = filter.since {
        conditions.and("l.at >= ?", [SqlValue::Integer(since.as_millis())]);
    }
    if let Some(until) = filter.until {
        conditions.and("l.at < ?", [SqlValue::Integer(until.as_millis())]);
    }
    if let Some(task) = &filter.task {
        conditions.and("l.task = ?", [text(task)]);
    }
    match &filter.source {
        None => {}
        Some(SourceFilter::AnyPlugin) => conditions.and("l.source = 3", []),
        Some(SourceFilter::Exact(source)) => match source.as_str() {
            "scheduler" => conditions.and("l.source = 0", []),
            "worker" => conditions.and("l.source = 1", []),
            "system" => conditions.and("l.source = 2", []),
            other => {
                let (execution, task) = other.strip_prefix("plugin:")?.split_once('/')?;
                conditions.and("l.source = 3", []);
                conditions.and(
                    "l.execution = (SELECT key FROM executions WHERE id = ?)",
                    [text(&execution)],
                );
                conditions.and("l.task = ?", [text(task)]);
            }
        },
    }
    Some(conditions)
}
