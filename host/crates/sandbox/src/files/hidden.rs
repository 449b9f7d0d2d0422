//! Files that no grant opens: the keys and secrets of the engine's own lie in folders that workflows are granted lightly.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::mount::Mount;

/// Those of the hidden files that lie below what an attempt was granted; most attempts have none.
#[derive(Clone, Debug, Default)]
pub(super) struct Hidden(Vec<PathBuf>);

impl Hidden {
    /// Those of `paths` that one of `mounts` holds. They may be made later, so they need not be there.
    pub(super) fn below(mounts: &[Mount], paths: &[PathBuf]) -> Self {
        let folders: Vec<PathBuf> = mounts
            .iter()
            .filter_map(|mount| mount.host.canonicalize().ok())
            .collect();
        let spellings = paths.iter().flat_map(|path| [entry(path), path.canonicalize().ok()]);
        let mut hidden: Vec<PathBuf> = spellings
            .flatten()
            .filter(|path| folders.iter().any(|folder| path.starts_with(folder)))
            .collect();
        hidden.sort();
        hidden.dedup();
        Self(hidden)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a path of the host names a hidden file, itself or by links.
    pub(super) fn names(&self, path: &Path) -> bool {
        let is_hidden = |path: PathBuf| self.0.contains(&path);
        !self.0.is_empty() && (entry(path).is_some_and(is_hidden) || path.canonicalize().is_ok_and(is_hidden))
    }

    /// Whether a path of the host is a folder that holds a hidden file: moving it would give the file another name.
    pub(super) fn holds(&self, path: &Path) -> bool {
        let above = |folder: PathBuf| {
            self.0
                .iter()
                .any(|hidden| *hidden != folder && hidden.starts_with(&folder))
        };
        !self.0.is_empty() && entry(path).is_some_and(above)
    }

    /// Whether an open file is a hidden one, by whatever name it was found: a name may have changed since it was asked about.
    pub(super) fn is(&self, opened: &Metadata) -> bool {
        let mut hidden = self.0.iter().filter_map(|path| path.metadata().ok());
        hidden.any(|hidden| identity(&hidden) == identity(opened))
    }
}

/// The place of a path: the links of its folder followed, its own not.
fn entry(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
    Some(folder.join(path.file_name()?))
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(metadata: &Metadata) -> Option<std::time::SystemTime> {
    metadata.created().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use wasmtime_wasi::filesystem::FsPerms;

    use super::*;

    fn mount(host: &Path) -> Mount {
        Mount {
            handle: None,
            opened: None,
            host: host.to_path_buf(),
            guest: "/data".to_owned(),
            perms: FsPerms::ReadWrite,
            only: None,
        }
    }

    #[test]
    fn a_hidden_file_is_known_by_every_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        let key = at("secrets.key");
        let hidden = Hidden::below(&[mount(folder.path())], std::slice::from_ref(&key));
        assert!(hidden.names(&key), "it is hidden before it is there");
        std::fs::write(&key, "key").expect("written");
        std::fs::write(at("other"), "other").expect("written");
        std::fs::create_dir(at("inner")).expect("made");
        symlink("../secrets.key", at("inner/link")).expect("linked");
        symlink(folder.path(), at("inner/up")).expect("linked");
        std::fs::hard_link(&key, at("hard")).expect("linked");
        for name in [
            "secrets.key",
            "./secrets.key",
            "inner/../secrets.key",
            "inner/link",
            "inner/up/secrets.key",
        ] {
            assert!(hidden.names(&at(name)), "{name}");
        }
        for name in ["other", "inner", "nowhere", "inner/secrets.key"] {
            assert!(!hidden.names(&at(name)), "{name}");
        }
        let open = |name: &str| at(name).metadata().expect("it is there");
        assert!(hidden.is(&open("hard")) && hidden.is(&open("inner/link")) && !hidden.is(&open("other")));
    }

    #[test]
    fn what_no_mount_holds_is_not_looked_at() {
        let (folder, other) = (tempfile::tempdir(), tempfile::tempdir());
        let (folder, other) = (folder.expect("a temporary folder"), other.expect("a temporary folder"));
        let key = folder.path().join("secrets.key");
        assert!(
            Hidden::below(&[mount(other.path())], std::slice::from_ref(&key))
                .0
                .is_empty()
        );
        assert!(
            !Hidden::below(&[mount(folder.path())], std::slice::from_ref(&key))
                .0
                .is_empty()
        );
    }
}
