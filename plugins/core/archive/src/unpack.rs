//! Where the entries of an archive go: nowhere but into the folder, and not without end.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use autokestra_sdk::TaskError;

use crate::draft::make_folder;
use crate::{BUFFER_BYTES, failed};

/// What all files of an archive may hold where nobody says, in bytes.
pub(crate) const BYTES_MAX_DEFAULT: u64 = 1 << 30;
/// Files and folders of an archive where nobody says.
pub(crate) const ENTRIES_MAX_DEFAULT: usize = 10_000;

/// The folder that an archive is unpacked into, and what may still come.
pub(crate) struct Folder {
    root: PathBuf,
    overwrite: bool,
    bytes_max: u64,
    entries_max: usize,
    pub(crate) size: u64,
    pub(crate) entries: usize,
}

impl Folder {
    /// Makes the folder where there is none.
    pub(crate) fn open(path: &str, limits: (Option<u64>, Option<usize>), overwrite: bool) -> Result<Self, TaskError> {
        let root = PathBuf::from(path);
        if !root.is_dir() {
            fs::create_dir_all(&root).map_err(|error| failed(path, error))?;
        }
        Ok(Self {
            root,
            overwrite,
            bytes_max: limits.0.unwrap_or(BYTES_MAX_DEFAULT),
            entries_max: limits.1.unwrap_or(ENTRIES_MAX_DEFAULT),
            size: 0,
            entries: 0,
        })
    }

    /// Makes a folder below it.
    pub(crate) fn folder(&mut self, name: &str) -> Result<(), TaskError> {
        let path = self.take(name)?;
        fs::create_dir_all(&path).map_err(|error| failed(&path.display().to_string(), error))
    }

    /// Writes a file below it.
    pub(crate) fn file(&mut self, name: &str, modified: Option<SystemTime>, from: impl Read) -> Result<(), TaskError> {
        let path = self.take(name)?;
        let shown = path.display().to_string();
        if path == self.root {
            return Err(unsafe_entry(name, "it has no name"));
        }
        if !self.overwrite && path.symlink_metadata().is_ok() {
            return Err(TaskError::new("already_exists", format!("{shown} is there already")));
        }
        make_folder(&path)?;
        let file = File::create(&path).map_err(|error| failed(&shown, error))?;
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let left = self.bytes_max - self.size;
        // One more than there may be, to see that there is more.
        let copied = std::io::copy(&mut from.take(left.saturating_add(1)), &mut file).and_then(|copied| {
            file.flush()?;
            Ok(copied)
        });
        let copied = copied.map_err(|error| corrupt(name, &error))?;
        if copied > left {
            let text = format!(
                "the archive holds more than {} bytes; `maxBytes` allows more",
                self.bytes_max
            );
            return Err(TaskError::new("too_large", text));
        }
        self.size += copied;
        if let Some(modified) = modified {
            // Not all file systems keep it, and the content is there.
            let _kept = file.get_ref().set_modified(modified);
        }
        Ok(())
    }

    /// Counts an entry, and says where it goes.
    fn take(&mut self, name: &str) -> Result<PathBuf, TaskError> {
        self.entries += 1;
        if self.entries > self.entries_max {
            let text = format!(
                "the archive holds more than {} entries; `maxEntries` allows more",
                self.entries_max
            );
            return Err(TaskError::new("too_many_entries", text));
        }
        inside(&self.root, name)
    }
}

/// The place of an entry below a folder; an error where it would lead out.
///
/// Some archivers write `\` between the parts, so what is `..` between those is refused as well.
pub(crate) fn inside(root: &Path, name: &str) -> Result<PathBuf, TaskError> {
    if name.starts_with('/') || name.starts_with('\\') || name.as_bytes().get(1) == Some(&b':') {
        return Err(unsafe_entry(name, "it is an absolute path"));
    }
    if name.contains('\0') {
        return Err(unsafe_entry(name, "it holds a NUL"));
    }
    if name.split(['/', '\\']).any(|part| part == "..") {
        return Err(unsafe_entry(name, "it leads out of the folder"));
    }
    let mut path = root.to_owned();
    path.extend(name.split('/').filter(|part| !part.is_empty() && *part != "."));
    Ok(path)
}

pub(crate) fn unsafe_entry(name: &str, why: &str) -> TaskError {
    TaskError::new("unsafe_entry", format!("the entry `{name}` is refused: {why}"))
}

/// Denials and full disks keep their codes; what the archive itself says wrongly is told as such.
pub(crate) fn corrupt(name: &str, error: &std::io::Error) -> TaskError {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof | ErrorKind::Other => {
            TaskError::new("invalid_archive", format!("{name}: {error}"))
        }
        kind => TaskError::from(std::io::Error::from(kind)).context(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stays_in_its_folder() {
        for name in [
            "../a",
            "a/../../b",
            "/etc/passwd",
            "a\\..\\..\\b",
            "\\\\host\\a",
            "C:\\a",
            "C:a",
            "a\0b",
            "..",
        ] {
            let error = inside(Path::new("out"), name).expect_err(name);
            assert_eq!(error.code(), "unsafe_entry", "{name}");
        }
        for (name, place) in [
            ("a/b", "out/a/b"),
            ("./a//b/", "out/a/b"),
            ("..a/b..", "out/..a/b.."),
            ("a\\b", "out/a\\b"),
        ] {
            assert_eq!(inside(Path::new("out"), name).expect(name), Path::new(place));
        }
    }
}
