//! A file that takes its name when it is whole.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use autokestra_sdk::TaskError;

use crate::failed;

/// A file that is written beside the place where it will stand. One that is dropped before [`Draft::finish`] leaves nothing.
pub(crate) struct Draft {
    /// Where it is written.
    written: PathBuf,
    /// Where it will be; the same where only this very file is granted.
    path: PathBuf,
    finished: bool,
}

impl Draft {
    /// Begins `path`, and makes its folders.
    pub(crate) fn begin(path: &str) -> Result<(Self, File), TaskError> {
        let target = Path::new(path);
        let name = target
            .file_name()
            .ok_or_else(|| TaskError::new("invalid_input", format!("`{path}` names no file")))?;
        if target.is_dir() {
            return Err(TaskError::new(
                "invalid_input",
                format!("`{path}` is a folder; name a file in it"),
            ));
        }
        make_folder(target)?;
        let mut draft = std::ffi::OsString::from(".");
        draft.push(name);
        draft.push(".part");
        let beside = target.with_file_name(draft);
        let (written, file) = match File::create(&beside) {
            Ok(file) => (beside, file),
            // Only this very file is granted, so there is no place for a draft beside it.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && target.is_file() => {
                let file = File::create(target).map_err(|error| failed(path, error))?;
                (target.to_owned(), file)
            }
            Err(error) => return Err(failed(path, error)),
        };
        let draft = Self {
            written,
            path: target.to_owned(),
            finished: false,
        };
        Ok((draft, file))
    }

    /// Gives it its name, and says its size in bytes.
    pub(crate) fn finish(mut self) -> Result<u64, TaskError> {
        let wrong = |error| failed(&self.path.display().to_string(), error);
        if self.written != self.path {
            fs::rename(&self.written, &self.path).map_err(wrong)?;
        }
        self.finished = true;
        Ok(fs::metadata(&self.path).map_err(wrong)?.len())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.finished && self.written != self.path {
            // The first error counts.
            let _gone = fs::remove_file(&self.written);
        }
    }
}

/// Makes the folders above a file.
pub(crate) fn make_folder(path: &Path) -> Result<(), TaskError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            fs::create_dir_all(folder).map_err(|error| failed(&folder.display().to_string(), error))
        }
        _ => Ok(()),
    }
}
