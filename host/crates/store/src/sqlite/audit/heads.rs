//! The heads of the trail: moved on with every transaction that writes events, under a MAC.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, TransactionBehavior, params};

use super::Running;
use super::key::{Key, KeyId};
use crate::error::StoreError;
use crate::sqlite::connection::sqlite_error;
use crate::trail::AuditHead;

/// What a MAC begins with, so that it stands for nothing else.
const PURPOSE: &[u8] = b"autokestra audit head 1\0";

/// A head as it stands in its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) number: i64,
    pub(super) key: KeyId,
    /// The point of the trail that it begins behind.
    pub(super) from: Running,
    /// The point that it vouches for.
    pub(super) to: Running,
    pub(super) mac: [u8; 32],
}

impl Head {
    /// What its MAC is made over: all that it says.
    fn covered(&self) -> Vec<u8> {
        let mut bytes = PURPOSE.to_vec();
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.key);
        for point in [&self.from, &self.to] {
            bytes.extend(point.sequence.to_be_bytes());
            bytes.extend(point.events.to_be_bytes());
            bytes.extend(point.hash);
        }
        bytes
    }

    /// Whether a key made it.
    pub(super) fn is_of(&self, key: &Key) -> bool {
        self.key == key.id() && key.made(&self.covered(), self.mac)
    }

    fn signed(mut self, key: &Key) -> Self {
        self.key = key.id();
        self.mac = key.mac(&self.covered());
        self
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let point = |at: usize| -> rusqlite::Result<Running> {
            Ok(Running {
                sequence: row.get(at)?,
                events: u64::try_from(row.get::<_, i64>(at + 1)?).unwrap_or(u64::MAX),
                hash: row.get(at + 2)?,
            })
        };
        Ok(Self {
            number: row.get(0)?,
            key: row.get(1)?,
            from: point(2)?,
            to: point(5)?,
            mac: row.get(8)?,
        })
    }
}

/// All heads, in order. One that cannot be read is as one that is not there: its events are then covered by none.
pub(super) fn all(connection: &Connection, path: &Path) -> Result<Vec<Head>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let sql = "SELECT number, key, from_sequence, from_events, from_hash, sequence, events, hash, mac FROM audit_heads \
               ORDER BY number";
    let mut statement = connection.prepare_cached(sql).map_err(sqlite)?;
    let mut rows = statement.query([]).map_err(sqlite)?;
    let mut heads = Vec::new();
    while let Some(row) = rows.next().map_err(sqlite)? {
        heads.extend(Head::read(row).ok());
    }
    Ok(heads)
}

/// The newest point of the trail that a head vouches for.
pub(in crate::sqlite) fn head(connection: &Connection, path: &Path) -> Result<Option<AuditHead>, StoreError> {
    let last = newest(connection, path)?;
    Ok(last.map(|head| AuditHead {
        sequence: head.to.sequence,
        hash: head.to.hash,
    }))
}

fn newest(connection: &Connection, path: &Path) -> Result<Option<Head>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let sql = "SELECT number, key, from_sequence, from_events, from_hash, sequence, events, hash, mac FROM audit_heads \
               ORDER BY number DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql).map_err(sqlite)?;
    let mut rows = statement.query([]).map_err(sqlite)?;
    let row = rows.next().map_err(sqlite)?;
    // What cannot be read was not written by us.
    Ok(row.and_then(|row| Head::read(row).ok()))
}

/// The point of the trail before the event of a number, made anew from all that is there.
fn recount(connection: &Connection, path: &Path, before: i64) -> Result<Running, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let sql = "SELECT sequence, hash FROM audit_events WHERE sequence < ?1 ORDER BY sequence";
    let mut statement = connection.prepare(sql).map_err(sqlite)?;
    let mut rows = statement.query([before]).map_err(sqlite)?;
    let mut running = Running::default();
    while let Some(row) = rows.next().map_err(sqlite)? {
        let hash = row.get_ref(1).map_err(sqlite)?;
        running.extend(row.get(0).map_err(sqlite)?, hash.as_blob().unwrap_or_default());
    }
    Ok(running)
}

/// The writer's side of the trail: the key, and the events of the transaction that is open. Only these are taken into the
/// head: what somebody else put into the table stays outside of it.
#[derive(Debug)]
pub(in crate::sqlite) struct Trail {
    database: PathBuf,
    key: RefCell<Option<Key>>,
    open: RefCell<Vec<(i64, [u8; 32])>>,
}

impl Trail {
    /// Opens the trail of a database. One that has no head yet gets its first.
    pub(in crate::sqlite) fn open(connection: &mut Connection, path: &Path) -> Result<Self, StoreError> {
        let trail = Self {
            database: path.to_path_buf(),
            key: RefCell::new(Key::look(path)?),
            open: RefCell::default(),
        };
        if newest(connection, path)?.is_none() {
            trail.begin(connection)?;
        }
        Ok(trail)
    }

    /// The first head. Events from before there were heads are taken into it. Where there is a key already, though, there
    /// was a head that somebody removed, or the events came from elsewhere: then it begins behind them.
    fn begin(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let sqlite = |source| sqlite_error(&self.database, source);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite)?;
        if newest(&transaction, &self.database)?.is_some() {
            return Ok(());
        }
        let known = self.key.borrow().is_some();
        let key = self.key()?;
        let to = recount(&transaction, &self.database, i64::MAX)?;
        let from = if known { to } else { Running::default() };
        let first: i64 = transaction
            .query_row("SELECT coalesce(max(number), 0) + 1 FROM audit_heads", [], |row| {
                row.get(0)
            })
            .map_err(sqlite)?;
        self.insert(&transaction, first, (from, to), &key)?;
        transaction.commit().map_err(sqlite)
    }

    fn key(&self) -> Result<Key, StoreError> {
        if let Some(key) = &*self.key.borrow() {
            return Ok(key.clone());
        }
        let key = Key::create(&self.database)?;
        *self.key.borrow_mut() = Some(key.clone());
        Ok(key)
    }

    /// Notes an event of the transaction that is open.
    pub(super) fn note(&self, sequence: i64, hash: [u8; 32]) {
        self.open.borrow_mut().push((sequence, hash));
    }

    /// How many events were noted: what [`Trail::forget`] goes back to.
    pub(in crate::sqlite) fn noted(&self) -> usize {
        self.open.borrow().len()
    }

    /// Forgets the events that were rolled back.
    pub(in crate::sqlite) fn forget(&self, noted: usize) {
        self.open.borrow_mut().truncate(noted);
    }

    /// Moves the head on over the events of the transaction that is open. To be called last, before the commit.
    pub(in crate::sqlite) fn close(&self, connection: &Connection) -> Result<(), StoreError> {
        let events = std::mem::take(&mut *self.open.borrow_mut());
        let Some((first, _)) = events.first() else {
            return Ok(());
        };
        let key = self.key()?;
        let newest = newest(connection, &self.database)?;
        // What is not ours is never carried on: whoever changed it would have it vouched for.
        let mut head = match newest {
            Some(head) if head.is_of(&key) => head,
            _ => {
                let sql = "SELECT coalesce(max(number), 0) + 1 FROM audit_heads";
                let number = connection.query_row(sql, [], |row| row.get(0));
                let number = number.map_err(|source| sqlite_error(&self.database, source))?;
                let from = recount(connection, &self.database, *first)?;
                self.insert(connection, number, (from, from), &key)?
            }
        };
        for (sequence, hash) in &events {
            head.to.extend(*sequence, hash);
        }
        let head = head.signed(&key);
        let sqlite = |source| sqlite_error(&self.database, source);
        let sql = "UPDATE audit_heads SET sequence = ?2, events = ?3, hash = ?4, mac = ?5 WHERE number = ?1";
        let mut update = connection.prepare_cached(sql).map_err(sqlite)?;
        let to = &head.to;
        let events = i64::try_from(to.events).unwrap_or(i64::MAX);
        update
            .execute(params![head.number, to.sequence, events, to.hash, head.mac])
            .map_err(sqlite)?;
        Ok(())
    }

    fn insert(
        &self,
        connection: &Connection,
        number: i64,
        (from, to): (Running, Running),
        key: &Key,
    ) -> Result<Head, StoreError> {
        let head = Head {
            number,
            key: key.id(),
            from,
            to,
            mac: [0; 32],
        };
        let head = head.signed(key);
        let sql = "INSERT INTO audit_heads (number, key, from_sequence, from_events, from_hash, sequence, events, hash, mac) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let count = |point: &Running| i64::try_from(point.events).unwrap_or(i64::MAX);
        connection
            .execute(
                sql,
                params![
                    head.number,
                    head.key,
                    from.sequence,
                    count(&from),
                    from.hash,
                    to.sequence,
                    count(&to),
                    to.hash,
                    head.mac
                ],
            )
            .map_err(|source| sqlite_error(&self.database, source))?;
        Ok(head)
    }
}
