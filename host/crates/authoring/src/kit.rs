//! Tools that a registry brings into the user's folder, once for all projects, and folders that builds work in.

use std::fs;
use std::path::{Path, PathBuf};

use crate::build::Build;
use crate::error::AuthoringError;
use crate::folder::Folder;
use crate::home::Home;

/// What says that all of a kit is there.
const STAMP: &str = ".complete";

/// A set of tools, by the files that name them with their digests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kit {
    /// Its name: a part of its folder's.
    pub(crate) name: &'static str,
    /// Its files.
    pub(crate) files: &'static [(&'static str, &'static str)],
}

impl Kit {
    /// Where its tools are. `install` brings them into a folder with its files, unless they are there.
    pub(crate) fn unpack(
        &self,
        home: &Home,
        build: &Build<'_>,
        install: impl FnOnce(&Path) -> Result<(), AuthoringError>,
    ) -> Result<PathBuf, AuthoringError> {
        let mut hasher = blake3::Hasher::new();
        for (name, text) in self.files {
            hasher
                .update(name.as_bytes())
                .update(&[0])
                .update(text.as_bytes())
                .update(&[0]);
        }
        let hash = hasher.finalize().to_hex();
        let folder = home.folder("tools")?.join(format!("{}-{}", self.name, &hash[..16]));
        let lock = home.lock(&format!("tools-{}", self.name), || {
            (build.note)("waiting for another build to install its tools");
        })?;
        if folder.join(STAMP).is_file() {
            return Ok(folder);
        }
        // What an installation that was broken off has left.
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(AuthoringError::file("remove", &folder)(error));
            }
            Ok(()) | Err(_) => {}
        }
        fs::create_dir(&folder).map_err(AuthoringError::file("create", &folder))?;
        let place = Folder::open(&folder)?;
        for (name, text) in self.files {
            place.put(name, text.as_bytes())?;
        }
        install(&folder)?;
        place.put(STAMP, b"")?;
        drop(lock);
        Ok(folder)
    }
}

/// A folder for one build, gone with it.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: Folder,
}

impl Stage {
    /// Makes an empty one.
    pub(crate) fn new(home: &Home) -> Result<Self, AuthoringError> {
        let path = home.folder("stages")?.join(std::process::id().to_string());
        // A process of the same number may have been killed.
        drop(fs::remove_dir_all(&path));
        fs::create_dir(&path).map_err(AuthoringError::file("create", &path))?;
        Ok(Self {
            folder: Folder::open(&path)?,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A folder in it.
    pub(crate) fn inner(&self, name: &str) -> Result<Folder, AuthoringError> {
        self.folder.inner(name)
    }

    /// What a tool has put into it.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, AuthoringError> {
        let path = self.path().join(name);
        fs::read(&path).map_err(AuthoringError::file("read", &path))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What is left of it, the next one of this number removes.
        drop(fs::remove_dir_all(self.folder.path()));
    }
}
