//! The folders and files that a task puts where its program looks for them. Each lies within what the task is granted.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use autokestra_model::ReasonCode;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};

use crate::attempt::{Attempt, Capability, Report};
use crate::denial::Denials;
use crate::files::{Mount, Opened};
use crate::grants::Grants;
use crate::run::refused;

/// Why a mount cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum MountError {
    #[error("`{guest}` in `mounts` is no path of the program: it starts with `/` and has no `..`")]
    Guest { guest: String },
    #[error("mounting `{host}` at `{guest}` is not granted")]
    Denied { guest: String, host: String },
    #[error("`{host}` in `mounts` has `..` in it; write the path that it leads to")]
    Upward { host: String },
    #[error("`{host}` in `mounts` is a link, or stands behind one; write the path that it leads to")]
    Link { host: String },
    #[error("`{host}` in `mounts` cannot be opened: {source}")]
    Unusable { host: String, source: io::Error },
    #[error("a file keeps its name: mount `{host}` at a path that ends in `/{name}`, not at `{guest}`")]
    Renamed { guest: String, host: String, name: String },
    #[error("two folders of the host would stand at `{guest}`; mount one of them elsewhere")]
    Clash { guest: String },
}

impl MountError {
    fn reason(&self) -> ReasonCode {
        match self {
            Self::Denied { .. } => ReasonCode::PermissionDenied,
            Self::Link { .. } | Self::Unusable { .. } => ReasonCode::GrantUnusable,
            Self::Guest { .. } | Self::Upward { .. } | Self::Renamed { .. } | Self::Clash { .. } => {
                ReasonCode::InvalidInput
            }
        }
    }
}

/// Ends an attempt whose mounts cannot be had. A denial is told as one of the guest's own.
pub(super) async fn refuse(error: &MountError, attempt: &Attempt) -> Report {
    if let MountError::Denied { host, .. } = error {
        let denials = Denials::new(attempt.masker.clone(), Some(attempt.events.clone()));
        let yaml = format!("permissions:\n  filesystem: {{ read: [\"{host}\"] }}");
        denials
            .tell(Capability::Filesystem, host, &error.to_string(), &yaml)
            .await;
    }
    refused(error.reason(), attempt.masker.mask(&error.to_string()))
}

/// What is granted, with `mounts` in front of it: pairs of a path of the guest and one of the host.
pub(super) fn mounted(mounts: &[(String, String)], grants: &Grants) -> Result<Grants, MountError> {
    let mut found: Vec<Mount> = Vec::new();
    for (guest, host) in mounts {
        let new = mount(guest, host, grants)?;
        let Some(known) = found.iter_mut().find(|known| known.guest == new.guest) else {
            found.push(new);
            continue;
        };
        // Files of one folder stand side by side.
        match (&mut known.only, new.only) {
            (Some(names), Some(more)) if known.host == new.host => names.extend(more),
            _ => return Err(MountError::Clash { guest: new.guest }),
        }
    }
    let mut grants = grants.clone();
    grants
        .mounts
        .retain(|granted| found.iter().all(|new| new.guest != granted.guest));
    grants.mounts.extend(found);
    Ok(grants)
}

fn mount(guest: &str, host: &str, grants: &Grants) -> Result<Mount, MountError> {
    let guest_path = guest_path(guest).ok_or_else(|| MountError::Guest {
        guest: guest.to_owned(),
    })?;
    let wanted = cleaned(&grants.base.join(host)).ok_or_else(|| MountError::Upward { host: host.to_owned() })?;
    let within = |granted| Some((granted, below(granted, &wanted)?));
    let found = grants.mounts.iter().find_map(within);
    let (granted, below) = found.ok_or_else(|| MountError::Denied {
        guest: guest.to_owned(),
        host: host.to_owned(),
    })?;
    let (folder, name) = open(granted, below, host)?;
    let opened = |written: &str| {
        Some(Opened {
            folder: Arc::new(folder),
            written: written.to_owned(),
        })
    };
    let Some(name) = name else {
        return Ok(Mount {
            host: wanted,
            guest: guest_path,
            perms: granted.perms,
            only: None,
            handle: None,
            opened: opened(host),
        });
    };
    let (guest_folder, guest_name) = guest_path.rsplit_once('/').unwrap_or(("", &guest_path));
    if guest_name != name {
        return Err(MountError::Renamed {
            guest: guest.to_owned(),
            host: host.to_owned(),
            name,
        });
    }
    let guest_folder = if guest_folder.is_empty() { "/" } else { guest_folder };
    let host_folder = wanted.parent().unwrap_or(Path::new("/"));
    Ok(Mount {
        host: host_folder.to_path_buf(),
        guest: guest_folder.to_owned(),
        perms: granted.perms,
        only: Some(BTreeSet::from([name])),
        handle: None,
        opened: opened(host.rsplit_once('/').map_or(".", |(folder, _)| folder)),
    })
}

/// The part of a path that lies in what is granted, where it does.
fn below<'p>(granted: &Mount, path: &'p Path) -> Option<&'p Path> {
    let at = cleaned(&granted.host).or_else(|| granted.host.canonicalize().ok())?;
    let below = path.strip_prefix(at).ok()?;
    match &granted.only {
        None => Some(below),
        Some(names) => below.to_str().is_some_and(|name| names.contains(name)).then_some(below),
    }
}

/// A path of the guest without `.` and doubled slashes.
fn guest_path(path: &str) -> Option<String> {
    let rest = path.strip_prefix('/')?;
    let parts: Vec<&str> = rest
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let good = parts.iter().all(|part| *part != ".." && !part.contains('\0'));
    good.then(|| format!("/{}", parts.join("/")))
}

/// A path without `.`; none where it has `..`.
fn cleaned(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => return None,
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => clean.push(part),
        }
    }
    Some(clean)
}

/// Opens the folder of `below` in a granted folder, step by step and following no link: whoever may write there could have
/// made one. Of a file it is the folder, and the file's name.
fn open(granted: &Mount, below: &Path, host: &str) -> Result<(File, Option<String>), MountError> {
    let unusable = |source: io::Error| MountError::Unusable {
        host: host.to_owned(),
        source,
    };
    // From the handle that was checked: what stands at its path by now is not asked.
    let mut folder = granted.open().map_err(unusable)?;
    let mut steps = below.iter().peekable();
    while let Some(step) = steps.next() {
        let found = statat(&folder, step, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| unusable(error.into()))?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Symlink => return Err(MountError::Link { host: host.to_owned() }),
            FileType::RegularFile if steps.peek().is_none() => {
                let name = step
                    .to_str()
                    .ok_or_else(|| unusable(io::ErrorKind::InvalidFilename.into()))?;
                return Ok((folder, Some(name.to_owned())));
            }
            _ => {}
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        folder = openat(&folder, step, flags, Mode::empty())
            .map_err(|error| unusable(error.into()))?
            .into();
    }
    Ok((folder, None))
}

#[cfg(test)]
mod tests {
    use autokestra_model::Permissions;

    use super::*;

    /// A folder with `in/a.txt`, `in/deep/b.txt`, `out` and `other`, of which some are granted.
    fn place(read: &[&str], write: &[&str]) -> (tempfile::TempDir, Grants) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for made in ["in/deep", "out", "other"] {
            std::fs::create_dir_all(folder.path().join(made)).expect("created");
        }
        for file in ["in/a.txt", "in/deep/b.txt"] {
            std::fs::write(folder.path().join(file), "x").expect("written");
        }
        std::os::unix::fs::symlink("../other", folder.path().join("in/link")).expect("linked");
        let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let permissions = Permissions {
            read: owned(read),
            write: owned(write),
            ..Permissions::default()
        };
        let grants = Grants::resolve(
            &permissions,
            folder.path(),
            &|_| None,
            &autokestra_model::Policy::default(),
        )
        .expect("they are there");
        (folder, grants)
    }

    fn pairs(mounts: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = mounts
            .iter()
            .map(|(guest, host)| ((*guest).to_owned(), (*host).to_owned()));
        owned.collect()
    }

    /// The guest's places, which may be written, and their files where only some are seen.
    fn seen(mounts: &[(&str, &str)]) -> Vec<(String, bool, Option<Vec<String>>)> {
        let (_folder, grants) = place(&["./in"], &["out"]);
        let mounted = mounted(&pairs(mounts), &grants).expect("they are granted");
        let mounts = mounted.mounts.into_iter().filter(|mount| mount.opened.is_some());
        mounts
            .map(|mount| {
                let only = mount.only.map(|names| names.into_iter().collect());
                (mount.guest, !mount.perms.write_not_permitted(), only)
            })
            .collect()
    }

    #[test]
    fn what_is_granted_can_stand_elsewhere() {
        let at = |guest: &str, writable| (guest.to_owned(), writable, None);
        assert_eq!(seen(&[("/data", "in")]), [at("/data", false)]);
        assert_eq!(seen(&[("/x//y/.", "./in/deep")]), [at("/x/y", false)]);
        assert_eq!(seen(&[("/", "out")]), [at("/", true)]);
        assert_eq!(seen(&[("/a", "out"), ("/b", "out")]), [at("/a", true), at("/b", true)]);
    }

    #[test]
    fn files_stand_under_their_own_names() {
        let files = |guest: &str, names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            (guest.to_owned(), false, Some(names))
        };
        assert_eq!(seen(&[("/lib/a.txt", "./in/a.txt")]), [files("/lib", &["a.txt"])]);
        assert_eq!(seen(&[("/b.txt", "in/deep/b.txt")]), [files("/", &["b.txt"])]);
    }

    #[test]
    fn what_is_not_granted_or_makes_no_sense_is_told() {
        let (_folder, grants) = place(&["in", "./other"], &[]);
        for (mounts, said) in [
            (&[("/x", "out")][..], "mounting `out` at `/x` is not granted"),
            (&[("/x", ".")], "is not granted"),
            (&[("/x", "/etc")], "is not granted"),
            (&[("/x", "in/../out")], "has `..` in it"),
            (&[("/x", "in2")], "is not granted"),
            (&[("x", "in")], "is no path of the program"),
            (&[("/x/../y", "in")], "is no path of the program"),
            (&[("/x", "in/link")], "is a link"),
            (&[("/x", "in/link/deep")], "is a link"),
            (&[("/x", "in/missing")], "cannot be opened"),
            (&[("/x", "in/a.txt/b")], "cannot be opened"),
            (&[("/x", "in/a.txt")], "ends in `/a.txt`"),
            (&[("/x", "in"), ("/x/", "in/deep")], "two folders"),
            (&[("/x", "in"), ("/x/a.txt", "in/a.txt")], "two folders"),
            (
                &[("/x/a.txt", "in/a.txt"), ("/x/b.txt", "in/deep/b.txt")],
                "two folders",
            ),
        ] {
            let error = mounted(&pairs(mounts), &grants).expect_err("it is refused");
            assert!(error.to_string().contains(said), "{mounts:?}: {error}");
        }
    }

    #[test]
    fn of_a_granted_file_nothing_else_of_its_folder_is_seen() {
        let (_folder, grants) = place(&["in/a.txt"], &[]);
        assert!(mounted(&pairs(&[("/x/a.txt", "./in/a.txt")]), &grants).is_ok());
        for host in ["in", "in/deep", "in/deep/b.txt"] {
            let denied = mounted(&pairs(&[("/x", host)]), &grants);
            assert!(matches!(denied, Err(MountError::Denied { .. })), "{host}");
        }
    }
}
