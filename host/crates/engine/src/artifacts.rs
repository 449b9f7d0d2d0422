//! Files that tasks leave for others: written by a guest below `/artifacts`, kept under the digest of their content.
//!
//! `<artifacts>/<two digits>/<digest>` holds a file once; `<artifacts>/tmp/<attempt>/` belongs to one attempt: `out` is what it
//! writes, `in` what it reads, as links to kept files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use autokestra_model::{Digest, ExecutionId, ReasonCode, Timestamp};
use autokestra_secrets::{Masked, Masker};
use autokestra_store::{RunKey, fault};

/// Where a guest leaves files.
pub const GUEST_OUT: &str = "/artifacts";

/// Where a guest finds the files of other tasks.
pub(crate) const GUEST_IN: &str = "/artifacts-in";

/// Files of one attempt. It stops a task that would fill the store with names.
const FILES_MAX: usize = 1000;

/// Bytes of all files of one attempt: 1 GiB. What is larger belongs into a storage of its own.
const BYTES_MAX: u64 = 1 << 30;

/// A file that a task left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// Its name, with `/` between folders.
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// Why the files of an attempt were not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error("it left more than {FILES_MAX} files in `/artifacts`")]
    TooMany,
    #[error("the files that it left in `/artifacts` have more than {BYTES_MAX} bytes (1 GiB)")]
    TooLarge,
    #[error("`{0}` in `/artifacts` is neither a file nor a folder")]
    NoFile(String),
    #[error("the name of a file in `/artifacts` holds a secret: `{0}`")]
    SecretName(Masked),
    #[error("keep the files of `/artifacts`: {0}")]
    Io(#[from] io::Error),
}

impl KeepError {
    /// What an attempt fails with.
    pub(crate) fn reason(&self) -> ReasonCode {
        match self {
            Self::TooMany | Self::TooLarge | Self::NoFile(_) | Self::SecretName(_) => ReasonCode::LimitFiles,
            Self::Io(_) => ReasonCode::Internal,
        }
    }
}

/// The files that tasks left, each under the digest of its content.
#[derive(Clone, Debug)]
pub struct Artifacts {
    folder: PathBuf,
}

impl Artifacts {
    /// The files below `folder`, which is made with the first of them.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Opens the file with this content.
    ///
    /// # Errors
    /// What the file system says, as where it was removed.
    pub fn open(&self, digest: &Digest) -> io::Result<File> {
        File::open(self.place(digest))
    }

    /// The digests of the files that were neither left nor left again since `before`.
    ///
    /// # Errors
    /// What the file system says. A folder that does not exist holds no files.
    pub fn older_than(&self, before: Timestamp) -> io::Result<Vec<Digest>> {
        let mut found = Vec::new();
        for folder in entries(&self.folder)? {
            for file in entries(&folder)? {
                let name = file.file_name().and_then(|name| name.to_str());
                let digest: Option<Digest> = name.and_then(|name| name.parse().ok());
                if let Some(digest) = digest
                    && fs::metadata(&file)?.modified()? < moment(before)
                {
                    found.push(digest);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Removes a file that nothing names, if it was not left again since `before`. Gives its size.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove(&self, digest: &Digest, before: Timestamp) -> io::Result<Option<u64>> {
        // Out of the way first: who leaves the same content meanwhile either made it young, which is seen here,
        // or finds its place empty and leaves it anew.
        let (place, aside) = (
            self.place(digest),
            self.folder.join("tmp").join(format!("removed-{digest}")),
        );
        fs::create_dir_all(self.folder.join("tmp"))?;
        match fs::rename(&place, &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            renamed => renamed?,
        }
        let metadata = fs::metadata(&aside)?;
        if metadata.modified()? < moment(before) {
            fs::remove_file(&aside)?;
            Ok(Some(metadata.len()))
        } else {
            fs::rename(&aside, &place)?;
            Ok(None)
        }
    }

    /// The executions of which attempts are under way, or were when their process died.
    ///
    /// # Errors
    /// What the file system says.
    pub fn attempted(&self) -> io::Result<Vec<ExecutionId>> {
        let folders = entries(&self.folder.join("tmp"))?;
        let mut found: Vec<ExecutionId> = folders.iter().filter_map(|folder| execution_of(folder)).collect();
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Removes what attempts left unfinished, of the executions that `is_dead` names. What cannot be removed stays.
    pub fn remove_attempts(&self, is_dead: &dyn Fn(ExecutionId) -> bool) {
        for folder in entries(&self.folder.join("tmp")).unwrap_or_default() {
            if execution_of(&folder).is_some_and(is_dead) {
                drop(fs::remove_dir_all(&folder));
            }
        }
    }

    /// Makes the folders of an attempt, and links the files that it reads: by the path below [`GUEST_IN`].
    pub(crate) fn attempt(
        &self,
        execution: ExecutionId,
        (run, attempt): (&RunKey, u32),
        reads: &[(String, Digest)],
    ) -> io::Result<AttemptFolder> {
        let item = run.item.map(|item| format!("-{item}")).unwrap_or_default();
        let name = format!("{execution}.{}{item}-{attempt}", run.position);
        let made = AttemptFolder {
            store: self.clone(),
            folder: self.folder.join("tmp").join(name),
        };
        fs::create_dir_all(made.out())?;
        for (path, digest) in reads {
            let to = made.reads().join(path);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::hard_link(self.place(digest), &to)?;
        }
        Ok(made)
    }

    /// Makes a file young, so that no sweep removes it before it is named. Gives whether it is there.
    pub(crate) fn renew(&self, digest: &Digest, now: Timestamp) -> bool {
        let place = self.place(digest);
        let renewed = File::open(&place).and_then(|file| file.set_modified(moment(now)));
        renewed.is_ok() && place.exists()
    }

    fn place(&self, digest: &Digest) -> PathBuf {
        let digest = digest.to_string();
        let folder = digest.get(..2).unwrap_or_default();
        self.folder.join(folder).join(&digest)
    }
}

/// The folder of one attempt. What is left of it is removed with it.
#[derive(Debug)]
pub(crate) struct AttemptFolder {
    store: Artifacts,
    folder: PathBuf,
}

impl AttemptFolder {
    pub(crate) fn out(&self) -> PathBuf {
        self.folder.join("out")
    }

    pub(crate) fn reads(&self) -> PathBuf {
        self.folder.join("in")
    }

    /// Keeps what the attempt left, each file under its digest. Durable before the result that names it is.
    pub(crate) fn keep(&self, masker: &Masker, now: Timestamp) -> Result<Vec<Artifact>, KeepError> {
        let mut found = BTreeMap::new();
        let mut bytes = 0;
        walk(&self.out(), "", &mut found, &mut bytes)?;
        let mut kept = Vec::with_capacity(found.len());
        for (name, path) in found {
            let masked = masker.mask(&name);
            if masked.as_str() != name {
                return Err(KeepError::SecretName(masked));
            }
            let mut hasher = blake3::Hasher::new();
            let file = File::open(&path)?;
            hasher.update_reader(&file)?;
            let digest = Digest::from_bytes(*hasher.finalize().as_bytes());
            let size = file.metadata()?.len();
            let place = self.store.place(&digest);
            // The same content may be there already.
            if !self.store.renew(&digest, now) {
                let folder = place.parent().unwrap_or(&self.folder);
                fs::create_dir_all(folder)?;
                file.set_modified(moment(now))?;
                file.sync_all()?;
                fault::point("file.renaming");
                fs::rename(&path, &place)?;
                File::open(folder)?.sync_all()?;
                fault::point("file.renamed");
            }
            kept.push(Artifact { name, digest, size });
        }
        Ok(kept)
    }
}

impl Drop for AttemptFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::debug!(%error, folder = %self.folder.display(), "failed to remove an attempt's folder");
        }
    }
}

/// Whose attempt a folder belongs to.
fn execution_of(folder: &Path) -> Option<ExecutionId> {
    let (execution, _) = folder.file_name()?.to_str()?.split_once('.')?;
    execution.parse().ok()
}

/// What is in a folder; nothing where it does not exist.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn moment(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or_default())
}

/// All files below a folder, by name. Links are refused: what they lead to is not the guest's.
fn walk(folder: &Path, prefix: &str, found: &mut BTreeMap<String, PathBuf>, bytes: &mut u64) -> Result<(), KeepError> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let metadata = fs::symlink_metadata(entry.path())?;
        if metadata.is_dir() {
            walk(&entry.path(), &format!("{name}/"), found, bytes)?;
        } else if metadata.is_file() {
            *bytes += metadata.len();
            if *bytes > BYTES_MAX {
                return Err(KeepError::TooLarge);
            }
            if found.len() >= FILES_MAX {
                return Err(KeepError::TooMany);
            }
            found.insert(name, entry.path());
        } else {
            return Err(KeepError::NoFile(name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn attempt(store: &Path, number: u32, reads: &[(String, Digest)]) -> AttemptFolder {
        let execution = "exec-00000000000000000000000001".parse().expect("an id");
        let run = RunKey {
            position: 0,
            item: None,
            task: "a".parse().expect("an id"),
        };
        Artifacts::new(store.to_path_buf())
            .attempt(execution, (&run, number), reads)
            .expect("it is made")
    }

    #[test]
    fn a_file_is_kept_once_and_linked_for_who_reads_it() {
        let store = tempfile::tempdir().expect("a temporary folder");
        let first = attempt(store.path(), 1, &[]);
        fs::create_dir(first.out().join("deep")).expect("a folder");
        fs::write(first.out().join("deep/a.txt"), "same").expect("written");
        fs::write(first.out().join("b.txt"), "same").expect("written");
        let kept = first.keep(&Masker::none(), NOW).expect("they are kept");
        let names: Vec<&str> = kept.iter().map(|file| file.name.as_str()).collect();
        assert_eq!((names, kept[0].digest), (vec!["b.txt", "deep/a.txt"], kept[1].digest));
        drop(first);
        assert_eq!(fs::read_dir(store.path().join("tmp")).expect("it is there").count(), 0);
        let second = attempt(store.path(), 2, &[("x/b.txt".to_owned(), kept[0].digest)]);
        assert_eq!(
            fs::read_to_string(second.reads().join("x/b.txt")).expect("it is linked"),
            "same"
        );
        drop(second);
        assert!(
            Artifacts::new(store.path().to_path_buf()).open(&kept[0].digest).is_ok(),
            "the link went, the file stays"
        );
    }

    #[test]
    fn links_and_too_many_files_are_refused() {
        let store = tempfile::tempdir().expect("a temporary folder");
        let linked = attempt(store.path(), 1, &[]);
        std::os::unix::fs::symlink("/etc/passwd", linked.out().join("x")).expect("a link");
        assert!(matches!(linked.keep(&Masker::none(), NOW), Err(KeepError::NoFile(name)) if name == "x"));
        let many = attempt(store.path(), 2, &[]);
        for number in 0..=FILES_MAX {
            fs::write(many.out().join(number.to_string()), "").expect("written");
        }
        assert!(matches!(many.keep(&Masker::none(), NOW), Err(KeepError::TooMany)));
    }

    #[test]
    fn a_sweep_spares_what_was_left_again() {
        let store = tempfile::tempdir().expect("a temporary folder");
        let artifacts = Artifacts::new(store.path().to_path_buf());
        let later = Timestamp::from_millis(NOW.as_millis() + 1000);
        let leave = |number, now| {
            let left = attempt(store.path(), number, &[]);
            fs::write(left.out().join("a"), "same").expect("written");
            left.keep(&Masker::none(), now).expect("it is kept")[0].digest
        };
        let digest = leave(1, NOW);
        assert_eq!(artifacts.older_than(NOW).expect("it is listed"), []);
        assert_eq!(artifacts.older_than(later).expect("it is listed"), [digest]);
        leave(2, later);
        assert_eq!(artifacts.remove(&digest, later).expect("it is tried"), None);
        assert!(artifacts.open(&digest).is_ok());
        let last = Timestamp::from_millis(later.as_millis() + 1);
        assert_eq!(artifacts.remove(&digest, last).expect("it is removed"), Some(4));
        assert_eq!(artifacts.remove(&digest, last).expect("it is tried"), None);
        assert!(!artifacts.renew(&digest, last), "it is gone");
    }
}
