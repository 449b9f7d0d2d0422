//! The places that a master key may be in, in their order.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::VaultError;
use super::master_key::{Fingerprint, KeyPlace, MasterKey};
use super::{key_file, keyring};

/// The variable that may hold the text of the master key.
pub const KEY_VARIABLE: &str = "WORKFLOW_SECRETS_KEY";

/// Where the master key is looked for: the environment, then the file, then the keyring.
#[derive(Clone)]
pub struct KeySources {
    /// The text of [`KEY_VARIABLE`], where it is set.
    pub environment: Option<Zeroizing<String>>,
    /// The file of the key.
    pub file: PathBuf,
    /// Whether the keyring is asked.
    pub keyring: bool,
}

impl fmt::Debug for KeySources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySources")
            .field("file", &self.file)
            .field("keyring", &self.keyring)
            .finish_non_exhaustive()
    }
}

impl KeySources {
    /// The key that is there. The keyring is asked for the key that is `expected`. It may wait for its owner to unlock it.
    ///
    /// # Errors
    /// [`VaultError`] where a key is in its place and cannot be used.
    pub fn find(&self, expected: Option<Fingerprint>) -> Result<Option<MasterKey>, VaultError> {
        if let Some(text) = &self.environment {
            return MasterKey::parse(text, KeyPlace::Environment).map(Some);
        }
        if let Some(key) = key_file::read(&self.file)? {
            return Ok(Some(key));
        }
        match expected {
            Some(expected) if self.keyring => keyring::look_up(expected),
            Some(_) | None => Ok(None),
        }
    }

    /// The key that is `expected`.
    ///
    /// # Errors
    /// [`VaultError::NoKey`] where none is there, and as [`KeySources::find`].
    pub fn require(&self, expected: Fingerprint) -> Result<MasterKey, VaultError> {
        self.find(Some(expected))?.ok_or_else(|| {
            let mut looked_into = vec![KeyPlace::Environment, KeyPlace::File(self.file.clone())];
            looked_into.extend(self.keyring.then_some(KeyPlace::Keyring));
            VaultError::NoKey { expected, looked_into }
        })
    }

    /// The key that is there, or a new one: in the keyring where it is to be asked, else in the file. Says whether it is new.
    ///
    /// # Errors
    /// [`VaultError`] where a key is in its place and cannot be used, or none can be made.
    pub fn find_or_create(&self, expected: Option<Fingerprint>) -> Result<(MasterKey, bool), VaultError> {
        match self.find(expected)? {
            Some(key) => Ok((key, false)),
            None if self.keyring => Ok((keyring::create()?, true)),
            None => Ok((key_file::create(&self.file)?, true)),
        }
    }

    /// The key of another file; none where there is no file.
    ///
    /// # Errors
    /// [`VaultError`] where the file cannot be used.
    pub fn in_file(path: &Path) -> Result<Option<MasterKey>, VaultError> {
        key_file::read(path)
    }

    /// The key of another file, made where there is none.
    ///
    /// # Errors
    /// [`VaultError`] where the file cannot be used, or not be made.
    pub fn in_file_or_create(path: &Path) -> Result<MasterKey, VaultError> {
        match key_file::read(path)? {
            Some(key) => Ok(key),
            None => key_file::create(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_is_made_where_there_is_none() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut sources = KeySources {
            environment: None,
            file: folder.path().join("secrets.key"),
            keyring: false,
        };
        assert!(sources.find(None).expect("nothing is wrong").is_none());
        let (made, new) = sources.find_or_create(None).expect("it is made");
        assert!(new && *made.place() == KeyPlace::File(sources.file.clone()));
        let (found, new) = sources.find_or_create(None).expect("it is found");
        assert!(!new && found.fingerprint() == made.fingerprint());
        sources.environment = Some(Zeroizing::new("5".repeat(64)));
        let found = sources.find(None).expect("nothing is wrong").expect("it is set");
        assert!(*found.place() == KeyPlace::Environment && found.fingerprint() != made.fingerprint());
        // A variable that is wrong is not passed over: another key would be made in its place.
        sources.environment = Some(Zeroizing::new(String::new()));
        assert!(matches!(sources.find(None), Err(VaultError::MalformedKey { .. })));
    }

    #[test]
    fn a_key_that_is_missing_is_told_with_the_places_it_could_be_in() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = MasterKey::random(KeyPlace::Environment).expect("a key");
        let sources = KeySources {
            environment: None,
            file: folder.path().join("secrets.key"),
            keyring: false,
        };
        let told = sources
            .require(key.fingerprint())
            .expect_err("there is none")
            .to_string();
        assert!(
            told.contains(&key.fingerprint().to_string()) && told.contains("$WORKFLOW_SECRETS_KEY or /"),
            "{told}"
        );
    }
}
