//! `core/flow.run`: executions inside one another.

use serde_json::{Value, json};

use crate::process::{Place, task, wait_for_line};

/// A workflow that runs another one, and what it says in `inputs`.
fn parent(inputs: &str) -> String {
    format!(
        "id: parent\ntasks:\n  - {{ id: child, type: core/flow.run, inputs: {{ {inputs} }} }}\noutputs: {{ got: \"{{{{ tasks.child.output }}}}\" }}\n"
    )
}

const CHILD: &str = "id: child\ninputs: [{ id: n, type: integer, required: true }]\ntasks: [{ id: double, type: core/json.query, inputs: { data: \"{{ inputs.n }}\", filter: . * 2 } }]\noutputs: { double: \"{{ tasks.double.output }}\" }\n";

/// Both, and what came of them: the parent's end and the newest execution of each.
fn run(inputs: &str, child: &str) -> (crate::process::Run, Place, Value) {
    let place = Place::with_flow(&parent(inputs));
    place.write("child.yaml", child);
    let run = place.run("run flow.yaml --no-progress");
    let page = place.run("execution list --workflow parent --json").code(0).json();
    let id = page["executions"][0]["executionId"].as_str().expect("an id").to_owned();
    let execution = place.run_args(["execution", "inspect", &id, "--json"]).code(0).json();
    (run, place, execution)
}

#[test]
fn a_child_gives_its_outputs_and_both_know_each_other() {
    for name in ["child", "child.yaml", "./child.yaml"] {
        let (ended, place, execution) = run(&format!("workflow: {name}, inputs: {{ n: 21 }}"), CHILD);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(execution["outputs"]["got"], json!({ "double": 42 }));
        let child = execution["children"][0]["executionId"].as_str().expect("a child");
        let child = place.run_args(["execution", "inspect", child, "--json"]).code(0).json();
        assert_eq!(child["triggerType"], "flow");
        assert_eq!(
            (&child["parent"]["executionId"], &child["parent"]["taskId"]),
            (&execution["executionId"], &json!("child"))
        );
    }
}

/// Ids were made of the time and a seed, so two executions that one process started in the same millisecond had the same.
#[test]
fn children_that_start_in_the_same_moment_have_ids_of_their_own() {
    let flow = "id: parent\ntasks:\n  - { id: child, type: core/flow.run, forEach: \"{{ range(60) | list }}\", inputs: { workflow: child, inputs: { n: \"{{ item }}\" } } }\noutputs: { got: \"{{ tasks.child.output }}\" }\n";
    let place = Place::with_flow(flow);
    place.write("child.yaml", CHILD);
    let got = place.run("run flow.yaml --json").code(0).json()["outputs"]["got"].clone();
    let expected: Vec<Value> = (0..60).map(|n| json!({ "double": n * 2 })).collect();
    assert_eq!(got, json!(expected));
    assert_eq!(
        place.run("execution list --workflow child --json").code(0).json()["total"],
        60
    );
}

#[test]
fn a_child_without_its_secret_has_a_reason_of_its_own() {
    let secret = format!("secrets: [NOBODY]\n{CHILD}");
    let (ended, _, execution) = run("workflow: child, inputs: { n: 1 }", &secret);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(task(&execution, "child")["reasonCode"], "secret_missing");
}

#[test]
fn a_child_that_cannot_be_started_is_told() {
    let cases = [
        ("workflow: ../child.yaml", "leads out of the workflow's folder"),
        ("workflow: /etc/passwd", "leads out of the workflow's folder"),
        ("workflow: nobody", "there is no workflow `nobody`"),
        ("workflow: child, inputs: { m: 1 }", "there is no input `m`; known: n"),
        ("workflow: child", "the input `n` is required"),
    ];
    for (inputs, told) in cases {
        let (ended, _, execution) = run(inputs, CHILD);
        assert_eq!(ended.code, 1, "{ended:?}");
        let message = task(&execution, "child")["message"]
            .as_str()
            .expect("a message")
            .to_owned();
        assert!(message.contains(told), "{message}");
    }
    let (_, _, execution) = run("workflow: \"{{ 'child' }}\"", "id: child\ntasks: []\n");
    let message = task(&execution, "child")["message"]
        .as_str()
        .expect("a message")
        .to_owned();
    assert!(
        message.contains("child.yaml:2:") && message.contains("`tasks` is empty"),
        "{message}"
    );
}

#[test]
fn what_is_wrong_with_a_named_child_is_told_before_anything_runs() {
    let place = Place::with_flow(&parent("workflow: child"));
    place.write(
        "child.yaml",
        "id: child\ntasks: [{ id: next, type: core/flow.run, inputs: { workflow: third } }]\n",
    );
    place.write("third.yaml", "id: third\nfinally: [{ id: back, type: core/flow.run, inputs: { workflow: child.yaml } }]\ntasks: [{ id: a, type: core/console.log, inputs: { message: m } }]\n");
    let mut told = place.run("run flow.yaml").code(2).stderr;
    told += &place.run("validate third.yaml").code(2).stderr;
    assert_eq!(place.run("execution list --json").code(0).json()["total"], 0);
    place.write("child.yaml", "id: child\ntasks: []\n");
    told += &place.run("validate flow.yaml").code(2).stderr;
    // One that is not there may be written by another task before.
    place.write("flow.yaml", &parent("workflow: ./none.yaml"));
    let warned = place.run("validate flow.yaml").code(0).stderr;
    told += warned.lines().next().unwrap_or_default();
    insta::assert_snapshot!(told.replace(&place.root().display().to_string(), "PLACE"), @r#"
    broken_workflow

      × the workflow `child` cannot run: the workflow `third` cannot run: `child.yaml` would run
      │ inside itself
       ╭─[flow.yaml:3:59]
     2 │ tasks:
     3 │   - { id: child, type: core/flow.run, inputs: { workflow: child } }
       ·                                                           ──┬──
       ·                                                             ╰── this workflow
     4 │ outputs: { got: "{{ tasks.child.output }}" }
       ╰────
      help: `workflow validate` that file
    docs: https://github.com/autokestra/autokestra/blob/main/docs/errors/broken_workflow.md
    broken_workflow

      × the workflow `child.yaml` cannot run: `third` would run inside itself
       ╭─[third.yaml:2:64]
     1 │ id: third
     2 │ finally: [{ id: back, type: core/flow.run, inputs: { workflow: child.yaml } }]
       ·                                                                ─────┬────
       ·                                                                     ╰── this workflow
     3 │ tasks: [{ id: a, type: core/console.log, inputs: { message: m } }]
       ╰────
      help: `workflow validate` that file
    docs: https://github.com/autokestra/autokestra/blob/main/docs/errors/broken_workflow.md
    broken_workflow

      × the workflow `child` cannot run: PLACE/child.yaml:2:8: `tasks` is empty
       ╭─[flow.yaml:3:59]
     2 │ tasks:
     3 │   - { id: child, type: core/flow.run, inputs: { workflow: child } }
       ·                                                           ──┬──
       ·                                                             ╰── this workflow
     4 │ outputs: { got: "{{ tasks.child.output }}" }
       ╰────
      help: `workflow validate` that file
    docs: https://github.com/autokestra/autokestra/blob/main/docs/errors/broken_workflow.md
    missing_workflow
    "#);
}

#[test]
fn a_link_does_not_lead_out_of_the_folder() {
    let place = Place::with_flow(&parent("workflow: link.yaml"));
    let outside = tempfile::NamedTempFile::with_suffix(".yaml").expect("a file");
    std::fs::write(
        outside.path(),
        "id: out\ntasks: [{ id: a, type: core/console.log, inputs: { message: m } }]\n",
    )
    .expect("written");
    std::os::unix::fs::symlink(outside.path(), place.path("link.yaml")).expect("a link");
    place.run("run flow.yaml --no-progress").code(1);
    let message = place.inspect()["tasks"][0]["message"].to_string();
    assert!(message.contains("a link that leads out"), "{message}");
}

#[test]
fn a_failed_child_fails_its_task_and_a_cycle_is_refused() {
    let (ended, _, execution) = run(
        "workflow: child",
        "id: child\ntasks: [{ id: no, type: core/flow.fail, inputs: { message: alas } }]\n",
    );
    assert_eq!(ended.code, 1);
    let failed = task(&execution, "child");
    assert_eq!(failed["reasonCode"], "child_failed");
    assert!(
        failed["message"]
            .as_str()
            .is_some_and(|text| text.contains("ended FAILED: task `no` failed: alas")),
        "{failed}"
    );
    let cycle = "id: child\ntasks: [{ id: back, type: core/flow.run, inputs: { workflow: \"{{ 'flow.yaml' }}\" } }]\n";
    let (ended, _, execution) = run("workflow: child", cycle);
    assert_eq!(ended.code, 1);
    let failed = task(&execution, "child");
    assert!(
        failed["message"]
            .as_str()
            .is_some_and(|text| text.contains("in a cycle: ") && text.contains("flow.yaml -> ")),
        "{failed}"
    );
}

#[test]
fn a_child_that_nobody_waits_for_runs_to_its_end() {
    let slow = "id: child\ntasks: [{ id: nap, type: core/time.sleep, inputs: { seconds: 0.3 } }]\n";
    let (ended, place, execution) = run("workflow: child, wait: false", slow);
    assert_eq!(ended.code, 0, "{ended:?}");
    let id = execution["outputs"]["got"]["executionId"].as_str().expect("its id");
    let child = place.run_args(["execution", "inspect", id, "--json"]).code(0).json();
    assert_eq!(child["state"], "SUCCESS");
    assert!(child["endedAt"].as_str() > execution["endedAt"].as_str());
}

#[test]
fn cancelling_ends_the_child_too_and_a_slot_is_not_held_by_who_waits() {
    let mut place = Place::with_flow(&parent("workflow: child"));
    // With one slot of each kind a parent that held one would wait for ever.
    place.set("WORKFLOW_EXECUTION_MAX_CONCURRENT_WORKFLOWS", "1");
    place.set("WORKFLOW_EXECUTION_MAX_CONCURRENT_TASKS", "1");
    place.write(
        "child.yaml",
        "id: child\ntasks:\n  - { id: say, type: core/console.log, inputs: { message: m } }\n  - { id: nap, needs: [say], type: core/time.sleep, inputs: { seconds: 600 } }\nfinally: [{ id: bye, type: core/console.log, inputs: { message: m } }]\n",
    );
    let mut child = place.spawn("run flow.yaml");
    wait_for_line(&mut child, "started");
    let running = |workflow: &str| {
        let line = format!("execution list --workflow {workflow} --json");
        place.run(&line).code(0).json()["executions"][0].clone()
    };
    while running("child")["state"] != "WAITING" {}
    let id = running("parent")["executionId"].as_str().expect("an id").to_owned();
    place.run_args(["execution", "cancel", &id]).code(0);
    assert_eq!(place.finish(child).code, 4);
    assert_eq!(
        (&running("parent")["state"], &running("child")["state"]),
        (&json!("CANCELLED"), &json!("CANCELLED"))
    );
}

#[test]
fn a_child_is_taken_up_with_its_parent() {
    let place = Place::with_flow(&parent("workflow: child"));
    place.write(
        "child.yaml",
        "id: child\ntasks:\n  - { id: say, type: core/console.log, inputs: { message: m } }\n  - { id: nap, needs: [say], type: core/time.sleep, inputs: { seconds: 0.5 } }\noutputs: { said: \"{{ tasks.say.state }}\" }\n",
    );
    let mut child = place.spawn("run flow.yaml");
    wait_for_line(&mut child, "started");
    let list = || place.run("execution list --json").code(0).json();
    while list()["executions"][0]["workflowId"] != "child" || list()["executions"][0]["state"] != "WAITING" {}
    child.kill().expect("it runs");
    assert_eq!(place.finish(child).code, -1);
    let page = list();
    let id = page["executions"][1]["executionId"]
        .as_str()
        .expect("the parent")
        .to_owned();
    place.run_args(["execution", "resume", &id]).code(0);
    let page = list();
    assert_eq!(page["total"], 2, "the same child: {page:#}");
    let parent = place.run_args(["execution", "inspect", &id, "--json"]).code(0).json();
    assert_eq!(parent["outputs"]["got"], json!({ "said": "SUCCESS" }));
    assert_eq!(task(&parent, "child")["attempts"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_is_secret_to_the_parent_is_secret_in_the_child() {
    let mut place = Place::with_flow(
        "id: parent\nsecrets: [TOKEN]\ntasks: [{ id: child, type: core/flow.run, inputs: { workflow: child, inputs: { word: \"{{ secrets.TOKEN }}\" } } }]\n",
    );
    place.write(
        "child.yaml",
        "id: child\ninputs: [{ id: word }]\ntasks: [{ id: say, type: core/console.log, inputs: { message: \"{{ inputs.word }}\" } }]\noutputs: { word: \"{{ inputs.word }}\" }\n",
    );
    place.set("WORKFLOW_SECRET_TOKEN", "hidden-word-1");
    let run = place.run("run flow.yaml --logs --json").code(0);
    let logs = place.run("execution logs --json").code(0);
    for text in [&run.stdout, &run.stderr, &logs.stdout] {
        assert!(!text.contains("hidden-word-1"), "{text}");
    }
    assert!(logs.stdout.contains("***"));
    for file in ["data/db.sqlite", "data/db.sqlite-wal"] {
        let bytes = std::fs::read(place.path(file)).unwrap_or_default();
        assert!(
            !bytes.windows(13).any(|part| part == b"hidden-word-1"),
            "{file} holds the secret"
        );
    }
}
