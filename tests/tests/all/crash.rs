//! Processes that are killed at random instants, and what is left of their work each time.
//!
//! `CRASH_SEEDS=0..200` chooses the seeds; `make soak` runs many.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::Place;

/// Seeds of an ordinary run of the tests.
const SEEDS: std::ops::Range<u64> = 0..8;

/// Kills of one execution; after them it is left to end.
const KILLS_MAX: u32 = 4;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("CRASH_SEEDS") else {
        return SEEDS;
    };
    let (from, to) = text.split_once("..").expect("seeds as in 0..200");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// Small and even enough for instants, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}

/// 50 tasks: one, then a fan-out of 46 of which each third is not idempotent, then a list, then two.
pub(crate) fn flow() -> String {
    let mut yaml = "id: crash\npermissions: { filesystem: { write: [./out] } }\ntasks:\n  - { id: start, type: core/file.write, inputs: { path: /artifacts/deep/start.txt, content: first } }\n".to_owned();
    let mut needs = Vec::new();
    for number in 0..46 {
        let idempotent = number % 3 != 0;
        let prefix = if idempotent { "again" } else { "once" };
        yaml.extend([format!(
            "  - {{ id: {prefix}{number}, type: core/file.append, needs: [start], idempotent: {idempotent}, onError: continue, inputs: {{ path: out/counter, content: \"{prefix}{number}\\n\" }} }}\n"
        )]);
        needs.push(format!("{prefix}{number}"));
    }
    yaml.extend([format!(
        "  - {{ id: each, type: core/file.append, needs: [{}], idempotent: true, forEach: \"{{{{ range(20) }}}}\", maxParallel: 4, inputs: {{ path: out/counter, content: \"each{{{{ item }}}}\\n\" }} }}\n",
        needs.join(", ")
    )]);
    yaml + "  - { id: join, type: core/file.read, needs: [start, each], inputs: { path: \"{{ tasks.start.files['deep/start.txt'] }}\" } }\n  - { id: end, type: core/console.log, needs: [join], inputs: { message: m } }\n"
}

#[test]
fn killed_at_any_instant_it_comes_to_the_same_end() {
    let place = Place::with_flow(&flow());
    place.run("run flow.yaml --no-progress").code(0);
    // As long as it takes, and a little more for the process around it.
    let took = place.inspect()["duration"].as_u64().expect("it ended");
    let whole = Duration::from_millis(took + 20);
    for seed in seeds() {
        check(seed, whole);
    }
}

#[expect(clippy::print_stdout, reason = "a seed that fails must be known to be tried again")]
fn check(seed: u64, whole: Duration) {
    let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
    let place = Place::with_flow(&flow());
    let mut command = "run flow.yaml --no-progress";
    let mut kills = Vec::new();
    for _ in 0..=random.below(u64::from(KILLS_MAX)) {
        let after = Duration::from_micros(random.below(u64::try_from(whole.as_micros()).unwrap_or(u64::MAX)));
        kills.push(after);
        let mut child = place.spawn(command);
        // The instant is the point of this test.
        std::thread::sleep(after);
        drop(child.kill());
        drop(place.finish(child));
        let page = place.run("execution list --json").code(0).json();
        match page["executions"][0]["state"].as_str() {
            // Killed before it was told of.
            None => {}
            Some("SUCCESS") => break,
            Some(_) => command = "execution resume last --no-progress",
        }
    }
    println!("seed {seed}: killed after {kills:?}");
    let page = place.run("execution list --json").code(0).json();
    if page["executions"][0]["state"] != "SUCCESS" {
        place.run(command).code(0);
    }
    holds(&place, seed);
}

/// Everything that must be true of an execution that was killed on its way.
pub(crate) fn holds(place: &Place, seed: u64) {
    let execution = place.inspect();
    assert_eq!(execution["state"], "SUCCESS", "seed {seed}");
    let counter = place.read("out/counter");
    let mut counted: HashMap<&str, usize> = HashMap::new();
    for line in counter.lines() {
        *counted.entry(line).or_default() += 1;
    }
    for task in execution["tasks"].as_array().expect("a list") {
        let id = task["taskId"].as_str().expect("an id");
        let attempts = task["attempts"].as_array().expect("a list");
        let good = attempts.iter().filter(|attempt| attempt["error"].is_null()).count();
        let line = match task["index"].as_u64() {
            Some(index) => format!("{id}{index}"),
            None => id.to_owned(),
        };
        let times = counted.get(line.as_str()).copied().unwrap_or_default();
        match (id, &task["state"]) {
            ("each", state) if task["index"].is_null() => assert_eq!(state, "SUCCESS"),
            (_, Value::String(state)) if state == "SUCCESS" => {
                assert_eq!(good, 1, "seed {seed}: {task:#}");
                assert!(
                    times >= 1 || !line.starts_with("each") && !id.starts_with("again"),
                    "seed {seed}: {line} {times}"
                );
            }
            (_, state) => {
                assert!(id.starts_with("once"), "seed {seed}: {task:#}");
                assert_eq!((state, &task["reasonCode"]), (&json!("FAILED"), &json!("interrupted")));
            }
        }
        assert!(
            !id.starts_with("once") || times <= 1,
            "seed {seed}: {id} had its effect {times} times"
        );
        assert!(
            attempts.iter().all(|attempt| attempt["endedAt"].is_string()),
            "seed {seed}: {task:#}"
        );
    }
    chain_holds(&execution);
    let database = rusqlite::Connection::open(place.path("data/db.sqlite")).expect("the database");
    let sound: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("it is asked");
    assert_eq!(sound, "ok", "seed {seed}");
}

/// Computes the audit trail's hashes anew, from what is shown of it.
fn chain_holds(execution: &Value) {
    let mut previous = "0".repeat(64);
    for event in execution["auditEvents"].as_array().expect("a list") {
        assert_eq!(event["previousHash"], previous.as_str(), "{event:#}");
        let at: jiff::Timestamp = event["timestamp"].as_str().expect("a time").parse().expect("a time");
        // The keys of a `BTreeMap`, and so of this value, are sorted.
        let canonical = sorted(&json!({
            "executionId": execution["executionId"],
            "metadata": event["metadata"],
            "taskId": event["taskId"],
            "timestamp": at.as_millisecond(),
            "type": event["type"],
        }));
        let mut hasher = blake3::Hasher::new();
        hasher.update(blake3::Hash::from_hex(&previous).expect("a hash").as_bytes());
        hasher.update(canonical.as_bytes());
        previous = hasher.finalize().to_hex().to_string();
        assert_eq!(event["hash"], previous.as_str(), "{event:#}");
    }
}

/// JSON without blanks, the keys of every object sorted.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{}:{}", json!(key), sorted(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}
