//! What the program says: its texts, its exit codes, its JSON.

use serde_json::{Value, json};

use crate::process::Place;

const HELLO: &str = "id: hello
inputs: [{ id: who, type: string, default: World }]
tasks:
  - { id: greet, type: core/console.log, inputs: { message: \"Hello, {{ inputs.who }}!\" } }
  - { id: fail, type: core/json.query, needs: [greet], onError: continue, inputs: { data: 1, filter: \". + {}\" } }
  - { id: skip, type: core/console.log, when: \"{{ inputs.who == 'nobody' }}\", inputs: { message: never } }
outputs: { greeted: \"{{ inputs.who }}\" }
";

#[test]
fn a_run_tells_how_it_went() {
    let place = Place::with_flow(HELLO);
    insta::assert_snapshot!("run-tells", place.run("run flow.yaml --input who=Ada").redacted(&place));
}

#[test]
fn an_execution_is_shown_for_people() {
    let place = Place::with_flow(HELLO);
    place.run("run flow.yaml").code(0);
    insta::assert_snapshot!(
        "inspect-people",
        place
            .run("execution inspect last --show-inputs --with-audit")
            .redacted(&place)
    );
    insta::assert_snapshot!(
        "inspect-task",
        place.run("execution inspect last --task fail").redacted(&place)
    );
    insta::assert_snapshot!("logs-people", place.run("execution logs last").redacted(&place));
    insta::assert_snapshot!("list-people", place.run("execution list").redacted(&place));
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let place = Place::with_flow("id: x\ntaks: []\ntasks:\n  - { id: a, type: core/consol.log, inputs: {} }\n");
    for line in [
        "run nowhere.yaml",
        "run flow.yaml",
        "execution inspect last",
        "execution inspect exec-01",
        "execution inspect !",
        "execution logs --level LOUD",
        "execution logs --since yesterday",
        "execution logs --grep (",
        "plugin inspect core/nothing",
        "plugin docs core/nothing",
        "plugin inspect flow.yaml",
        "config check --config nowhere.yaml",
        "rum flow.yaml",
    ] {
        let run = place.run(line);
        assert!(run.code == 1 || run.code == 2, "{line}: {run:?}");
        assert!(run.stdout.is_empty(), "{line}: {run:?}");
        assert!(run.stderr.lines().count() >= 2, "{line} gives no advice: {run:?}");
        insta::assert_snapshot!(line.replace([' ', '.', '!', '(', '/'], "-"), run.redacted(&place));
    }
}

#[test]
fn inputs_are_checked_before_anything_runs() {
    let place = Place::with_flow(
        "id: i\ninputs: [{ id: count, type: integer, required: true }]\ntasks: [{ id: a, type: core/console.log, inputs: { message: x } }]\n",
    );
    insta::assert_snapshot!(
        "input-unknown",
        place.run("run flow.yaml --input cuont=1").redacted(&place)
    );
    insta::assert_snapshot!(
        "input-wrong-type",
        place.run("run flow.yaml --input count=many").redacted(&place)
    );
    place.run("run flow.yaml --input count").code(2);
    place.write("in.json", "{ \"count\": 3 }");
    let run = place.run("run flow.yaml --inputs in.json --json").code(0);
    assert_eq!(run.json()["inputs"], json!({ "count": 3 }));
    let run = place
        .run("run flow.yaml --inputs in.json --input count=4 --json")
        .code(0);
    assert_eq!(run.json()["inputs"], json!({ "count": 4 }));
    assert_eq!(
        place.run("execution list --json").code(0).json()["total"],
        2,
        "what was wrong did not run"
    );
}

#[test]
fn lists_and_logs_are_filtered() {
    let place = Place::with_flow(HELLO);
    place.write(
        "other.yaml",
        "id: other\ntasks: [{ id: a, type: core/json.query, inputs: { data: 1, filter: error } }]\n",
    );
    place.run("run flow.yaml").code(0);
    place.run("run other.yaml").code(1);
    let total = |line: &str| place.run(line).code(0).json()["total"].clone();
    assert_eq!(total("execution list --json"), 2);
    assert_eq!(total("execution list --workflow hello --json"), 1);
    assert_eq!(total("execution list --state FAILED --json"), 1);
    assert_eq!(total("execution list --state SUCCESS FAILED --json"), 2);
    assert_eq!(total("execution list --state SUCCESS,CANCELLED --json"), 1);
    let page = place
        .run("execution list --limit 1 --offset 1 --json --pretty")
        .code(0)
        .json();
    assert_eq!(
        (&page["executions"][0]["workflowId"], &page["limit"], &page["offset"]),
        (&json!("hello"), &json!(1), &json!(1))
    );
    let logs =
        |line: &str| -> Vec<Value> { serde_json::from_value(place.run(line).code(0).json()).expect("logs are a list") };
    let all = logs("execution logs --json");
    assert!(logs("execution logs last --json").len() < all.len());
    let errors = logs("execution logs --level ERROR WARN --json");
    assert!(
        !errors.is_empty()
            && errors
                .iter()
                .all(|log| log["level"] == "ERROR" || log["level"] == "WARN")
    );
    let plugin = logs("execution logs --source plugin --json");
    assert!(plugin.iter().all(|log| {
        log["source"]
            .as_str()
            .is_some_and(|source| source.starts_with("plugin:"))
    }));
    assert!(
        plugin.iter().any(|log| log["metadata"]["duration"].is_number()),
        "{plugin:#?}"
    );
    let found = logs("execution logs --grep ^Hello --json");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        logs("execution logs --task-id greet --since 1h --json")
            .iter()
            .filter(|log| log["taskId"] != "greet")
            .count(),
        0
    );
    assert_eq!(logs("execution logs --since 2999-01-01 --json"), Vec::<Value>::new());
    assert_eq!(
        logs("execution logs --limit 2 --offset 1 --json"),
        all.get(1..3).expect("more than three")
    );
    let pretty = place.run("execution logs --json --pretty").code(0);
    assert_eq!(pretty.json(), Value::Array(all));
}

#[test]
fn a_terminal_is_not_taken_over_by_what_a_plugin_prints() {
    let place = Place::with_flow(
        "id: e\ntasks: [{ id: a, type: core/console.log, inputs: { message: \"\\e]0;owned\\a\\e[2J \\u202e\" } }]\n",
    );
    let run = place.run("run flow.yaml --logs").code(0);
    let shown = place.run("execution logs last").code(0);
    for text in [&run.stderr, &shown.stdout] {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
        assert!(text.contains("\\u{1b}]0;owned\\u{7}"), "{text:?}");
    }
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let place = Place::with_flow(HELLO);
    assert!(!place.run("run flow.yaml -vv").code(0).stderr.contains('\u{1b}'));
    assert!(
        place
            .run("run flow.yaml --color always")
            .code(0)
            .stderr
            .contains('\u{1b}')
    );
    assert!(
        place
            .run("execution list --color always")
            .code(0)
            .stdout
            .contains('\u{1b}')
    );
}

#[test]
fn columns_stand_in_line_with_colours_and_without() {
    let place = Place::with_flow(HELLO);
    place.run("run flow.yaml").code(0);
    let escapes = regex::Regex::new("\u{1b}\\[[0-9;]*m").expect("a good pattern");
    for line in ["execution list", "execution inspect last --with-audit", "plugin list"] {
        let plain = place.run(line).code(0).stdout;
        let colored = place.run(&format!("{line} --color always")).code(0).stdout;
        assert_ne!(plain, colored, "{line}");
        assert_eq!(escapes.replace_all(&colored, ""), plain, "{line}");
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let place = Place::with_flow(HELLO);
    place.run("run flow.yaml").code(0);
    let mut child = place.spawn("execution logs --json");
    drop(child.stdout.take());
    let run = place.finish(child);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
}

#[test]
fn help_has_an_example_for_every_command() {
    let place = Place::new();
    for command in [
        "run",
        "validate",
        "execution list",
        "execution inspect",
        "execution logs",
        "audit verify",
        "audit list",
        "audit export",
        "audit head",
        "plugin list",
        "plugin inspect",
        "plugin docs",
        "plugin cache list",
        "plugin cache clear",
        "config show",
        "config check",
    ] {
        let run = place.run(&format!("{command} --help")).code(0);
        assert!(
            run.stdout.contains(&format!("Examples:\n  workflow {command}")),
            "{command}: {}",
            run.stdout
        );
        insta::assert_snapshot!(format!("help-{}", command.replace(' ', "-")), run.stdout);
    }
    insta::assert_snapshot!("help", place.run("--help").code(0).stdout);
}

#[test]
fn a_damaged_or_forbidden_database_is_told() {
    let place = Place::with_flow(HELLO);
    place.write(
        "data/db.sqlite",
        "this is no database, and it has more bytes than a header of SQLite would have, by far, so that it is read",
    );
    insta::assert_snapshot!("database-damaged", place.run("execution list").redacted(&place));
    place.write("file", "");
    insta::assert_snapshot!(
        "config-missing",
        place
            .run_args(["execution", "list", "--config", "c.yaml"])
            .redacted(&place)
    );
    place.write("c.yaml", "storage: { path: ./file/db.sqlite }\n");
    insta::assert_snapshot!(
        "database-forbidden",
        place.run("execution list --config c.yaml").redacted(&place)
    );
}

#[test]
fn validate_checks_every_file_and_says_all() {
    let place = Place::with_flow(HELLO);
    place.write(
        "bad.yaml",
        "id: bad id\ntasks:\n  - { id: a, type: core/console.log, needs: [b], inputs: { mesage: x } }\n",
    );
    insta::assert_snapshot!(
        "validate-all",
        place.run("validate flow.yaml bad.yaml").redacted(&place)
    );
}
