//! Many ranges, each in the order of time, as one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use crate::error::StoreError;
use crate::sqlite::connection::sqlite_error;

use super::fit::Fit;
use super::places::Places;

/// An entry may be a little newer than the end of its execution that it shares a transaction with, in milliseconds.
const AFTER_END: i64 = 60_000;

/// The places of all entries that fit, oldest first.
pub(super) struct Merge {
    path: PathBuf,
    /// Keys past it are not of this reading.
    last: i64,
    ranges: Vec<Option<Places>>,
    /// Where ranges were that have ended.
    free: Vec<usize>,
    heads: BinaryHeap<Reverse<(i64, i64, usize)>>,
    /// Executions that are not begun yet, with the time from which they may have entries.
    later: VecDeque<(i64, i64)>,
}

impl Merge {
    pub(super) fn new(snapshot: &Connection, path: &Path, fit: &Fit, last: i64) -> Result<Self, StoreError> {
        let mut merge = Self {
            path: path.to_path_buf(),
            last,
            ranges: Vec::new(),
            free: Vec::new(),
            heads: BinaryHeap::new(),
            later: VecDeque::new(),
        };
        if fit.execution.is_none() && fit.task.is_some() {
            merge.later = of_task(snapshot, path, fit)?;
        } else {
            merge.open(snapshot, fit, fit.execution)?;
        }
        Ok(merge)
    }

    /// The key of the next entry.
    pub(super) fn next(&mut self, snapshot: &Connection, fit: &Fit) -> Result<Option<i64>, StoreError> {
        // An execution is looked into once the time comes to it, so that few are open at a time.
        while let Some((from, execution)) = self.later.front().copied()
            && self.heads.peek().is_none_or(|Reverse((at, ..))| from <= *at)
        {
            self.later.pop_front();
            self.open(snapshot, fit, Some(execution))?;
        }
        let Some(Reverse((_, key, range))) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(snapshot, fit, range)?;
        Ok(Some(key))
    }

    fn open(&mut self, snapshot: &Connection, fit: &Fit, execution: Option<i64>) -> Result<(), StoreError> {
        for source in &fit.sources {
            for level in &fit.levels {
                let places = Some(Places::new(execution, *source, *level));
                let range = match self.free.pop() {
                    Some(range) => {
                        self.ranges[range] = places;
                        range
                    }
                    None => {
                        self.ranges.push(places);
                        self.ranges.len() - 1
                    }
                };
                self.advance(snapshot, fit, range)?;
            }
        }
        Ok(())
    }

    fn advance(&mut self, snapshot: &Connection, fit: &Fit, range: usize) -> Result<(), StoreError> {
        let Some(places) = &mut self.ranges[range] else {
            return Ok(());
        };
        if let Some((at, key)) = places.next(snapshot, &self.path, fit, self.last)? {
            self.heads.push(Reverse((at, key, range)));
        } else {
            self.ranges[range] = None;
            self.free.push(range);
        }
        Ok(())
    }
}

/// The executions that have a task of this name, by when they may have entries.
fn of_task(snapshot: &Connection, path: &Path, fit: &Fit) -> Result<VecDeque<(i64, i64)>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let sql = "SELECT e.created_at, e.key FROM task_runs AS t INDEXED BY task_runs_by_task \
               CROSS JOIN executions AS e ON e.key = t.execution \
               WHERE t.task = ?1 AND t.item = -1 AND e.created_at < ?2 AND (e.ended_at IS NULL OR e.ended_at >= ?3) \
               ORDER BY e.created_at, e.key";
    let ended_since = fit.since.saturating_sub(AFTER_END);
    let mut statement = snapshot.prepare_cached(sql).map_err(sqlite)?;
    let rows = statement
        .query_map(params![fit.task, fit.until, ended_since], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(sqlite)?;
    rows.collect::<Result<_, _>>().map_err(sqlite)
}
