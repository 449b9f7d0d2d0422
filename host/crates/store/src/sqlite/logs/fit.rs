//! A filter, in the words of the table.

use std::path::Path;

use autokestra_model::ExecutionId;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::change::LogLevel;
use crate::error::StoreError;
use crate::filter::{LogFilter, SourceFilter};
use crate::sqlite::connection::sqlite_error;

/// The sources, by their numbers: scheduler, worker, system, plugin.
pub(super) const SOURCES: [i64; 4] = [0, 1, 2, 3];

const PLUGIN: i64 = 3;

/// What an entry must be. All of it holds at once.
pub(super) struct Fit {
    /// Of this execution.
    pub(super) execution: Option<i64>,
    /// Of one of these sources.
    pub(super) sources: Vec<i64>,
    /// Of one of these levels.
    pub(super) levels: Vec<i64>,
    /// Of this task.
    pub(super) task: Option<String>,
    /// Not before.
    pub(super) since: i64,
    /// Before.
    pub(super) until: i64,
}

impl Fit {
    /// None where nothing can fit.
    pub(super) fn new(connection: &Connection, path: &Path, filter: &LogFilter) -> Result<Option<Self>, StoreError> {
        let mut execution = filter.execution;
        let mut task = filter.task.as_ref().map(ToString::to_string);
        let sources = match &filter.source {
            None => SOURCES.to_vec(),
            Some(SourceFilter::AnyPlugin) => vec![PLUGIN],
            Some(SourceFilter::Exact(source)) => match source.as_str() {
                "scheduler" => vec![0],
                "worker" => vec![1],
                "system" => vec![2],
                other => {
                    let named = other.strip_prefix("plugin:").and_then(|named| named.split_once('/'));
                    let Some((named_execution, named_task)) = named else {
                        return Ok(None);
                    };
                    let Ok(named_execution) = named_execution.parse::<ExecutionId>() else {
                        return Ok(None);
                    };
                    if execution.is_some_and(|execution| execution != named_execution)
                        || task.as_ref().is_some_and(|task| task != named_task)
                    {
                        return Ok(None);
                    }
                    execution = Some(named_execution);
                    task = Some(named_task.to_owned());
                    vec![PLUGIN]
                }
            },
        };
        let execution = match execution {
            Some(id) => match key(connection, path, id)? {
                Some(key) => Some(key),
                None => return Ok(None),
            },
            None => None,
        };
        let mut levels: Vec<i64> = filter.levels.iter().map(|level| level.number()).collect();
        if levels.is_empty() {
            levels = LogLevel::ALL.iter().map(|level| level.number()).collect();
        }
        levels.sort_unstable();
        levels.dedup();
        Ok(Some(Self {
            execution,
            sources,
            levels,
            task,
            since: filter.since.map_or(i64::MIN, |since| since.as_millis()),
            until: filter.until.map_or(i64::MAX, |until| until.as_millis()),
        }))
    }

    /// Whether a row of [`log_columns`](crate::sqlite::decode::log_columns) fits.
    pub(super) fn takes(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        if let Some(execution) = self.execution
            && row.get::<_, Option<i64>>(1)? != Some(execution)
        {
            return Ok(false);
        }
        if let Some(task) = &self.task
            && row.get_ref(2)?.as_str_or_null()? != Some(task.as_str())
        {
            return Ok(false);
        }
        let at: i64 = row.get(4)?;
        Ok(self.since <= at
            && at < self.until
            && self.levels.contains(&row.get(5)?)
            && self.sources.contains(&row.get(6)?))
    }
}

/// The key of an execution in the tables.
pub(super) fn key(connection: &Connection, path: &Path, id: ExecutionId) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT key FROM executions WHERE id = ?1";
    let found = connection.query_row(sql, [id.to_string()], |row| row.get(0)).optional();
    found.map_err(|source| sqlite_error(path, source))
}
