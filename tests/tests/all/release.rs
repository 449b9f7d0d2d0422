//! What a release ships: an archive that works where it is unpacked, and digests that say what it is.

use std::process::Command;

use crate::built::python;
use crate::process::{Place, target, task, workflow_binary};
use crate::support::repository;

/// What a command prints.
#[track_caller]
fn said(command: &mut Command) -> String {
    let output = command.output().expect("start it");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out
}

#[test]
fn a_release_works_where_it_is_unpacked() {
    let place = Place::new();
    let out = place.path("out");
    let pack = || {
        said(
            Command::new(repository().join("scripts/release"))
                .args([workflow_binary(), python(), &out])
                // Where it is compiled already.
                .env("WORKFLOW_STORAGE_PATH", target().join("dist/data/db.sqlite"))
                .current_dir(place.root()),
        )
    };
    let told = pack();
    let archive = told
        .split_whitespace()
        .find(|word| word.ends_with(".tar.gz"))
        .unwrap_or_else(|| panic!("no archive in {told}"));
    let first = std::fs::read(out.join(archive)).expect("read the archive");
    pack();
    let second = std::fs::read(out.join(archive)).expect("read the archive");
    assert!(first == second, "the same programs make the same archive");
    said(
        Command::new("sha256sum")
            .args(["--check", "--strict", "SHA256SUMS"])
            .current_dir(&out),
    );
    let mut there: Vec<String> = std::fs::read_dir(&out)
        .expect("read the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    assert_eq!(
        there,
        ["DIGESTS", "SHA256SUMS", "core-script-python.wasm", archive],
        "nothing is left over"
    );

    said(Command::new("tar").args(["-xzf", archive]).current_dir(&out));
    let root = out.join(archive.trim_end_matches(".tar.gz"));
    for file in [
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "config.example.yaml",
        "docs/index.md",
        "examples",
    ] {
        assert!(root.join(file).exists(), "{file} is in it");
    }
    let digests = place.read("out/DIGESTS");
    let digest = digests.split_whitespace().next().expect("a digest");
    let component = root.join("core-script-python.wasm").display().to_string();
    place
        .run_args(["plugin", "install", &component, "--digest", digest])
        .code(0);
    place.write(
        "flow.yaml",
        "id: sum\ntasks: [{ id: add, type: core/script.python, inputs: { input: [1, 2], code: 'output = sum(input)' } }]\n",
    );
    let given = place.command(["run", "flow.yaml", "--json"]);
    let unpacked = said(
        Command::new(root.join("workflow"))
            .args(given.get_args())
            .current_dir(place.root())
            .env_clear()
            .envs(given.get_envs().filter_map(|(name, value)| Some((name, value?)))),
    );
    assert!(unpacked.contains("SUCCESS"), "{unpacked}");
    assert_eq!(task(&place.inspect(), "add")["output"], 3);
}
