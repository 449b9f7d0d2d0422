//! Permissions as they are opened for one attempt.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use autokestra_model::{NetworkPattern, Permissions, Policy};
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
    /// Files of the host that none of it opens.
    pub(crate) hidden: Vec<PathBuf>,
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
            hidden: Vec::new(),
        }
    }

    /// Opens `permissions`, below the operator's `policy`. Relative paths start at `base`; `env` reads the host's variables. A
    /// folder that may be written is made where it is missing; a file must be there.
    ///
    /// # Errors
    /// [`GrantError`] where a folder or file cannot be used, or a grant is more than the operator allows.
    pub fn resolve(
        permissions: &Permissions,
        base: &Path,
        env: &dyn Fn(&str) -> Option<String>,
        policy: &Policy,
    ) -> Result<Self, GrantError> {
        permissions
            .network
            .iter()
            .try_for_each(|entry| policy.check_network(entry))?;
        permissions.env.iter().try_for_each(|name| policy.check_env(name))?;
        let mut mounts = Vec::new();
        // What may be written comes first, so that a path that stands in both may be written.
        for (paths, perms) in [
            (&permissions.write, FsPerms::ReadWrite),
            (&permissions.read, FsPerms::ReadOnly),
        ] {
            for path in paths {
                add(&mut mounts, mount(path, base, perms, policy)?)?;
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
            hidden: Vec::new(),
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
                handle: None,
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

fn mount(path: &str, base: &Path, perms: FsPerms, policy: &Policy) -> Result<Mount, GrantError> {
    let host = base.join(path);
    // A link may lead anywhere, so the ceiling is held against what the path really is, before anything is made there.
    policy.check_path(&real_path(&host), &real_path(base), perms == FsPerms::ReadWrite)?;
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
    let (folder, guest, only) = if metadata.is_dir() {
        (host.clone(), guest, None)
    } else {
        let (folder, name) = guest.rsplit_once('/').unwrap_or(("", &guest));
        let guest = if folder.is_empty() { "/" } else { folder }.to_owned();
        let only = Some(BTreeSet::from([name.to_owned()]));
        let parent = host.parent().map(Path::to_path_buf);
        (
            parent.ok_or_else(|| unusable("it is in no folder".to_owned()))?,
            guest,
            only,
        )
    };
    let handle = File::open(&folder).map_err(|error| unusable(error.to_string()))?;
    // Asked again of what was opened: a link may have been put in its place meanwhile.
    let mut opened = handle_path(&handle).unwrap_or_else(|| real_path(&folder));
    if only.is_some() {
        opened.extend(host.file_name());
    }
    policy.check_path(&opened, &real_path(base), perms == FsPerms::ReadWrite)?;
    Ok(Mount {
        host: folder,
        handle: Some(Arc::new(handle)),
        guest,
        perms,
        only,
        opened: None,
    })
}

/// Where an open folder is, as the kernel knows it.
#[cfg(target_os = "linux")]
fn handle_path(handle: &File) -> Option<PathBuf> {
    use std::os::fd::AsRawFd as _;
    std::fs::read_link(format!("/proc/self/fd/{}", handle.as_raw_fd())).ok()
}

#[cfg(not(target_os = "linux"))]
fn handle_path(_handle: &File) -> Option<PathBuf> {
    None
}

/// A path with every link in it followed; what is not there yet stays as it is written.
fn real_path(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real_path(parent).join(name),
        // A path ends in `.` or nothing where it has no name.
        (Some(parent), None) => real_path(parent),
        (None, _) => path.to_path_buf(),
    }
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
            Grants::resolve(&permissions, base.path(), &|_| None, &Policy::default())
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
            let grants = Grants::resolve(&permissions, base.path(), &|_| None, &Policy::default())?;
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
