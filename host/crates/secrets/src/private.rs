//! Files that only their owner may read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::{Zeroize as _, Zeroizing};

/// Why such a file was not read.
#[derive(Debug)]
pub(crate) enum PrivateError {
    /// Others may read it: its permission bits.
    Exposed(u32),
    /// The system says no.
    Unreadable(io::Error),
}

impl From<io::Error> for PrivateError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// Reads the text of a file of at most `bytes_max` bytes. The permissions are those of the very file that is read; what is
/// read is overwritten when dropped, and was nowhere else.
pub(crate) fn read(path: &Path, bytes_max: usize) -> Result<Zeroizing<String>, PrivateError> {
    let file = File::open(path)?;
    let mode = mode(&file)?;
    if mode & 0o077 != 0 {
        return Err(PrivateError::Exposed(mode));
    }
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {bytes_max} bytes"));
    // Room for all at once: what grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + ROOM));
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(too_large().into());
    }
    let text = String::from_utf8(std::mem::take(&mut *bytes));
    let text = text.map_err(|error| {
        error.into_bytes().zeroize();
        io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8")
    })?;
    Ok(Zeroizing::new(text))
}

/// What a reader wants beyond what it reads, to see the end of a file.
const ROOM: usize = 64;

#[cfg(unix)]
fn mode(file: &File) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_file: &File) -> io::Result<u32> {
    Ok(0o600)
}
