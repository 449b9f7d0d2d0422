//! The user's folder for what is kept between builds: the sdk's sources, and what cargo built of dependencies.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::error::AuthoringError;

/// A folder for its owner alone. What is in it is run by builds, so nobody else may have written there.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// Where it is: `$XDG_CACHE_HOME/autokestra`, else `$HOME/.cache/autokestra`. Nothing is made yet.
    ///
    /// # Errors
    /// [`AuthoringError::NoHome`] where neither is an absolute path.
    pub fn find(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, AuthoringError> {
        let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
        let path = cache.ok_or(AuthoringError::NoHome)?.join("autokestra");
        Ok(Self { path })
    }

    /// A folder in it, made for its owner alone.
    ///
    /// # Errors
    /// [`AuthoringError::Exposed`] where it belongs to somebody else, or others may write in it.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, AuthoringError> {
        let parent = self.path.parent().unwrap_or(&self.path);
        fs::create_dir_all(parent).map_err(AuthoringError::file("create", parent))?;
        let folder = self.path.join(name);
        for path in [&self.path, &folder] {
            match DirBuilder::new().mode(0o700).create(path) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(AuthoringError::file("create", path)(error));
                }
                Ok(()) | Err(_) => check(path)?,
            }
        }
        Ok(folder)
    }

    /// Holds a lock until it is dropped. `wait` is called where another process has it.
    pub(crate) fn lock(&self, name: &str, wait: impl FnOnce()) -> Result<File, AuthoringError> {
        let path = self.folder("locks")?.join(name);
        let file = File::create(&path).map_err(AuthoringError::file("create", &path))?;
        let locked = match file.try_lock() {
            Ok(()) => Ok(()),
            Err(fs::TryLockError::WouldBlock) => {
                wait();
                file.lock()
            }
            Err(fs::TryLockError::Error(error)) => Err(error),
        };
        locked.map_err(AuthoringError::file("lock", &path))?;
        Ok(file)
    }
}

fn check(path: &Path) -> Result<(), AuthoringError> {
    let metadata = fs::symlink_metadata(path).map_err(AuthoringError::file("look at", path))?;
    let exposed = |reason: String| AuthoringError::Exposed {
        path: path.to_path_buf(),
        reason,
    };
    if !metadata.is_dir() {
        return Err(exposed("it is no folder".to_owned()));
    }
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(exposed(format!(
            "it belongs to user {}, not to user {user}",
            metadata.uid()
        )));
    }
    match metadata.mode() & 0o777 {
        mode if mode & 0o022 != 0 => Err(exposed(format!("others may write in it (mode {mode:03o})"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn home(path: &Path) -> Home {
        let path = path.as_os_str().to_owned();
        Home::find(|name| (name == "XDG_CACHE_HOME").then(|| path.clone())).expect("a path")
    }

    #[test]
    fn it_is_found_by_absolute_paths_alone() {
        let find = |cache: Option<&str>, home: Option<&str>| {
            let of = |name: &str| if name == "HOME" { home } else { cache };
            Home::find(|name| of(name).map(OsString::from)).map(|home| home.path)
        };
        assert_eq!(find(Some("/c"), Some("/h")).expect("found"), Path::new("/c/autokestra"));
        assert_eq!(
            find(Some("c"), Some("/h")).expect("found"),
            Path::new("/h/.cache/autokestra")
        );
        assert_eq!(
            find(None, Some("/h")).expect("found"),
            Path::new("/h/.cache/autokestra")
        );
        assert!(find(Some(""), Some("h")).is_err());
        assert!(find(None, None).is_err());
    }

    #[test]
    fn it_is_made_for_its_owner_and_not_trusted_open_to_others() {
        let place = tempfile::tempdir().expect("a folder");
        let cache = place.path().join("a/b");
        let made = home(&cache).folder("sdk").expect("made");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&made), mode(&cache.join("autokestra"))), (0o700, 0o700));
        fs::set_permissions(&made, fs::Permissions::from_mode(0o770)).expect("ours");
        let error = home(&cache).folder("sdk").expect_err("others may write");
        assert!(error.to_string().contains("mode 770"), "{error}");
        fs::set_permissions(&made, fs::Permissions::from_mode(0o700)).expect("ours");
        assert!(home(&cache).folder("sdk").is_ok());
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let place = tempfile::tempdir().expect("a folder");
        let elsewhere = tempfile::tempdir().expect("a folder");
        symlink(elsewhere.path(), place.path().join("autokestra")).expect("linked");
        let error = home(place.path()).folder("sdk").expect_err("a link");
        assert!(matches!(error, AuthoringError::Exposed { .. }), "{error}");
        assert_eq!(fs::read_dir(elsewhere.path()).expect("read").count(), 0);
    }
}
