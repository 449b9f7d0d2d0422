//! What the documents' lines find in the folder that they run in.

use std::os::unix::fs::PermissionsExt as _;

use crate::process::Place;
use crate::support::{hostile_component, repository};

/// The workflow of most examples. Its service is one of the test's.
pub(super) const MY_WORKFLOW: &str = r#"id: my-workflow
inputs:
  - { id: service, type: string, required: true }
  - { id: mode, type: string, default: ok }
permissions: { network: ["127.0.0.1:*"] }
tasks:
  - id: task-1
    type: core/http.get
    inputs: { url: "{{ inputs.service }}/{{ inputs.mode }}" }
    retry: { max: 1, initialSeconds: 0.01 }
  - id: task-2
    type: core/json.query
    inputs:
      data: "{{ inputs.mode }}"
      filter: 'if . == "busy" then error("error: it is busy") else . end'
  - id: talk
    type: core/console.log
    forEach: "{{ range(30) | list }}"
    inputs: { message: "no error in {{ item }}", level: warn }
  - id: chatty
    type: core/console.log
    inputs: { message: "{{ range(300) | join('\n') }}" }
"#;

/// The workflow of the examples that `--help` shows.
const FLOW: &str = r#"id: flow
inputs:
  - { id: since, type: string, default: "2025-01-01" }
permissions: { filesystem: { read: [./ready.txt] } }
tasks:
  - { id: fetch, type: core/console.log, inputs: { message: "a timeout since {{ inputs.since }}", level: warn } }
  - { id: greet, type: core/console.log, inputs: { message: hello } }
  - { id: build, type: core/file.write, inputs: { path: /artifacts/build/app.tar, content: tar } }
  - { id: report, type: core/file.write, needs: [fetch], inputs: { path: /artifacts/report.csv, content: "a,b\n1,2\n" } }
  - id: publish
    type: core/file.read
    needs: [report]
    permissions: { filesystem: { read: [./ready.txt] } }
    inputs: { path: ./ready.txt }
outputs: { since: "{{ inputs.since }}" }
"#;

/// A program that ends at once.
const PROGRAM: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

/// Programs that are not on every machine, and what stands for them.
const STAND_INS: &[(&str, &str)] = &[
    ("pass", "#!/bin/sh\necho correct-horse-battery\n"),
    ("dot", "#!/bin/sh\ncat\n"),
];

/// Files that a workflow of a document may name.
pub(super) fn workflows_beside(place: &Place) {
    let child = "id: child\ninputs: [{ id: name, type: string, default: x }]\ntasks: [{ id: a, type: core/console.log, inputs: { message: hi } }]\n";
    place.write("child.yaml", child);
    place.write("program.wasm", "");
    let program = wat::parse_str(PROGRAM).expect("good text");
    for name in ["htmlq.wasm", "lua.wasm", "program.wasm", "any_wasi_program.wasm"] {
        std::fs::write(place.path(name), &program).expect("write a program");
    }
}

/// All that lines of the documents name.
pub(super) fn files(place: &Place) {
    workflows_beside(place);
    place.write("my-workflow.yaml", MY_WORKFLOW);
    place.write("flow.yaml", FLOW);
    place.write("ready.txt", "yes\n");
    place.write("flows/flow.yaml", FLOW);
    place.write("token.txt", "correct-horse-battery\n");
    place.write("secrets.yaml", "API_TOKEN: correct-horse-battery\n");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(place.path("secrets.yaml"), private).expect("set a mode");
    std::fs::copy(hostile_component(), place.path("my_plugin.wasm")).expect("copy a plugin");
    place.write(
        "my-plugin/tests/cases.yaml",
        "- { name: greets, action: ok, input: {}, output: ok }\n",
    );
    place.write("my-plugin/dist/.kept", "");
    std::fs::copy(hostile_component(), place.path("my-plugin/dist/my_plugin.wasm")).expect("copy a plugin");
    for name in ["config.example.yaml", "examples"] {
        place.copy(&repository().join(name));
    }
    place.write("etc/autokestra.yaml", "logRetentionDays: 14\n");
    for (name, script) in STAND_INS {
        let path = format!("bin/{name}");
        place.write(&path, script);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(place.path(&path), mode).expect("set a mode");
    }
    for folder in [
        ".local/share/bash-completion/completions",
        ".zfunc",
        ".config/fish/completions",
        "data",
    ] {
        std::fs::create_dir_all(place.path(folder)).expect("make a folder");
    }
}
