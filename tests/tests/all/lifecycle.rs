//! One run from the outside: order, conditions, retries, time limits, secrets, and what is kept of it.

use serde_json::json;

use crate::process::{Place, task};

#[test]
fn a_chain_runs_and_its_outputs_are_told() {
    let place = Place::with_flow(
        r#"
id: chain
inputs:
  - { id: name, type: string, required: true }
  - { id: count, type: integer, default: 2 }
tasks:
  - id: greet
    type: core/text.render
    inputs: { template: "Hello, {{ '{{' }} who {{ '}}' }}!", values: { who: "{{ inputs.name }}" } }
  - id: print
    type: core/console.log
    needs: [greet]
    inputs: { message: "{{ tasks.greet.output }}" }
outputs:
  greeting: "{{ tasks.greet.output }}"
  count: "{{ inputs.count }}"
"#,
    );
    let result = place.run("run flow.yaml --input name=Ada --json").code(0).json();
    assert_eq!(result["state"], "SUCCESS");
    assert_eq!(result["outputs"], json!({ "greeting": "Hello, Ada!", "count": 2 }));
    let execution = place.inspect();
    assert_eq!(execution["executionId"], result["executionId"]);
    let logs = execution["logs"].as_array().expect("logs are a list");
    let source = format!("plugin:{}/print", result["executionId"].as_str().expect("an id"));
    assert!(
        logs.iter()
            .any(|log| log["source"] == source.as_str() && log["message"] == "Hello, Ada!"),
        "{logs:#?}"
    );
    let kinds: Vec<&str> = execution["auditEvents"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(
        (kinds.first(), kinds.last()),
        (Some(&"CREATED"), Some(&"COMPLETED")),
        "{kinds:?}"
    );
    assert!(
        kinds.contains(&"STARTED") && kinds.contains(&"STATE_CHANGE"),
        "{kinds:?}"
    );
}

#[test]
fn a_failure_skips_what_needs_it_and_nothing_else() {
    let place = Place::with_flow(
        r"
id: branches
tasks:
  - { id: bad, type: core/file.read, inputs: { path: /nowhere } }
  - { id: after, type: core/console.log, needs: [bad], inputs: { message: never } }
  - { id: always, type: core/console.log, needs: [{ task: bad, on: always }], inputs: { message: 'bad was {{ tasks.bad.state }}' } }
  - { id: other, type: core/console.log, inputs: { message: fine } }
",
    );
    place.run("run flow.yaml").code(1);
    let execution = place.inspect();
    assert_eq!(
        (&execution["state"], &execution["reasonCode"]),
        (&json!("FAILED"), &json!("task_failed"))
    );
    assert_eq!(task(&execution, "after")["state"], "SKIPPED");
    assert_eq!(task(&execution, "after")["reasonCode"], "dependency_failed");
    assert_eq!(task(&execution, "always")["state"], "SUCCESS");
    assert_eq!(task(&execution, "other")["state"], "SUCCESS");
}

#[test]
fn a_false_condition_skips() {
    let place = Place::with_flow(
        r#"
id: conditions
inputs: [{ id: on, type: boolean, default: false }]
tasks:
  - { id: maybe, type: core/console.log, when: "{{ inputs.on }}", inputs: { message: a } }
  - { id: then, type: core/console.log, needs: [maybe], inputs: { message: b } }
"#,
    );
    place.run("run flow.yaml").code(0);
    let execution = place.inspect();
    assert_eq!(task(&execution, "maybe")["reasonCode"], "condition_false");
    assert_eq!(task(&execution, "then")["reasonCode"], "dependency_skipped");
    place.run("run flow.yaml --input on=true").code(0);
    assert_eq!(task(&place.inspect(), "then")["state"], "SUCCESS");
}

#[test]
fn a_continued_failure_is_no_failure_of_the_whole() {
    let place = Place::with_flow(
        r"
id: continued
tasks:
  - { id: bad, type: core/file.read, onError: continue, inputs: { path: /nowhere } }
  - { id: after, type: core/console.log, needs: [bad], inputs: { message: '{{ tasks.bad.state }}' } }
",
    );
    place.run("run flow.yaml").code(0);
    let execution = place.inspect();
    assert_eq!(task(&execution, "bad")["state"], "FAILED");
    assert_eq!(task(&execution, "after")["state"], "SUCCESS");
}

#[test]
fn an_attempt_ends_at_its_time_limit_and_is_tried_again() {
    let place = Place::with_flow(
        r"
id: slow
tasks:
  - id: sleep
    type: core/time.sleep
    timeoutSeconds: 0.2
    retry: { max: 1, initialSeconds: 0.01, jitter: false }
    inputs: { seconds: 60 }
",
    );
    place.run("run flow.yaml").code(1);
    let execution = place.inspect();
    let sleep = task(&execution, "sleep");
    assert_eq!(sleep["reasonCode"], "timeout");
    assert_eq!(sleep["attempts"].as_array().map(Vec::len), Some(2), "{sleep:#}");
}

#[test]
fn an_execution_ends_at_its_time_limit() {
    let place = Place::with_flow(
        "id: slow\ntimeoutSeconds: 1\ntasks:\n  - { id: sleep, type: core/time.sleep, inputs: { seconds: 60 } }\n",
    );
    place.run("run flow.yaml").code(1);
    let execution = place.inspect();
    assert_eq!(
        (&execution["state"], &execution["reasonCode"]),
        (&json!("FAILED"), &json!("timeout"))
    );
    assert_eq!(task(&execution, "sleep")["state"], "CANCELLED");
    let events = execution["auditEvents"].as_array().expect("a list");
    assert!(events.iter().any(|event| event["type"] == "TIMEOUT"), "{events:#?}");
}

#[test]
fn a_secret_is_seen_nowhere() {
    let mut place = Place::with_flow(
        r#"
id: secretive
secrets: [API_TOKEN]
tasks:
  - id: print
    type: core/console.log
    inputs: { message: "token={{ secrets.API_TOKEN }} upper={{ secrets.API_TOKEN | upper }}", fields: { token: "{{ secrets.API_TOKEN }}" } }
  - id: give
    type: core/text.render
    inputs: { template: "{{ '{{' }} t {{ '}}' }}", values: { t: "{{ secrets.API_TOKEN }}" } }
  - id: fail
    type: core/file.read
    needs: [give]
    onError: continue
    inputs: { path: "/{{ tasks.give.output }}" }
outputs: { token: "{{ tasks.give.output }}" }
"#,
    );
    let secret = "s3cr3t-Value/with+odd=chars";
    place.set("WORKFLOW_SECRET_API_TOKEN", secret);
    let run = place.run("run flow.yaml --logs --json").code(0);
    assert_eq!(run.json()["outputs"]["token"], "***");
    let inspected = place
        .run("execution inspect last --with-logs --with-audit --show-inputs --json")
        .code(0);
    for text in [&run.stdout, &run.stderr, &inspected.stdout] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(inspected.stdout.contains("token=***"), "{}", inspected.stdout);
    for entry in std::fs::read_dir(place.path("data")).expect("the data folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("read a database file");
            assert!(
                !bytes.windows(secret.len()).any(|part| part == secret.as_bytes()),
                "{} has it",
                path.display()
            );
        }
    }
}

#[test]
fn a_missing_secret_is_told_before_anything_runs() {
    let place = Place::with_flow(
        "id: s\nsecrets: [API_TOKEN]\ntasks:\n  - { id: a, type: core/console.log, inputs: { message: '{{ secrets.API_TOKEN }}' } }\n",
    );
    let run = place.run("run flow.yaml").code(2);
    assert!(run.stderr.contains("WORKFLOW_SECRET_API_TOKEN"), "{}", run.stderr);
    assert!(!place.path("data/db.sqlite").exists() || place.run("execution list --json").code(0).json()["total"] == 0);
}

#[test]
#[cfg(unix)]
fn ctrl_c_cancels_cleanly() {
    use std::io::{BufRead as _, BufReader};

    let place = Place::with_flow(
        "id: long\ntasks:\n  - { id: sleep, type: core/time.sleep, inputs: { seconds: 600 } }\n  - { id: after, type: core/console.log, needs: [sleep], inputs: { message: x } }\n",
    );
    let mut child = place.spawn("run flow.yaml");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut seen = String::new();
    // Waits for the line that says that it runs: then there is something to cancel.
    while !seen.contains("started") {
        assert!(
            stderr.read_line(&mut seen).expect("read stderr") > 0,
            "it ended early: {seen}"
        );
    }
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.expect("run kill").success());
    let run = place.finish(child);
    assert_eq!(run.code, 130, "{run:?}");
    let execution = place.inspect();
    assert_eq!(
        (&execution["state"], &execution["reasonCode"]),
        (&json!("CANCELLED"), &json!("cancelled_by_user"))
    );
    for id in ["sleep", "after"] {
        assert_eq!(task(&execution, id)["state"], "CANCELLED", "{id}");
    }
}
