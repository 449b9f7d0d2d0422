//! The schema, in numbered steps. A step that was applied is never changed: its digest is checked.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};
use rusqlite_migration::{M, Migrations};

use crate::error::StoreError;
use crate::sqlite::connection::sqlite_error;

/// Every step, oldest first.
const STEPS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_engine.sql"),
    include_str!("migrations/0003_cleanup.sql"),
    include_str!("migrations/0004_secrets.sql"),
    include_str!("migrations/0005_logs.sql"),
    include_str!("migrations/0006_audit.sql"),
];

/// How often a step is tried that another process may be at.
const TRIES_MAX: u32 = 5;

/// Brings a database to the newest schema. One of a newer version is refused and left as it was.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(sqlite)?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::NewerVersion {
            path: path.to_path_buf(),
            found,
            known,
        });
    }
    if found < known {
        apply(connection, path, known)?;
    }
    for (version, step) in (1_i64..).zip(STEPS) {
        let sql = "SELECT digest FROM migrations WHERE version = ?1";
        let applied: Option<String> = connection
            .query_row(sql, [version], |row| row.get(0))
            .optional()
            .map_err(sqlite)?;
        if applied.as_deref() != Some(digest(step).as_str()) {
            let reason = format!("schema step {version} is not the one that this program knows");
            return Err(StoreError::Open {
                path: path.to_path_buf(),
                source: reason.into(),
            });
        }
    }
    Ok(())
}

/// Applies what is missing. Two processes that open a new database at once both get here: one of them finds it done.
fn apply(connection: &mut Connection, path: &Path, known: i64) -> Result<(), StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    // A step and its digest are one transaction: a process that dies between two of them leaves a whole database.
    let steps: Vec<String> = (1_i64..)
        .zip(STEPS)
        .map(|(version, step)| {
            let digest = digest(step);
            format!("{step}\nINSERT INTO migrations (version, digest) VALUES ({version}, '{digest}');")
        })
        .collect();
    let migrations = Migrations::new(steps.iter().map(|step| M::up(step)).collect());
    let mut tries = 0;
    loop {
        let Err(error) = migrations.to_latest(connection) else {
            return Ok(());
        };
        let found: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(sqlite)?;
        tries += 1;
        if found < known && tries >= TRIES_MAX {
            return Err(match error {
                rusqlite_migration::Error::RusqliteError { err, .. } => sqlite(err),
                other => StoreError::Open {
                    path: path.to_path_buf(),
                    source: Box::new(other),
                },
            });
        }
    }
}

fn digest(step: &str) -> String {
    blake3::hash(step.as_bytes()).to_hex().to_string()
}
