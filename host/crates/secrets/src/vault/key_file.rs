//! A master key in a file: read only where its owner alone may, made so that there is a whole one or none.

use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::error::VaultError;
use super::master_key::{KeyPlace, MasterKey};
use crate::private::{self, PrivateError};

/// A key and what people write beside it.
const FILE_BYTES_MAX: usize = 4096;

/// The key in a file; none where there is no file.
pub(super) fn read(path: &Path) -> Result<Option<MasterKey>, VaultError> {
    let path = path.to_path_buf();
    let text = match private::read(&path, FILE_BYTES_MAX) {
        Ok(text) => text,
        Err(PrivateError::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(PrivateError::Unreadable(source)) => return Err(VaultError::Unreadable { path, source }),
        Err(PrivateError::Exposed(mode)) => return Err(VaultError::Exposed { path, mode }),
    };
    MasterKey::parse(&text, KeyPlace::File(path)).map(Some)
}

/// Makes a file with a new key; where there is one by now, its key is the one.
pub(super) fn create(path: &Path) -> Result<MasterKey, VaultError> {
    let key = MasterKey::random(KeyPlace::File(path.to_path_buf()))?;
    let failed = |source| VaultError::NotWritten {
        path: path.to_path_buf(),
        source,
    };
    let about = format!(
        "# The master key {} of Autokestra's secret store. Who has it and the database can read all secrets;\n\
         # without it nobody can. Keep a copy in another place than the database.\n",
        key.fingerprint()
    );
    let digits = key.to_text();
    // Room for all at once: what grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(about.len() + digits.len() + 1));
    text.extend([about.as_str(), digits.as_str(), "\n"]);
    private::make(path, &text).map_err(failed)?;
    // What was written is what will be read.
    read(path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secrets.key");
        assert!(read(&path).expect("no file is no error").is_none());
        let fingerprints: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| create(&path))).collect();
            let made = makers.into_iter().map(|maker| maker.join().expect("no panic"));
            made.map(|key| key.expect("one of them made it").fingerprint())
                .collect()
        });
        assert!(fingerprints.iter().all(|fingerprint| *fingerprint == fingerprints[0]));
        assert_eq!(
            path.metadata().expect("it is there").permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::read_dir(&folder).expect("a folder").count(),
            1,
            "nothing is left beside it"
        );
        assert!(
            fs::read_to_string(&path)
                .expect("a text")
                .contains(&fingerprints[0].to_string())
        );
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secrets.key");
        create(&path).expect("it is made");
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is set");
            let refused = read(&path);
            assert!(
                matches!(refused, Err(VaultError::Exposed { mode: found, .. }) if found == mode),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_made_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let failed = create(&folder.path().join("nowhere/secrets.key"));
        assert!(matches!(failed, Err(VaultError::NotWritten { .. })), "{failed:?}");
        let failed = create(folder.path());
        assert!(failed.is_err(), "{failed:?}");
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 0);
    }
}
