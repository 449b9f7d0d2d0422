//! The audit trail from the outside: every event, the lists, and what `verify` says of a database that somebody changed.

use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::process::{Place, wait_for_line};

const HELLO: &str = "id: hello\ntasks: [{ id: greet, type: core/console.log, inputs: { message: hi } }]\n";

/// A place with so many executions of `hello`.
fn executions(count: usize) -> Place {
    let place = Place::with_flow(HELLO);
    for _ in 0..count {
        place.run("run flow.yaml").code(0);
    }
    place
}

/// Changes the database as somebody would who may write its file.
fn tamper(place: &Place, sql: &str) {
    let connection = Connection::open(place.path("data/db.sqlite")).expect("a database");
    let triggers = "DROP TRIGGER IF EXISTS audit_events_are_not_changed; \
                    DROP TRIGGER IF EXISTS audit_events_are_not_deleted;";
    connection.execute_batch(triggers).expect("dropped");
    connection.execute_batch(sql).expect("changed");
}

/// `audit verify --json`, which ends with `code`.
#[track_caller]
fn verify(place: &Place, more: &str, code: i32) -> Value {
    let run = place.run(&format!("audit verify --json {more}")).code(code);
    let found = run.json();
    assert_eq!(found["intact"], code == 0, "{found:#}");
    found
}

fn listed(place: &Place, line: &str) -> Vec<Value> {
    let page = place.run(&format!("audit list --json {line}")).code(0).json();
    page["events"].as_array().expect("a list").clone()
}

/// The last event of a type, whose metadata has exactly these keys.
#[track_caller]
fn event(place: &Place, kind: &str, keys: &[&str]) -> Value {
    let found = listed(place, &format!("--type {kind} --limit 1"));
    let event = found.first().unwrap_or_else(|| panic!("no {kind}"));
    assert_eq!(event["type"], kind);
    let metadata = event["metadata"].as_object().expect("an object");
    assert_eq!(metadata.keys().collect::<Vec<_>>(), keys, "{event:#}");
    event["metadata"].clone()
}

#[test]
fn every_event_is_there_with_its_metadata() {
    let mut place = Place::with_flow(HELLO);
    place.set("USER", "ada");
    place.run("run flow.yaml").code(0);
    let created = event(&place, "CREATED", &["workflowId", "triggerType"]);
    assert_eq!(created, json!({ "workflowId": "hello", "triggerType": "manual" }));
    let triggered = event(&place, "TRIGGERED_BY", &["actor"]);
    assert!(
        triggered["actor"]
            .as_str()
            .is_some_and(|actor| actor.starts_with("user:ada")),
        "{triggered}"
    );
    event(&place, "STARTED", &[]);
    let change = event(&place, "STATE_CHANGE", &["from", "to", "reason"]);
    assert_eq!(change, json!({ "from": "RUNNING", "to": "SUCCESS", "reason": null }));
    let of_task = listed(&place, "--type STATE_CHANGE")
        .into_iter()
        .find(|event| event["taskId"] == "greet");
    assert_eq!(of_task.expect("of the task too")["metadata"]["taskId"], "greet");
    assert!(event(&place, "COMPLETED", &["duration"])["duration"].is_u64());

    place.write(
        "flow.yaml",
        "id: f\ntasks: [{ id: bad, type: core/flow.fail, retry: { max: 0 }, inputs: { message: no } }]\n",
    );
    place.run("run flow.yaml").code(1);
    let failed = event(&place, "FAILED", &["reason", "message"]);
    assert_eq!(
        failed,
        json!({ "reason": "task_failed", "message": "task `bad` failed: no" })
    );

    place.write(
        "flow.yaml",
        "id: t\ntimeoutSeconds: 0.2\ntasks: [{ id: s, type: core/time.sleep, inputs: { seconds: 60 } }]\n",
    );
    place.run("run flow.yaml").code(1);
    assert!(event(&place, "TIMEOUT", &["duration"])["duration"].as_u64() >= Some(200));

    place.write(
        "flow.yaml",
        "id: r\ntasks: [{ id: r, type: core/time.sleep, retry: { max: 1, initialSeconds: 0.001, jitter: false }, \
         timeoutSeconds: 0.05, inputs: { seconds: 9 } }]\n",
    );
    place.run("run flow.yaml").code(1);
    assert_eq!(
        event(&place, "RETRIED", &["taskId", "attempt"]),
        json!({ "taskId": "r", "attempt": 2 })
    );

    place.set("WORKFLOW_SECRET_TOKEN", "hunter2-hunter2");
    place.write("flow.yaml", "id: s\nsecrets: [TOKEN]\ntasks:\n  - { id: s, type: core/hash.digest, inputs: { data: \"{{ secrets.TOKEN }}\", algorithm: blake3 } }\n  \
                              - { id: d, type: core/http.get, onError: continue, inputs: { url: \"http://127.0.0.1:9/\" } }\n");
    let ran = place.run("run flow.yaml");
    assert!(ran.code < 2, "{ran:?}");
    assert_eq!(event(&place, "SECRET_ACCESSED", &["name"]), json!({ "name": "TOKEN" }));
    let denied = event(&place, "PERMISSION_DENIED", &["capability", "target"]);
    assert_eq!(denied, json!({ "capability": "network", "target": "127.0.0.1:9" }));

    stopped_and_taken_up(&place);
    verify(&place, "", 0);
    // Each type that is known was seen, so that no further one is forgotten here.
    for kind in autokestra_store::AUDIT_TYPES {
        assert_eq!(listed(&place, &format!("--type {kind} --limit 1")).len(), 1, "{kind}");
    }
}

/// An execution that is cancelled, and one whose process died.
fn stopped_and_taken_up(place: &Place) {
    place.write(
        "flow.yaml",
        "id: c\ntasks: [{ id: s, type: core/time.sleep, inputs: { seconds: 60 } }]\n",
    );
    let mut child = place.spawn("run flow.yaml");
    wait_for_line(&mut child, "started");
    place.run("execution cancel last").code(0);
    assert_eq!(place.finish(child).code, 4);
    assert_eq!(
        event(place, "CANCELLED", &["reason"]),
        json!({ "reason": "cancelled_by_user" })
    );
    event(place, "CANCEL_REQUESTED", &["actor"]);

    let mut child = place.spawn("run flow.yaml");
    wait_for_line(&mut child, "started");
    child.kill().expect("it is killed");
    assert_ne!(place.finish(child).code, 0);
    place.run("execution cancel last").code(0);
    let resumed = event(place, "RESUMED", &["actor"]);
    assert!(
        resumed["actor"]
            .as_str()
            .is_some_and(|actor| actor.starts_with("user:ada")),
        "{resumed}"
    );
}

#[test]
fn an_intact_trail_is_told_so() {
    let place = executions(2);
    insta::assert_snapshot!("audit-intact", redacted(&place, "audit verify", 0));
    insta::assert_snapshot!("audit-intact-one", redacted(&place, "audit verify last", 0));
    let found = verify(&place, "", 0);
    assert_eq!(
        (&found["executions"], &found["head"]["state"]),
        (&json!(2), &json!("intact"))
    );
    assert_eq!(verify(&place, "last", 0)["broken"], Value::Null);
    for (line, code) in [
        ("audit verify exec-7", 1),
        ("audit verify !", 2),
        ("audit verify exec-", 2),
    ] {
        place.run(line).code(code);
    }
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        place.path(name).metadata().expect("it is there").permissions().mode() & 0o777
    };
    assert_eq!(mode("data/audit.key"), 0o600);
}

/// What a command prints, with hashes and keys made the same on each run.
#[track_caller]
fn redacted(place: &Place, line: &str, code: i32) -> String {
    let text = place.run(line).code(code).redacted(place);
    let key = regex::Regex::new(r"\b[0-9a-f]{16}\b").expect("a good pattern");
    key.replace_all(&text, "<key----------->").into_owned()
}

#[test]
fn what_was_changed_is_named() {
    let cases: &[(&str, &str, &str, i64)] = &[
        (
            "metadata",
            "UPDATE audit_events SET metadata = replace(metadata, 'hello', 'other') WHERE sequence = 1",
            "hash",
            1,
        ),
        (
            "time",
            "UPDATE audit_events SET at = at - 1000 WHERE sequence = 5",
            "hash",
            5,
        ),
        (
            "type",
            "UPDATE audit_events SET type = 'COMPLETED' WHERE sequence = 4",
            "hash",
            4,
        ),
        (
            "task",
            "UPDATE audit_events SET task = 'other' WHERE sequence = 5",
            "hash",
            5,
        ),
        (
            "hash",
            "UPDATE audit_events SET hash = zeroblob(32) WHERE sequence = 3",
            "hash",
            3,
        ),
        (
            "link",
            "UPDATE audit_events SET previous_hash = zeroblob(32) WHERE sequence = 4",
            "hash",
            4,
        ),
        ("missing", "DELETE FROM audit_events WHERE sequence = 3", "missing", 4),
        (
            "first missing",
            "DELETE FROM audit_events WHERE sequence = 1",
            "missing",
            2,
        ),
        (
            "garbage",
            "UPDATE audit_events SET metadata = 'no json' WHERE sequence = 2",
            "unreadable",
            2,
        ),
        (
            "blob",
            "UPDATE audit_events SET hash = x'00' WHERE sequence = 2",
            "unreadable",
            2,
        ),
    ];
    for (name, sql, problem, sequence) in cases {
        let place = executions(2);
        let first = listed(&place, "--limit 1000").swap_remove(0)["executionId"].clone();
        tamper(&place, sql);
        let found = verify(&place, "", 1);
        let broken = &found["broken"];
        assert_eq!(
            (&broken["problem"], &broken["sequence"]),
            (&json!(problem), &json!(sequence)),
            "{name}: {found:#}"
        );
        assert_eq!(broken["executionId"], first, "{name}: {found:#}");
        assert_eq!(found["brokenExecutions"], 1, "{name}: {found:#}");
        // The chain of the execution alone says the same, and that of the other is whole.
        let alone = verify(&place, first.as_str().expect("an id"), 1);
        assert_eq!(alone["broken"], *broken, "{name}");
        verify(&place, "last", 0);
        verify(&place, "--chains-only", 1);
    }
}

#[test]
fn a_change_is_told_for_people() {
    let place = executions(1);
    tamper(
        &place,
        "UPDATE audit_events SET metadata = '{}' WHERE sequence = 5; DELETE FROM audit_events WHERE sequence = 7",
    );
    insta::assert_snapshot!("audit-broken", redacted(&place, "audit verify", 1));
    insta::assert_snapshot!("audit-broken-one", redacted(&place, "audit verify last", 1));
}

/// Leaves no execution in the store: its events are all that speaks of it.
const CLEANED: &str =
    "PRAGMA foreign_keys = 0; DELETE FROM logs; DELETE FROM attempts; DELETE FROM task_runs; DELETE FROM executions; ";

#[test]
fn events_that_are_gone_are_missed() {
    let place = executions(2);
    place.run("execution cleanup --days 0").code(0);
    verify(&place, "", 0);
    // All of an execution, as if it had never been; the tail of one; what is left renumbered; two in each other's place.
    let last = "DELETE FROM audit_events WHERE execution = (SELECT max(execution) FROM audit_events)";
    let first = "DELETE FROM audit_events WHERE execution = (SELECT min(execution) FROM audit_events)";
    let renumbered = "UPDATE audit_events SET sequence = sequence - (SELECT min(sequence) - 1 FROM audit_events)";
    let swapped = "UPDATE audit_events SET sequence = -1 WHERE sequence = 1; \
                   UPDATE audit_events SET sequence = 1 WHERE sequence = (SELECT max(sequence) FROM audit_events); \
                   UPDATE audit_events SET sequence = 999 WHERE sequence = -1";
    for (name, sql) in [
        ("whole", last.to_owned()),
        ("whole and its execution", format!("{CLEANED}{last}")),
        (
            "tail",
            "DELETE FROM audit_events WHERE sequence = (SELECT max(sequence) FROM audit_events)".to_owned(),
        ),
        ("first execution", format!("{CLEANED}{first}")),
        ("renumbered", format!("{CLEANED}{first}; {renumbered}")),
        ("swapped", swapped.to_owned()),
    ] {
        let place = executions(2);
        tamper(&place, &sql);
        let found = verify(&place, "", 1);
        assert_eq!(found["head"]["state"], "broken", "{name}: {found:#}");
        // The program goes on, and does not vouch for it.
        place.run("run flow.yaml").code(0);
        assert_eq!(verify(&place, "", 1)["head"]["state"], "broken", "{name}");
    }
}

#[test]
fn events_that_were_put_there_are_seen() {
    let place = executions(1);
    // A whole execution with a good chain, copied under another number.
    tamper(
        &place,
        "INSERT INTO audit_events (execution, task, at, type, metadata, previous_hash, hash) \
                    SELECT 'exec-00000000000000000000000001', task, at, type, metadata, previous_hash, hash FROM audit_events",
    );
    verify(&place, "", 1);
    let place = executions(1);
    // The last event again: its chain is made good by who knows how.
    tamper(
        &place,
        "INSERT INTO audit_events (execution, task, at, type, metadata, previous_hash, hash) \
                    SELECT execution, task, at, type, metadata, hash, zeroblob(32) FROM audit_events ORDER BY sequence DESC LIMIT 1",
    );
    place.run("run flow.yaml").code(0);
    assert_eq!(verify(&place, "", 1)["head"]["state"], "broken");
}

#[test]
fn a_head_that_somebody_changed_or_removed_is_not_carried_on() {
    let old = |place: &Place| {
        let connection = Connection::open(place.path("data/db.sqlite")).expect("a database");
        let hex = connection.query_row("SELECT hex(hash) FROM audit_heads", [], |row| row.get::<_, String>(0));
        hex.expect("a head")
    };
    let before = executions(1);
    let short = old(&before);
    for (name, sql) in [
        ("hash", "UPDATE audit_heads SET hash = zeroblob(32)".to_owned()),
        ("removed", "DELETE FROM audit_heads".to_owned()),
        ("key", "UPDATE audit_heads SET key = zeroblob(8)".to_owned()),
        ("mac", "UPDATE audit_heads SET mac = zeroblob(32)".to_owned()),
        ("unreadable", "UPDATE audit_heads SET mac = 'x'".to_owned()),
        ("another's", format!("UPDATE audit_heads SET hash = x'{short}'")),
    ] {
        let place = executions(1);
        tamper(&place, &sql);
        let wanted = if name == "key" { 3 } else { 1 };
        verify(&place, "", wanted);
        place.run("run flow.yaml").code(0);
        verify(&place, "", wanted);
        // The chains say nothing of it.
        verify(&place, "--chains-only", 0);
    }
}

#[test]
fn a_copy_without_its_key_is_checked_as_far_as_it_goes() {
    let place = executions(1);
    let head = place.run("audit head").code(0).stdout;
    let copy = Place::with_flow(HELLO);
    copy.write("data/.kept", "");
    std::fs::copy(place.path("data/db.sqlite"), copy.path("data/db.sqlite")).expect("copied");
    insta::assert_snapshot!("audit-no-key", redacted(&copy, "audit verify", 3));
    assert_eq!(verify(&copy, "", 3)["head"]["state"], "unchecked");
    assert!(!copy.path("data/audit.key").exists(), "a reader makes no key");
    verify(&copy, "--chains-only", 0);
    verify(&copy, "last", 0);
    // A head that was kept needs no key.
    verify(&copy, &format!("--head {}", head.trim()), 0);
    // It goes on by a key of its own, and says from where.
    copy.run("run flow.yaml").code(0);
    let found = verify(&copy, "", 3);
    let heads = found["head"]["heads"].as_array().expect("a list");
    let states: Vec<_> = heads
        .iter()
        .map(|head| head["state"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(states, ["no_key", "intact"], "{found:#}");
    verify(&copy, &format!("--head {}", head.trim()), 0);
    // Somebody removes from it what the lost key vouched for.
    tamper(&copy, "DELETE FROM audit_events WHERE sequence = 2");
    verify(&copy, "", 1);
    // A key that others may read is none.
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(place.path("data/audit.key"), std::fs::Permissions::from_mode(0o644)).expect("it is set");
    insta::assert_snapshot!("audit-key-exposed", redacted(&place, "audit verify", 3));
}

#[test]
fn a_head_that_was_kept_shows_an_older_database() {
    let place = executions(1);
    let older = std::fs::read(place.path("data/db.sqlite")).expect("the database");
    let first = place.run("audit head").code(0).stdout;
    assert_eq!(place.run("audit head --json").code(0).json()["head"], first.trim());
    place.run("run flow.yaml").code(0);
    let second = place.run("audit head").code(0).stdout;
    place.write("heads", &format!("{first}{second}"));
    for line in [format!("--head {}", first.trim()), "--since-head heads".to_owned()] {
        verify(&place, &line, 0);
    }
    std::fs::write(place.path("data/db.sqlite"), older).expect("put back");
    // It is whole, and nothing in it tells; but it is not what it was.
    verify(&place, "", 0);
    verify(&place, &format!("--head {}", first.trim()), 0);
    let found = verify(&place, "--since-head heads", 1);
    assert_eq!(found["head"]["lost"], json!([second.trim()]));
    for (text, line) in [
        ("", "--since-head heads"),
        ("1:zz", "--since-head heads"),
        ("", "--head 5"),
        ("", "--since-head nowhere"),
    ] {
        place.write("heads", text);
        place.run(&format!("audit verify {line}")).code(2);
    }
}

#[test]
fn processes_that_write_at_once_share_one_head() {
    let place = Place::with_flow(
        "id: many\ntasks: [{ id: e, type: core/console.log, forEach: \"{{ range(20) }}\", inputs: { message: hi } }]\n",
    );
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| place.run("run flow.yaml").code(0));
        }
    });
    let found = verify(&place, "", 0);
    assert_eq!(found["head"]["heads"].as_array().map(Vec::len), Some(1), "{found:#}");
    assert_eq!(found["executions"], 4);
}

#[test]
fn lists_are_filtered_and_paged() {
    let place = executions(3);
    place.write(
        "bad.yaml",
        "id: bad\ntasks: [{ id: x, type: core/flow.fail, inputs: { message: \"a\\u001b[2Jb\" } }]\n",
    );
    place.run("run bad.yaml").code(1);
    let all = listed(&place, "--limit 1000");
    let numbers: Vec<i64> = all.iter().filter_map(|event| event["sequence"].as_i64()).collect();
    assert!(numbers.is_sorted() && numbers.len() == all.len(), "{numbers:?}");
    let page = place.run("audit list --json --limit 4 --offset 2").code(0).json();
    assert_eq!(
        (page["total"].as_u64(), &page["limit"], &page["offset"]),
        (Some(all.len() as u64), &json!(4), &json!(2))
    );
    assert_eq!(
        page["events"].as_array().expect("a list"),
        &all[all.len() - 6..all.len() - 2]
    );
    // Filters combine.
    let failed = listed(&place, "--type failed,completed --execution last");
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!(listed(&place, "--type FAILED COMPLETED").len(), 4);
    let since = failed[0]["timestamp"].as_str().expect("a time");
    let from = listed(&place, &format!("--since {since} --limit 1000"));
    assert!(from.iter().all(|event| event["timestamp"].as_str() >= Some(since)) && !from.is_empty());
    let to = listed(&place, &format!("--until {since} --limit 1000"));
    assert_eq!(from.len() + to.len(), all.len());
    assert_eq!(
        listed(&place, &format!("--since {since} --until {since}")),
        Vec::<Value>::new()
    );
    assert_eq!(listed(&place, "--since 1h --type COMPLETED --limit 2").len(), 2);
    assert_eq!(listed(&place, "--until 1h"), Vec::<Value>::new());
    // An execution of which nothing else is left.
    let id = all[0]["executionId"].as_str().expect("an id").to_owned();
    place.run("execution cleanup --days 0").code(0);
    assert!(!listed(&place, &format!("--execution {id}")).is_empty());
    verify(&place, &id, 0);
    assert_eq!(
        verify(&place, "last", 0)["executionId"],
        all[all.len() - 1]["executionId"]
    );
    insta::assert_snapshot!(
        "audit-list",
        place
            .run("audit list --type STARTED FAILED --limit 3")
            .code(0)
            .redacted(&place)
    );
    insta::assert_snapshot!(
        "audit-type-wrong",
        place.run("audit list --type FAILD").code(2).redacted(&place)
    );
    assert_eq!(place.run("audit list --offset 1000").code(0).stdout.lines().count(), 1);
}

#[test]
fn an_export_is_whole() {
    let place = executions(2);
    let lines = place.run("audit export").code(0).stdout;
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(events, listed(&place, "--limit 1000"));
    let text = place.run("audit export --format csv").code(0).stdout;
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let head = table.headers().expect("a head").clone();
    let keys: Vec<&String> = events[0].as_object().expect("an object").keys().collect();
    let mut columns: Vec<&str> = head.iter().collect();
    columns.sort_unstable();
    let mut keys: Vec<&str> = keys.into_iter().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(columns, keys);
    let rows: Vec<csv::StringRecord> = table.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), events.len());
    for (row, event) in rows.iter().zip(&events) {
        for (column, cell) in head.iter().zip(row) {
            let wanted = match &event[column] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(cell, wanted, "{column}");
        }
    }
    let some = place
        .run("audit export --type COMPLETED --since 1h --until 2099-01-01 --format jsonl")
        .code(0);
    assert_eq!(some.stdout.lines().count(), 2);
    assert_eq!(place.run("audit export --until 2000-01-01").code(0).stdout, "");
    assert_eq!(
        place
            .run("audit export --until 2000-01-01 --format csv")
            .code(0)
            .stdout
            .lines()
            .count(),
        1
    );
    place.run("audit export --format xml").code(2);
    // Whoever reads may stop.
    let mut child = place.spawn("audit export");
    drop(child.stdout.take());
    assert_eq!(place.finish(child).code, 0);
    tamper(&place, "UPDATE audit_events SET execution = '=1+1' WHERE sequence = 1");
    let guarded = place.run("audit export --format csv").code(0).stdout;
    assert!(guarded.contains("1,'=1+1,"), "{guarded}");
}

#[test]
fn a_trail_from_before_there_were_heads_is_taken_into_the_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let steps = ["0001_initial", "0002_engine", "0003_cleanup", "0004_secrets"];
    let sources = crate::support::repository().join("host/crates/store/src/sqlite/migrations");
    let place = Place::with_flow(HELLO);
    let connection = Connection::open(folder.path().join("old.sqlite")).expect("a database");
    for (version, step) in (1..).zip(steps) {
        let text = std::fs::read_to_string(sources.join(format!("{step}.sql"))).expect("a step");
        connection.execute_batch(&text).expect("it fits");
        let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
        connection
            .execute("INSERT INTO migrations VALUES (?1, ?2)", (version, digest))
            .expect("its digest");
    }
    connection.pragma_update(None, "user_version", 4).expect("its version");
    copy_events(&connection, &executions(2).path("data/db.sqlite"));
    connection.close().expect("it closes");
    place.write("data/.kept", "");
    std::fs::copy(folder.path().join("old.sqlite"), place.path("data/db.sqlite")).expect("copied");
    place.run("run flow.yaml").code(0);
    let found = verify(&place, "", 0);
    assert_eq!(
        (&found["executions"], &found["head"]["heads"][0]["from"]),
        (&json!(3), &json!(1)),
        "{found:#}"
    );
    tamper(&place, "DELETE FROM audit_events WHERE sequence = 1");
    verify(&place, "", 1);
}

fn copy_events(to: &Connection, from: &Path) {
    let attach = format!("ATTACH '{}' AS other", from.display());
    to.execute_batch(&attach).expect("attached");
    to.execute_batch("INSERT INTO audit_events SELECT * FROM other.audit_events; DETACH other")
        .expect("copied");
}
