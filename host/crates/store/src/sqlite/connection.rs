//! Opening the database file, and what its errors mean.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use autokestra_model::Clock;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::StoreError;

/// How long a writer waits for another process, in milliseconds.
const BUSY_MILLIS: u64 = 10_000;

/// How often it looks meanwhile. SQLite's own way sleeps for up to 100 ms between two looks, and who cleans up beside it gets
/// in each time.
const BUSY_LOOKS: Duration = Duration::from_millis(1);

/// What the write-ahead log is cut to once all of it is in the database.
const WAL_BYTES_KEPT: i64 = 16 << 20;

/// When a commit counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// Once the disk has it: it survives a power cut.
    #[default]
    Full,
    /// Once the system has it: it survives the process, and a power cut may lose the last commits.
    Normal,
}

/// How to open a database.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The file. It and its folder are made where they are missing, for their owner alone.
    pub path: PathBuf,
    /// When a commit counts as durable.
    pub synchronous: Synchronous,
    /// The most that the file may grow to, in bytes; none: as large as the disk. A full database is as a full disk.
    pub size_max: Option<u64>,
    /// From when on a query or a commit is slow; none: never.
    pub slow_queries: Option<SlowQueries>,
}

/// What takes so long that the log tells of it.
#[derive(Clone, Debug)]
pub struct SlowQueries {
    /// The least time that is too long.
    pub from: Duration,
    /// The clock of the entries.
    pub clock: Arc<dyn Clock>,
}

impl SqliteOptions {
    /// The file of the key that heads of the audit trail are made by: beside the database. No guest may open it.
    #[must_use]
    pub fn audit_key(&self) -> PathBuf {
        crate::sqlite::audit::key_file(&self.path)
    }
}

/// Opens the connection of the writer; makes the file where there is none.
pub(super) fn open_writer(options: &SqliteOptions) -> Result<Connection, StoreError> {
    let path = &options.path;
    create(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::ReadOnly { path: path.clone() }
        }
        _ => StoreError::Open {
            path: path.clone(),
            source: Box::new(source),
        },
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|source| sqlite_error(path, source))?;
    let set = || -> rusqlite::Result<()> {
        wait_for_others(&connection)?;
        // Only a new file takes it up: what is removed can then be given back to the disk a few pages at a time. One that is
        // there is not asked, as that would write to it.
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        if pages == 0 {
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        // WAL lasts in the file; asking again costs little and is right for a file that others made.
        let _mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        connection.pragma_update(
            None,
            "synchronous",
            match options.synchronous {
                Synchronous::Full => "FULL",
                Synchronous::Normal => "NORMAL",
            },
        )?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let _kept: i64 = connection.query_row(&format!("PRAGMA journal_size_limit = {WAL_BYTES_KEPT}"), [], |row| {
            row.get(0)
        })?;
        if let Some(size_max) = options.size_max {
            let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
            // Asking for fewer pages than there are changes nothing but that no more are added.
            let size_max = i64::try_from(size_max).unwrap_or(i64::MAX);
            connection.pragma_update(None, "max_page_count", (size_max / page.max(1)).max(1))?;
        }
        connection.set_prepared_statement_cache_capacity(64);
        Ok(())
    };
    set().map_err(|source| sqlite_error(path, source))?;
    Ok(connection)
}

/// Lets a connection wait while another process writes.
pub(super) fn wait_for_others(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(|looks| {
        std::thread::sleep(BUSY_LOOKS);
        u64::try_from(looks).unwrap_or_default() < BUSY_MILLIS
    }))
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|source| sqlite_error(path, source))?;
    let set = connection.busy_timeout(Duration::from_millis(BUSY_MILLIS));
    set.map_err(|source| sqlite_error(path, source))?;
    Ok(connection)
}

/// Locks the folder of a database. Where its file system has no locks, SQLite's own have to do.
pub(super) fn lock_folder(path: &Path) -> Option<std::fs::File> {
    create_folder(path).ok()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = std::fs::File::open(folder.unwrap_or(Path::new("."))).ok()?;
    folder.lock().ok()?;
    Some(folder)
}

fn create_folder(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    Ok(())
}

/// Makes the file and its folder for their owner alone: the log may hold what is nobody else's business.
fn create(path: &Path) -> std::io::Result<()> {
    create_folder(path)?;
    let mut options = std::fs::OpenOptions::new();
    // One that is there is left to SQLite: closing a file of one's own gives up the locks that it holds on it.
    options.create_new(true).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// What an error of SQLite means for who uses the store.
pub(super) fn sqlite_error(path: &Path, source: rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull { path },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { path },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Corrupt { path, source },
        Some(ErrorCode::CannotOpen) => StoreError::Open {
            path,
            source: Box::new(source),
        },
        Some(_) | None => StoreError::Sqlite { path, source },
    }
}
