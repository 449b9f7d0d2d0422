//! Permissions as they are opened for one attempt.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use autokestra_model::{NetworkPattern, Permissions};
use wasmtime_wasi::filesystem::FsPerms;

use crate::error::GrantError;
use crate::files::Mount;

/// What one attempt may reach. There is no default: [`Grants::none`] is nothing, and all else is named.
#[derive(Clone, Debug)]
pub struct Grants {
    pub(crate) network: Arc<[NetworkPattern]>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) env: Vec<(String, String)>,
    /// The folder that relative paths start at.
    pub(crate) base: PathBuf,
}

impl Grants {
    /// Nothing at all.
    #[must_use]
    pub fn none() -> Self {
        Self {
            network: Arc::default(),
            mounts: Vec::new(),
            env: Vec::new(),
            base: PathBuf::from("/"),
        }
    }

    /// Opens `permissions`. Relative paths start at `base`; `env` reads the host's variables. A folder that may be written is
    /// made where it is missing; a file must be there.
    ///
    /// # Errors
    /// [`GrantError`] where a folder or file cannot be used.
    pub fn resolve(
        permissions: &Permissions,
        base: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, GrantError> {
        let mut mounts = Vec::new();
        // What may be written comes first, so that a path that stands in both may be written.
        for (paths, perms) in [
            (&permissions.write, FsPerms::ReadWrite),
            (&permissions.read, FsPerms::ReadOnly),
        ] {
            for path in paths {
                add(&mut mounts, mount(path, base, perms)?)?;
            }
        }
        let env = permissions
            .env
            .iter()
            .filter_map(|name| Some((name.clone(), env(name)?)))
            .collect();
        Ok(Self {
            network: permissions.network.as_slice().into(),
            mounts,
            env,
            base: base.to_path_buf(),
        })
    }
}

impl Grants {
    /// Mounts a folder of the engine's own. Where the workflow mounts another at that place, that one stands.
    ///
    /// Gives whether it was mounted.
    pub fn add_folder(&mut self, host: PathBuf, guest: &str, writable: bool) -> bool {
        let taken = self.mounts.iter().any(|mount| mount.guest == guest);
        if !taken {
            self.mounts.push(Mount {
                host,
                guest: guest.to_owned(),
                perms: if writable {
                    FsPerms::ReadWrite
                } else {
                    FsPerms::ReadOnly
                },
                only: None,
                opened: None,
            });
        }
        !taken
    }
}

/// Adds a mount. Two of one place become one.
fn add(mounts: &mut Vec<Mount>, new: Mount) -> Result<(), GrantError> {
    let Some(known) = mounts.iter_mut().find(|known| known.guest == new.guest) else {
        mounts.push(new);
        return Ok(());
    };
    match (&mut known.only, new.only) {
        // A folder that may be written may be read, and holds its files.
        (None, _) if known.perms == FsPerms::ReadWrite || new.perms == FsPerms::ReadOnly => Ok(()),
        (Some(names), Some(more)) if known.perms == new.perms => {
            names.extend(more);
            Ok(())
        }
        (Some(names), Some(more)) if more.is_subset(names) => Ok(()),
        _ => Err(GrantError::Unsupported {
            what: format!(
                "some files of {} to write, and others or the folder to read; grant a folder of its own for writing",
                new.host.display()
            ),
        }),
    }
}

fn mount(path: &str, base: &Path, perms: FsPerms) -> Result<Mount, GrantError> {
    let host = base.join(path);
    if perms == FsPerms::ReadWrite && !host.exists() {
        let made = std::fs::create_dir_all(&host);
        made.map_err(|error| GrantError::Create {
            path: host.clone(),
            reason: error.to_string(),
        })?;
    }
    let unusable = |reason: String| GrantError::Folder {
        path: host.clone(),
        reason,
    };
    let metadata = std::fs::metadata(&host).map_err(|error| unusable(error.to_string()))?;
    let guest = guest_path(path);
    if metadata.is_dir() {
        return Ok(Mount {
            host,
            guest,
            perms,
            only: None,
            opened: None,
        });
    }
    let (folder, name) = guest.rsplit_once('/').unwrap_or(("", &guest));
    let parent = host.parent().map(Path::to_path_buf);
    Ok(Mount {
        host: parent.ok_or_else(|| unusable("it is in no folder".to_owned()))?,
        guest: if folder.is_empty() {
            "/".to_owned()
        } else {
            folder.to_owned()
        },
        perms,
        only: Some(BTreeSet::from([name.to_owned()])),
        opened: None,
    })
}

/// Where a granted path is mounted: the same path, with the guest's working folder `/` as its start.
fn guest_path(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_mounted_as_written() {
        for (written, mounted) in [
            ("./data", "/data"),
            ("data/in/", "/data/in"),
            ("/var/log", "/var/log"),
            (".", "/"),
            ("./", "/"),
        ] {
            assert_eq!(guest_path(written), mounted, "{written}");
        }
    }

    #[test]
    fn a_folder_to_read_must_be_there_and_one_to_write_is_made() {
        let base = tempfile::tempdir().expect("a temporary folder");
        let grant = |read: &[&str], write: &[&str]| {
            let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
            let permissions = Permissions {
                read: owned(read),
                write: owned(write),
                ..Permissions::default()
            };
            Grants::resolve(&permissions, base.path(), &|_| None)
        };
        assert!(matches!(grant(&["./in"], &[]), Err(GrantError::Folder { .. })));
        assert!(grant(&[], &["./out/deep"]).is_ok());
        assert!(base.path().join("out/deep").is_dir());
    }

    #[test]
    fn files_of_one_folder_share_a_mount_and_folders_hold_their_files() {
        let base = tempfile::tempdir().expect("a temporary folder");
        for name in ["a.txt", "b.txt"] {
            std::fs::write(base.path().join(name), "x").expect("written");
        }
        let only = |read: &[&str], write: &[&str]| {
            let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
            let permissions = Permissions {
                read: owned(read),
                write: owned(write),
                ..Permissions::default()
            };
            let grants = Grants::resolve(&permissions, base.path(), &|_| None)?;
            let mounts = grants.mounts.into_iter();
            Ok::<_, GrantError>(
                mounts
                    .map(|mount| (mount.guest, mount.only.map(|names| names.len())))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            only(&["./a.txt", "b.txt"], &[]).expect("both"),
            [("/".to_owned(), Some(2))]
        );
        assert_eq!(
            only(&["./a.txt"], &["./a.txt"]).expect("one"),
            [("/".to_owned(), Some(1))]
        );
        assert_eq!(
            only(&["./a.txt"], &["."]).expect("the folder"),
            [("/".to_owned(), None)]
        );
        assert!(only(&["."], &["./a.txt"]).is_err());
    }
}
