//! One file: its MAC, then its bytes. Written to a temporary file and renamed, so it is there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::CacheOptions;
use super::key::{self, Key};
use super::lock::{EXTENSION, Lock};
use super::name::Name;

/// Length of the MAC in front of each file, in bytes.
const MAC_BYTES: usize = 32;

/// The last use of an entry is known to this. Nothing is gained by writing it at each use.
const USE_KNOWN_TO: Duration = Duration::from_secs(60);

/// A folder that is open: only who has its key can make what is taken from it.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) bytes_max: u64,
    key: Key,
}

/// What stands in the place of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The bytes that were put there.
    Whole(Vec<u8>),
    /// Something that nobody with the key put there, or a part of it.
    Changed,
    /// Nothing, or nothing that can be read.
    Missing,
}

impl Folder {
    pub(super) fn open(options: &CacheOptions) -> io::Result<Self> {
        let path = options.folder.clone();
        let key = key::open(&path)?;
        Ok(Self {
            path,
            bytes_max: options.bytes_max,
            key,
        })
    }

    /// The folder as it is, with nothing made in it; none where there is no key to trust.
    pub(super) fn look(options: &CacheOptions) -> Option<Self> {
        let path = options.folder.clone();
        let key = key::look(&path).ok().flatten()?;
        Some(Self {
            path,
            bytes_max: options.bytes_max,
            key,
        })
    }

    /// The lock that whoever makes an entry holds.
    pub(super) fn lock(&self, name: &Name) -> Option<Lock> {
        Lock::take(&self.path.join(format!("{name}{EXTENSION}")))
    }

    /// The bytes of an entry, checked. Taking them is a use of it.
    pub(super) fn get(&self, name: &Name) -> Found {
        self.found(name, touch)
    }

    /// The bytes of an entry, checked, and nothing changed.
    pub(super) fn look_at(&self, name: &Name) -> Found {
        self.found(name, |_| ())
    }

    fn found(&self, name: &Name, used: impl FnOnce(&File)) -> Found {
        match self.read(name) {
            Ok(Some((file, bytes))) => {
                used(&file);
                Found::Whole(bytes)
            }
            Ok(None) => Found::Changed,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Found::Changed,
            Err(_) => Found::Missing,
        }
    }

    fn read(&self, name: &Name) -> io::Result<Option<(File, Vec<u8>)>> {
        let mut file = File::open(self.path.join(name.to_string()))?;
        let mut mac = [0; MAC_BYTES];
        file.read_exact(&mut mac)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // blake3's own comparison takes the same time wherever the difference is.
        Ok((self.mac(name, &bytes) == mac).then_some((file, bytes)))
    }

    /// Keeps an entry, and makes room for it. Failing to is no failure.
    pub(super) fn keep(&self, name: &Name, bytes: &[u8]) {
        let mac = self.mac(name, bytes);
        let path = self.path.join(name.to_string());
        match self.write(&path, &[mac.as_bytes(), bytes]) {
            Ok(()) => self.make_room(name),
            Err(error) => tracing::warn!(path = %path.display(), %error, "compiled code is not kept"),
        }
    }

    /// Writes a file for its owner alone, whole or not at all. The lock tells others that its writer is alive.
    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let temporary = self.path.join(temporary_name());
        let file = private().create_new(true).write(true).open(&temporary)?;
        let written = file
            .lock()
            .and_then(|()| parts.iter().try_for_each(|part| (&file).write_all(part)))
            .and_then(|()| std::fs::rename(&temporary, path));
        if written.is_err() {
            // What is left is removed by whoever makes room next.
            drop(std::fs::remove_file(&temporary));
        }
        written
    }

    /// The MAC of an entry. Its name is in it, so an entry under another's name is none.
    fn mac(&self, name: &Name, bytes: &[u8]) -> blake3::Hash {
        let name = name.to_string();
        let mut hasher = blake3::Hasher::new_keyed(&self.key.0);
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// The beginning of the names of temporary files.
pub(super) const TEMPORARY: char = '.';

fn temporary_name() -> String {
    format!("{TEMPORARY}{}-{:016x}", std::process::id(), fastrand::u64(..))
}

/// A file for its owner alone.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Writes down that an entry was used, where it was not known well enough.
fn touch(file: &File) {
    let used = file.metadata().and_then(|metadata| metadata.modified());
    if used.is_ok_and(is_recent) {
        return;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the times of files are the machine's, and so must be what is held against them"
    )]
    let now = SystemTime::now();
    // A folder that cannot be written is one where nothing is removed either.
    drop(file.set_modified(now));
}

/// Whether a file's time is so near that it is not worth another. One to come is not.
pub(super) fn is_recent(at: SystemTime) -> bool {
    at.elapsed().is_ok_and(|age| age < USE_KNOWN_TO)
}
