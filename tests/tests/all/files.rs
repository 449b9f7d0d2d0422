//! Files that tasks leave: kept by content, given to others, listed, fetched, and removed with the last who names them.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::process::{Place, task};

const FLOW: &str = r#"id: files
tasks:
  - { id: report, type: core/file.write, inputs: { path: /artifacts/report.csv, content: "a,b\n1,2\n" } }
  - { id: copy, type: core/file.write, inputs: { path: /artifacts/deep/copy.csv, content: "a,b\n1,2\n" } }
  - { id: read, type: core/file.read, needs: [report], inputs: { path: "{{ tasks.report.files['report.csv'] }}" } }
"#;

/// Files of the store of a place, by size.
fn kept(place: &Place) -> Vec<u64> {
    let mut sizes = Vec::new();
    for folder in std::fs::read_dir(place.path("data/artifacts"))
        .expect("the folder")
        .flatten()
    {
        if folder.file_name() == "tmp" {
            assert_eq!(
                std::fs::read_dir(folder.path()).expect("it is read").count(),
                0,
                "attempts clean up"
            );
            continue;
        }
        for file in std::fs::read_dir(folder.path()).expect("it is read").flatten() {
            sizes.push(file.metadata().expect("it is there").len());
        }
    }
    sizes
}

/// Lets all kept files be two hours old.
fn age(place: &Place) {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    for folder in std::fs::read_dir(place.path("data/artifacts"))
        .expect("the folder")
        .flatten()
    {
        for file in std::fs::read_dir(folder.path()).expect("it is read").flatten() {
            let file = std::fs::File::open(file.path()).expect("it opens");
            file.set_modified(then).expect("it is set");
        }
    }
}

#[test]
fn a_file_is_left_by_one_task_and_read_by_another() {
    let place = Place::with_flow(FLOW);
    let run = place.run("run flow.yaml").code(0);
    assert!(!run.stderr.contains("missing_permission"), "{run:?}");
    let execution = place.inspect();
    assert_eq!(task(&execution, "read")["output"], "a,b\n1,2\n");
    let files = &task(&execution, "report")["files"];
    assert_eq!(
        (&files[0]["name"], &files[0]["size"]),
        (&json!("report.csv"), &json!(8))
    );
    assert_eq!(kept(&place), [8], "the same content is kept once");
    let list = place.run("execution files last --json").code(0).json();
    let names: Vec<&Value> = list["files"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| &file["name"])
        .collect();
    assert_eq!(names, ["report.csv", "deep/copy.csv"]);
    insta::assert_snapshot!(place.run("execution files last").code(0).stdout, @r"
      TASK    NAME           SIZE  DIGEST
      report  report.csv     8 B   c42223f1fbf2
      copy    deep/copy.csv  8 B   c42223f1fbf2
    ");
    assert!(
        place
            .run("execution inspect last")
            .code(0)
            .stdout
            .contains("deep/copy.csv")
    );
}

#[test]
fn files_are_fetched_by_name() {
    let place = Place::with_flow(FLOW);
    place.run("run flow.yaml").code(0);
    assert_eq!(
        place.run("execution files last report.csv").code(0).stdout,
        "a,b\n1,2\n"
    );
    assert_eq!(
        place.run("execution files last copy/deep/copy.csv").code(0).stdout,
        "a,b\n1,2\n"
    );
    place.run("execution files last report.csv --out one").code(0);
    assert_eq!(place.read("one/report/report.csv"), "a,b\n1,2\n");
    let all = place.run("execution files last --out all").code(0);
    assert_eq!(all.stdout, "all/report/report.csv\nall/copy/deep/copy.csv\n");
    assert_eq!(place.read("all/copy/deep/copy.csv"), "a,b\n1,2\n");
    insta::assert_snapshot!(place.run("execution files last --out all").code(2).stderr, @r"
    error: failed to write all/report/report.csv: File exists
    hint: nothing is overwritten; name another folder
    ");
    insta::assert_snapshot!(place.run("execution files last nothing.txt").code(1).stderr, @r"
    error: no task left a file `nothing.txt`
    hint: name one of report/report.csv, copy/deep/copy.csv
    ");
}

#[test]
fn elements_leave_files_of_their_own() {
    let place = Place::with_flow(
        "id: each\ntasks:\n  - { id: each, type: core/file.write, forEach: [a, b], inputs: { path: /artifacts/x.txt, content: \"{{ item }}\" } }\n  - { id: read, type: core/file.read, needs: [each], inputs: { path: \"{{ tasks.each.files['1/x.txt'] }}\" } }\n",
    );
    place.run("run flow.yaml").code(0);
    assert_eq!(task(&place.inspect(), "read")["output"], "b");
    assert_eq!(place.run("execution files last each/0/x.txt").code(0).stdout, "a");
    let several = place.run("execution files last x.txt").code(1);
    assert!(several.stderr.contains("each/0/x.txt, each/1/x.txt"), "{several:?}");
}

#[test]
fn what_others_left_is_read_only_and_a_failed_attempt_leaves_nothing() {
    let place = Place::with_flow(
        r#"id: hostile
tasks:
  - { id: report, type: core/file.write, inputs: { path: /artifacts/report.csv, content: "good" } }
  - { id: change, type: core/file.append, needs: [report], onError: continue, inputs: { path: "{{ tasks.report.files['report.csv'] }}", content: "bad" } }
  - { id: remove, type: core/file.remove, needs: [change], onError: continue, inputs: { path: "{{ tasks.report.files['report.csv'] }}" } }
  - { id: outside, type: core/file.read, needs: [remove], onError: continue, inputs: { path: "/artifacts-in/../../../db.sqlite" } }
  - { id: undeclared, type: core/file.read, needs: [report], onError: continue, inputs: { path: "/artifacts-in/report/report.csv" } }
  - { id: read, type: core/file.read, needs: [outside], inputs: { path: "{{ tasks.report.files['report.csv'] }}" } }
"#,
    );
    place.run("run flow.yaml").code(0);
    let execution = place.inspect();
    for id in ["change", "remove", "outside", "undeclared"] {
        assert_eq!(task(&execution, id)["state"], "FAILED", "{id}");
        assert_eq!(task(&execution, id)["files"], json!([]), "{id}");
    }
    assert_eq!(task(&execution, "read")["output"], "good");
    assert_eq!(kept(&place), [4]);
}

#[test]
fn a_file_is_not_named_by_a_secret() {
    let mut place = Place::with_flow(
        "id: named\nsecrets: [TOKEN]\ntasks:\n  - { id: leave, type: core/file.write, inputs: { path: \"/artifacts/{{ secrets.TOKEN }}.txt\", content: x } }\n",
    );
    place.set("WORKFLOW_SECRET_TOKEN", "hunter2hunter2");
    let run = place.run("run flow.yaml").code(1);
    let leave = place.inspect();
    let leave = task(&leave, "leave");
    assert_eq!(leave["reasonCode"], "limit_files");
    insta::assert_snapshot!(leave["message"].as_str().expect("a message"), @"the name of a file in `/artifacts` holds a secret: `***.txt`");
    assert!(
        !run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"),
        "{run:?}"
    );
}

#[test]
fn files_go_with_the_last_execution_that_names_them() {
    let place = Place::with_flow(FLOW);
    place.run("run flow.yaml").code(0);
    place.write(
        "other.yaml",
        &FLOW.replace("id: files", "id: other").replace(
            "{ id: read",
            "{ id: more, type: core/file.write, inputs: { path: /artifacts/more, content: xy } }\n  - { id: read",
        ),
    );
    place.run("run other.yaml").code(0);
    let would = place.run("execution cleanup --days 0 --dry-run --json").code(0).json();
    assert_eq!(
        (&would["dryRun"], &would["deletedExecutions"]),
        (&json!(true), &json!(2))
    );
    assert_eq!(place.run("execution list --json").code(0).json()["total"], 2);
    age(&place);
    let none = place.run("execution cleanup --days 1 --json").code(0).json();
    assert_eq!(
        (&none["deletedExecutions"], &none["deletedFiles"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(kept(&place).len(), 2);
    let none = place
        .run("execution cleanup --days 0 --states CANCELLED --json")
        .code(0)
        .json();
    assert_eq!(none["deletedExecutions"], 0);
    let all = place
        .run("execution cleanup --days 0 --states SUCCESS FAILED --json")
        .code(0)
        .json();
    assert_eq!(
        (
            &all["deletedExecutions"],
            &all["deletedFiles"],
            &all["deletedFileBytes"]
        ),
        (&json!(2), &json!(2), &json!(10))
    );
    assert!(all["deletedLogs"].as_u64().is_some_and(|logs| logs > 0), "{all}");
    assert_eq!(all["deletedLogs"], would["deletedLogs"]);
    assert!(kept(&place).is_empty());
    assert_eq!(place.run("execution list --json").code(0).json()["total"], 0);
    insta::assert_snapshot!(place.run("execution cleanup --days 0 --states RUNNING").code(2).stderr, @r"
    error: an execution that is RUNNING has not ended, and is not removed
    hint: `workflow execution cancel` ends one; states that are an end: SUCCESS, FAILED, CANCELLED
    ");
}

#[test]
fn a_retry_keeps_files_and_makes_lost_ones_again() {
    let flow = format!("{FLOW}  - {{ id: fail, type: core/file.read, needs: [read], inputs: {{ path: /nothing }} }}\n");
    let place = Place::with_flow(&flow);
    place.run("run flow.yaml").code(1);
    place.run("execution retry last").code(1);
    let execution = place.inspect();
    let report = task(&execution, "report");
    assert_eq!(
        (&report["reasonCode"], &report["files"][0]["name"]),
        (&json!("kept"), &json!("report.csv"))
    );
    assert_eq!(
        place.run("execution files last report.csv").code(0).stdout,
        "a,b\n1,2\n"
    );
    std::fs::remove_dir_all(place.path("data/artifacts")).expect("they are removed");
    place.run("execution retry last").code(1);
    let execution = place.inspect();
    assert_eq!(task(&execution, "report")["reasonCode"], Value::Null, "it ran again");
    assert_eq!(task(&execution, "read")["output"], "a,b\n1,2\n");
}
