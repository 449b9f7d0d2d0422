//! Compiled code on disk is run only as this host wrote it, for the component that it was made from.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use autokestra_sandbox::{CacheOptions, Sandbox, SandboxOptions};

use super::component::{self, Made};

/// Two plugins, and the folder of their compiled code.
struct Compiled {
    folder: tempfile::TempDir,
}

impl Compiled {
    async fn new() -> Self {
        let compiled = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        for name in ["one", "other"] {
            component::put(&Made::named(&format!("test/{name}")), &compiled.component(name));
            assert_eq!(compiled.load(name).await, format!("test/{name}"));
        }
        compiled
    }

    fn component(&self, name: &str) -> PathBuf {
        self.folder.path().join(name).with_extension("wasm")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// The name of a plugin as a new process would load it.
    async fn load(&self, name: &str) -> String {
        let options = SandboxOptions {
            cache: CacheOptions {
                folder: self.cache(),
                bytes_max: 64 << 20,
            },
            ..SandboxOptions::default()
        };
        let sandbox = Sandbox::new(options).expect("wasmtime runs here");
        let plugin = sandbox
            .load_file(&self.component(name))
            .await
            .expect("a good component");
        plugin.name.to_string()
    }

    /// The file of a plugin's code.
    fn code(&self, name: &str) -> PathBuf {
        let bytes = std::fs::read(self.component(name)).expect("it is there");
        let digest = blake3::hash(&bytes).to_hex();
        let entries = std::fs::read_dir(self.cache()).expect("the cache is there").flatten();
        let mut paths = entries.map(|entry| entry.path());
        let found = paths.find(|path| {
            path.file_name().is_some_and(|file| {
                file.to_string_lossy().starts_with(digest.as_str()) && file.to_string_lossy().ends_with(".cwasm")
            })
        });
        found.expect("its code is kept")
    }

    /// Puts `bytes` in the place of the code of `one`.
    fn forge(&self, bytes: &[u8]) -> PathBuf {
        let path = self.code("one");
        std::fs::write(&path, bytes).expect("written");
        path
    }
}

#[tokio::test]
async fn code_of_another_component_is_not_run() {
    let compiled = Compiled::new().await;
    let good = std::fs::read(compiled.code("one")).expect("it is there");
    // It has a MAC of this host's own key, but for another component.
    let other = std::fs::read(compiled.code("other")).expect("it is there");
    let path = compiled.forge(&other);
    assert_eq!(compiled.load("one").await, "test/one");
    assert_ne!(std::fs::read(&path).expect("it is there"), other, "it was trusted");
    // Its code behind the MAC of the right one.
    let mixed = [&good[..32], &other[32..]].concat();
    compiled.forge(&mixed);
    assert_eq!(compiled.load("one").await, "test/one");
    assert_ne!(std::fs::read(&path).expect("it is there"), mixed, "it was trusted");
}

#[tokio::test]
async fn code_that_somebody_changed_is_compiled_anew() {
    let compiled = Compiled::new().await;
    let good = std::fs::read(compiled.code("one")).expect("it is there");
    let mut forged = vec![
        Vec::new(),
        good[..31].to_vec(),
        good[..32].to_vec(),
        good[32..].to_vec(),
    ];
    forged.extend((1..8).map(|part| good[..good.len() * part / 8].to_vec()));
    for part in 0..8 {
        let mut flipped = good.clone();
        flipped[good.len() * part / 8] ^= 1;
        forged.push(flipped);
    }
    forged.push([good.as_slice(), b"more"].concat());
    for bytes in forged {
        let path = compiled.forge(&bytes);
        assert_eq!(compiled.load("one").await, "test/one");
        assert_ne!(
            std::fs::read(&path).expect("it is there"),
            bytes,
            "{} bytes were trusted",
            bytes.len()
        );
    }
}

#[tokio::test]
async fn another_key_trusts_nothing_and_nobody_else_reads_the_own() {
    let compiled = Compiled::new().await;
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(
        (mode(&compiled.cache()), mode(&compiled.cache().join("key"))),
        (0o700, 0o600)
    );
    let path = compiled.code("one");
    let before = std::fs::read(&path).expect("it is there");
    std::fs::write(compiled.cache().join("key"), [7; 32]).expect("written");
    assert_eq!(compiled.load("one").await, "test/one");
    assert_ne!(
        std::fs::read(&path).expect("it is there")[..32],
        before[..32],
        "the old code was trusted"
    );
}
