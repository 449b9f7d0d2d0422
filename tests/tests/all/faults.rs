//! Processes that die at a chosen place, and databases that are full.

use autokestra_store::fault::POINTS;
use serde_json::{Value, json};

use crate::crash;
use crate::process::{Place, task};

#[test]
fn a_process_that_dies_at_any_place_loses_nothing() {
    for point in POINTS {
        for count in [1, 2, 7, 40] {
            let mut place = Place::with_flow(&crash::flow());
            // A flush of the log before an attempt's end is rare, unless each entry is flushed.
            place.set("WORKFLOW_LOGGING_MAX_BUFFER_SIZE", "1");
            place.set("AUTOKESTRA_FAILPOINT", &format!("{point}:{count}"));
            let died = place.run("run flow.yaml --no-progress");
            assert!(
                died.code == -1 || count > 1 && died.code == 0,
                "{point}:{count} {died:?}"
            );
            place.set("AUTOKESTRA_FAILPOINT", "");
            let page = place.run("execution list --json").code(0).json();
            match page["executions"][0]["state"].as_str() {
                // It died before it was told of.
                None => drop(place.run("run flow.yaml --no-progress").code(0)),
                Some("SUCCESS") => {}
                Some(_) => drop(place.run("execution resume last --no-progress").code(0)),
            }
            crash::holds(&place, count);
        }
    }
}

/// Elements of the task that succeeded, with how many attempts each took.
fn succeeded(execution: &Value) -> Vec<(u64, usize)> {
    let tasks = execution["tasks"].as_array().expect("a list");
    let good = tasks
        .iter()
        .filter(|task| task["index"].is_u64() && task["state"] == "SUCCESS");
    good.map(|task| {
        let attempts = task["attempts"].as_array().expect("a list").len();
        (task["index"].as_u64().expect("a number"), attempts)
    })
    .collect()
}

#[test]
fn a_full_database_stops_the_run_and_loses_nothing() {
    let mut place = Place::with_flow(
        "id: full\ntasks:\n  - { id: each, type: core/console.log, forEach: \"{{ range(3000) }}\", inputs: { message: \"{{ item }}\" } }\n",
    );
    place.set("WORKFLOW_STORAGE_MAX_SIZE_MEBIBYTES", "1");
    let stopped = place.run("run flow.yaml --no-progress").code(3);
    assert!(
        stopped.stderr.contains("there is no room left for ./data/db.sqlite"),
        "{stopped:?}"
    );
    assert!(stopped.stderr.contains("workflow execution resume"), "{stopped:?}");
    place.set("WORKFLOW_STORAGE_MAX_SIZE_MEBIBYTES", "0");
    let before = place.inspect();
    assert_eq!(before["state"], "RUNNING");
    let kept = succeeded(&before);
    assert!(!kept.is_empty() && kept.len() < 3000, "{} were kept", kept.len());
    place.run("execution resume last --no-progress").code(0);
    let after = place.inspect();
    assert_eq!(
        (&after["state"], &task(&after, "each")["state"]),
        (&json!("SUCCESS"), &json!("SUCCESS"))
    );
    let all = succeeded(&after);
    assert_eq!(all.len(), 3000);
    assert!(
        kept.iter().all(|element| all.contains(element)),
        "what had succeeded did not run again"
    );
}
