//! What is kept, for people; and the end of all of it.

use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use autokestra_model::{Digest, PluginName, Timestamp};

use super::entry::{Folder, Found};
use super::name::{Name, Target};
use super::room::{Entry, entries, remove, sweep};
use super::{Cache, manifest};

/// Why the cache cannot be looked at or emptied.
#[derive(Debug, thiserror::Error)]
#[error("failed to {what} {}", path.display())]
pub struct CacheError {
    /// What was tried.
    pub what: &'static str,
    /// The folder or file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// The code of one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedCode {
    /// The component.
    pub digest: Digest,
    /// Its plugin, where it is known what the component says of itself.
    pub plugin: Option<PluginName>,
    /// Its size, in bytes.
    pub size_bytes: u64,
    /// When it was last used, to the minute.
    pub last_used: Timestamp,
    /// Whether this program can use it: it is of the same version of wasmtime, with the same settings.
    pub fits: bool,
    /// Whether it counts fuel.
    pub fueled: bool,
}

/// All that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheList {
    /// The folder.
    pub folder: PathBuf,
    /// The size of everything in it, in bytes.
    pub total_bytes: u64,
    /// The most that it holds, in bytes.
    pub bytes_max: u64,
    /// The code, last used first.
    pub code: Vec<CachedCode>,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// How many components' code.
    pub code: usize,
    /// Bytes of everything.
    pub bytes: u64,
}

impl Cache {
    /// All that is kept. Nothing is made or changed.
    ///
    /// # Errors
    /// [`CacheError`] where the folder cannot be read.
    pub fn list(&self) -> Result<CacheList, CacheError> {
        let options = &self.0.options;
        let mut all = self.entries()?;
        all.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.path.cmp(&b.path)));
        let targets = if all.is_empty() {
            Vec::new()
        } else {
            Target::of_this_program()
        };
        let folder = Folder::look(options);
        let code = all.iter().filter_map(|entry| match entry.name {
            Some(Name::Code(digest, target)) => Some(CachedCode {
                digest,
                plugin: folder.as_ref().and_then(|folder| plugin(folder, digest)),
                size_bytes: entry.size,
                last_used: timestamp(entry.used),
                fits: entry.fits(&targets),
                fueled: target.fueled,
            }),
            Some(Name::Manifest(_)) | None => None,
        });
        Ok(CacheList {
            folder: options.folder.clone(),
            total_bytes: all.iter().map(|entry| entry.size).sum(),
            bytes_max: options.bytes_max,
            code: code.collect(),
        })
    }

    /// Removes all that is kept, but the key. What another process is about to keep stays.
    ///
    /// # Errors
    /// [`CacheError`] for the first file that cannot be removed.
    pub fn clear(&self) -> Result<Cleared, CacheError> {
        let all = self.entries()?;
        let mut cleared = Cleared::default();
        for entry in all {
            remove(&entry.path).map_err(|source| CacheError {
                what: "remove",
                path: entry.path.clone(),
                source,
            })?;
            cleared.bytes += entry.size;
            cleared.code += usize::from(matches!(entry.name, Some(Name::Code(..))));
        }
        let folder = &self.0.options.folder;
        if folder.exists() {
            sweep(folder).map_err(|source| self.unreadable(source))?;
        }
        Ok(cleared)
    }

    /// The entries of the folder; none where it is not there.
    fn entries(&self) -> Result<Vec<Entry>, CacheError> {
        match entries(&self.0.options.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read.map_err(|source| self.unreadable(source)),
        }
    }

    fn unreadable(&self, source: io::Error) -> CacheError {
        CacheError {
            what: "read",
            path: self.0.options.folder.clone(),
            source,
        }
    }
}

/// The plugin that a component says it is.
fn plugin(folder: &Folder, digest: Digest) -> Option<PluginName> {
    let Found::Whole(bytes) = folder.look_at(&Name::Manifest(digest)) else {
        return None;
    };
    manifest::decode(&bytes)?.name.parse().ok()
}

fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
