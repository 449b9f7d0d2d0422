//! The key that heads of the audit trail are made by: in a file beside the database, for its owner alone.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use autokestra_secrets::private::{self, PrivateError};

use crate::error::StoreError;
use crate::trail::hex;

/// The name of its file.
pub(crate) const FILE: &str = "audit.key";

/// A key and what people write beside it.
const FILE_BYTES_MAX: usize = 4096;

/// What its number is derived by. Another purpose has another text.
const ID_CONTEXT: &str = "autokestra 2026-11-26 audit key id";

/// A key. Whoever has it and may write the database can make a trail of his own that holds.
#[derive(Clone)]
pub(super) struct Key([u8; 32]);

/// Tells keys apart, and tells nothing of them.
pub(super) type KeyId = [u8; 8];

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

impl Key {
    /// The number by which a head names the key that made it.
    pub(super) fn id(&self) -> KeyId {
        let whole = blake3::derive_key(ID_CONTEXT, &self.0);
        let mut id = KeyId::default();
        id.copy_from_slice(&whole[..8]);
        id
    }

    /// The MAC of some bytes.
    pub(super) fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.0, bytes).as_bytes()
    }

    /// Whether a MAC is that of some bytes, in a time that tells nothing of it.
    pub(super) fn made(&self, bytes: &[u8], mac: [u8; 32]) -> bool {
        blake3::keyed_hash(&self.0, bytes) == blake3::Hash::from_bytes(mac)
    }

    /// The key in the folder of a database; none where there is no file.
    pub(super) fn look(database: &Path) -> Result<Option<Self>, StoreError> {
        let path = path_of(database);
        let text = match private::read(&path, FILE_BYTES_MAX) {
            Ok(text) => text,
            Err(PrivateError::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(PrivateError::Unreadable(source)) => return Err(StoreError::AuditKey { path, source }),
            Err(PrivateError::Exposed(mode)) => return Err(StoreError::AuditKeyExposed { path, mode }),
        };
        let no_key = || io::Error::new(io::ErrorKind::InvalidData, "it holds no key");
        let key = parse(&text).ok_or_else(no_key);
        key.map(Some).map_err(|source| StoreError::AuditKey { path, source })
    }

    /// Makes a new one in the folder of a database; where there is one by now, that is the one.
    pub(super) fn create(database: &Path) -> Result<Self, StoreError> {
        let path = path_of(database);
        let failed = |source| StoreError::AuditKey {
            path: path.clone(),
            source,
        };
        let mut key = Self([0; 32]);
        getrandom::fill(&mut key.0).map_err(|error| failed(io::Error::other(error)))?;
        let text = format!(
            "# The key {} of Autokestra's audit trail. Who has it and may write the database can change the trail unseen.\n\
             # Keep a copy in another place than the database: without it nobody can tell whether events were removed.\n{}\n",
            hex(&key.id()),
            hex(&key.0)
        );
        private::make(&path, &text).map_err(failed)?;
        // What was written is what will be read.
        Self::look(database)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
    }
}

/// The file of a database's key.
pub(crate) fn path_of(database: &Path) -> PathBuf {
    database.with_file_name(FILE)
}

fn parse(text: &str) -> Option<Key> {
    let digits = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))?;
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut key = [0; 32];
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(Key(key))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = folder.path().join("db.sqlite");
        assert!(Key::look(&database).expect("no file is no error").is_none());
        let ids: Vec<KeyId> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| Key::create(&database))).collect();
            let made = makers.into_iter().map(|maker| maker.join().expect("no panic"));
            made.map(|key| key.expect("one of them made it").id()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]));
        let path = path_of(&database);
        assert_eq!(
            path.metadata().expect("it is there").permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::read_dir(&folder).expect("a folder").count(),
            1,
            "nothing is left beside it"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it is set");
        let refused = Key::look(&database);
        assert!(
            matches!(refused, Err(StoreError::AuditKeyExposed { mode: 0o640, .. })),
            "{refused:?}"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is set");
        fs::write(&path, "# no key\nabc\n").expect("written");
        assert!(matches!(Key::look(&database), Err(StoreError::AuditKey { .. })));
    }
}
