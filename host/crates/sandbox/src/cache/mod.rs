//! Compiled code on disk, and beside it what each plugin says of itself.
//!
//! wasmtime trusts compiled code, so each file carries a keyed MAC over its name and its bytes, which is checked before. The
//! key stands in the folder, for its owner alone. Whatever is wrong with the folder costs time and a warning, never a run.

mod compile;
mod entry;
mod key;
mod list;
mod lock;
mod manifest;
mod name;
mod room;
#[cfg(test)]
mod tests;

pub use list::{CacheError, CacheList, CachedCode, Cleared};
pub(crate) use name::Target;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use entry::Folder;

/// Where compiled code is kept, and how much of it. The default keeps nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheOptions {
    /// The folder. It is made for its owner alone when something is first kept.
    pub folder: PathBuf,
    /// The most that the folder holds, in bytes; 0: nothing is kept.
    pub bytes_max: u64,
}

/// Compiled code that is kept. Cheap to clone; its folder is opened when something is first asked of it.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: CacheOptions,
    opened: OnceLock<Option<Folder>>,
}

impl Cache {
    /// A cache. Nothing on disk is looked at yet.
    #[must_use]
    pub fn new(options: CacheOptions) -> Self {
        Self(Arc::new(Inner {
            options,
            opened: OnceLock::new(),
        }))
    }

    /// The folder; none where nothing is to be kept, or it cannot be had. Then every component is compiled anew.
    fn folder(&self) -> Option<&Folder> {
        let options = &self.0.options;
        let open = || {
            if options.bytes_max == 0 {
                return None;
            }
            let opened = Folder::open(options);
            if let Err(error) = &opened {
                tracing::warn!(folder = %options.folder.display(), %error, "compiled code is not kept");
            }
            opened.ok()
        };
        self.0.opened.get_or_init(open).as_ref()
    }
}
