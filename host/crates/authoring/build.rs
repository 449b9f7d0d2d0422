//! Puts the sources of the sdk, the contract and the lock file of a plugin into the crate: new projects build without a checkout.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What travels, by its path in the repository.
const TAKEN: &[&str] = &[
    "sdk/Cargo.toml",
    "sdk/src",
    "sdk/wit",
    "sdk/macros/Cargo.toml",
    "sdk/macros/src",
    "sdk/js/package.json",
    "sdk/js/src",
    "sdk/python/src/autokestra_sdk",
];

/// The tables of the workspace's manifest that the manifests of the sdk refer to.
const TABLES: &[&str] = &["workspace.package", "workspace.dependencies", "workspace.lints"];

/// A plugin that depends on the sdk alone: what it is built with is what new projects are built with.
const LOCK: &str = "plugins/core/console/Cargo.lock";

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = manifest.ancestors().nth(3).ok_or("the crate stands in host/crates")?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for watched in ["sdk", "wit", "Cargo.toml", LOCK] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    for taken in TAKEN {
        collect(root, Path::new(taken), &mut files)?;
    }
    files.sort();
    let workspace = out.join("workspace.toml");
    fs::write(
        &workspace,
        workspace_manifest(&fs::read_to_string(root.join("Cargo.toml"))?),
    )?;
    fs::write(
        out.join("project.lock"),
        project_lock(&fs::read_to_string(root.join(LOCK))?)?,
    )?;
    let mut table = String::from(
        "/// The files of the sdk's workspace, by their paths in it.\npub(crate) const FILES: &[(&str, &[u8])] = &[\n",
    );
    writeln!(table, "    (\"Cargo.toml\", include_bytes!({workspace:?})),")?;
    for path in &files {
        writeln!(table, "    ({path:?}, include_bytes!({:?})),", root.join(path))?;
    }
    table += "];\n";
    fs::write(out.join("sdk.rs"), table)?;
    Ok(())
}

/// The files below `path`, links followed.
fn collect(root: &Path, path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    let full = root.join(path);
    if full.is_dir() {
        for entry in fs::read_dir(full)? {
            let name = entry?.file_name();
            // What Python keeps of modules that somebody ran.
            if name != "__pycache__" {
                collect(root, &path.join(name), files)?;
            }
        }
    } else {
        files.push(path.to_path_buf());
    }
    Ok(())
}

/// A workspace of the sdk alone, with the tables of ours that it refers to. Dependencies that no member takes are never looked at.
fn workspace_manifest(ours: &str) -> String {
    let mut text = String::from("[workspace]\nresolver = \"2\"\nmembers = [\"sdk\", \"sdk/macros\"]\n");
    let mut is_taken = false;
    for line in ours.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            is_taken = TABLES
                .iter()
                .any(|table| name.0 == *table || name.0.starts_with(&format!("{table}.")));
        }
        if is_taken {
            text += line;
            text += "\n";
        }
    }
    text
}

/// The lock file of a new project.
fn project_lock(ours: &str) -> Result<String, Box<dyn Error>> {
    let package = "name = \"core-console\"\nversion = \"1.0.0\"\n";
    if !ours.contains(package) {
        return Err(format!("{LOCK} has no package `core-console` 1.0.0").into());
    }
    Ok(ours.replace(package, "name = \"@package@\"\nversion = \"0.1.0\"\n"))
}
