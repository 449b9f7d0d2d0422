//! Copies, moves and removes.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use autokestra_sdk::prelude::*;

use crate::{Written, failed, make_folder};

/// From where to where.
#[derive(Input)]
pub(crate) struct Transfer {
    /// A file.
    from: String,
    /// Where it goes; folders are made.
    to: String,
    /// Replace what is there; else it is an error. Default true.
    #[serde(default = "yes")]
    overwrite: bool,
}

fn yes() -> bool {
    true
}

/// Copies a file.
#[action(idempotent, title = "Copy a file")]
pub(crate) fn copy(input: Transfer) -> Result<Written, TaskError> {
    prepare(&input)?;
    let size = fs::copy(&input.from, &input.to).map_err(|error| failed(&both(&input), error))?;
    Ok(Written { path: input.to, size })
}

/// Moves a file, or a folder.
#[action(name = "move", title = "Move a file")]
pub(crate) fn rename(input: Transfer) -> Result<Written, TaskError> {
    prepare(&input)?;
    match fs::rename(&input.from, &input.to) {
        // Another granted folder may be another disk.
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            fs::copy(&input.from, &input.to)
                .and_then(|_| fs::remove_file(&input.from))
                .map_err(|error| failed(&both(&input), error))?;
        }
        other => other.map_err(|error| failed(&both(&input), error))?,
    }
    let size = fs::metadata(&input.to).map_err(|error| failed(&input.to, error))?.len();
    Ok(Written { path: input.to, size })
}

fn prepare(input: &Transfer) -> Result<(), TaskError> {
    let to = Path::new(&input.to);
    if !input.overwrite && to.symlink_metadata().is_ok() {
        return Err(TaskError::new(
            "already_exists",
            format!("{} is there already", input.to),
        ));
    }
    make_folder(to)
}

fn both(input: &Transfer) -> String {
    format!("{} to {}", input.from, input.to)
}

/// What is removed.
#[derive(Input)]
pub(crate) struct Remove {
    /// A file or a folder.
    path: String,
    /// Remove a folder with all that is in it.
    #[serde(default)]
    recursive: bool,
}

/// Removes a file or a folder, and says whether there was one.
#[action(idempotent, title = "Remove a file")]
pub(crate) fn remove(input: Remove) -> Result<bool, TaskError> {
    let path = Path::new(&input.path);
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() && input.recursive => fs::remove_dir_all(path),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(_) if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) => {
            let text = format!("{} holds files; remove them too by `recursive: true`", input.path);
            Err(TaskError::new("folder_not_empty", text))
        }
        Err(error) => Err(failed(&input.path, error)),
    }
}
