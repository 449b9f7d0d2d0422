//! Every public item has an example, which the doc tests run.

use std::fs;
use std::path::{Path, PathBuf};

/// Files whose `pub` is for the macros alone.
const PRIVATE: &[&str] = &["action.rs", "bindings.rs", "limit.rs"];

/// What begins an item that people name.
const ITEMS: &[&str] = &[
    "pub fn ",
    "pub const ",
    "pub struct ",
    "pub enum ",
    "pub mod prelude",
    "pub use autokestra_sdk_macros::",
    "pub use crate::__log_",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn every_public_item_has_an_example() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let (mut seen, mut missing) = (0, Vec::new());
    for path in found {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        if PRIVATE.contains(&name) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            // What a test or the macros alone call.
            if *line == "mod tests {" || *line == "pub mod __private {" {
                break;
            }
            if !ITEMS.iter().any(|item| line.starts_with(item)) {
                continue;
            }
            seen += 1;
            let before = lines[..number].iter().rev();
            let mut docs = before.take_while(|line| line.starts_with("///") || line.starts_with("#["));
            if !docs.any(|line| line.starts_with("/// ```")) {
                missing.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(missing.is_empty(), "no example:\n{}", missing.join("\n"));
    assert!(seen > 100, "{seen} items");
}
