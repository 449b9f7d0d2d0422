//! The sdk's sources, which travel in the program: put where cargo can read them, and held against what travelled.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use semver::{Version, VersionReq};

use crate::error::AuthoringError;
use crate::folder::Folder;
use crate::home::Home;

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// The crate that plugins depend on.
pub(crate) const CRATE: &str = "autokestra-sdk";

/// Its version: all crates of the workspace have one.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where the contract is among what travels: the oldest version that has all that the sdks offer, so that older hosts take what is built.
const WIT: &str = "sdk/wit/1.0/";

/// Where the interfaces of WASI are that the contract names.
const WIT_DEPENDENCIES: &str = "sdk/wit/deps/";

/// Whether a project that asks for `requirement` is served by the sources that travel here.
pub(crate) fn serves(requirement: &str) -> bool {
    match (VersionReq::parse(requirement), Version::parse(VERSION)) {
        (Ok(requirement), Ok(version)) => requirement.matches(&version),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// Puts the sources into the user's folder, unless they are there, and says where the crate is.
///
/// What is there is compared byte by byte, and nothing may be there besides: a file that somebody changed or added would be
/// compiled into every plugin, and a `build.rs` would even be run.
pub(crate) fn unpack(home: &Home) -> Result<PathBuf, AuthoringError> {
    static FOLDER: LazyLock<String> = LazyLock::new(|| {
        let mut hasher = blake3::Hasher::new();
        for (path, bytes) in FILES {
            hasher
                .update(path.as_bytes())
                .update(&[0])
                .update(&(bytes.len() as u64).to_le_bytes())
                .update(bytes);
        }
        format!("{VERSION}-{}", &hasher.finalize().to_hex()[..16])
    });
    let all = home.folder("sdk")?;
    let folder = all.join(FOLDER.as_str());
    let crate_folder = folder.join("sdk");
    let lock = home.lock("sdk", || {})?;
    if is_whole(&folder) {
        return Ok(crate_folder);
    }
    // Two names that only a process that was killed leaves behind: the lock keeps others out.
    let (draft, old) = (all.join(".new"), all.join(".old"));
    for left in [&draft, &old] {
        remove(left)?;
    }
    for (path, bytes) in FILES {
        let path = draft.join(path);
        let parent = path.parent().unwrap_or(&draft);
        fs::create_dir_all(parent).map_err(AuthoringError::file("create", parent))?;
        fs::write(&path, bytes).map_err(AuthoringError::file("write", &path))?;
    }
    if fs::symlink_metadata(&folder).is_ok() {
        fs::rename(&folder, &old).map_err(AuthoringError::file("move", &folder))?;
    }
    fs::rename(&draft, &folder).map_err(AuthoringError::file("create", &folder))?;
    remove(&old)?;
    drop(lock);
    Ok(crate_folder)
}

/// Puts the files below `prefix` into a folder. What is there already and is the same stays as it is.
pub(crate) fn put(folder: &Folder, prefix: &str) -> Result<(), AuthoringError> {
    for (path, bytes) in FILES {
        let Some(path) = path.strip_prefix(prefix) else {
            continue;
        };
        match path.split_once('/') {
            None => put_file(folder, path, bytes)?,
            // The sdks are one folder deep.
            Some((inner, name)) => put_file(&folder.inner(inner)?, name, bytes)?,
        }
    }
    Ok(())
}

/// Puts the contract into a folder, with what it names.
pub(crate) fn put_contract(folder: &Folder) -> Result<(), AuthoringError> {
    put(folder, WIT)?;
    put(&folder.inner("deps")?, WIT_DEPENDENCIES)
}

/// Puts a file into a folder, unless it is there.
pub(crate) fn put_file(folder: &Folder, name: &str, bytes: &[u8]) -> Result<(), AuthoringError> {
    match folder.read(name) {
        Some(found) if found == bytes => Ok(()),
        Some(_) | None => folder.put(name, bytes),
    }
}

fn remove(path: &Path) -> Result<(), AuthoringError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    removed.map_err(AuthoringError::file("remove", path))
}

/// Whether a folder has what travels here, and nothing else.
fn is_whole(folder: &Path) -> bool {
    let mut found = BTreeSet::new();
    // A lock file of cargo's own is no source.
    let expected: BTreeSet<PathBuf> = FILES.iter().map(|(path, _)| folder.join(path)).collect();
    collect(folder, &mut found).is_some()
        && found == expected
        && FILES
            .iter()
            .all(|(path, bytes)| fs::read(folder.join(path)).is_ok_and(|read| read == *bytes))
}

/// All files below a folder; none where there is something that is neither file nor folder, or cannot be read.
fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) -> Option<()> {
    if !fs::symlink_metadata(folder).ok()?.is_dir() {
        return None;
    }
    for entry in fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        let kind = entry.file_type().ok()?;
        if kind.is_dir() {
            collect(&entry.path(), found)?;
        } else if kind.is_file() {
            found.insert(entry.path());
        } else {
            return None;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn home(place: &Path) -> Home {
        let path = place.as_os_str().to_owned();
        Home::find(|name| (name == "HOME").then(|| path.clone())).expect("a path")
    }

    #[test]
    fn it_has_what_cargo_needs_and_no_tests() {
        let paths: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        for path in [
            "Cargo.toml",
            "sdk/Cargo.toml",
            "sdk/src/lib.rs",
            "sdk/macros/src/lib.rs",
            "sdk/wit/plugin.wit",
        ] {
            assert!(paths.contains(&path), "{path} does not travel: {paths:?}");
        }
        assert!(!paths.iter().any(|path| path.starts_with("sdk/tests")), "{paths:?}");
        let size: usize = FILES.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(size < 500_000, "{size} bytes travel");
    }

    #[test]
    fn what_somebody_changed_is_unpacked_anew() {
        let place = tempfile::tempdir().expect("a folder");
        let crate_folder = unpack(&home(place.path())).expect("unpacked");
        let folder = crate_folder.parent().expect("a workspace").to_path_buf();
        let first = crate_folder.join("src/lib.rs");
        let whole = fs::read(&first).expect("there");
        assert!(is_whole(&folder));
        let elsewhere = place.path().join("elsewhere.rs");
        fs::write(&elsewhere, &whole).expect("written");
        let attacks: [(&str, &dyn Fn()); 6] = [
            ("a changed file", &|| {
                fs::write(&first, "//! Not ours.\n").expect("written");
            }),
            ("a file cut off", &|| fs::write(&first, &whole[..10]).expect("written")),
            ("a file that is gone", &|| fs::remove_file(&first).expect("removed")),
            ("a build script beside them", &|| {
                fs::write(crate_folder.join("build.rs"), "fn main() {}").expect("written");
            }),
            ("a link", &|| {
                fs::remove_file(&first).expect("removed");
                symlink(&elsewhere, &first).expect("linked");
            }),
            ("a folder that is a link", &|| {
                let moved = place.path().join("moved");
                fs::rename(&folder, &moved).expect("moved");
                symlink(&moved, &folder).expect("linked");
            }),
        ];
        for (what, attack) in attacks {
            attack();
            assert!(!is_whole(&folder), "{what} was not seen");
            assert_eq!(unpack(&home(place.path())).expect("unpacked"), crate_folder);
            assert!(is_whole(&folder), "{what} stayed");
        }
    }

    #[test]
    fn many_at_once_find_it_whole() {
        let place = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            let unpacked: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| unpack(&home(place.path())).expect("unpacked")))
                .collect();
            for one in unpacked {
                let folder = one.join().expect("no panic");
                assert!(is_whole(folder.parent().expect("a workspace")));
            }
        });
    }

    #[test]
    fn requirements_are_those_of_cargo() {
        for (requirement, is_served) in [
            (VERSION, true),
            ("0.1", true),
            ("*", true),
            ("=0.0.1", false),
            ("99", false),
            ("none", false),
        ] {
            assert_eq!(serves(requirement), is_served, "{requirement}");
        }
    }
}
