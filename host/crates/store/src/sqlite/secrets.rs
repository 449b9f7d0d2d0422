//! Sealed secrets as rows.

use std::path::Path;
use std::str::FromStr;

use autokestra_model::{IdError, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

use crate::error::StoreError;
use crate::secret::{DataKeyRow, SecretChange, SecretRow, SecretRows, SecretUpdate};
use crate::sqlite::connection::sqlite_error;

/// The rows on one connection.
pub(super) struct Secrets<'a> {
    pub(super) connection: &'a Connection,
    pub(super) path: &'a Path,
}

impl Secrets<'_> {
    /// All secrets. Both tables are read in one transaction, so that key and values belong together.
    pub(super) fn read(&self) -> Result<SecretRows, StoreError> {
        let begun = self.connection.unchecked_transaction();
        let transaction = begun.map_err(|source| self.sqlite(source))?;
        let (revision, key) = self.key()?;
        let secrets = self.all()?;
        transaction.finish().map_err(|source| self.sqlite(source))?;
        Ok(SecretRows { revision, key, secrets })
    }

    /// Makes a change in the transaction that is open, unless another came between. Says whether it was made.
    pub(super) fn change(&self, update: &SecretUpdate) -> Result<bool, StoreError> {
        let (revision, key) = self.key()?;
        if revision != update.seen {
            return Ok(false);
        }
        let next = i64::try_from(revision.saturating_add(1)).unwrap_or(i64::MAX);
        self.execute("UPDATE secret_keys SET revision = ?1", [next])?;
        match &update.change {
            SecretChange::Set { name, sealed, key: new } => {
                if let Some(new) = new {
                    // Refused by the database where a secret is sealed by the old one.
                    self.execute("DELETE FROM secret_keys", [])?;
                    self.insert_key(new, next)?;
                }
                let key = new.as_ref().or(key.as_ref()).ok_or_else(|| StoreError::Missing {
                    what: "data key".to_owned(),
                })?;
                let sql = "INSERT INTO secrets (name, key, sealed, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4) \
                           ON CONFLICT DO UPDATE SET key = excluded.key, sealed = excluded.sealed, \
                           updated_at = excluded.updated_at";
                let at = update.entry.at.as_millis();
                self.execute(sql, params![name.as_str(), key.id.to_string(), sealed, at])?;
            }
            SecretChange::Delete { name } => {
                let deleted = self.execute("DELETE FROM secrets WHERE name = ?1", [name.as_str()])?;
                found(deleted, name.as_str())?;
            }
            SecretChange::Rotate { key, sealed } => {
                self.insert_key(key, next)?;
                let id = key.id.to_string();
                for (name, sealed) in sealed {
                    let sql = "UPDATE secrets SET key = ?2, sealed = ?3 WHERE name = ?1";
                    found(self.execute(sql, params![name.as_str(), id, sealed])?, name.as_str())?;
                }
                // Refused by the database where a secret was left out.
                self.execute("DELETE FROM secret_keys WHERE id <> ?1", [id])?;
            }
        }
        Ok(true)
    }

    fn key(&self) -> Result<(u64, Option<DataKeyRow>), StoreError> {
        let sql = "SELECT revision, id, sealed, created_at FROM secret_keys";
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(|source| self.sqlite(source))?;
        let read = |row: &Row<'_>| -> rusqlite::Result<(i64, String, Vec<u8>, i64)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        };
        let row = statement.query_row([], read).optional();
        let Some((revision, id, sealed, created_at)) = row.map_err(|source| self.sqlite(source))? else {
            return Ok((0, None));
        };
        let key = DataKeyRow {
            id: parsed(&id, "secret_keys")?,
            sealed,
            created_at: Timestamp::from_millis(created_at),
        };
        Ok((u64::try_from(revision).unwrap_or_default(), Some(key)))
    }

    fn all(&self) -> Result<Vec<SecretRow>, StoreError> {
        let sql = "SELECT name, key, sealed, created_at, updated_at FROM secrets ORDER BY name";
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(|source| self.sqlite(source))?;
        let read = |row: &Row<'_>| -> rusqlite::Result<(String, String, Vec<u8>, i64, i64)> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        };
        let rows = statement.query_map([], read).map_err(|source| self.sqlite(source))?;
        let mut secrets = Vec::new();
        for row in rows {
            let (name, key, sealed, created_at, updated_at) = row.map_err(|source| self.sqlite(source))?;
            secrets.push(SecretRow {
                name: parsed(&name, "secrets")?,
                key: parsed(&key, "secrets")?,
                sealed,
                created_at: Timestamp::from_millis(created_at),
                updated_at: Timestamp::from_millis(updated_at),
            });
        }
        Ok(secrets)
    }

    fn insert_key(&self, key: &DataKeyRow, revision: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO secret_keys (id, revision, sealed, created_at) VALUES (?1, ?2, ?3, ?4)";
        let at = key.created_at.as_millis();
        self.execute(sql, params![key.id.to_string(), revision, key.sealed, at])?;
        Ok(())
    }

    fn execute(&self, sql: &'static str, params: impl Params) -> Result<usize, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(|source| self.sqlite(source))?;
        statement.execute(params).map_err(|source| self.sqlite(source))
    }

    fn sqlite(&self, source: rusqlite::Error) -> StoreError {
        sqlite_error(self.path, source)
    }
}

/// Whether a row of that name was there.
fn found(rows: usize, name: &str) -> Result<(), StoreError> {
    if rows == 1 {
        return Ok(());
    }
    Err(StoreError::Missing {
        what: format!("secret `{name}` in the store"),
    })
}

fn parsed<T: FromStr<Err = IdError>>(text: &str, table: &'static str) -> Result<T, StoreError> {
    text.parse().map_err(|error: IdError| StoreError::Row {
        table,
        reason: error.to_string(),
    })
}
