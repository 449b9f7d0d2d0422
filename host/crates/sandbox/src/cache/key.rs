//! The key of the MACs, in a folder for its owner alone. One that others could have read is replaced.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::entry::private;
use super::lock::{EXTENSION, Lock};
use super::room::KEY;

/// Its length, in bytes.
const KEY_BYTES: usize = 32;

/// A key. Whoever has it can make code that is run.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key(pub(super) [u8; KEY_BYTES]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

/// The key of a folder that is used, made where there is none or it cannot be trusted.
pub(super) fn open(folder: &Path) -> io::Result<Key> {
    make(folder)?;
    if let Some(key) = look(folder)? {
        return Ok(key);
    }
    // Two that begin at once have one key.
    let _lock = Lock::take(&folder.join(format!("{KEY}{EXTENSION}")));
    if let Some(key) = look(folder)? {
        return Ok(key);
    }
    let path = folder.join(KEY);
    if let Some(why) = exposed(folder)?.or_else(|| doubt(&path)) {
        tracing::warn!(folder = %folder.display(), why, "the key of compiled code is replaced, and the code made anew");
        // Before the folder is closed: then it would be trusted by whoever comes next, should this process end here.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => close(folder)?,
        }
    }
    renew(folder)
}

/// The key of a folder, if it is there and nobody else could have read it. Makes nothing.
pub(super) fn look(folder: &Path) -> io::Result<Option<Key>> {
    let path = folder.join(KEY);
    if exposed(folder)?.is_some() || doubt(&path).is_some() {
        return Ok(None);
    }
    let mut key = [0; KEY_BYTES];
    let read = File::open(&path).and_then(|mut file| file.read_exact(&mut key));
    Ok(read.is_ok().then_some(Key(key)))
}

/// Makes the folder where it is missing.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// A new key in the place of what is there.
fn renew(folder: &Path) -> io::Result<Key> {
    let mut key = [0; KEY_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let temporary = folder.join(format!(".{KEY}-{:016x}", fastrand::u64(..)));
    let written = private().create_new(true).write(true).open(&temporary);
    let written = written.and_then(|mut file| {
        file.write_all(&key)?;
        std::fs::rename(&temporary, folder.join(KEY))
    });
    if written.is_err() {
        drop(std::fs::remove_file(&temporary));
    }
    written.map(|()| Key(key))
}

/// What makes the folder one that others may look into; an error where it belongs to somebody else.
fn exposed(folder: &Path) -> io::Result<Option<String>> {
    let metadata = std::fs::metadata(folder)?;
    if !is_ours(&metadata) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the folder belongs to another user",
        ));
    }
    Ok(open_to_others(&metadata).map(|mode| format!("others may use the folder (mode {mode:03o})")))
}

/// Why a key's file is not trusted; none where it is, or where there is none.
fn doubt(path: &Path) -> Option<String> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(error.to_string()),
    };
    if !metadata.is_file() {
        Some("it is no file".to_owned())
    } else if metadata.len() != KEY_BYTES as u64 {
        Some(format!("it has {} bytes instead of {KEY_BYTES}", metadata.len()))
    } else if !is_ours(&metadata) {
        Some("it belongs to another user".to_owned())
    } else {
        open_to_others(&metadata).map(|mode| format!("others may use it (mode {mode:03o})"))
    }
}

#[cfg(unix)]
fn is_ours(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    metadata.uid() == rustix::process::geteuid().as_raw()
}

/// The mode of what others than its owner may use.
#[cfg(unix)]
fn open_to_others(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(metadata.permissions().mode() & 0o777).filter(|mode| mode & 0o077 != 0)
}

/// Leaves the folder to its owner alone.
#[cfg(unix)]
fn close(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut permissions = std::fs::metadata(folder)?.permissions();
    let private = permissions.mode() & 0o700;
    if permissions.mode() & 0o777 != private {
        permissions.set_mode(private);
        std::fs::set_permissions(folder, permissions)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn is_ours(_: &Metadata) -> bool {
    true
}

#[cfg(not(unix))]
fn open_to_others(_: &Metadata) -> Option<u32> {
    None
}

#[cfg(not(unix))]
fn close(_: &Path) -> io::Result<()> {
    Ok(())
}
