//! wasmtime is built once: the host and the build script that precompiles plugins share it. A second build costs five minutes.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::support::repository;

#[test]
fn wasmtime_is_built_once() {
    let output = Command::new("cargo")
        .args(["build", "--release", "--workspace", "--offline", "--locked"])
        .args(["-Z", "unstable-options", "--unit-graph"])
        // The graph is printed by an option that is not stable yet; it is no promise of ours, so a change may break this test only.
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(repository())
        .output()
        .expect("run cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let graph: Value = serde_json::from_slice(&output.stdout).expect("a graph");
    let mut builds = BTreeMap::<String, usize>::new();
    for unit in graph["units"].as_array().expect("units") {
        let kinds = unit["target"]["kind"].as_array().expect("kinds");
        let name = unit["target"]["name"].as_str().unwrap_or_default();
        if unit["mode"] == "build" && kinds.iter().any(|kind| kind == "lib") {
            let package = unit["pkg_id"].as_str().unwrap_or_default();
            *builds.entry(format!("{package} {name}")).or_default() += 1;
        }
    }
    let of = |name: &str| {
        let mut found = builds.iter().filter(|(unit, _)| unit.ends_with(&format!(" {name}")));
        found.next().map(|(_, count)| *count)
    };
    for name in ["wasmtime", "wasmtime_environ", "cranelift_codegen"] {
        assert_eq!(of(name), Some(1), "{name} is not built once: {builds:#?}");
    }
}
