//! This process as an owner of executions. It holds a lock on a file for as long as it lives, so that another process
//! on the machine sees at once that it is gone, even in another container; where the lock says nothing, its lease's end counts.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Beside the database: the folder of lock files.
const FOLDER_SUFFIX: &str = "-owners";

/// This process, as it is known to others.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) process: u32,
    folder: PathBuf,
    lock: Mutex<Option<File>>,
}

impl Owner {
    /// Names this process; nothing is locked before it owns something.
    pub(super) fn new(database: &Path) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self {
            id: format!("{:032x}", fastrand::u128(..)),
            host,
            process: std::process::id(),
            folder: folder(database),
            lock: Mutex::default(),
        }
    }

    /// Locks this process's file, if it is not locked yet. Gives whether it was not.
    pub(super) fn hold(&self) -> io::Result<bool> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() {
            return Ok(false);
        }
        std::fs::create_dir_all(&self.folder)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(file(&self.folder, &self.id))?;
        file.lock()?;
        *lock = Some(file);
        Ok(true)
    }

    /// Gives the lock back and removes the file.
    pub(super) fn release(&self) {
        let held = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        if held.is_some() {
            // What stays behind is an empty file that the next to look at it removes.
            drop(std::fs::remove_file(file(&self.folder, &self.id)));
        }
    }
}

/// Whether a process that owned something is certainly gone. What its lock leaves behind is removed.
pub(super) fn is_gone(database: &Path, id: &str) -> bool {
    let folder = folder(database);
    let path = file(&folder, id);
    match File::open(&path) {
        Ok(file) => match file.try_lock() {
            Ok(()) => {
                drop(std::fs::remove_file(&path));
                true
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        },
        // It is removed by its owner at its end, or by whoever found it without one.
        Err(error) => error.kind() == io::ErrorKind::NotFound && folder.is_dir(),
    }
}

fn folder(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(FOLDER_SUFFIX);
    PathBuf::from(name)
}

fn file(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_gone_once_its_lock_is() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let database = place.path().join("db.sqlite");
        let owner = Owner::new(&database);
        assert!(owner.hold().expect("it is locked") && !owner.hold().expect("still"));
        assert!(!is_gone(&database, &owner.id));
        owner.release();
        assert!(is_gone(&database, &owner.id));
    }
}
