//! `core/script.js` and `core/script.python` beside their cases: what validation says of them, and what a workflow's expressions do to them.

use insta::assert_snapshot;
use serde_json::json;

use crate::built::put_python;
use crate::docs::{blocks, document};
use crate::process::{Place, task};
use crate::server::{Server, response};

/// A place with a workflow of one task `it`.
fn place(action: &str, inputs: &serde_json::Value) -> Place {
    let flow = json!({ "id": "one", "tasks": [{ "id": "it", "type": action, "inputs": inputs }] });
    Place::with_flow(&serde_yaml::to_string(&flow).expect("it is YAML"))
}

#[test]
fn where_python_is_not_installed_its_absence_says_how_to_get_it() {
    let place = place("core/script.python", &json!({ "code": "output = 1" }));
    let run = place.run("run flow.yaml").code(2);
    assert_snapshot!("python-absent", run.redacted(&place));
}

#[test]
fn a_language_that_is_none_is_told_of_both() {
    let place = place("core/script.ruby", &json!({ "code": "1" }));
    let run = place.run("validate flow.yaml").code(2);
    assert!(run.stderr.contains("known: js, python"), "{}", run.stderr);
}

#[test]
fn a_script_is_not_warned_about_what_only_it_knows() {
    let computes = place("core/script.js", &json!({ "code": "return 1" }));
    assert_eq!(computes.run("validate flow.yaml").code(0).stderr, "");
    let reads = place("core/script.js", &json!({ "file": "a.js" }));
    let run = reads.run("validate flow.yaml").code(0);
    assert_snapshot!("script-file-ungranted", run.redacted(&reads));
}

/// Braces in `code` are the workflow's own, before the script sees them; `input` is data, whatever stands in it.
#[test]
fn expressions_are_rendered_into_code_and_input_stays_data() {
    let place = Place::with_flow(
        r#"id: one
inputs: [{ id: name, default: '"; throw 1; "' }]
tasks:
  - id: rendered
    type: core/script.js
    inputs: { code: "return '{{ 1 + 1 }}'" }
  - id: raw
    type: core/script.js
    inputs: { code: "{% raw %}return `{{ 1 + 1 }}`{% endraw %}" }
  - id: data
    type: core/script.js
    inputs: { code: "return input.length", input: "{{ inputs.name }}" }
"#,
    );
    drop(place.run("run flow.yaml --no-progress").code(0));
    let execution = place.inspect();
    assert_eq!(task(&execution, "rendered")["output"], "2");
    assert_eq!(task(&execution, "raw")["output"], "{{ 1 + 1 }}");
    assert_eq!(task(&execution, "data")["output"], 13);
}

#[test]
fn python_goes_by_the_name_of_its_family_everywhere() {
    let mut place = place(
        "core/script.python",
        &json!({ "code": "import os\nprint(os.environ)\noutput = sum(input)", "input": [1, 2] }),
    );
    place.set("WORKFLOW_PLUGINS_DIRECTORIES", "plugins");
    put_python(&place);
    drop(place.run("run flow.yaml --no-progress").code(0));
    let execution = place.inspect();
    let it = task(&execution, "it");
    assert_eq!((&it["type"], &it["output"]), (&json!("core/script.python"), &json!(3)));
    let shown = place.run("plugin inspect core/script-python --json").code(0).json();
    assert_eq!(shown["actions"][0]["type"], "core/script.python");
    let logs = execution["logs"].as_array().expect("a list");
    // Nothing of the machine that made the component, and nothing that is not granted.
    assert!(logs.iter().any(|log| log["message"] == "environ({})"), "{logs:#?}");
}

#[test]
fn the_scripts_of_the_page_give_what_it_says() {
    let page = document("docs/plugins/scripts.md");
    let flows: Vec<String> = blocks(&page, "yaml")
        .into_iter()
        .filter(|block| block.starts_with("id: "))
        .collect();
    let outputs = blocks(&page, "json");
    assert_eq!(flows.len(), outputs.len(), "each has its outputs behind it");
    let server = Server::start(|_, _| response("200 OK", "application/json", r#"{"items":["a","b"]}"#));
    let host = format!("127.0.0.1:{}", server.port);
    for (flow, output) in flows.iter().zip(&outputs) {
        let flow = flow
            .replace("https://api.example.com", &format!("http://{host}"))
            .replace("api.example.com", &host);
        let mut place = Place::with_flow(&flow);
        place.set("WORKFLOW_PLUGINS_DIRECTORIES", "plugins");
        put_python(&place);
        let found = place.run("run flow.yaml --json --no-progress").code(0).json()["outputs"].clone();
        let output: serde_json::Value = serde_json::from_str(output).expect("it is JSON");
        assert_eq!(found, output, "{flow}");
    }
}
