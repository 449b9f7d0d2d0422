//! The parts of the language that shape a run: lists, `finally`, limits on executions, the engine's own actions.

use serde_json::{Value, json};

use crate::process::{Place, Run, task};
use crate::server::{Server, response};

/// Runs a workflow, and gives how it ended and what is kept of it.
fn run(yaml: &str) -> (Run, Value) {
    let place = Place::with_flow(yaml);
    let run = place.run("run flow.yaml --no-progress");
    let execution = place.inspect();
    (run, execution)
}

/// The elements of a task, as (index, state, output).
fn elements(execution: &Value, id: &str) -> Vec<(u64, String, Value)> {
    let tasks = execution["tasks"].as_array().expect("a list");
    let of = tasks
        .iter()
        .filter(|task| task["taskId"] == id && task["index"].is_u64());
    of.map(|task| {
        let index = task["index"].as_u64().expect("a number");
        (
            index,
            task["state"].as_str().expect("a state").to_owned(),
            task["output"].clone(),
        )
    })
    .collect()
}

#[test]
fn a_list_runs_once_for_each_element_and_gives_a_list_in_order() {
    let (ended, execution) = run(r#"
id: list
tasks:
  - { id: source, type: core/json.query, inputs: { data: [3, 1, 2], filter: "map({ n: . })" } }
  - id: each
    type: core/json.query
    needs: [source]
    forEach: "{{ tasks.source.output }}"
    maxParallel: 2
    inputs: { data: "{{ item }}", filter: ".n * 10 + {{ index }}" }
outputs: { all: "{{ tasks.each.output }}" }
"#);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(execution["outputs"]["all"], json!([30, 11, 22]));
    let states: Vec<_> = elements(&execution, "each");
    assert_eq!(states[1], (1, "SUCCESS".to_owned(), json!(11)));
    assert_eq!(
        task(&execution, "each")["index"],
        Value::Null,
        "the task comes before its elements"
    );
}

#[test]
fn an_empty_list_is_a_success_and_no_list_a_failure() {
    let (_, execution) = run(
        "id: none\ntasks:\n  - { id: each, type: core/console.log, forEach: [], inputs: { message: x } }\n  - { id: wrong, type: core/console.log, forEach: \"{{ 'text' }}\", inputs: { message: x } }\n",
    );
    assert_eq!(
        (&task(&execution, "each")["state"], &task(&execution, "each")["output"]),
        (&json!("SUCCESS"), &json!([]))
    );
    let wrong = task(&execution, "wrong");
    assert_eq!(wrong["reasonCode"], "expression_failed");
    assert!(
        wrong["message"]
            .as_str()
            .is_some_and(|text| text.contains("gives a string, and a list is needed")),
        "{wrong}"
    );
}

#[test]
fn a_failed_element_ends_the_list_unless_it_may_fail() {
    let yaml = |on_error: &str| {
        format!(
            "id: partly\ntasks:\n  - {{ id: each, type: core/flow.assert, forEach: [1, 0, 1, 1], maxParallel: 1, onError: {on_error}, inputs: {{ condition: \"{{{{ item }}}}\", message: \"no {{{{ index }}}}\" }} }}\n  - {{ id: after, type: core/json.query, needs: [each], inputs: {{ data: \"{{{{ tasks.each.output }}}}\", filter: length }} }}\n"
        )
    };
    let (ended, execution) = run(&yaml("fail"));
    assert_eq!(ended.code, 1);
    assert_eq!(elements(&execution, "each").len(), 2, "none begins after the failure");
    let each = task(&execution, "each");
    assert_eq!(
        (&each["state"], &each["reasonCode"]),
        (&json!("FAILED"), &json!("element_failed"))
    );
    assert_eq!(each["message"], "1 of 4 elements failed, element 1 first");
    let (ended, execution) = run(&yaml("continue"));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(elements(&execution, "each").len(), 4);
    assert_eq!(task(&execution, "after")["output"], 4);
}

#[test]
fn a_condition_of_each_element_skips_that_element() {
    let (_, execution) = run(
        "id: some\ntasks:\n  - { id: each, type: core/json.query, forEach: [1, 2, 3], when: \"{{ item != 2 }}\", inputs: { data: \"{{ item }}\", filter: . } }\n",
    );
    assert_eq!(task(&execution, "each")["output"], json!([1, null, 3]));
    assert_eq!(elements(&execution, "each")[1].1, "SKIPPED");
}

#[test]
fn never_more_elements_at_a_time_than_the_limit() {
    // Each request holds until the limit's number of them is there, so fewer at a time would hang, and more are seen.
    let (enter, entered) = std::sync::mpsc::channel();
    let server = Server::start(move |number, _| {
        enter.send(number).expect("the test listens");
        response("200 OK", "text/plain", "ok")
    });
    let port = server.port;
    let yaml = format!(
        "id: few\npermissions: {{ network: [\"127.0.0.1:{port}\"] }}\ntasks:\n  - {{ id: each, type: core/http.get, forEach: \"{{{{ range(9) }}}}\", maxParallel: 3, inputs: {{ url: \"http://127.0.0.1:{port}/\" }} }}\n"
    );
    let (ended, execution) = run(&yaml);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(entered.try_iter().count(), 9);
    // What overlapped is read from when each attempt ran.
    let tasks = execution["tasks"].as_array().expect("a list");
    let times: Vec<(String, String)> = tasks
        .iter()
        .filter(|task| task["index"].is_u64())
        .map(|task| {
            let time = |key: &str| task[key].as_str().expect("a time").to_owned();
            (time("startedAt"), time("endedAt"))
        })
        .collect();
    for (start, _) in &times {
        // A turn ends one and begins the next within one millisecond, so those that ended at that time do not count.
        let running = times
            .iter()
            .filter(|(begin, end)| begin <= start && start < end)
            .count();
        assert!(running <= 3, "{running} at a time: {times:?}");
    }
}

#[test]
fn finally_runs_whatever_happened_and_knows_it() {
    for (kind, code, state) in [("core/flow.fail", 1, "FAILED"), ("core/console.log", 0, "SUCCESS")] {
        let (ended, execution) = run(&format!(
            "id: last\ntasks:\n  - {{ id: first, type: {kind}, inputs: {{ message: m }} }}\n  - {{ id: then, type: core/console.log, needs: [first], inputs: {{ message: m }} }}\nfinally:\n  - {{ id: bye, type: core/text.render, inputs: {{ template: \"{{{{ execution.state }}}} {{{{ tasks.then.state }}}}\", values: {{}} }} }}\n  - {{ id: after, type: core/console.log, needs: [bye], inputs: {{ message: m }} }}\n"
        ));
        assert_eq!(ended.code, code, "{ended:?}");
        let then = if code == 0 { "SUCCESS" } else { "SKIPPED" };
        assert_eq!(task(&execution, "bye")["output"], format!("{state} {then}"));
        assert_eq!(task(&execution, "after")["state"], "SUCCESS");
    }
    let (ended, execution) = run(
        "id: worse\ntasks: [{ id: a, type: core/console.log, inputs: { message: m } }]\nfinally: [{ id: f, type: core/flow.fail, inputs: { message: no } }]\n",
    );
    assert_eq!(
        (ended.code, &execution["state"]),
        (1, &json!("FAILED")),
        "what fails in `finally` fails the whole"
    );
}

#[test]
fn finally_runs_after_a_time_limit() {
    let (ended, execution) = run(
        "id: late\ntimeoutSeconds: 0.2\ntasks: [{ id: nap, type: core/time.sleep, inputs: { seconds: 60 } }]\nfinally: [{ id: f, type: core/console.log, inputs: { message: \"{{ execution.state }}\" } }]\n",
    );
    assert_eq!((ended.code, &execution["reasonCode"]), (1, &json!("timeout")));
    assert_eq!(task(&execution, "nap")["state"], "CANCELLED");
    assert_eq!(task(&execution, "f")["state"], "SUCCESS");
}

#[test]
fn a_sleep_waits_without_an_instance() {
    let (ended, execution) = run("id: nap\ntasks: [{ id: nap, type: core/time.sleep, inputs: { seconds: 0.2 } }]\n");
    assert_eq!(ended.code, 0, "{ended:?}");
    let attempt = &task(&execution, "nap")["attempts"][0];
    assert!(
        attempt["duration"].as_u64().is_some_and(|millis| millis >= 200),
        "{attempt}"
    );
    assert_eq!(attempt["usage"]["peakMemory"], 0);
    let events = execution["auditEvents"].as_array().expect("a list");
    assert!(
        events
            .iter()
            .any(|event| event["taskId"] == "nap" && event["metadata"]["reason"] == "sleeping")
    );
}

#[test]
fn one_execution_too_many_is_skipped_queued_or_takes_the_place() {
    let yaml = |on_limit: &str, tasks: &str| {
        format!("id: one\nconcurrency: {{ max: 1, onLimit: {on_limit} }}\ntasks: [{tasks}]\n")
    };
    let sleep = "{ id: nap, type: core/time.sleep, inputs: { seconds: 600 } }";
    let quick = "{ id: quick, type: core/console.log, inputs: { message: m } }";
    let place = Place::new();
    place.write("long.yaml", &yaml("queue", sleep));
    place.write("skip.yaml", &yaml("skip", quick));
    place.write("take.yaml", &yaml("cancel-running", quick));
    let mut long = place.spawn("run long.yaml");
    crate::process::wait_for_line(&mut long, "started");
    let skipped = place.run("run skip.yaml").code(4);
    assert!(skipped.stdout.contains("CANCELLED"), "{skipped:?}");
    assert_eq!(place.inspect()["reasonCode"], "concurrency_limit");
    // It waits until the one that it cancels is gone.
    let taken = place.run("run take.yaml").code(0);
    assert!(taken.stderr.contains("queued behind exec-"), "{taken:?}");
    let long = place.finish(long).code(4);
    assert!(long.stdout.contains("CANCELLED"), "{long:?}");
    let page = place.run("execution list --state CANCELLED --json").code(0).json();
    let reasons: Vec<&str> = page["executions"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|execution| execution["reasonCode"].as_str())
        .collect();
    assert_eq!(reasons, ["concurrency_limit", "superseded"]);
}

#[test]
fn inputs_that_expressions_spoil_are_told_with_their_line() {
    let place = Place::with_flow(
        "id: spoilt\ninputs: [{ id: n, type: json, default: { a: 3 } }]\ntasks:\n  - id: write\n    type: core/csv.write\n    onError: continue\n    inputs:\n      columns: [a]\n      rows: \"{{ inputs.n }}\"\n  - id: each\n    type: core/console.log\n    onError: continue\n    forEach: [debug, loud]\n    inputs: { message: x, level: \"{{ item }}\" }\n",
    );
    place.run("run flow.yaml").code(0);
    let execution = place.inspect();
    let write = task(&execution, "write");
    assert_eq!(write["reasonCode"], "invalid_input");
    insta::assert_snapshot!(write["message"].as_str().expect("a text"), @r#"line 9 of the workflow: the input `/rows` of `core/csv.write` does not fit: {"a":3} is not of types "null", "array""#);
    assert_eq!(write["attempts"], json!([]), "no instance was made for it");
    let each = task(&execution, "each");
    assert_eq!(
        (&each["state"], &each["reasonCode"]),
        (&json!("FAILED"), &json!("element_failed")),
        "{each:#}"
    );
}
