//! What keeps the file small. None of it runs inside another's transaction, and all but a rewrite is done in steps between
//! which others write.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::time::Instant;

use crate::error::StoreError;
use crate::row::Shrunk;
use crate::sqlite::connection::{sqlite_error, wait_for_others};

/// Pages that are moved before the clock is asked.
const PAGES_AT_A_TIME: u32 = 32;

/// After so long a step moves no more pages.
const TIME_MAX: Duration = Duration::from_millis(5);

/// What SQLite calls a database that can give pages back one by one.
const INCREMENTAL: i64 = 2;

/// One piece of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Upkeep {
    /// Gives some unused pages back.
    Shrink,
    /// Moves what was committed out of the write-ahead log, and cuts it.
    Settle,
    /// Writes the file anew.
    Compact,
}

pub(super) fn upkeep(connection: &mut Connection, path: &Path, upkeep: Upkeep) -> Result<Shrunk, StoreError> {
    let done = match upkeep {
        Upkeep::Shrink => shrink(connection),
        Upkeep::Settle => settle(connection).map(|()| Shrunk::default()),
        Upkeep::Compact => compact(connection),
    };
    done.map_err(|source| sqlite_error(path, source))
}

fn number(connection: &Connection, pragma: &'static str) -> rusqlite::Result<i64> {
    connection.query_row(pragma, [], |row| row.get(0))
}

/// Bytes of so many pages.
fn bytes(connection: &Connection, pages: i64) -> rusqlite::Result<u64> {
    let size = number(connection, "PRAGMA page_size")?;
    Ok(u64::try_from(pages.saturating_mul(size)).unwrap_or_default())
}

fn shrink(connection: &mut Connection) -> rusqlite::Result<Shrunk> {
    let unused = number(connection, "PRAGMA freelist_count")?;
    if unused == 0 || number(connection, "PRAGMA auto_vacuum")? != INCREMENTAL {
        return Ok(Shrunk {
            unused: bytes(connection, unused)?,
            ..Shrunk::default()
        });
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // How long others were waited for is none of the step's own time: it moves some pages each time.
    let begun = Instant::now();
    let before = number(&transaction, "PRAGMA page_count")?;
    let mut unused = number(&transaction, "PRAGMA freelist_count")?;
    while unused > 0 {
        // It gives a page with each row, and stops where nobody asks for the next.
        let mut statement = transaction.prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES_AT_A_TIME})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        drop(rows);
        drop(statement);
        unused = number(&transaction, "PRAGMA freelist_count")?;
        if begun.elapsed() >= TIME_MAX {
            break;
        }
    }
    let given = before - number(&transaction, "PRAGMA page_count")?;
    transaction.commit()?;
    tidy(connection);
    Ok(Shrunk {
        bytes: bytes(connection, given)?,
        unused: bytes(connection, unused)?,
        more: unused > 0 && given > 0,
    })
}

/// Moves what was committed out of the write-ahead log, as far as nobody is in the way. Else the next who commits something
/// small, in whatever process, would move all that a cleanup wrote.
pub(super) fn tidy(connection: &Connection) {
    // What is left is moved by the next.
    drop(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())));
}

fn settle(connection: &Connection) -> rusqlite::Result<()> {
    let checkpoint = |how: &str| connection.query_row(how, [], |row| row.get::<_, i64>(0)).map(drop);
    // Most of it is moved without keeping anybody from writing. What is left is cut only where nobody is in the way: the
    // next writer would wait for it.
    checkpoint("PRAGMA wal_checkpoint(PASSIVE)")?;
    connection.busy_handler(None)?;
    let cut = checkpoint("PRAGMA wal_checkpoint(TRUNCATE)");
    wait_for_others(connection)?;
    match cut {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => Ok(()),
        cut => cut,
    }
}

fn compact(connection: &Connection) -> rusqlite::Result<Shrunk> {
    let before = number(connection, "PRAGMA page_count")?;
    // One that an older version made can give pages back from now on.
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM")?;
    let given = before - number(connection, "PRAGMA page_count")?;
    settle(connection)?;
    Ok(Shrunk {
        bytes: bytes(connection, given.max(0))?,
        ..Shrunk::default()
    })
}
