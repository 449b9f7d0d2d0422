//! What of the host's files a guest sees, and where.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use wasmtime_wasi::filesystem::FsPerms;

/// What is done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// One folder of the host under a path of the guest.
#[derive(Clone, Debug)]
pub(crate) struct Mount {
    /// The folder.
    pub(crate) host: PathBuf,
    /// The folder, opened when its grant was checked: what stands at its path later is not asked. None: a folder of the engine's own.
    pub(crate) handle: Option<Arc<File>>,
    /// Where the guest sees it: an absolute path without a slash at its end.
    pub(crate) guest: String,
    pub(crate) perms: FsPerms,
    /// Only these files of it, where files were granted.
    pub(crate) only: Option<BTreeSet<String>>,
    /// It stands at another path than the one that it was granted by.
    pub(crate) opened: Option<Opened>,
}

/// A folder that was opened when it was mounted, and how the workflow names it.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) folder: Arc<File>,
    pub(crate) written: String,
}

impl Mount {
    /// A handle to the folder for one guest.
    pub(crate) fn open(&self) -> io::Result<File> {
        match (&self.opened, &self.handle) {
            (Some(opened), _) => opened.folder.try_clone(),
            (None, Some(handle)) => handle.try_clone(),
            (None, None) => File::open(&self.host),
        }
    }

    /// Where a path of the guest is on the host.
    pub(super) fn on_host(&self, path: &str) -> PathBuf {
        let below = path.strip_prefix(self.guest.trim_end_matches('/')).unwrap_or(path);
        self.host.join(below.trim_start_matches('/'))
    }

    /// What a person would write to grant a path of the guest below it, where the path does not say so itself.
    pub(crate) fn written(&self, path: &str) -> Option<String> {
        let written = self.opened.as_ref()?.written.trim_end_matches('/');
        let below = path
            .strip_prefix(self.guest.trim_end_matches('/'))?
            .trim_start_matches('/');
        Some(if below.is_empty() {
            written.to_owned()
        } else {
            format!("{written}/{below}")
        })
    }

    /// Whether a path of the guest that reached this mount may be used so. Links are the system's part: it lets none lead out.
    pub(crate) fn allows(&self, path: &str, access: Access) -> bool {
        if access == Access::Write && self.perms.write_not_permitted() {
            return false;
        }
        match &self.only {
            None => true,
            Some(names) => {
                let below = path
                    .strip_prefix(self.guest.trim_end_matches('/'))
                    .map(|rest| rest.trim_start_matches('/'));
                below.is_some_and(|name| names.contains(name))
            }
        }
    }
}

/// A path below a folder, cleaned of `.`; `..` is kept, so that it fits nothing that was granted by name.
pub(crate) fn joined(folder: &str, path: &str) -> String {
    let parts = folder.split('/').chain(path.split('/'));
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(perms: FsPerms, only: Option<&[&str]>) -> Mount {
        Mount {
            host: PathBuf::from("/host"),
            handle: None,
            guest: "/data".to_owned(),
            perms,
            only: only.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            opened: None,
        }
    }

    #[test]
    fn a_folder_allows_what_is_below_it() {
        let folder = mount(FsPerms::ReadOnly, None);
        assert!(folder.allows("/data/a/b.txt", Access::Read));
        assert!(!folder.allows("/data/a/b.txt", Access::Write));
        assert!(mount(FsPerms::ReadWrite, None).allows("/data/a", Access::Write));
    }

    #[test]
    fn a_file_allows_itself_and_nothing_beside_it() {
        let file = mount(FsPerms::ReadOnly, Some(&["a.txt"]));
        assert!(file.allows(&joined("/data", "./a.txt"), Access::Read));
        for beside in ["", ".", "b.txt", "a.txt/x", "../data/a.txt", "x/../a.txt", "A.txt"] {
            assert!(!file.allows(&joined("/data", beside), Access::Read), "{beside}");
        }
    }
}
