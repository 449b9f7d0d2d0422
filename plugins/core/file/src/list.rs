//! What is there.

use std::fs::{self, Metadata};
use std::path::Path;

use autokestra_sdk::prelude::*;
use globset::{GlobBuilder, GlobMatcher};
use jiff::Timestamp;

use crate::failed;

/// Most entries of one list.
const ENTRIES_MAX: usize = 100_000;

/// What is listed.
#[derive(Input)]
pub(crate) struct List {
    /// A folder.
    path: String,
    /// Which of its entries, e.g. `*.csv`, or `**/*.csv` for those of folders in it too. Default: its own.
    glob: Option<String>,
}

/// A file or a folder.
#[derive(Output)]
pub(crate) struct Entry {
    /// Its path.
    path: String,
    /// Its size in bytes.
    size: u64,
    /// When it was changed, as ISO 8601.
    modified: Option<String>,
    /// What it is.
    kind: Kind,
}

#[derive(Output)]
#[serde(rename_all = "lowercase")]
enum Kind {
    File,
    Folder,
    Link,
    Other,
}

/// Lists a folder, sorted by path.
#[action(idempotent, title = "List a folder")]
pub(crate) fn list(input: List) -> Result<Vec<Entry>, TaskError> {
    let pattern = input.glob.as_deref().unwrap_or("*");
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|error| TaskError::new("invalid_input", format!("`glob`: {error}")))?
        .compile_matcher();
    let deep = pattern.contains("**") || pattern.contains('/');
    let mut found = Vec::new();
    walk(Path::new(&input.path), Path::new(""), &glob, deep, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(root: &Path, below: &Path, glob: &GlobMatcher, deep: bool, found: &mut Vec<Entry>) -> Result<(), TaskError> {
    let folder = root.join(below);
    let folder = if below.as_os_str().is_empty() { root } else { &folder };
    let wrong = |error| failed(&folder.display().to_string(), error);
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let relative = below.join(entry.file_name());
        // Links are named and not followed: a circle has no end.
        let Ok(metadata) = entry.path().symlink_metadata() else {
            continue;
        };
        if glob.is_match(&relative) {
            if found.len() >= ENTRIES_MAX {
                let text = format!("more than {ENTRIES_MAX} entries fit; narrow `glob`");
                return Err(TaskError::new("too_many_entries", text));
            }
            found.push(entry_of(&root.join(&relative), &metadata));
        }
        if deep && metadata.is_dir() {
            walk(root, &relative, glob, deep, found)?;
        }
    }
    Ok(())
}

fn entry_of(path: &Path, metadata: &Metadata) -> Entry {
    let modified = metadata.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
    Entry {
        path: path.display().to_string(),
        size: metadata.len(),
        modified: modified.map(|at| format!("{at:.3}")),
        kind: match metadata.file_type() {
            kind if kind.is_symlink() => Kind::Link,
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_file() => Kind::File,
            _ => Kind::Other,
        },
    }
}

/// What is looked at.
#[derive(Input)]
pub(crate) struct Stat {
    /// A file or a folder.
    path: String,
}

/// Says what a path is, or null where there is nothing.
#[action(idempotent, title = "Look at a path")]
pub(crate) fn stat(input: Stat) -> Result<Option<Entry>, TaskError> {
    let path = Path::new(&input.path);
    match path.symlink_metadata() {
        Ok(metadata) => Ok(Some(entry_of(path, &metadata))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(&input.path, error)),
    }
}
