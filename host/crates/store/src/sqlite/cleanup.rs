//! Removes executions that ended long ago, a few rows at a time, so that who writes meanwhile waits for little.

use std::path::Path;
use std::time::Duration;

use autokestra_model::{Digest, ExecutionState, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use tokio::time::Instant;

use crate::error::StoreError;
use crate::filter::CleanupFilter;
use crate::row::Removed;
use crate::sqlite::connection::sqlite_error;

/// Rows of one transaction at most.
const ROWS_MAX: usize = 2000;

/// Rows that are removed before the clock is asked.
const ROWS_AT_A_TIME: usize = 100;

/// After so long a transaction takes no more rows: whoever wants to write beside it waits for little more than that.
const TIME_MAX: Duration = Duration::from_millis(5);

/// The mark that keeps the highest key that a log entry ever had.
const HIGHEST_LOG: &str = "logs";

/// What belongs to an execution and has rows of its own, with the columns that tell them apart.
const PARTS: [(&str, &str); 4] = [
    ("logs", "key"),
    ("files", "execution, position, item, name"),
    ("attempts", "execution, position, item, attempt"),
    ("task_runs", "execution, position, item"),
];

/// Those that a filter takes. One stays as long as another that has not ended may ask for it: that which started it, was
/// started by it, or retries it.
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
        "e.ended_at < ? AND +e.state IN ({marks}) \
         AND NOT EXISTS (SELECT 1 FROM executions AS above WHERE above.id = e.parent AND above.ended_at IS NULL) \
         AND NOT EXISTS (SELECT 1 FROM executions AS below WHERE below.parent = e.id AND below.ended_at IS NULL) \
         AND NOT EXISTS (SELECT 1 FROM executions AS again WHERE again.retry_of = e.id AND again.ended_at IS NULL)"
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
        logs += one("SELECT count(*) FROM logs WHERE execution IS NULL AND at < ?", &values)?;
    }
    Ok(Removed {
        executions,
        logs,
        more: false,
    })
}

/// Whether there is anything to remove.
pub(super) fn is_removable(connection: &Connection, path: &Path, filter: &CleanupFilter) -> Result<bool, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let (condition, values) = condition(filter);
    let sql = format!("SELECT EXISTS (SELECT 1 FROM executions AS e WHERE {condition})");
    let executions: bool = connection
        .query_row(&sql, params_from_iter(&values), |row| row.get(0))
        .map_err(sqlite)?;
    if executions || !filter.states.is_empty() {
        return Ok(executions);
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM logs WHERE execution IS NULL AND at < ?1)";
    let before = filter.ended_before.as_millis();
    connection.query_row(sql, [before], |row| row.get(0)).map_err(sqlite)
}

/// Takes a mark until a time, unless it is taken.
pub(super) fn claim(
    connection: &Connection,
    path: &Path,
    name: &str,
    (now, until): (Timestamp, Timestamp),
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO marks (name, value) VALUES (?1, ?3) \
               ON CONFLICT DO UPDATE SET value = excluded.value WHERE value <= ?2";
    let changed = connection.execute(sql, params![name, now.as_millis(), until.as_millis()]);
    Ok(changed.map_err(|source| sqlite_error(path, source))? > 0)
}

/// Removes some of it, in the transaction that is open.
pub(super) fn remove_some(connection: &Connection, path: &Path, filter: &CleanupFilter) -> Result<Removed, StoreError> {
    let mut removal = Removal {
        connection,
        path,
        removed: Removed::default(),
        left: ROWS_MAX,
        begun: Instant::now(),
    };
    let newest = removal.newest_log()?;
    removal.executions(filter)?;
    if removal.goes_on() && filter.states.is_empty() {
        removal.logs_of_none(filter)?;
    }
    removal.removed.more = !removal.goes_on();
    if removal.removed.logs > 0 && removal.newest_log()? < newest {
        let sql = "INSERT INTO marks (name, value) VALUES (?1, ?2) \
                   ON CONFLICT DO UPDATE SET value = max(value, excluded.value)";
        removal.execute(sql, params![HIGHEST_LOG, newest])?;
    }
    Ok(removal.removed)
}

/// One transaction's share of a removal.
struct Removal<'a> {
    connection: &'a Connection,
    path: &'a Path,
    removed: Removed,
    left: usize,
    begun: Instant,
}

impl Removal<'_> {
    fn sqlite(&self, source: rusqlite::Error) -> StoreError {
        sqlite_error(self.path, source)
    }

    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
        let done = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params));
        done.map_err(|source| self.sqlite(source))
    }

    fn goes_on(&self) -> bool {
        self.left > 0 && self.begun.elapsed() < TIME_MAX
    }

    fn newest_log(&self) -> Result<i64, StoreError> {
        let sql = "SELECT ifnull(max(key), 0) FROM logs";
        let key = self.connection.query_row(sql, [], |row| row.get(0));
        key.map_err(|source| self.sqlite(source))
    }

    fn executions(&mut self, filter: &CleanupFilter) -> Result<(), StoreError> {
        let (condition, values) = condition(filter);
        let sql = format!(
            "SELECT e.key, e.source FROM executions AS e INDEXED BY executions_by_end WHERE {condition} \
             ORDER BY e.ended_at LIMIT 100"
        );
        while self.goes_on() {
            // Several at a time: those before them that stay are passed over once, not once for each.
            let found: Vec<(i64, Option<i64>)> = self
                .connection
                .prepare_cached(&sql)
                .and_then(|mut statement| {
                    let rows = statement.query_map(params_from_iter(&values), |row| Ok((row.get(0)?, row.get(1)?)))?;
                    rows.collect()
                })
                .map_err(|source| self.sqlite(source))?;
            if found.is_empty() {
                return Ok(());
            }
            // However long the search took, something is removed: the next transaction searches anew.
            self.begun = Instant::now();
            for (key, source) in found {
                if !self.execution(key, source)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Removes one. Says whether all of it is gone, and another may follow.
    fn execution(&mut self, key: i64, source: Option<i64>) -> Result<bool, StoreError> {
        for (table, columns) in PARTS {
            if !self.part(table, columns, key)? {
                return Ok(false);
            }
        }
        self.execute("DELETE FROM executions WHERE key = ?1", [key])?;
        let sql = "DELETE FROM workflow_sources WHERE key = ?1 \
                   AND NOT EXISTS (SELECT 1 FROM executions WHERE source = workflow_sources.key)";
        self.execute(sql, [source])?;
        self.removed.executions += 1;
        self.left = self.left.saturating_sub(1);
        Ok(self.goes_on())
    }

    /// Removes the rows of an execution in one table. Says whether all of them are gone.
    fn part(&mut self, table: &str, columns: &str, key: i64) -> Result<bool, StoreError> {
        let sql = format!(
            "DELETE FROM {table} WHERE ({columns}) IN (SELECT {columns} FROM {table} WHERE execution = ?1 LIMIT ?2)"
        );
        while self.goes_on() {
            let rows = ROWS_AT_A_TIME.min(self.left);
            let deleted = self.execute(&sql, params![key, i64::try_from(rows).unwrap_or(i64::MAX)])?;
            if table == "logs" {
                self.removed.logs += deleted as u64;
            }
            self.left -= deleted.min(self.left);
            if deleted < rows {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn logs_of_none(&mut self, filter: &CleanupFilter) -> Result<(), StoreError> {
        let sql = "DELETE FROM logs WHERE key IN (SELECT key FROM logs WHERE at < ?1 AND execution IS NULL LIMIT ?2)";
        while self.goes_on() {
            let rows = ROWS_AT_A_TIME.min(self.left);
            let before = filter.ended_before.as_millis();
            let deleted = self.execute(sql, params![before, i64::try_from(rows).unwrap_or(i64::MAX)])?;
            self.removed.logs += deleted as u64;
            self.left -= deleted.min(self.left);
            if deleted < rows {
                return Ok(());
            }
        }
        Ok(())
    }
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
