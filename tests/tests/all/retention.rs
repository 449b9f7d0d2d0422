//! What is too old goes: when it is asked for, and beside a run; never what runs.

use std::process::Child;

use serde_json::Value;

use crate::held::Held;
use crate::process::Place;

const FLOW: &str = "id: f\ntasks:\n  - { id: a, type: core/console.log, inputs: { message: one } }\n";

/// More than a page holds.
const WIDE: &str = "id: wide
tasks:
  - { id: each, type: core/console.log, forEach: \"{{ range(300) }}\", inputs: { message: m } }
";

/// Makes everything that ended look so many days older.
fn age(place: &Place, days: i64) {
    let database = rusqlite::Connection::open(place.path("data/db.sqlite")).expect("the database");
    let sql = "UPDATE executions SET ended_at = ended_at - ?1 * 86400000 WHERE ended_at IS NOT NULL";
    database.execute(sql, [days]).expect("it is aged");
}

fn total(place: &Place) -> u64 {
    place.run("execution list --json").code(0).json()["total"]
        .as_u64()
        .expect("a number")
}

fn count(place: &Place, table: &str) -> i64 {
    let database = rusqlite::Connection::open(place.path("data/db.sqlite")).expect("the database");
    let sql = format!("SELECT count(*) FROM {table}");
    database.query_row(&sql, [], |row| row.get(0)).expect("a count")
}

#[test]
fn a_dry_run_says_what_a_real_one_does_and_the_audit_trail_stays() {
    let place = Place::with_flow(FLOW);
    place.run("run flow.yaml").code(0);
    place.run("run flow.yaml").code(0);
    let (logs, audit) = (count(&place, "logs"), count(&place, "audit_events"));
    let dry = place.run("execution cleanup --days 0 --dry-run --json").code(0).json();
    assert_eq!((&dry["dryRun"], &dry["deletedExecutions"]), (&true.into(), &2.into()));
    assert_eq!(dry["deletedLogs"], logs);
    assert_eq!(total(&place), 2);
    let none = place
        .run("execution cleanup --days 0 --states FAILED,CANCELLED --json")
        .code(0)
        .json();
    assert_eq!(
        (&none["deletedExecutions"], &none["states"]),
        (&0.into(), &serde_json::json!(["FAILED", "CANCELLED"]))
    );
    let kept = place.run("execution cleanup --days 7 --json").code(0).json();
    assert_eq!(kept["deletedExecutions"], 0);
    let real = place
        .run("execution cleanup --days 0 --states SUCCESS FAILED --json")
        .code(0)
        .json();
    for key in ["deletedExecutions", "deletedLogs"] {
        assert_eq!(real[key], dry[key], "{key}");
    }
    assert!(real["cutoff"].is_string() && real["freedBytes"].is_u64(), "{real:#}");
    assert_eq!(
        (total(&place), count(&place, "logs"), count(&place, "audit_events")),
        (0, 0, audit)
    );
}

#[test]
fn a_run_removes_what_is_older_than_the_configuration_says() {
    let mut place = Place::with_flow(FLOW);
    place.set("WORKFLOW_LOG_RETENTION_DAYS", "0");
    place.run("run flow.yaml").code(0);
    age(&place, 31);
    place.run("run flow.yaml").code(0);
    let mut kept = place_with_retention(&place, "0");
    run_until_it_is_removed(&kept, false);
    assert_eq!(total(&kept), 3);
    kept = place_with_retention(&place, "30");
    run_until_it_is_removed(&kept, true);
    let told = kept
        .run("execution logs --source system --grep Retention --json")
        .code(0)
        .json();
    let entry = &told[0];
    assert_eq!(
        (&entry["level"], &entry["metadata"]["deletedExecutions"]),
        (&"INFO".into(), &1.into())
    );
    assert_eq!(entry["executionId"], Value::Null);
    // Within the hour no other run begins it again.
    age(&kept, 31);
    let before = total(&kept);
    run_until_it_is_removed(&kept, false);
    assert_eq!(total(&kept), before + 1);
}

/// A copy of a place's database with a retention of its own.
fn place_with_retention(place: &Place, days: &str) -> Place {
    let mut made = Place::new();
    made.set("WORKFLOW_LOG_RETENTION_DAYS", days);
    made.copy(&place.path("flow.yaml"));
    made.copy(&place.path("data"));
    made
}

/// Runs a flow that lasts until the retention is through, where one is expected to come through.
fn run_until_it_is_removed(place: &Place, expected: bool) {
    place.write(
        "slow.yaml",
        "id: slow\ninputs: [{ id: url, type: string }]\npermissions: { network: [\"127.0.0.1:*\"] }\n\
         tasks: [{ id: wait, type: core/http.get, inputs: { url: \"{{ inputs.url }}\" } }]\n",
    );
    let held = Held::start(place, "run slow.yaml --no-progress");
    while expected && count(place, "logs WHERE message LIKE 'Retention%'") == 0 {
        std::thread::yield_now();
    }
    held.go_on(place).code(0);
}

#[test]
fn nothing_of_a_run_is_lost_to_a_cleanup_beside_it() {
    let place = Place::with_flow(FLOW);
    for _ in 0..5 {
        place.run("run flow.yaml").code(0);
    }
    // All that was ever logged, by how often each execution is in it.
    place.write("wide.yaml", WIDE);
    let quiet = Place::new();
    quiet.copy(&place.path("wide.yaml"));
    quiet.run("run wide.yaml").code(0);
    let expected = quiet
        .run("execution logs last --json")
        .code(0)
        .json()
        .as_array()
        .expect("a list")
        .len();
    let run = place.spawn("run wide.yaml --no-progress");
    let cleanups: Vec<Child> = (0..3)
        .map(|_| place.spawn("execution cleanup --days 0 --json"))
        .collect();
    for cleanup in cleanups {
        assert_eq!(place.finish(cleanup).code(0).code, 0);
    }
    assert_eq!(place.finish(run).code(0).code, 0);
    // The run itself may have ended before the last of them: then all of it is gone, or else all of it is there.
    let left = place.run("execution list --json").code(0).json();
    for execution in left["executions"].as_array().expect("a list") {
        assert_eq!(execution["workflowId"], "wide");
        let logs = place.run("execution logs last --json").code(0).json();
        assert_eq!(logs.as_array().expect("a list").len(), expected);
        let detail = place.inspect();
        assert_eq!(detail["tasks"].as_array().expect("a list").len(), 301);
    }
}

#[test]
fn what_keeps_everything_asks_for_days() {
    let mut place = Place::with_flow(FLOW);
    place.set("WORKFLOW_LOG_RETENTION_DAYS", "0");
    let refused = place.run("execution cleanup").code(2);
    assert!(refused.stderr.contains("--days"), "{}", refused.stderr);
    place.run("run flow.yaml").code(0);
    place.run("execution cleanup --days 0").code(0);
    assert_eq!(total(&place), 0);
}

#[test]
fn a_database_that_cannot_shrink_says_what_does_it() {
    let place = Place::with_flow(WIDE);
    std::fs::create_dir(place.path("data")).expect("create a folder");
    let old = rusqlite::Connection::open(place.path("data/db.sqlite")).expect("a new database");
    old.execute_batch("CREATE TABLE x (y); DROP TABLE x")
        .expect("one of an older version");
    old.close().expect("it closes");
    place.run("run flow.yaml").code(0);
    let hinted = place.run("execution cleanup --days 0").code(0);
    assert!(hinted.stderr.contains("--compact"), "{hinted:?}");
    let compacted = place.run("execution cleanup --days 0 --compact --json").code(0).json();
    assert!(compacted["freedBytes"].as_u64() > Some(0), "{compacted:#}");
    assert_eq!(compacted["unusedBytes"], 0);
    assert_eq!(place.run("execution cleanup --days 0").code(0).stderr, "");
}
