//! Programs that nobody here wrote, built as they are: two of crates.io, and one in C of a source package of Debian. Each is
//! built once, into the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use autokestra_toolchain::{InstallOptions, Toolchain};

use crate::process::target;
use crate::support::repository;

/// Where they are.
fn folder() -> PathBuf {
    target().join("programs")
}

/// A program of crates.io, as a command component.
fn of_crates_io(name: &str, version: &str) -> PathBuf {
    let toolchain = Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
    let options = InstallOptions {
        name: name.to_owned(),
        version: version.to_owned(),
        root: folder(),
        target_dir: target().join("plugins"),
    };
    toolchain.install(&options).unwrap_or_else(|error| panic!("{error}"))
}

/// Selects parts of HTML by CSS selectors.
pub(crate) fn htmlq() -> &'static Path {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| of_crates_io("htmlq", "0.4.0"));
    &BUILT
}

/// Makes HTML of Markdown.
pub(crate) fn pulldown_cmark() -> &'static Path {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| of_crates_io("pulldown-cmark", "0.13.6"));
    &BUILT
}

/// Lua, a module of WASI preview 1.
pub(crate) fn lua() -> &'static Path {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let built = Command::new(repository().join("scripts/programs"))
            .arg(folder())
            .output();
        let built = built.expect("start scripts/programs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        folder().join("lua.wasm")
    });
    &BUILT
}
