//! Compiled code on disk, and what was proved of components. Code is trusted by `deserialize`, so each file carries a keyed
//! MAC that is checked before.

use std::hash::{Hash as _, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use autokestra_model::Digest;
use wasmtime::Engine;

/// Length of the MAC in front of each file, in bytes.
const MAC_BYTES: usize = 32;

/// A folder of files that are ours, and the key of their MACs.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; 32],
}

impl Cache {
    /// Opens the cache; none where its folder or key cannot be had. Then every component is compiled anew.
    pub(crate) fn open(folder: &Path) -> Option<Self> {
        let opened = Self::try_open(folder);
        if let Err(error) = &opened {
            tracing::warn!(folder = %folder.display(), %error, "compiled code is not kept");
        }
        opened.ok()
    }

    fn try_open(folder: &Path) -> std::io::Result<Self> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        let path = folder.join("key");
        if !path.exists() {
            let mut key = [0; 32];
            fill_random(&mut key)?;
            write_private(folder, &path, &[&key])?;
        }
        let key = std::fs::read(&path)?;
        let key = key
            .try_into()
            .map_err(|_| std::io::Error::other("the key file is damaged; remove it"))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            key,
        })
    }

    /// What is kept under a name, if it is there and nobody changed it.
    pub(crate) fn get(&self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = std::fs::read(self.folder.join(name)).ok()?;
        let kept = bytes.split_off(MAC_BYTES.min(bytes.len()));
        let expected = self.mac(name, &kept);
        // blake3's own comparison takes the same time wherever the difference is.
        let found: [u8; MAC_BYTES] = bytes.try_into().ok()?;
        (expected == found).then_some(kept)
    }

    /// Keeps something under a name. Failing to is no failure.
    pub(crate) fn put(&self, name: &str, kept: &[u8]) {
        let mac = self.mac(name, kept);
        let path = self.folder.join(name);
        if let Err(error) = write_private(&self.folder, &path, &[mac.as_bytes(), kept]) {
            tracing::warn!(path = %path.display(), %error, "it is not kept");
        }
    }

    /// Of a file's name too: one file under another's name is no good.
    fn mac(&self, name: &str, kept: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(kept);
        hasher.finalize()
    }
}

/// The name of a component's code, as `engine` makes it.
pub(crate) fn code_name(engine: &Engine, digest: &Digest) -> String {
    format!("{digest}-{:016x}.cwasm", settings(engine))
}

/// Stands for wasmtime's version, the engine's settings and the processor's features.
fn settings(engine: &Engine) -> u64 {
    struct Digesting(blake3::Hasher);
    impl Hasher for Digesting {
        fn finish(&self) -> u64 {
            let mut first = [0; 8];
            self.0.finalize_xof().fill(&mut first);
            u64::from_le_bytes(first)
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut hasher = Digesting(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn fill_random(bytes: &mut [u8]) -> std::io::Result<()> {
    use std::io::Read as _;
    std::fs::File::open("/dev/urandom")?.read_exact(bytes)
}

/// Writes a file for its owner alone, whole or not at all.
fn write_private(folder: &Path, path: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    let temporary = folder.join(format!(".{}-{:016x}", std::process::id(), fastrand::u64(..)));
    let mut options = std::fs::OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        parts.iter().try_for_each(|part| file.write_all(part))?;
        std::fs::rename(&temporary, path)
    });
    if written.is_err() {
        // Leftovers are harmless; a second failure changes nothing.
        drop(std::fs::remove_file(&temporary));
    }
    written
}
