//! Room for what is new: what is of no use any more goes first, then what was used longest ago.

use std::cmp::Reverse;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::entry::{Folder, TEMPORARY, is_recent};
use super::lock::{EXTENSION, Lock, is_at};
use super::name::{Name, Target, is_entry};

/// The name of the key's file.
pub(super) const KEY: &str = "key";

/// An entry on disk.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// None: of another version of this program.
    pub(super) name: Option<Name>,
    pub(super) size: u64,
    pub(super) used: SystemTime,
}

impl Entry {
    /// Whether this program can use it.
    pub(super) fn fits(&self, targets: &[Target]) -> bool {
        match &self.name {
            Some(Name::Code(_, target)) => targets.contains(target),
            Some(Name::Manifest(_)) => true,
            None => false,
        }
    }
}

/// All entries of a folder, in no order. What others keep there is none of ours.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let text = file.file_name();
        let Some(text) = text
            .to_str()
            .filter(|text| is_entry(text) && !text.starts_with(TEMPORARY))
        else {
            continue;
        };
        // Another process may have removed it since.
        if let Ok(metadata) = file.metadata()
            && metadata.is_file()
        {
            found.push(Entry {
                path: file.path(),
                name: Name::parse(text),
                size: metadata.len(),
                used: metadata.modified()?,
            });
        }
    }
    Ok(found)
}

/// Removes what dead processes left: temporary files that nobody writes to, and locks that nobody holds.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(EXTENSION) {
            // Letting go of it removes its file.
            drop(Lock::attempt(&path));
        } else if name.starts_with(TEMPORARY) && is_abandoned(&path) {
            drop(std::fs::remove_file(&path));
        }
    }
    Ok(())
}

/// Whether nobody writes to a temporary file. One that is new may be about to be locked.
fn is_abandoned(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let old = file.metadata().and_then(|metadata| metadata.modified());
    old.is_ok_and(|at| !is_recent(at)) && file.try_lock().is_ok() && is_at(&file, path)
}

impl Folder {
    /// Removes entries until the limit holds. What was just written stays.
    pub(super) fn make_room(&self, written: &Name) {
        if let Err(error) = self.try_make_room(written) {
            tracing::warn!(folder = %self.path.display(), %error, "what is old is not removed");
        }
    }

    fn try_make_room(&self, written: &Name) -> io::Result<()> {
        sweep(&self.path)?;
        let mut all = entries(&self.path)?;
        let mut total: u64 = all.iter().map(|entry| entry.size).sum();
        if total <= self.bytes_max {
            return Ok(());
        }
        let targets = Target::of_this_program();
        all.sort_by_key(|entry| Reverse((entry.fits(&targets), entry.used)));
        while total > self.bytes_max
            && let Some(entry) = all.pop()
        {
            if entry.name.as_ref() == Some(written) {
                continue;
            }
            remove(&entry.path)?;
            tracing::debug!(path = %entry.path.display(), size = entry.size, "removed, to make room");
            total -= entry.size;
        }
        Ok(())
    }
}

/// Removes a file that another process may have removed already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
