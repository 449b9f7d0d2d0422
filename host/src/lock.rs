//! `plugins.lock` beside a workflow: which component each name stood for when it was written.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use autokestra_model::{Diagnostic, Digest, Span};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::error::{CliError, Exit};

/// The name of the file.
pub(crate) const FILE: &str = "plugins.lock";

/// The form of the file that this program writes and reads.
const FORM: u32 = 1;

/// What the file says above its content.
const HEAD: &str = "\
# Written by `workflow plugin lock`: the plugins of the workflows in this folder, by the BLAKE3 digests of their files.
# `workflow run --locked` runs no other. Those that are part of the program are not in it: its version says which they are.
";

/// What one name stands for.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pin {
    /// Its own version; a program has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// The digest of its file.
    pub(crate) digest: String,
    /// Where it was installed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
}

impl Pin {
    /// A version and the beginning of a digest, as people tell them apart.
    pub(crate) fn short(&self) -> String {
        let digest = self.digest.get(..12).unwrap_or(&self.digest);
        match &self.version {
            Some(version) => format!("{version} ({digest})"),
            None => digest.to_owned(),
        }
    }
}

/// The whole file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    version: u32,
    /// By the names of plugins, and of programs, which have no slash.
    pub(crate) plugins: BTreeMap<String, Pin>,
}

impl Default for Lock {
    fn default() -> Self {
        Self {
            version: FORM,
            plugins: BTreeMap::new(),
        }
    }
}

impl Lock {
    /// The file of a folder, if there is one.
    pub(crate) fn of(folder: &Path) -> Result<Option<Self>, CliError> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CliError::input(format!("read {}: {error}", path.display()))),
        };
        let wrong = |reason: String| {
            let error = CliError::input(format!("{} cannot be read: {reason}", path.display()));
            error.hint("put it back from a copy, or write it anew: `workflow plugin lock flow.yaml`")
        };
        let lock: Self = serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if lock.version != FORM {
            return Err(wrong(format!(
                "it has the form {}, and this program knows {FORM}",
                lock.version
            )));
        }
        for (name, pin) in &lock.plugins {
            let good = pin.digest.parse::<Digest>();
            good.map_err(|error| wrong(format!("`{name}`: {error}")))?;
        }
        Ok(Some(lock))
    }

    /// Writes the file of a folder, whole or not at all. Gives its path.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf, CliError> {
        let path = folder.join(FILE);
        let failed =
            |error: &dyn std::fmt::Display| CliError::new(Exit::Machine, format!("write {}: {error}", path.display()));
        let text = serde_yaml::to_string(self).map_err(|error| failed(&error))?;
        let mut file = NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
        // Others read it as they read the workflow beside it.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let readable = std::fs::Permissions::from_mode(0o644);
            file.as_file()
                .set_permissions(readable)
                .map_err(|error| failed(&error))?;
        }
        let written = write!(file, "{HEAD}{text}").and_then(|()| file.as_file().sync_all());
        written.map_err(|error| failed(&error))?;
        file.persist(&path).map_err(|error| failed(&error))?;
        Ok(path)
    }
}

/// How a workflow is held against its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locking {
    /// A file that is there is told of where it differs.
    Told,
    /// Nothing runs that it does not name.
    Insisted,
}

/// The lock that a workflow is held against, if any.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    locking: Locking,
    lock: Option<Lock>,
    folder: PathBuf,
    /// Why the file that is there says nothing.
    broken: Option<String>,
}

impl Held {
    pub(crate) fn new(folder: &Path, locking: Locking) -> Result<Self, CliError> {
        let (lock, broken) = match Lock::of(folder) {
            Ok(lock) => (lock, None),
            Err(error) if locking == Locking::Insisted => return Err(error),
            Err(error) => (None, Some(error.to_string())),
        };
        Ok(Self {
            locking,
            lock,
            folder: folder.to_path_buf(),
            broken,
        })
    }

    /// A warning of a file that is there and cannot be read, for who does not insist on it.
    pub(crate) fn broken(&self) -> Option<Diagnostic> {
        let why = self.broken.as_ref()?;
        let warning = Diagnostic::warning("not_locked", Span::default(), why.clone());
        let help = "nothing is held against it; put it back from a copy, or write it anew: `workflow plugin lock` with the workflow's file";
        Some(warning.label("the workflow beside it").help(help))
    }

    /// What is wrong where a name stands for `found`.
    pub(crate) fn differs(&self, name: &str, found: &Pin, span: Span) -> Option<Diagnostic> {
        let again = "to take the one that is here: `workflow plugin lock` with the workflow's file";
        let (message, help) = match self.lock.as_ref().map(|lock| lock.plugins.get(name)) {
            None if self.locking == Locking::Told => return None,
            None => {
                let message = format!(
                    "there is no {FILE} in {}, and `{name}` is pinned nowhere",
                    self.folder.display()
                );
                (
                    message,
                    "write it: `workflow plugin lock` with the workflow's file".to_owned(),
                )
            }
            Some(None) => (format!("{FILE} does not name `{name}`"), again.to_owned()),
            Some(Some(pin)) if pin.digest == found.digest => return None,
            Some(Some(pin)) => {
                let message = format!("`{name}` is {} here, and {FILE} pins {}", found.short(), pin.short());
                let source = pin.source.as_deref().unwrap_or("FILE|URL");
                let install = format!("workflow plugin install {source} --digest {}", pin.digest);
                (message, format!("to take what is pinned: `{install}`\n{again}"))
            }
        };
        let diagnostic = match self.locking {
            Locking::Told => Diagnostic::warning("not_locked", span, message),
            Locking::Insisted => Diagnostic::error("not_locked", span, message),
        };
        Some(diagnostic.label("another than the one that is pinned").help(help))
    }
}
