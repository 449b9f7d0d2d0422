//! Programs that nobody here wrote, built as they are: two of crates.io, and one in C of a source package of Debian. Each is
//! built once, into the target folder.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use autokestra_toolchain::{InstallOptions, Toolchain};

use crate::process::{Place, target};
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

/// The component of `core/script.python`, which is no part of the program.
pub(crate) fn python() -> &'static Path {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = target().join("dist");
        let built = Command::new(repository().join("scripts/python")).arg(&folder).output();
        let built = built.expect("start scripts/python");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let component = folder.join("core-script-python.wasm");
        // Compiled once for all tests: it takes seconds.
        let mut place = Place::new();
        place.set("WORKFLOW_PLUGINS_DIRECTORIES", &folder.display().to_string());
        place.set(
            "WORKFLOW_STORAGE_PATH",
            &folder.join("data/db.sqlite").display().to_string(),
        );
        drop(place.run("plugin inspect core/script-python").code(0));
        component
    });
    &BUILT
}

/// Puts `core/script.python` into the folder `plugins` of a place, which must be among its `plugins.directories`, with its code compiled.
pub(crate) fn put_python(place: &Place) {
    let component = python();
    let plugins = place.path("plugins");
    std::fs::create_dir_all(&plugins).expect("make a folder");
    std::fs::copy(component, plugins.join("core-script-python.wasm")).expect("copy the component");
    let (from, to) = (component.with_file_name("data").join("cache"), place.path("data/cache"));
    std::fs::create_dir_all(&to).expect("make a folder");
    // The key within is only as good as the folder is closed.
    std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o700)).expect("close the folder");
    for entry in std::fs::read_dir(from).expect("the cache is there").flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copy an entry");
    }
}
