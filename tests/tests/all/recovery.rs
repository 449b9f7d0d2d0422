//! Executions whose process died, was stopped, or is asked from outside: resume, cancel, retry, one owner.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::process::{Place, task, wait_for_line};
use crate::server::{Server, response};

fn signal(child: &std::process::Child, signal: Signal) {
    let pid = i32::try_from(child.id()).expect("a process number");
    kill(Pid::from_raw(pid), signal).expect("the process is there");
}

/// A flow whose second task asks a server, so that the test knows when it runs.
fn flow(port: u16, more: &str) -> String {
    format!(
        "id: asked\npermissions: {{ network: [\"127.0.0.1:{port}\"] }}\ntasks:\n  - {{ id: first, type: core/console.log, inputs: {{ message: m }} }}\n  - {{ id: ask, type: core/http.post, needs: [first], {more} inputs: {{ url: \"http://127.0.0.1:{port}/\", json: {{ from: \"{{{{ execution.id }}}}\" }} }} }}\n  - {{ id: after, type: core/console.log, needs: [ask], inputs: {{ message: m }} }}\n"
    )
}

/// A server that never answers its first request, and tells of each.
fn silent_once() -> (Server, std::sync::mpsc::Receiver<usize>) {
    let (tell, told) = std::sync::mpsc::channel();
    let server = Server::start_concurrent(move |number, _| {
        tell.send(number).expect("the test listens");
        if number == 1 {
            loop {
                std::thread::park();
            }
        }
        response("200 OK", "application/json", "{}")
    });
    (server, told)
}

/// Runs until the second task is under way, and kills the process.
fn killed(place: &Place, told: &std::sync::mpsc::Receiver<usize>) {
    let child = place.spawn("run flow.yaml");
    assert_eq!(told.recv().expect("it asks"), 1);
    signal(&child, Signal::SIGKILL);
    let run = place.finish(child);
    assert_eq!(run.code, -1, "{run:?}");
    assert_eq!(place.inspect()["state"], "RUNNING");
}

#[test]
fn what_died_is_taken_up_where_it_was() {
    let (server, told) = silent_once();
    let place = Place::with_flow(&flow(server.port, "idempotent: true,"));
    killed(&place, &told);
    let resumed = place.run("execution resume last").code(0);
    assert!(resumed.stdout.contains("SUCCESS"), "{resumed:?}");
    let execution = place.inspect();
    assert_eq!(
        task(&execution, "first")["attempts"].as_array().map(Vec::len),
        Some(1),
        "it does not run again"
    );
    let ask = task(&execution, "ask");
    assert_eq!(ask["attempts"][0]["error"]["code"], "interrupted", "{ask:#}");
    assert_eq!(ask["attempts"][1]["error"], Value::Null);
    let events = execution["auditEvents"].as_array().expect("a list");
    let resumed = events
        .iter()
        .find(|event| event["type"] == "RESUMED")
        .expect("the trail has it");
    assert!(
        resumed["metadata"]["actor"]
            .as_str()
            .is_some_and(|actor| actor.starts_with("user:"))
    );
    // Ended is ended.
    let again = place.run("execution resume last").code(1);
    assert!(again.stderr.contains("has ended SUCCESS"), "{again:?}");
}

#[test]
fn what_is_not_idempotent_does_not_run_twice_and_a_retry_keeps_the_rest() {
    let (server, told) = silent_once();
    // `core/http.post` says of itself that twice is not once.
    let place = Place::with_flow(&flow(server.port, ""));
    killed(&place, &told);
    place.run("execution resume last").code(1);
    let execution = place.inspect();
    assert_eq!(
        (
            &task(&execution, "ask")["state"],
            &task(&execution, "ask")["reasonCode"]
        ),
        (&json!("FAILED"), &json!("interrupted"))
    );
    assert_eq!(task(&execution, "after")["state"], "SKIPPED");
    assert_eq!(server.requests().len(), 1);
    let first = execution["executionId"].as_str().expect("an id").to_owned();
    place.run("execution retry last").code(0);
    let retried = place.inspect();
    assert_eq!(retried["retryOf"], first);
    assert_eq!(
        (
            &task(&retried, "first")["state"],
            &task(&retried, "first")["reasonCode"]
        ),
        (&json!("SUCCESS"), &json!("kept"))
    );
    assert_eq!(task(&retried, "first")["attempts"], json!([]));
    assert_eq!(task(&retried, "after")["state"], "SUCCESS");
    let old = place
        .run_args(["execution", "inspect", &first, "--json"])
        .code(0)
        .json();
    assert_eq!(old["retriedBy"], json!([retried["executionId"]]));
    // From a task on, what succeeded runs again too.
    place.run("execution retry last --from first").code(0);
    assert_eq!(
        task(&place.inspect(), "first")["attempts"].as_array().map(Vec::len),
        Some(1)
    );
    let nothing = place.run("execution retry last").code(2);
    assert!(nothing.stderr.contains("nothing of it is left"), "{nothing:?}");
    let unknown = place.run("execution retry last --from nowhere").code(2);
    assert!(unknown.stderr.contains("its tasks: first, ask, after"), "{unknown:?}");
}

#[test]
fn elements_that_succeeded_are_kept() {
    let (server, told) = silent_once();
    let yaml = format!(
        "id: many\npermissions: {{ network: [\"127.0.0.1:{0}\"] }}\ntasks:\n  - {{ id: each, type: core/json.query, forEach: \"{{{{ range(20) }}}}\", inputs: {{ data: \"{{{{ item }}}}\", filter: \". * 2\" }} }}\n  - {{ id: ask, type: core/http.post, idempotent: true, needs: [each], forEach: [a, b], maxParallel: 1, inputs: {{ url: \"http://127.0.0.1:{0}/\", json: {{}} }} }}\noutputs: {{ all: \"{{{{ tasks.each.output | sum }}}}\" }}\n",
        server.port
    );
    let place = Place::with_flow(&yaml);
    killed(&place, &told);
    place.run("execution resume last").code(0);
    let execution = place.inspect();
    assert_eq!(execution["outputs"]["all"], 380);
    assert_eq!(server.requests().len(), 3, "the first element twice, the second once");
}

#[test]
fn another_process_ends_an_execution_and_is_named() {
    let place = Place::with_flow(
        "id: long\ntasks: [{ id: nap, type: core/time.sleep, inputs: { seconds: 600 } }]\nfinally: [{ id: bye, type: core/console.log, inputs: { message: m } }]\n",
    );
    let mut child = place.spawn("run flow.yaml");
    wait_for_line(&mut child, "started");
    let cancelled = place.run("execution cancel last").code(0);
    assert!(cancelled.stdout.contains("CANCELLED"), "{cancelled:?}");
    let run = place.finish(child);
    assert_eq!(run.code, 4, "nobody pressed Ctrl-C: {run:?}");
    let execution = place.inspect();
    assert_eq!(execution["reasonCode"], "cancelled_by_user");
    assert!(
        execution["message"]
            .as_str()
            .is_some_and(|text| text.contains("cancelled by user:")),
        "{execution:#}"
    );
    assert_eq!(task(&execution, "bye")["state"], "SUCCESS");
    let events = execution["auditEvents"].as_array().expect("a list");
    assert!(events.iter().any(|event| event["type"] == "CANCEL_REQUESTED"));
    let late = place.run("execution cancel last").code(1);
    assert!(late.stderr.contains("has ended CANCELLED"), "{late:?}");
}

#[test]
fn an_execution_that_nobody_drives_can_be_cancelled() {
    let (server, told) = silent_once();
    let place = Place::with_flow(&flow(server.port, "idempotent: true,"));
    killed(&place, &told);
    place.run("execution cancel last").code(0);
    let execution = place.inspect();
    assert_eq!(execution["state"], "CANCELLED", "{execution:#}");
    assert_eq!(task(&execution, "after")["state"], "CANCELLED");
    assert_eq!(server.requests().len(), 1, "nothing ran again");
}

#[test]
fn one_process_takes_it_up_and_the_others_are_told_who() {
    for round in 0..100 {
        let (server, told) = silent_once();
        let place = Place::with_flow(&flow(server.port, "idempotent: true,"));
        killed(&place, &told);
        let both: Vec<_> = (0..2).map(|_| place.spawn("execution resume last")).collect();
        let ended: Vec<_> = both.into_iter().map(|child| place.finish(child)).collect();
        let won = ended.iter().filter(|run| run.code == 0).count();
        assert_eq!(won, 1, "round {round}: {ended:#?}");
        let other = ended.iter().find(|run| run.code != 0).expect("one lost");
        assert_eq!(other.code, 1);
        assert!(
            other.stderr.contains("is being run by process") || other.stderr.contains("has ended SUCCESS"),
            "{other:?}"
        );
        assert_eq!(server.requests().len(), 2, "round {round}");
    }
}

#[test]
fn a_process_that_slept_past_its_lease_is_refused() {
    let (server, told) = silent_once();
    let mut place = Place::with_flow(&flow(server.port, "idempotent: true,"));
    place.set("WORKFLOW_EXECUTION_LEASE_SECONDS", "1");
    let child = place.spawn("run flow.yaml");
    assert_eq!(told.recv().expect("it asks"), 1);
    signal(&child, Signal::SIGSTOP);
    // Its lock is held, so only the end of its lease tells that it is gone.
    let resumed = loop {
        let run = place.run("execution resume last");
        if run.code != 1 {
            break run;
        }
        assert!(run.stderr.contains("is being run by process"), "{run:?}");
    };
    assert_eq!(resumed.code, 0, "{resumed:?}");
    signal(&child, Signal::SIGCONT);
    // It still waits for its first answer; told to end, it must write, and may not.
    signal(&child, Signal::SIGTERM);
    let refused = place.finish(child);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(
        refused.stderr.contains("was taken over by another process"),
        "{refused:?}"
    );
    assert_eq!(place.inspect()["state"], "SUCCESS");
}

#[test]
fn a_retry_that_waits_is_due_at_its_time_in_another_process() {
    let place = Place::with_flow("id: wait\ntasks: [{ id: nap, type: core/time.sleep, inputs: { seconds: 1.5 } }]\n");
    let mut child = place.spawn("run flow.yaml");
    wait_for_line(&mut child, "started");
    while place.inspect()["state"] != "WAITING" {}
    signal(&child, Signal::SIGKILL);
    assert_eq!(place.finish(child).code, -1);
    place.run("execution resume last").code(0);
    let execution = place.inspect();
    let nap = task(&execution, "nap");
    let slept = nap["duration"].as_u64().expect("it ended");
    // One sleep in two processes: not shorter than asked for, and not begun anew.
    assert!((1500..2900).contains(&slept), "{nap:#}");
    assert_eq!(nap["attempts"].as_array().map(Vec::len), Some(1));
}

/// Moves every time that the database has, which is what a clock that jumps the other way does.
fn shift_times(place: &Place, millis: i64) {
    let database = rusqlite::Connection::open(place.path("data/db.sqlite")).expect("the database");
    for sql in [
        "UPDATE executions SET created_at = created_at + ?1, started_at = started_at + ?1",
        "UPDATE task_runs SET started_at = started_at + ?1, due_at = due_at + ?1",
        "UPDATE attempts SET started_at = started_at + ?1",
        "UPDATE owners SET expires_at = expires_at + ?1",
    ] {
        database.execute(sql, [millis]).expect("they are moved");
    }
}

#[test]
fn a_clock_that_jumped_neither_holds_an_execution_up_nor_breaks_it() {
    const HOUR: i64 = 60 * 60 * 1000;
    for jumped in [HOUR, -HOUR] {
        let place =
            Place::with_flow("id: wait\ntasks: [{ id: nap, type: core/time.sleep, inputs: { seconds: 0.5 } }]\n");
        let mut child = place.spawn("run flow.yaml");
        wait_for_line(&mut child, "started");
        while place.inspect()["state"] != "WAITING" {}
        signal(&child, Signal::SIGKILL);
        assert_eq!(place.finish(child).code, -1);
        shift_times(&place, -jumped);
        // Set back by an hour it would sleep for an hour and more, if what is stored were believed.
        place.run("execution resume last").code(0);
        let execution = place.inspect();
        assert_eq!(
            (&execution["state"], &task(&execution, "nap")["state"]),
            (&json!("SUCCESS"), &json!("SUCCESS"))
        );
        assert!(execution["duration"].is_u64(), "{execution:#}");
    }
}

#[test]
fn a_secret_at_rest_is_a_reference_and_is_whole_after_a_resume() {
    let (server, told) = silent_once();
    let yaml = format!(
        "id: sealed\nsecrets: [TOKEN]\npermissions: {{ network: [\"127.0.0.1:{0}\"] }}\ntasks:\n  - {{ id: make, type: core/text.render, inputs: {{ template: \"a {{{{ secrets.TOKEN }}}} z\", values: {{}} }} }}\n  - {{ id: ask, type: core/http.post, idempotent: true, needs: [make], inputs: {{ url: \"http://127.0.0.1:{0}/\", json: \"{{{{ tasks.make.output }}}}\" }} }}\n",
        server.port
    );
    let mut place = Place::with_flow(&yaml);
    place.set("WORKFLOW_SECRET_TOKEN", "hidden-word-1");
    killed(&place, &told);
    for file in ["data/db.sqlite", "data/db.sqlite-wal"] {
        let bytes = std::fs::read(place.path(file)).unwrap_or_default();
        assert!(
            !bytes.windows(13).any(|part| part == b"hidden-word-1"),
            "{file} holds the secret"
        );
    }
    place.run("execution resume last").code(0);
    let bodies: Vec<String> = server.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(
        bodies,
        ["\"a hidden-word-1 z\"", "\"a hidden-word-1 z\""],
        "the same after the resume"
    );
    assert_eq!(task(&place.inspect(), "make")["output"], "a *** z");
}
