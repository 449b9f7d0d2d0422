//! A master key in a file: read only where its owner alone may, made so that there is a whole one or none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::cipher;
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
    // Written elsewhere and then linked: nobody reads a half of it, and none that is there is replaced.
    let beside = beside(path)?;
    let made = write(&beside, &key).and_then(|()| fs::hard_link(&beside, path));
    let removed = fs::remove_file(&beside);
    match made {
        Ok(()) => {
            removed.map_err(failed)?;
            sync_folder(path).map_err(failed)?;
            // What was written is what will be read.
            read(path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
        }
        Err(error) => Err(failed(error)),
    }
}

/// A name of its own in the same folder.
fn beside(path: &Path) -> Result<std::path::PathBuf, VaultError> {
    let mut number = [0; 8];
    cipher::random(&mut number)?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:016x}", u64::from_le_bytes(number)));
    Ok(name.into())
}

fn write(path: &Path, key: &MasterKey) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let about = format!(
        "# The master key {} of Autokestra's secret store. Who has it and the database can read all secrets;\n\
         # without it nobody can. Keep a copy in another place than the database.\n",
        key.fingerprint()
    );
    file.write_all(about.as_bytes())?;
    file.write_all(key.to_text().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Makes a new name in a folder outlast a power cut.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
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
