//! The local store: components and programs by their digest, and one file that says which names they have.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;

use autokestra_model::Digest;
use autokestra_sandbox::Installed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::error::{CliError, Exit};

/// The list's file. No grant opens it.
pub(crate) const LIST: &str = "installed.json";

/// The form of the list that this program writes and reads.
const FORM: u32 = 1;

/// What an entry is.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EntryKind {
    /// A component of the plugin's world.
    Plugin,
    /// A WASI program, for `core/wasm.run`.
    Program,
}

/// One name of the store.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Entry {
    /// `namespace/plugin`, or the name of a program.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: EntryKind,
    /// Its own version; null for a program, which has none.
    pub(crate) version: Option<String>,
    /// The BLAKE3 digest of its file.
    pub(crate) digest: String,
    /// The size of its file in bytes.
    pub(crate) size: u64,
    /// Where it came from: a path or an address.
    pub(crate) source: String,
    /// When it was installed: RFC 3339.
    pub(crate) installed: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct List {
    version: u32,
    installed: Vec<Entry>,
}

/// The store in a folder, which need not be there yet.
#[derive(Clone, Debug)]
pub(crate) struct LocalStore {
    folder: PathBuf,
}

impl LocalStore {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// All entries, by name.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, CliError> {
        let path = self.folder.join(LIST);
        let text = match fs::read(&path) {
            Ok(text) => text,
            // Where the folder of the database is none, the database says so.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(self.failed("read the list of", &error)),
        };
        let damaged = |reason: String| {
            let message = format!("the list of installed plugins {} is damaged: {reason}", path.display());
            let hint = "put it back from a copy; or move it away, and install again what you need";
            CliError::new(Exit::Machine, message).hint(hint)
        };
        let list: List = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if list.version != FORM {
            let newer = format!("it has the form {}, and this program knows {FORM}", list.version);
            return Err(damaged(newer));
        }
        for entry in &list.installed {
            let good = entry.digest.parse::<Digest>();
            good.map_err(|error| damaged(error.to_string()))?;
        }
        Ok(list.installed)
    }

    /// What the sandbox takes plugins from.
    pub(crate) fn installed(&self) -> Result<Vec<Installed>, CliError> {
        let entries = self.entries()?.into_iter();
        let installed = entries.filter_map(|entry| {
            Some(Installed {
                path: self.file(&entry.digest),
                digest: entry.digest.parse().ok()?,
                name: entry.name,
            })
        });
        Ok(installed.collect())
    }

    /// Keeps a file under the entry's name. Gives what had the name before.
    pub(crate) fn put(&self, bytes: &[u8], entry: &Entry) -> Result<Option<Entry>, CliError> {
        self.keep(bytes, entry).map_err(|error| match error {
            Failed::List(error) => error,
            Failed::System(error) => self.failed("write to", &error),
        })
    }

    /// Forgets a name. Gives what it was, if it was there.
    pub(crate) fn remove(&self, name: &str) -> Result<Option<Entry>, CliError> {
        if !self.folder.is_dir() {
            return Ok(None);
        }
        self.forget(name).map_err(|error| match error {
            Failed::List(error) => error,
            Failed::System(error) => self.failed("write to", &error),
        })
    }

    fn keep(&self, bytes: &[u8], entry: &Entry) -> Result<Option<Entry>, Failed> {
        fs::create_dir_all(&self.folder)?;
        let _alone = self.lock()?;
        let mut entries = self.entries()?;
        let at = entries.iter().position(|known| known.name == entry.name);
        let before = at.map(|at| entries.remove(at));
        // First the file, then the name: a name without its file would be worse than a file without a name.
        self.write(&self.file(&entry.digest), bytes)?;
        entries.push(entry.clone());
        self.list(entries, before.as_ref())?;
        Ok(before)
    }

    fn forget(&self, name: &str) -> Result<Option<Entry>, Failed> {
        let _alone = self.lock()?;
        let mut entries = self.entries()?;
        let Some(at) = entries.iter().position(|known| known.name == name) else {
            return Ok(None);
        };
        let gone = entries.remove(at);
        self.list(entries, Some(&gone))?;
        Ok(Some(gone))
    }

    /// Writes the list, and removes the file of an entry that it names no more.
    fn list(&self, mut entries: Vec<Entry>, gone: Option<&Entry>) -> Result<(), Failed> {
        entries.sort_by(|first, second| first.name.cmp(&second.name));
        let unnamed = gone.filter(|gone| entries.iter().all(|entry| entry.digest != gone.digest));
        let list = List {
            version: FORM,
            installed: entries,
        };
        let mut text = serde_json::to_vec_pretty(&list).map_err(io::Error::other)?;
        text.push(b'\n');
        self.write(&self.folder.join(LIST), &text)?;
        match unnamed.map(|gone| fs::remove_file(self.file(&gone.digest))) {
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Writes a file whole or not at all.
    fn write(&self, path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// Keeps other processes from changing the list, until it is dropped.
    fn lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.folder.join("lock"))?;
        file.lock()?;
        Ok(file)
    }

    fn file(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}.wasm"))
    }

    fn failed(&self, what: &str, error: &io::Error) -> CliError {
        let message = format!("{what} installed plugins in {}: {error}", self.folder.display());
        CliError::new(Exit::Machine, message)
            .hint("the folder lies beside the database: look at its permissions and free space")
    }
}

/// Why the store was not changed.
enum Failed {
    List(CliError),
    System(io::Error),
}

impl From<CliError> for Failed {
    fn from(error: CliError) -> Self {
        Self::List(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
