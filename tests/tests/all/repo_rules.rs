//! Rules of the repository that no compiler holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::support::repository;

/// Longest source file, in lines.
const FILE_LINES_MAX: usize = 600;

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command
        .manifest_path(repository().join("Cargo.toml"))
        // Of dependencies, only those that this platform has: others are never built here.
        .other_options(vec![
            "--offline".to_owned(),
            "--locked".to_owned(),
            format!("--filter-platform={}-unknown-linux-gnu", std::env::consts::ARCH),
        ]);
    command.exec().expect("cargo knows the workspace")
}

#[test]
fn crates_know_only_those_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("model", &[][..]),
        ("toolchain", &[]),
        ("authoring", &["toolchain"]),
        ("secrets", &["model"]),
        ("store", &["model", "secrets"]),
        ("sandbox", &["model", "secrets"]),
        ("engine", &["model", "secrets", "store", "sandbox"]),
        ("builtin", &[]),
        ("sdk", &["sdk-macros"]),
        ("sdk-macros", &[]),
    ]);
    let metadata = metadata();
    let mut seen = 0;
    for package in metadata.workspace_packages() {
        let Some(known) = package
            .name
            .strip_prefix("autokestra-")
            .and_then(|name| allowed.get(name))
        else {
            continue;
        };
        seen += 1;
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
        {
            if let Some(name) = dependency.name.strip_prefix("autokestra-") {
                assert!(known.contains(&name), "{} may not know {name}", package.name);
            }
        }
    }
    assert_eq!(
        seen,
        allowed.len(),
        "a crate of the table is missing from the workspace"
    );
}

#[test]
fn licences_are_of_those_that_fit() {
    let fits: BTreeSet<&str> = BTreeSet::from([
        "MIT",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Unlicense",
        "Zlib",
        "Unicode-3.0",
        "CC0-1.0",
        "0BSD",
        "MIT-0",
        "BSL-1.0",
    ]);
    let wrong: Vec<String> = metadata()
        .packages
        .iter()
        .filter(|package| {
            let expression = package
                .license
                .clone()
                .unwrap_or_default()
                .replace('/', " OR ")
                .replace(['(', ')'], "");
            // Every part joined by AND needs one alternative that fits.
            !expression
                .split(" AND ")
                .all(|part| part.split(" OR ").any(|licence| fits.contains(licence.trim())))
        })
        .map(|package| {
            format!(
                "{} ({})",
                package.name,
                package.license.as_deref().unwrap_or("no licence")
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("read a folder") {
        let path = entry.expect("read an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn sources_are_short_and_silence_no_lint() {
    let mut paths = Vec::new();
    for folder in ["host", "tests", "sdk/src", "plugins"] {
        sources(&repository().join(folder), &mut paths);
    }
    // Put together, so that this file does not hold what it looks for.
    let forbidden = [
        format!("#[{}(", "allow"),
        format!("#![{}(", "allow"),
        format!("#[{}", "ignore"),
    ];
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("read a source");
        assert!(text.lines().count() <= FILE_LINES_MAX, "{} is too long", path.display());
        for word in &forbidden {
            assert!(!text.contains(word.as_str()), "{} has {word}", path.display());
        }
    }
}

#[test]
fn every_member_takes_the_lints() {
    for package in metadata().workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("read a manifest");
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} does not",
            package.name
        );
    }
}
