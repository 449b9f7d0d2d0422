//! The cases beside each first-party plugin, run by `workflow plugin test`: input, files and grants in; output, error, log and files
//! out. Every action has one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::built::put_python;
use crate::process::Place;
use crate::support::repository;

/// The plugin that is no part of the program.
const PYTHON: &str = "core/script-python";

/// The folders of all plugins.
fn plugins() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for namespace in std::fs::read_dir(repository().join("plugins")).expect("read plugins/") {
        for plugin in std::fs::read_dir(namespace.expect("an entry").path()).expect("read a namespace") {
            found.push(plugin.expect("an entry").path());
        }
    }
    found.sort();
    found
}

fn check_all(folder: &Path) {
    let (namespace, name) = (folder.parent().and_then(Path::file_name), folder.file_name());
    let plugin = format!(
        "{}/{}",
        namespace.expect("a namespace").to_string_lossy(),
        name.expect("a name").to_string_lossy()
    );
    let mut place = Place::new();
    if plugin == PYTHON {
        put_python(&place);
        place.set("WORKFLOW_PLUGINS_DIRECTORIES", "plugins");
    }
    // What a case grants itself of its own server is no matter of the operator's policy.
    place.unset("WORKFLOW_POLICY_NETWORK");
    let folder = folder.to_str().expect("a path of text");
    let run = place.run_args(["plugin", "test", folder, "--plugin", &plugin]).code(0);
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    let tested = place
        .run_args(["plugin", "test", folder, "--plugin", &plugin, "--json"])
        .code(0)
        .json();
    assert_eq!(
        (&tested["failed"], &tested["updated"]),
        (&0.into(), &0.into()),
        "{tested:#}"
    );
    let cases = tested["cases"].as_array().expect("a list");
    let tried: BTreeSet<&str> = cases.iter().filter_map(|case| case["action"].as_str()).collect();
    let inspected = place.run_args(["plugin", "inspect", &plugin, "--json"]).code(0).json();
    for action in inspected["actions"].as_array().expect("a list") {
        let name = action["name"].as_str().unwrap_or_default();
        assert!(tried.contains(name), "{plugin}.{name} has no case");
        assert_ne!(action["description"], "", "{plugin}.{name} says nothing of itself");
        let fields = action["inputSchema"]["properties"]
            .as_object()
            .expect("inputs are an object");
        for (field, schema) in fields {
            assert!(
                matches!(schema["description"], Value::String(_)),
                "{plugin}.{name}: `{field}` is not described"
            );
        }
    }
}

#[test]
fn every_case_of_every_plugin_comes_out_as_it_says() {
    let found = plugins();
    assert!(found.len() >= 8, "{found:?}");
    std::thread::scope(|scope| {
        for folder in &found {
            scope.spawn(move || check_all(folder));
        }
    });
}
