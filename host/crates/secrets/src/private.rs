//! Files that only their owner may read: keys, and secrets as YAML.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use zeroize::{Zeroize as _, Zeroizing};

/// Why such a file was not read.
#[derive(Debug)]
pub enum PrivateError {
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
///
/// # Errors
/// [`PrivateError`], which tells a file that others may use from one that cannot be read.
pub fn read(path: &Path, bytes_max: usize) -> Result<Zeroizing<String>, PrivateError> {
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

/// Makes such a file with a text, whole or not at all. One that is there by now stays as it is.
///
/// # Errors
/// What the system says; then nothing is left beside it.
pub fn make(path: &Path, text: &str) -> io::Result<()> {
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(io::Error::other)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{:016x}", u64::from_le_bytes(number)));
    // Written elsewhere and then linked: nobody reads a half of it, and none that is there is replaced.
    let made = write(beside.as_ref(), text).and_then(|()| fs::hard_link(&beside, path));
    let removed = fs::remove_file(&beside);
    match made {
        Ok(()) => removed.and_then(|()| sync_folder(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes a new name in a folder outlast a power cut.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
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
