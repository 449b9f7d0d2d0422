//! Log entries as they are read: oldest first, a few at a time, and those that come while they are read where a reader
//! follows.
//!
//! Nothing is held open while the receiver is slow: each batch has a snapshot of its own, so a log that waits in a pager
//! keeps no writer from reusing its write-ahead log.

mod fit;
mod last;
mod merge;
mod places;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use autokestra_model::ExecutionId;
use regex::Regex;
use rusqlite::{Connection, OptionalExtension as _, Row, Statement};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::error::StoreError;
use crate::filter::LogFilter;
use crate::row::LogRow;
use crate::sqlite::connection::sqlite_error;
use crate::sqlite::decode::{self, log_columns};
use fit::Fit;
pub(super) use last::{count_logs, last_logs};
use merge::Merge;

/// How often a reader that follows asks whether anything was committed. The question reads one number of the file's header.
const LOOK_INTERVAL: Duration = Duration::from_millis(40);

/// Entries of one batch. The first has one, so that its reader sees something at once.
const BATCH_MAX: usize = 512;

/// Bytes of messages of one batch.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Entries that one batch looks at, whether they fit or not.
const LOOKED_AT_MAX: usize = 8192;

type Sender = mpsc::Sender<Result<LogRow, StoreError>>;

/// Sends log rows until there are no more or nobody takes them, and tells how long the first took to be found. A reader that
/// follows is sent those that come later, in the order in which they come, until its execution has ended.
pub(super) fn logs(
    connection: &Connection,
    path: &Path,
    filter: &LogFilter,
    sender: &Sender,
) -> Result<Duration, StoreError> {
    let Some(fit) = Fit::new(connection, path, filter)? else {
        return Ok(Duration::ZERO);
    };
    let mut reader = Reader {
        connection,
        path,
        fit,
        grep: filter.grep.as_ref(),
        sender,
        skip: filter.offset,
        left: filter.limit.unwrap_or(u64::MAX),
        ids: HashMap::new(),
        searched: Duration::ZERO,
        found: false,
    };
    let mut seen = reader.data_version()?;
    // Asked before the entries are read: the last of them share the transaction of the end.
    let mut ended = !filter.follow || reader.has_ended(filter.execution)?;
    let mut after = reader.last_key()?;
    reader.stored(after)?;
    while !ended && reader.left > 0 {
        while reader.data_version()? == seen {
            if sender.is_closed() {
                return Ok(reader.searched);
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
        seen = reader.data_version()?;
        ended = reader.has_ended(filter.execution)?;
        after = reader.newer(after)?;
    }
    Ok(reader.searched)
}

struct Reader<'a> {
    connection: &'a Connection,
    path: &'a Path,
    fit: Fit,
    grep: Option<&'a Regex>,
    sender: &'a Sender,
    skip: u64,
    left: u64,
    /// The executions whose entries were read.
    ids: HashMap<i64, Option<ExecutionId>>,
    /// How long the database was at it until it found an entry.
    searched: Duration,
    found: bool,
}

impl Reader<'_> {
    fn sqlite(&self, source: rusqlite::Error) -> StoreError {
        sqlite_error(self.path, source)
    }

    /// Changes with every commit of another connection.
    fn data_version(&self) -> Result<i64, StoreError> {
        let version = self.connection.query_row("PRAGMA data_version", [], |row| row.get(0));
        version.map_err(|source| self.sqlite(source))
    }

    fn has_ended(&self, execution: Option<ExecutionId>) -> Result<bool, StoreError> {
        let Some(execution) = execution else { return Ok(false) };
        let sql = "SELECT ended_at IS NOT NULL FROM executions WHERE id = ?1";
        let ended = self
            .connection
            .query_row(sql, [execution.to_string()], |row| row.get(0))
            .optional();
        // One that was cleaned up meanwhile has nothing more to say.
        Ok(ended.map_err(|source| self.sqlite(source))?.unwrap_or(true))
    }

    /// The key of the newest entry. Keys go up in the order of commits.
    fn last_key(&self) -> Result<i64, StoreError> {
        let sql = "SELECT ifnull(max(key), 0) FROM logs";
        let key = self.connection.query_row(sql, [], |row| row.get(0));
        key.map_err(|source| self.sqlite(source))
    }

    /// Sends what there is, up to the key `last`, in the order of time.
    fn stored(&mut self, last: i64) -> Result<(), StoreError> {
        let mut merge: Option<Merge> = None;
        let mut size = 1;
        while self.left > 0 && !self.sender.is_closed() {
            let begun = Instant::now();
            let snapshot = self.connection.unchecked_transaction();
            let snapshot = snapshot.map_err(|source| self.sqlite(source))?;
            let merge = match &mut merge {
                Some(merge) => merge,
                none => none.insert(Merge::new(&snapshot, self.path, &self.fit, last)?),
            };
            let sql = concat!("SELECT ", log_columns!(), " FROM logs WHERE key = ?1");
            let mut by_key = snapshot.prepare_cached(sql).map_err(|source| self.sqlite(source))?;
            let (mut batch, mut bytes, mut looked_at, mut more) = (Vec::with_capacity(size), 0, 0, true);
            while batch.len() < size && bytes < BATCH_BYTES_MAX && looked_at < LOOKED_AT_MAX && self.left > 0 {
                let Some(key) = merge.next(&snapshot, &self.fit)? else {
                    more = false;
                    break;
                };
                looked_at += 1;
                // Without a pattern every place is an entry that fits; what is passed over is not read.
                if self.grep.is_none() && self.skip > 0 {
                    self.skip -= 1;
                } else if let Some(row) = self.entry(&snapshot, &mut by_key, key)? {
                    bytes += row.message.as_str().len();
                    batch.push(row);
                }
            }
            drop(by_key);
            drop(snapshot);
            self.note_time(begun, !batch.is_empty());
            if !self.send(batch) || !more {
                return Ok(());
            }
            size = (size * 2).min(BATCH_MAX);
        }
        Ok(())
    }

    /// The entry of a key, where its message fits and it is not passed over. It may have been removed meanwhile.
    fn entry(
        &mut self,
        snapshot: &Connection,
        by_key: &mut Statement<'_>,
        key: i64,
    ) -> Result<Option<LogRow>, StoreError> {
        let mut rows = by_key.query([key]).map_err(|source| self.sqlite(source))?;
        match rows.next().map_err(|source| self.sqlite(source))? {
            Some(row) => self.take(snapshot, row),
            None => Ok(None),
        }
    }

    /// Sends what was committed after the key `after`, in that order. Returns how far it came.
    fn newer(&mut self, mut after: i64) -> Result<i64, StoreError> {
        loop {
            let snapshot = self.connection.unchecked_transaction();
            let snapshot = snapshot.map_err(|source| self.sqlite(source))?;
            let sql = concat!(
                "SELECT ",
                log_columns!(),
                " FROM logs NOT INDEXED WHERE key > ?1 ORDER BY key LIMIT 512"
            );
            let mut statement = snapshot.prepare_cached(sql).map_err(|source| self.sqlite(source))?;
            let mut rows = statement.query([after]).map_err(|source| self.sqlite(source))?;
            let (mut batch, mut seen) = (Vec::new(), 0);
            while self.left > 0
                && let Some(row) = rows.next().map_err(|source| self.sqlite(source))?
            {
                seen += 1;
                after = row.get(0).map_err(|source| self.sqlite(source))?;
                if self.fit.takes(row).map_err(|source| self.sqlite(source))? {
                    batch.extend(self.take(&snapshot, row)?);
                }
            }
            drop(rows);
            drop(statement);
            drop(snapshot);
            if !self.send(batch) || seen < 512 {
                return Ok(after);
            }
        }
    }

    /// A row as an entry, where its message fits and it is not passed over.
    fn take(&mut self, snapshot: &Connection, row: &Row<'_>) -> Result<Option<LogRow>, StoreError> {
        // The pattern is held against the text where it lies; what does not match is not decoded.
        if let Some(pattern) = self.grep {
            let message = row
                .get_ref(7)
                .and_then(|value| value.as_str().map_err(rusqlite::Error::from));
            if !pattern.is_match(message.map_err(|source| self.sqlite(source))?) {
                return Ok(None);
            }
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(None);
        }
        self.left -= 1;
        let execution: Option<i64> = row.get(1).map_err(|source| self.sqlite(source))?;
        let id = match execution {
            Some(key) => self.id(snapshot, key)?,
            None => None,
        };
        decode::log(row, id).map(Some).map_err(|source| self.sqlite(source))
    }

    /// The id that an execution's key stands for.
    fn id(&mut self, snapshot: &Connection, key: i64) -> Result<Option<ExecutionId>, StoreError> {
        if let Some(id) = self.ids.get(&key) {
            return Ok(*id);
        }
        let sql = "SELECT id FROM executions WHERE key = ?1";
        let id = snapshot
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([key], decode::id).optional())
            .map_err(|source| self.sqlite(source))?;
        // What is remembered stays small, however many executions there are.
        if self.ids.len() >= 1024 {
            self.ids.clear();
        }
        self.ids.insert(key, id);
        Ok(id)
    }

    /// Hands entries over. Says whether anybody takes more.
    fn send(&self, batch: Vec<LogRow>) -> bool {
        batch.into_iter().all(|row| self.sender.blocking_send(Ok(row)).is_ok())
    }

    fn note_time(&mut self, begun: Instant, found: bool) {
        if !self.found {
            self.searched += begun.elapsed();
        }
        self.found |= found;
    }
}
