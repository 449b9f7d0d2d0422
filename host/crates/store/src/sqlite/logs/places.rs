//! The places of entries of one source and one level, in the order of time, read from an index a few at a time.

use std::collections::VecDeque;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::error::StoreError;
use crate::sqlite::connection::sqlite_error;

use super::fit::Fit;

/// Places that are read at first, and at most at a time.
const TAKEN: (usize, usize) = (16, 1024);

/// Which index leads to a range, and what is asked of it: `?1`, `?2` bound the time or say where to go on; `?3` is the
/// source, `?4` the level, `?5` the most places, `?6` the execution, `?7` the task. The index is named: the planner, which
/// knows no figures of the table, is not left to guess.
macro_rules! places {
    ($index:literal, $more:literal) => {
        [
            concat!(
                "SELECT at, key FROM logs INDEXED BY ",
                $index,
                " WHERE ",
                $more,
                "source = ?3 AND level = ?4 AND at >= ?1 AND at < ?2 ORDER BY at, key LIMIT ?5"
            ),
            // Those of the same millisecond that are left.
            concat!(
                "SELECT at, key FROM logs INDEXED BY ",
                $index,
                " WHERE ",
                $more,
                "source = ?3 AND level = ?4 AND at = ?1 AND key > ?2 ORDER BY key LIMIT ?5"
            ),
        ]
    };
}

const ACROSS: [&str; 2] = places!("logs_by_kind", "");
const OF_EXECUTION: [&str; 2] = places!("logs_by_execution", "execution = ?6 AND ");
const OF_TASK: [&str; 2] = places!("logs_by_execution", "execution = ?6 AND task = ?7 AND ");

/// When and where an entry is.
pub(super) type Place = (i64, i64);

/// The places of a range that are still to come.
pub(super) struct Places {
    execution: Option<i64>,
    source: i64,
    level: i64,
    ahead: VecDeque<Place>,
    /// The last that was read from the index.
    last: Option<Place>,
    more: bool,
    taken: usize,
}

impl Places {
    pub(super) fn new(execution: Option<i64>, source: i64, level: i64) -> Self {
        Self {
            execution,
            source,
            level,
            ahead: VecDeque::new(),
            last: None,
            more: true,
            taken: TAKEN.0,
        }
    }

    /// Takes the next place up to the key `last`.
    pub(super) fn next(
        &mut self,
        snapshot: &Connection,
        path: &Path,
        fit: &Fit,
        last: i64,
    ) -> Result<Option<Place>, StoreError> {
        while self.ahead.is_empty() && self.more {
            self.read(snapshot, path, fit, last)?;
        }
        Ok(self.ahead.pop_front())
    }

    fn read(&mut self, snapshot: &Connection, path: &Path, fit: &Fit, last: i64) -> Result<(), StoreError> {
        let [from, same] = match (self.execution, &fit.task) {
            (None, _) => ACROSS,
            (Some(_), None) => OF_EXECUTION,
            (Some(_), Some(_)) => OF_TASK,
        };
        let mut found = 0;
        let mut since = fit.since;
        if let Some((at, key)) = self.last {
            found += self.ask(snapshot, path, fit, (same, at, key, self.taken), last)?;
            since = at.saturating_add(1);
        }
        let wanted = self.taken - found;
        if wanted > 0 {
            found += self.ask(snapshot, path, fit, (from, since, fit.until, wanted), last)?;
        }
        self.more = found == self.taken;
        self.taken = (self.taken * 4).min(TAKEN.1);
        Ok(())
    }

    fn ask(
        &mut self,
        snapshot: &Connection,
        path: &Path,
        fit: &Fit,
        (sql, first, second, wanted): (&'static str, i64, i64, usize),
        last: i64,
    ) -> Result<usize, StoreError> {
        let sqlite = |source| sqlite_error(path, source);
        let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
        let mut values: Vec<Value> = vec![
            first.into(),
            second.into(),
            self.source.into(),
            self.level.into(),
            wanted.into(),
        ];
        if let Some(execution) = self.execution {
            values.push(execution.into());
            values.extend(fit.task.clone().map(Value::from));
        }
        let mut statement = snapshot.prepare_cached(sql).map_err(sqlite)?;
        let mut rows = statement.query(params_from_iter(&values)).map_err(sqlite)?;
        let mut found = 0;
        while let Some(row) = rows.next().map_err(sqlite)? {
            let place = (row.get(0).map_err(sqlite)?, row.get(1).map_err(sqlite)?);
            found += 1;
            self.last = Some(place);
            // What was written since the reading began is not of it.
            if place.1 <= last {
                self.ahead.push_back(place);
            }
        }
        Ok(found)
    }
}
