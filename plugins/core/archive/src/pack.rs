//! What goes into an archive, and under which name.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use autokestra_sdk::prelude::*;

use crate::failed;

/// Most files and folders of one archive.
const ENTRIES_MAX: usize = 100_000;

/// One path or several.
#[derive(Input)]
#[serde(untagged)]
pub(crate) enum From {
    One(String),
    Several(Vec<String>),
}

/// A file or a folder that is packed.
pub(crate) struct Item {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its name in the archive, with `/` between the parts and none at the end.
    pub(crate) name: String,
    pub(crate) metadata: Metadata,
}

/// All that is packed, sorted by name, without `archive` itself.
///
/// A path goes in under its last part; one that ends in `/` or `.` is the folder whose entries go in, without it.
pub(crate) fn items(from: &From, archive: &str) -> Result<Vec<Item>, TaskError> {
    let paths = match from {
        From::One(path) => std::slice::from_ref(path),
        From::Several(paths) => paths,
    };
    if paths.is_empty() {
        return Err(TaskError::new("invalid_input", "`from` names nothing"));
    }
    let mut found = Vec::new();
    for path in paths {
        let inside = path.ends_with('/') || path == "." || path.ends_with("/.");
        let root = Path::new(path);
        let name = match root.file_name() {
            Some(name) if !inside => name.to_str().map(str::to_owned).ok_or_else(|| no_utf8(root))?,
            Some(_) | None => String::new(),
        };
        add(root, name, Path::new(archive), &mut found)?;
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    for pair in found.windows(2) {
        if let [first, second] = pair
            && first.name == second.name
        {
            let text = format!(
                "`{}` and `{}` would both be `{}`",
                first.path.display(),
                second.path.display(),
                first.name
            );
            return Err(TaskError::new("duplicate_entry", text));
        }
    }
    Ok(found)
}

fn add(path: &Path, name: String, archive: &Path, found: &mut Vec<Item>) -> Result<(), TaskError> {
    let wrong = |error| failed(&path.display().to_string(), error);
    let metadata = path.symlink_metadata().map_err(wrong)?;
    if !metadata.is_file() && !metadata.is_dir() {
        let text = format!(
            "`{}` is neither a file nor a folder; links are not followed",
            path.display()
        );
        return Err(TaskError::new("unsupported_entry", text));
    }
    // It may lie in the folder that goes into it.
    if metadata.is_file() && same(path, archive) {
        return Ok(());
    }
    if found.len() >= ENTRIES_MAX {
        let text = format!("more than {ENTRIES_MAX} files and folders; pack them into several archives");
        return Err(TaskError::new("too_many_entries", text));
    }
    let folder = metadata.is_dir();
    if !name.is_empty() {
        found.push(Item {
            path: path.to_owned(),
            name: name.clone(),
            metadata,
        });
    }
    if folder {
        for entry in fs::read_dir(path).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            let part = entry.file_name();
            let part = part.to_str().ok_or_else(|| no_utf8(&entry.path()))?;
            let below = if name.is_empty() {
                part.to_owned()
            } else {
                format!("{name}/{part}")
            };
            add(&entry.path(), below, archive, found)?;
        }
    }
    Ok(())
}

/// Whether two paths name one file, as they are written.
fn same(a: &Path, b: &Path) -> bool {
    let plain = |path: &Path| -> PathBuf {
        let parts = path.components();
        parts
            .filter(|part| matches!(part, std::path::Component::Normal(_)))
            .collect()
    };
    plain(a) == plain(b)
}

fn no_utf8(path: &Path) -> TaskError {
    TaskError::new("invalid_utf8", format!("the name of `{}` is no UTF-8", path.display()))
}
