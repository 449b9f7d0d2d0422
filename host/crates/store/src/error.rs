//! What can go wrong with a store, told apart by what to do about it.

use std::path::PathBuf;

/// Why the store did not do as it was told. What was committed before stands.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or the file cannot be made or opened.
    #[error("open the database {}", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database was made by a newer version. It is left as it was.
    #[error(
        "the database {} has schema version {found}, and this program knows up to {known}",
        path.display()
    )]
    NewerVersion {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The file is not a database of ours.
    #[error("{} is not a database, or is damaged", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The disk is full.
    #[error(
        "there is no room left for {}: the disk is full, or the database has the size of `storage.maxSizeMebibytes`",
        path.display()
    )]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// The database may not be written.
    #[error("{} may not be written", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// Another process held the database for too long.
    #[error("{} is held by another process", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// A change starts from a state that the row is not in: something else ended it first.
    #[error("{what} is {found}, not {expected}; the change is refused")]
    StaleState {
        /// The execution or the task.
        what: String,
        /// The state that it is in.
        found: String,
        /// The state that the change starts from.
        expected: String,
    },
    /// Another process has taken the execution over. What this one still wanted to write is refused.
    #[error(
        "`{execution}` was taken over by another process; this one stops, and what it had not committed is not kept"
    )]
    Fenced {
        /// The execution.
        execution: autokestra_model::ExecutionId,
    },
    /// What a change belongs to is not there.
    #[error("there is no {what}")]
    Missing {
        /// The execution, task or attempt.
        what: String,
    },
    /// The store was closed, or its writer is gone.
    #[error("the store is closed")]
    Closed,
    /// The key of the audit trail cannot be read or made.
    #[error(
        "read or make the key of the audit trail {}; put it back from a copy, or move it away: then a new one is made, and \
         `workflow audit verify` says so",
        path.display()
    )]
    AuditKey {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others than its owner may use the key of the audit trail, and so make a trail that holds.
    #[error(
        "others may read or change the key of the audit trail {} (mode {mode:03o}); `chmod 600` it",
        path.display()
    )]
    AuditKeyExposed {
        /// Its file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A row cannot be read: a bug, or a database that was changed by hand.
    #[error("read a row of {table}: {reason}")]
    Row {
        /// The table.
        table: &'static str,
        /// Why.
        reason: String,
    },
    /// Anything else that SQLite says.
    #[error("use the database {}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What it says.
        #[source]
        source: rusqlite::Error,
    },
}

/// Why no execution was found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// None fits.
    #[error("there is no execution `{reference}`")]
    NotFound {
        /// What was asked for.
        reference: String,
    },
    /// There is none at all.
    #[error("there is no execution yet")]
    Empty,
    /// Several fit.
    #[error("`{reference}` fits several executions")]
    Ambiguous {
        /// What was asked for.
        reference: String,
        /// Some of those that fit.
        candidates: Vec<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
