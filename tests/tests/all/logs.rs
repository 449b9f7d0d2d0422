//! The log as people and scripts ask for it, and what the program says in it of itself.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;

use serde_json::Value;

use crate::process::{Place, Run};
use crate::support::hostile_component;

const FLOW: &str = "id: f
tasks:
  - { id: a, type: core/console.log, inputs: { message: one } }
  - { id: b, type: core/console.log, needs: [a], inputs: { message: two, level: warn } }
  - { id: c, type: core/console.log, needs: [b], inputs: { message: three, level: error } }
";

/// A place whose plugins are those of the program and the hostile one, which logs as much as it is told.
fn noisy(lines: u32) -> Place {
    let place = Place::with_flow(&format!(
        "id: noisy\ntasks:\n  - {{ id: loud, type: test/hostile.script, inputs: {{ script: log-tiny {lines} }} }}\n"
    ));
    std::fs::create_dir(place.path("plugins")).expect("create a folder");
    std::fs::copy(hostile_component(), place.path("plugins/hostile.wasm")).expect("copy the component");
    place.write("config.yaml", "plugins: { directories: [plugins] }\n");
    place
}

fn messages(run: &Run) -> Vec<String> {
    let entries = run.json();
    let entries = entries.as_array().expect("a list");
    entries
        .iter()
        .map(|entry| entry["message"].as_str().expect("text").to_owned())
        .collect()
}

#[test]
fn all_ways_to_write_several_levels_mean_the_same_and_filters_hold_at_once() {
    let place = Place::with_flow(FLOW);
    place.run("run flow.yaml").code(0);
    place.run("run flow.yaml").code(0);
    let both = place.run("execution logs last --level ERROR WARN").code(0).stdout;
    assert_eq!(both.lines().count(), 2, "{both}");
    for levels in ["--level ERROR,WARN", "--level error --level warn", "--level WARN,ERROR"] {
        assert_eq!(place.run(&format!("execution logs last {levels}")).code(0).stdout, both);
    }
    let id = place.inspect()["executionId"].as_str().expect("an id").to_owned();
    let all = "--level ERROR --since 1h --until 2100-01-01 --task-id c --source plugin --grep ^th.ee$ --json";
    let run = place.run(&format!("execution logs {id} {all}")).code(0);
    assert_eq!(messages(&run), ["three"]);
    let run = place
        .run(&format!("execution logs {all} --source plugin:{id}/c"))
        .code(2);
    assert!(run.stderr.contains("--source"), "{run:?}");
    assert_eq!(
        messages(&place.run(&format!("execution logs {all}")).code(0)),
        ["three", "three"]
    );
    assert_eq!(
        messages(&place.run(&format!("execution logs {all} --limit 5 --offset 1")).code(0)),
        ["three"]
    );
    let exact = format!("execution logs --source plugin:{id}/b --grep two --json");
    assert_eq!(messages(&place.run(&exact).code(0)), ["two"]);
    for nothing in [
        "--since 2100-01-01",
        "--until 1h",
        "--task-id nothing",
        "--source plugin:x",
        "--limit 0",
    ] {
        assert_eq!(
            place.run(&format!("execution logs {nothing}")).code(0).stdout,
            "",
            "{nothing}"
        );
    }
    assert_eq!(
        place.run("execution logs --source system --json").code(0).stdout,
        "[]\n"
    );
}

#[test]
fn across_executions_entries_come_in_the_order_of_time() {
    let place = Place::with_flow(FLOW);
    let runs: Vec<_> = (0..4).map(|_| place.spawn("run flow.yaml --no-progress")).collect();
    for run in runs {
        assert_eq!(place.finish(run).code(0).code, 0);
    }
    for line in [
        "execution logs --json",
        "execution logs --task-id b --json",
        "execution logs --level INFO --json",
    ] {
        let entries = place.run(line).code(0).json();
        let entries = entries.as_array().expect("a list");
        let of = |entry: &Value, key: &str| entry[key].as_str().expect("text").to_owned();
        let times: Vec<String> = entries.iter().map(|entry| of(entry, "timestamp")).collect();
        assert!(times.is_sorted(), "{line}: {times:#?}");
        let mut executions: Vec<String> = entries.iter().map(|entry| of(entry, "executionId")).collect();
        executions.sort();
        executions.dedup();
        assert_eq!(executions.len(), 4, "{line}");
    }
}

#[test]
fn a_full_buffer_is_told_of_once_and_found_as_the_guide_says() {
    let mut place = noisy(1000);
    place.set("WORKFLOW_LOGGING_MAX_BUFFER_SIZE", "50");
    place.set("WORKFLOW_LOGGING_FLUSH_INTERVAL_MS", "3600000");
    place.run("run flow.yaml").code(0);
    let told = place.run("execution logs --level WARN --grep buffer --json").code(0);
    let entries = told.json();
    let [entry] = entries.as_array().expect("a list").as_slice() else {
        panic!("one entry: {entries:#}");
    };
    let message = entry["message"].as_str().expect("text");
    assert!(message.starts_with("Buffer overflow: flushing early"), "{message}");
    assert_eq!((&entry["source"], &entry["taskId"]), (&"system".into(), &"loud".into()));
    let metadata = &entry["metadata"];
    assert_eq!(
        (&metadata["entries"], &metadata["maxBufferSize"]),
        (&50.into(), &50.into())
    );
    assert_eq!(metadata["task"], "loud");
    let of_one = place.run("execution logs last --level WARN --since 1h --json").code(0);
    assert_eq!(of_one.json(), entries);
    // All that was logged is there, and in order.
    let lines = place
        .run("execution logs last --source plugin --level DEBUG --json")
        .code(0)
        .json();
    assert_eq!(lines.as_array().expect("a list").len(), 1000);
    // One that has room enough is told of nowhere.
    place.set("WORKFLOW_LOGGING_MAX_BUFFER_SIZE", "5000");
    place.run("run flow.yaml").code(0);
    assert_eq!(place.run("execution logs last --source system").code(0).stdout, "");
}

#[test]
fn details_of_the_engine_are_kept_where_the_configuration_says_debug() {
    let mut place = noisy(100);
    place.set("WORKFLOW_LOGGING_MAX_BUFFER_SIZE", "50");
    place.write(
        "flow.yaml",
        "id: f\ntasks:\n  - { id: loud, type: test/hostile.script, inputs: { script: log-tiny 100 } }\n  \
         - { id: b, type: core/console.log, inputs: { message: b } }\n  \
         - { id: c, type: core/console.log, inputs: { message: c } }\n",
    );
    place.set("WORKFLOW_EXECUTION_MAX_CONCURRENT_TASKS", "1");
    place.run("run flow.yaml").code(0);
    let line = "execution logs last --level DEBUG --grep (queue|flushed) --json";
    assert_eq!(messages(&place.run(line).code(0)), [""; 0]);
    place.set("WORKFLOW_LOGGING_LEVEL", "DEBUG");
    place.run("run flow.yaml").code(0);
    let told = messages(&place.run(line).code(0));
    for expected in ["Task queue size: 2", "Task queue size: 1", "Buffer flushed with "] {
        assert!(
            told.iter().any(|message| message.starts_with(expected)),
            "{expected}: {told:#?}"
        );
    }
}

#[test]
fn an_attempt_that_takes_too_long_leaves_an_error() {
    let place = noisy(0);
    place.write(
        "flow.yaml",
        "id: f\ntasks:\n  - { id: long, type: test/hostile.loop-forever, timeoutSeconds: 1 }\n",
    );
    place.run("run flow.yaml").code(1);
    let told = place
        .run("execution logs last --level ERROR --task-id long --json")
        .code(0)
        .json();
    let [entry] = told.as_array().expect("a list").as_slice() else {
        panic!("one entry: {told:#}");
    };
    assert_eq!(
        (&entry["source"], &entry["metadata"]["reason"]),
        (&"worker".into(), &"timeout".into())
    );
}

#[test]
fn without_an_execution_it_follows_until_it_is_interrupted() {
    let place = Place::with_flow(FLOW);
    place.run("run flow.yaml").code(0);
    let before = place.run("execution logs --task-id a").code(0).stdout;
    let mut follow = place.spawn("execution logs --task-id a --follow");
    let mut lines = BufReader::new(follow.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("it goes on").expect("text");
    let seen: Vec<String> = before.lines().map(|_| next()).collect();
    assert_eq!(seen.join("\n") + "\n", before);
    place.run("run flow.yaml").code(0);
    let all = place.run("execution logs --task-id a").code(0).stdout;
    for expected in all.lines().skip(before.lines().count()) {
        assert_eq!(next(), expected);
    }
    let id = nix::unistd::Pid::from_raw(i32::try_from(follow.id()).expect("an id"));
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).expect("it is told");
    let ended = follow.wait().expect("it ends");
    // A shell gives 130 for it.
    assert_eq!(ended.signal(), Some(2));
}

#[test]
fn who_follows_ends_quietly_at_once_when_nobody_reads() {
    let place = Place::with_flow(FLOW);
    place.run("run flow.yaml").code(0);
    let mut follow = place.spawn("execution logs --follow");
    let mut lines = BufReader::new(follow.stdout.take().expect("a pipe")).lines();
    lines.next().expect("a line").expect("text");
    // Nothing more is logged: it is the pipe that tells it.
    drop(lines);
    let ended = place.finish(follow).code(0);
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_following_process_outlives_the_cleanup_of_what_it_has_shown() {
    let place = Place::with_flow(FLOW);
    place.run("run flow.yaml").code(0);
    let shown = place.run("execution logs").code(0).stdout;
    let mut follow = place.spawn("execution logs --follow --grep one|three");
    let mut lines = BufReader::new(follow.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("it goes on").expect("text");
    for expected in shown
        .lines()
        .filter(|line| line.contains("one") || line.contains("three"))
    {
        assert_eq!(next(), expected);
    }
    place.run("execution cleanup --days 0").code(0);
    place.run("run flow.yaml").code(0);
    assert!(next().ends_with("one"));
    assert!(next().ends_with("three"));
    drop(lines);
    assert_eq!(place.finish(follow).code(0).stderr, "");
}

#[test]
fn a_commit_that_waits_too_long_is_told_of_and_not_where_that_is_turned_off() {
    for (threshold, told) in [("1", true), ("0", false)] {
        let mut place = Place::with_flow(FLOW);
        place.set("WORKFLOW_STORAGE_SLOW_QUERY_MS", threshold);
        place.run("run flow.yaml").code(0);
        place.run("execution cleanup --days 0").code(0);
        // Another writer is in the way until the run is known to wait.
        let other = rusqlite::Connection::open(place.path("data/db.sqlite")).expect("the database");
        other.execute_batch("BEGIN IMMEDIATE").expect("it writes");
        let run = place.spawn("run flow.yaml --no-progress");
        wait_until_it_sleeps(run.id());
        other.execute_batch("COMMIT").expect("it ends");
        assert_eq!(place.finish(run).code(0).code, 0);
        let found = place
            .run("execution logs --level WARN --grep Slow.database.query.detected --json")
            .code(0)
            .json();
        let found = found.as_array().expect("a list");
        assert_eq!(!found.is_empty(), told, "{found:#?}");
        if let Some(entry) = found.first() {
            assert_eq!((&entry["source"], &entry["level"]), (&"system".into(), &"WARN".into()));
            assert!(entry["metadata"]["duration"].as_u64() >= Some(1), "{entry:#}");
        }
    }
}

/// Waits until the thread that writes has begun to sleep between two looks at the lock.
fn wait_until_it_sleeps(process: u32) {
    let switches = |folder: &std::path::Path| -> Option<u64> {
        let name = std::fs::read_to_string(folder.join("comm")).ok()?;
        let status = std::fs::read_to_string(folder.join("status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse().ok().filter(|_| name.trim() == "store-writer")
    };
    loop {
        let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
        let state = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
        assert!(!state.contains(") Z "), "it ended without waiting");
        let looks = threads.filter_map(|thread| switches(&thread.ok()?.path())).max();
        // It sleeps a millisecond each time; what else it waits for is its first work.
        if looks > Some(20) {
            return;
        }
        std::thread::yield_now();
    }
}
