//! A lock between processes, held while an entry is made. The system lets go of it when its process ends, however it ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::entry::private;

/// What the name of a lock's file ends in.
pub(super) const EXTENSION: &str = ".lock";

/// How long one waits before it asks again.
const WAIT: Duration = Duration::from_millis(5);

/// How often it asks, a minute long. A process that was stopped while it held the lock holds nobody up for ever.
const TRIES_MAX: u32 = 12_000;

/// A lock that is held. Dropping it lets go.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Waits for the lock of `path`. None where it cannot be had: then two may do the same work, which costs time alone.
    pub(super) fn take(path: &Path) -> Option<Self> {
        Self::take_within(path, TRIES_MAX)
    }

    pub(super) fn take_within(path: &Path, tries_max: u32) -> Option<Self> {
        for _ in 0..tries_max {
            match Self::attempt(path) {
                Ok(Some(lock)) => return Some(lock),
                Ok(None) => std::thread::sleep(WAIT),
                Err(error) => {
                    tracing::debug!(path = %path.display(), %error, "there is no lock; what is made may be made twice");
                    return None;
                }
            }
        }
        tracing::warn!(path = %path.display(), "a lock was not let go; what it guards is made all the same");
        None
    }

    /// The lock, if nobody holds it.
    pub(super) fn attempt(path: &Path) -> std::io::Result<Option<Self>> {
        let file = private().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            // Whoever held it before has removed its file: this one is not the one that others find.
            Ok(()) if !is_at(&file, path) => Ok(None),
            Ok(()) => Ok(Some(Self {
                path: path.to_path_buf(),
                _file: file,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is held: nobody who waits for it can take a file for the lock that is gone.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Whether `file` is the one that stands at `path`.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let (ours, there) = (file.metadata(), std::fs::metadata(path));
        matches!((ours, there), (Ok(ours), Ok(there)) if (ours.dev(), ours.ino()) == (there.dev(), there.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}
