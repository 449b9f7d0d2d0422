//! The secret store: values that are sealed by keys and kept by a store, set and opened here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use autokestra_model::{Clock, SecretName, Timestamp};
use autokestra_secrets::source::{self, Gathered, SecretsError};
use autokestra_secrets::vault::{DataKey, Fingerprint, KeyPlace, KeySources, MasterKey, VaultError};
use autokestra_secrets::{Masked, Masker, SecretValue};
use autokestra_store::{
    DataKeyRow, LogEntry, LogLevel, LogSource, SecretChange, SecretRow, SecretRows, SecretUpdate, Store, StoreError,
};

/// How often a change is tried that others come between.
const TRIES_MAX: u32 = 100;

/// Why the secret store did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum SecretStoreError {
    /// A key, or what it sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A value.
    #[error(transparent)]
    Value(#[from] SecretsError),
    /// Where it is kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nothing to rotate.
    #[error("the secret store is empty: there is no key to rotate")]
    Empty,
    /// The new master key is the one that is used.
    #[error("the secret store is sealed with the master key in {} already", path.display())]
    SameKey {
        /// The file of the key.
        path: PathBuf,
    },
    /// Others changed it again and again.
    #[error("others keep changing the secret store; nothing was changed")]
    Contended,
    /// This process is ending.
    #[error("this process is ending")]
    Ending,
}

/// Secrets, kept sealed.
#[derive(Debug)]
pub struct SecretStore {
    store: Arc<dyn Store>,
    keys: KeySources,
    clock: Arc<dyn Clock>,
}

impl SecretStore {
    /// The secrets of `store`, with the master key that `keys` finds.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, keys: KeySources, clock: Arc<dyn Clock>) -> Self {
        Self { store, keys, clock }
    }

    /// The secrets, by name, with no way to their values.
    ///
    /// # Errors
    /// [`SecretStoreError::Store`]
    pub async fn list(&self) -> Result<Vec<SecretRow>, SecretStoreError> {
        Ok(self.store.secrets().await?.secrets)
    }

    /// Gives values to those that have none yet. Without one of them here no key is asked for.
    ///
    /// # Errors
    /// [`SecretStoreError`] where the master key is not there or is another, or a value is damaged.
    pub async fn complete(&self, gathered: &mut Gathered) -> Result<(), SecretStoreError> {
        if gathered.missing().is_empty() {
            return Ok(());
        }
        let mut rows = self.store.secrets().await?;
        rows.secrets.retain(|row| gathered.missing().contains(&row.name));
        if rows.secrets.is_empty() {
            return Ok(());
        }
        let (_, key) = self.open(&rows).await?;
        let mut values = opened(&key, &rows)?;
        gathered.add(|name| {
            let place = values.iter().position(|(found, _)| found == name)?;
            Some(values.swap_remove(place).1)
        })?;
        Ok(())
    }

    /// Sets the value of a secret. The first one makes a master key where there is none: then it says where.
    ///
    /// # Errors
    /// [`SecretStoreError`]
    pub async fn set(
        &self,
        name: &SecretName,
        value: &SecretValue,
        actor: &Masked,
    ) -> Result<Option<KeyPlace>, SecretStoreError> {
        source::check(name, value)?;
        for _ in 0..TRIES_MAX {
            let rows = self.store.secrets().await?;
            let at = self.clock.now();
            let (key, new, made) = if rows.secrets.is_empty() {
                // With no secret left, a key that is lost is no loss: the store begins anew.
                let expected = rows.key.as_ref().map(|key| Fingerprint::of_sealed(&key.sealed));
                let expected = expected.and_then(Result::ok);
                let (master, is_new) = self.keys(move |keys| keys.find_or_create(expected)).await?;
                let key = DataKey::random()?;
                let row = sealed_key(&master, &key, at)?;
                (key, Some(row), is_new.then(|| master.place().clone()))
            } else {
                (self.open(&rows).await?.1, None, None)
            };
            let change = SecretChange::Set {
                name: name.clone(),
                sealed: key.seal(name, value)?,
                key: new,
            };
            let text = format!("secret `{name}` was set by {actor}");
            if self.change(&rows, change, &text, at).await? {
                return Ok(made);
            }
        }
        Err(SecretStoreError::Contended)
    }

    /// Deletes a secret; no key is needed for it. Says whether there was one.
    ///
    /// # Errors
    /// [`SecretStoreError`]
    pub async fn delete(&self, name: &SecretName, actor: &Masked) -> Result<bool, SecretStoreError> {
        for _ in 0..TRIES_MAX {
            let rows = self.store.secrets().await?;
            if !rows.secrets.iter().any(|row| row.name == *name) {
                return Ok(false);
            }
            let change = SecretChange::Delete { name: name.clone() };
            let text = format!("secret `{name}` was deleted by {actor}");
            if self.change(&rows, change, &text, self.clock.now()).await? {
                return Ok(true);
            }
        }
        Err(SecretStoreError::Contended)
    }

    /// Seals every value by a new data key, and that by the same master key, or by the one of another file, which is made
    /// where there is none. The values change in one transaction, and the file is whole before it: until then the old keys
    /// open everything, and from then on the new ones. Says how many secrets there are.
    ///
    /// # Errors
    /// [`SecretStoreError`]; then no value was changed.
    pub async fn rotate(&self, key_file: Option<&Path>, actor: &Masked) -> Result<usize, SecretStoreError> {
        for _ in 0..TRIES_MAX {
            let rows = self.store.secrets().await?;
            if rows.secrets.is_empty() {
                return Err(SecretStoreError::Empty);
            }
            refuse_same(key_file, &rows)?;
            let (mut master, old) = self.open(&rows).await?;
            if let Some(path) = key_file {
                master = KeySources::in_file_or_create(path)?;
            }
            let at = self.clock.now();
            let key = DataKey::random()?;
            let row = sealed_key(&master, &key, at)?;
            let sealed = opened(&old, &rows)?
                .into_iter()
                .map(|(name, value)| key.seal(&name, &value).map(|sealed| (name, sealed)))
                .collect::<Result<Vec<_>, _>>()?;
            let count = sealed.len();
            let what = if key_file.is_some() { "master key" } else { "data key" };
            let text = format!("the secret store's {what} was replaced by {actor}");
            let change = SecretChange::Rotate { key: row, sealed };
            if self.change(&rows, change, &text, at).await? {
                return Ok(count);
            }
        }
        Err(SecretStoreError::Contended)
    }

    /// The keys that open the values.
    async fn open(&self, rows: &SecretRows) -> Result<(MasterKey, DataKey), SecretStoreError> {
        let row = rows.key.clone().ok_or(VaultError::DamagedKey)?;
        let opening = move |keys: &KeySources| {
            let master = keys.require(Fingerprint::of_sealed(&row.sealed)?)?;
            let key = master.open(row.id, &row.sealed)?;
            Ok((master, key))
        };
        self.keys(opening).await
    }

    /// Looks for keys off the async threads: a keyring may wait for a person.
    async fn keys<T: Send + 'static>(
        &self,
        work: impl FnOnce(&KeySources) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, SecretStoreError> {
        let keys = self.keys.clone();
        let looking = tokio::task::spawn_blocking(move || work(&keys));
        Ok(looking.await.map_err(|_| SecretStoreError::Ending)??)
    }

    async fn change(
        &self,
        rows: &SecretRows,
        change: SecretChange,
        text: &str,
        at: Timestamp,
    ) -> Result<bool, SecretStoreError> {
        let entry = LogEntry {
            execution: None,
            task: None,
            attempt: None,
            at,
            level: LogLevel::Info,
            source: LogSource::System,
            // Names of our own and of the system, no value.
            message: Masker::none().mask(text),
            metadata: None,
        };
        let seen = rows.revision;
        Ok(self.store.change_secrets(SecretUpdate { seen, change, entry }).await?)
    }
}

/// Refuses the file of the master key that the secrets are sealed with: it was rotated to already.
fn refuse_same(key_file: Option<&Path>, rows: &SecretRows) -> Result<(), SecretStoreError> {
    let (Some(path), Some(row)) = (key_file, &rows.key) else {
        return Ok(());
    };
    match KeySources::in_file(path)? {
        Some(key) if key.fingerprint() == Fingerprint::of_sealed(&row.sealed)? => Err(SecretStoreError::SameKey {
            path: path.to_path_buf(),
        }),
        Some(_) | None => Ok(()),
    }
}

fn sealed_key(master: &MasterKey, key: &DataKey, at: Timestamp) -> Result<DataKeyRow, VaultError> {
    Ok(DataKeyRow {
        id: key.id(),
        sealed: master.seal(key)?,
        created_at: at,
    })
}

/// Opens all values. One that another key sealed does not open.
fn opened(key: &DataKey, rows: &SecretRows) -> Result<Vec<(SecretName, SecretValue)>, VaultError> {
    let rows = rows.secrets.iter();
    rows.map(|row| Ok((row.name.clone(), key.open(&row.name, &row.sealed)?)))
        .collect()
}
