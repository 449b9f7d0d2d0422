//! The schema, in numbered steps. A step that was applied is never changed: its digest is checked.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};
use rusqlite_migration::{M, Migrations};

use crate::error::StoreError;
use crate::sqlite::connection::sqlite_error;

/// Every step, oldest first.
const STEPS: &[&str] = &[include_str!("migrations/0001_initial.sql")];

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
        let migrations = Migrations::new(STEPS.iter().map(|step| M::up(step)).collect());
        migrations.to_latest(connection).map_err(|source| match source {
            rusqlite_migration::Error::RusqliteError { err, .. } => sqlite(err),
            other => StoreError::Open {
                path: path.to_path_buf(),
                source: Box::new(other),
            },
        })?;
        for (version, step) in (1_i64..).zip(STEPS) {
            let sql = "INSERT OR IGNORE INTO migrations (version, digest) VALUES (?1, ?2)";
            connection.execute(sql, (version, digest(step))).map_err(sqlite)?;
        }
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

fn digest(step: &str) -> String {
    blake3::hash(step.as_bytes()).to_hex().to_string()
}
