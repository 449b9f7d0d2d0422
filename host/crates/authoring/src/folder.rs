//! A folder held by its handle: what is written in it lands in it, wherever links lead.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, open, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::error::AuthoringError;

/// The most that is read of a file whose text is looked at.
const LOOKED_AT_MAX: u64 = 64 << 20;

/// A folder, and its path for messages.
#[derive(Debug)]
pub struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder that the user named; it may be a link.
    ///
    /// # Errors
    /// [`AuthoringError::File`] where it is none.
    pub fn open(path: &Path) -> Result<Self, AuthoringError> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let handle =
            open(path, flags, Mode::empty()).map_err(|error| AuthoringError::file("open", path)(error.into()))?;
        Ok(Self {
            handle,
            path: path.to_path_buf(),
        })
    }

    /// The folder `name` in it, made where it is missing.
    ///
    /// # Errors
    /// [`AuthoringError::Link`] where it is a link or no folder.
    pub fn inner(&self, name: &str) -> Result<Self, AuthoringError> {
        let path = self.path.join(name);
        match mkdirat(&self.handle, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(AuthoringError::file("create", &path)(error.into())),
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        match openat(&self.handle, name, flags, Mode::empty()) {
            Ok(handle) => Ok(Self { handle, path }),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(AuthoringError::Link { path }),
            Err(error) => Err(AuthoringError::file("open", &path)(error.into())),
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a file into it, whole or not at all. A link of that name is replaced, not followed.
    ///
    /// # Errors
    /// [`AuthoringError::File`] where it cannot be written.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), AuthoringError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Nothing looks at files of such a name, and no other process has this one.
        let draft = format!(".{name}.{}-{number}.draft", std::process::id());
        let put = || -> io::Result<()> {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file = File::from(openat(&self.handle, &draft, flags, Mode::from_raw_mode(0o666))?);
            file.write_all(bytes)?;
            file.sync_data()?;
            renameat(&self.handle, &draft, &self.handle, name)?;
            Ok(())
        };
        put().map_err(|error| {
            // What is left of it is in nobody's way.
            unlinkat(&self.handle, &draft, AtFlags::empty()).unwrap_or_default();
            AuthoringError::file("write", &self.path.join(name))(error)
        })
    }

    /// The text of a file in it; none where nothing is there.
    ///
    /// # Errors
    /// [`AuthoringError::Project`] where it is a link, no file, no text or too large; [`AuthoringError::File`] where it cannot be read.
    pub fn look(&self, name: &str) -> Result<Option<String>, AuthoringError> {
        let path = self.path.join(name);
        let odd = |reason: &str| AuthoringError::Project {
            file: path.clone(),
            reason: reason.to_owned(),
            advice: "choose another folder, or take it away".to_owned(),
        };
        let fail = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData => odd("it is no text"),
            _ => AuthoringError::file("read", &path)(error),
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.handle, name, flags, Mode::empty()) {
            Ok(handle) => File::from(handle),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(odd("it is a link, and none is followed")),
            // A socket.
            Err(Errno::NXIO) => return Err(odd("it is no file")),
            Err(error) => return Err(fail(error.into())),
        };
        if !file.metadata().map_err(fail)?.is_file() {
            return Err(odd("it is no file"));
        }
        let mut text = String::new();
        let read = file.take(LOOKED_AT_MAX + 1).read_to_string(&mut text).map_err(fail)?;
        if read as u64 > LOOKED_AT_MAX {
            return Err(odd("it is larger than 64 MiB"));
        }
        Ok(Some(text))
    }

    /// A file in it, unless it is missing, a link, or cannot be read.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.handle, name, flags, Mode::empty()).ok()?);
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}
