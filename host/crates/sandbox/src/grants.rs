//! Permissions as they are opened for one attempt.

use std::path::{Path, PathBuf};

use autokestra_model::Permissions;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::filesystem::FsPerms;

use crate::error::GrantError;

/// What one attempt may reach. There is no default: [`Grants::none`] is nothing, and all else is named.
#[derive(Clone, Debug)]
pub struct Grants {
    folders: Vec<Folder>,
    env: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
struct Folder {
    host: PathBuf,
    guest: String,
    writable: bool,
}

impl Grants {
    /// Nothing at all.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            folders: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Opens `permissions`. Relative paths start at `base`; `env` reads the host's variables. A folder that may be written is
    /// made where it is missing.
    ///
    /// # Errors
    /// [`GrantError`] where a folder cannot be used.
    pub fn resolve(
        permissions: &Permissions,
        base: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, GrantError> {
        let mut folders = Vec::new();
        for (paths, writable) in [(&permissions.read, false), (&permissions.write, true)] {
            for path in paths {
                folders.push(folder(path, base, writable)?);
            }
        }
        let env = permissions
            .env
            .iter()
            .filter_map(|name| Some((name.clone(), env(name)?)))
            .collect();
        Ok(Self { folders, env })
    }

    /// Puts the grants into a guest's context.
    pub(crate) fn apply(&self, builder: &mut WasiCtxBuilder) -> Result<(), GrantError> {
        for folder in &self.folders {
            let perms = if folder.writable {
                FsPerms::ReadWrite
            } else {
                FsPerms::ReadOnly
            };
            let opened = builder.preopened_dir(&folder.host, &folder.guest, perms);
            opened.map_err(|error| GrantError::Folder {
                path: folder.host.clone(),
                reason: error.to_string(),
            })?;
        }
        builder.envs(&self.env);
        Ok(())
    }
}

fn folder(path: &str, base: &Path, writable: bool) -> Result<Folder, GrantError> {
    let host = base.join(path);
    if writable && !host.exists() {
        let made = std::fs::create_dir_all(&host);
        made.map_err(|error| GrantError::Create {
            path: host.clone(),
            reason: error.to_string(),
        })?;
    }
    match std::fs::metadata(&host) {
        Ok(metadata) if metadata.is_dir() => Ok(Folder {
            guest: guest_path(path),
            host,
            writable,
        }),
        Ok(_) => Err(GrantError::Unsupported {
            what: format!("a grant of the single file {}", host.display()),
        }),
        Err(error) => Err(GrantError::Folder {
            path: host,
            reason: error.to_string(),
        }),
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
            Grants::resolve(&permissions, base.path(), &|_| None)
        };
        assert!(matches!(grant(&["./in"], &[]), Err(GrantError::Folder { .. })));
        assert!(grant(&[], &["./out/deep"]).is_ok());
        assert!(base.path().join("out/deep").is_dir());
    }
}
