//! The programs that were loaded, so that the next attempt has them at once: by content, and by file as long as it is the same.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use autokestra_model::Digest;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::OnceCell;

use super::Program;
use crate::capture::locked;

/// Programs that are kept.
const PROGRAMS_MAX: usize = 64;
/// Bytes of their files together; their code is a few times as large.
const BYTES_MAX: usize = 256 << 20;
/// Files that are known by their stamps.
const FILES_MAX: usize = 256;
/// A file that changed later than this before it was looked at may change again without a sign of it, in seconds.
const SETTLED_SECONDS: i64 = 2;

/// A program that is loaded once, by whoever wants it first.
type Cell = Arc<OnceCell<Arc<Program>>>;

/// The programs of one sandbox.
#[derive(Default)]
pub(crate) struct Programs {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    programs: HashMap<Digest, Entry>,
    files: HashMap<PathBuf, (Stamp, Digest)>,
    /// Counts uses, to tell which is the oldest.
    uses: u64,
}

struct Entry {
    cell: Cell,
    used: u64,
}

impl Entry {
    fn size(&self) -> usize {
        self.cell.get().map_or(0, |program| program.size_bytes)
    }
}

impl Programs {
    /// The program of a file that has not changed.
    pub(super) fn of_path(&self, path: &Path, stamp: &Stamp) -> Option<Arc<Program>> {
        let mut kept = locked(&self.kept);
        let (known, digest) = kept.files.get(path).copied()?;
        (known == *stamp)
            .then(|| kept.use_of(digest))
            .and_then(|cell| cell.get().cloned())
    }

    /// Where the program of a content is, or comes to be.
    pub(super) fn cell(&self, digest: Digest) -> Cell {
        locked(&self.kept).use_of(digest)
    }

    /// Notes what a file holds, where that can be seen from its stamp; and lets go of what was not used for longest.
    pub(super) fn note(&self, path: &Path, stamp: Option<Stamp>, digest: Digest) {
        let mut kept = locked(&self.kept);
        if kept.files.len() >= FILES_MAX {
            kept.files.clear();
        }
        if let Some(stamp) = stamp.filter(|stamp| stamp.settled) {
            kept.files.insert(path.to_path_buf(), (stamp, digest));
        }
        kept.trim();
    }
}

impl Kept {
    fn use_of(&mut self, digest: Digest) -> Cell {
        self.uses += 1;
        let entry = self.programs.entry(digest).or_insert_with(|| Entry {
            cell: Cell::default(),
            used: 0,
        });
        entry.used = self.uses;
        Arc::clone(&entry.cell)
    }

    fn trim(&mut self) {
        while self.programs.len() > PROGRAMS_MAX || self.programs.values().map(Entry::size).sum::<usize>() > BYTES_MAX {
            let oldest = self.programs.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(digest, _)| *digest) else {
                return;
            };
            self.programs.remove(&oldest);
        }
    }
}

/// What changes with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    /// Set by the system alone, whatever is written or pretended.
    changed: (i64, i64),
    /// It was old enough when it was looked at: a later change has another time.
    settled: bool,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Option<Self> {
        // The clock that files are stamped by.
        let now = clock_gettime(ClockId::Realtime).tv_sec;
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            file: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
            settled: now.saturating_sub(found.ctime()) > SETTLED_SECONDS,
        })
    }
}
