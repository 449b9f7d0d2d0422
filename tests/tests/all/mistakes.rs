//! The mistakes that people make most, each with what they are told: what failed, where, why, and what to do next.
//!
//! Those that other files show too are not repeated: missing secrets and values as arguments in `secrets`, the ceiling of the
//! operator in `policy`, unusable programs in `programs`, keys in `secret_keys`, and the first ones in `cli`.

use std::os::unix::fs::PermissionsExt as _;

use crate::held::Held;
use crate::process::{Place, Run};

const GOOD: &str = "id: good\ntasks: [{ id: a, type: core/console.log, inputs: { message: hi } }]\n";

/// Holds what is told of a mistake: nothing on stdout, advice on stderr, no Rust in it, and a snapshot.
#[track_caller]
fn told(name: &str, code: i32, run: &Run, place: &Place) {
    assert_eq!(run.code, code, "{name}: {run:?}");
    assert!(run.stdout.is_empty(), "{name}: {run:?}");
    shown(name, run, place);
}

/// As [`told`], where an execution ran.
#[track_caller]
fn shown(name: &str, run: &Run, place: &Place) {
    let advice = ["hint:", "help:", "tip:", "--help", "Usage:", "╭─["];
    assert!(
        advice.iter().any(|word| run.stderr.contains(word)),
        "{name} gives no advice: {run:?}"
    );
    for rust in ["panicked", "Error(", "Some(", "None", "::", "os error", "unwrap"] {
        assert!(!run.stderr.contains(rust), "{name} shows `{rust}`: {run:?}");
    }
    insta::assert_snapshot!(name, run.redacted(place));
}

/// Mistakes in a command line, in a folder with `flow.yaml` and nothing else.
#[test]
fn of_the_command_line() {
    let place = Place::with_flow(GOOD);
    place.write("flows/one.yaml", GOOD);
    place.write("flows/two.yml", GOOD);
    place.write("empty/notes.txt", "");
    place.write("inputs.txt", "who=Ada\n");
    place.write("list.json", "[1]");
    for (name, code, line) in [
        ("flag-unknown", 2, "run flow.yaml --inptu who=Ada"),
        ("flag-of-another-command", 2, "execution list --follow"),
        ("command-mistyped", 2, "exection list"),
        ("command-below-mistyped", 2, "execution lsit"),
        ("command-missing", 2, "execution"),
        ("command-without-its-group", 2, "logs last"),
        ("file-as-a-command", 2, "flow.yaml"),
        ("file-not-named", 2, "run"),
        ("file-mistyped", 2, "run flwo.yaml"),
        ("file-missing", 2, "run deploy.yaml"),
        ("file-is-a-folder", 2, "run flows"),
        ("file-is-an-empty-folder", 2, "run empty"),
        (
            "execution-unknown",
            1,
            "execution inspect exec-00000000000000000000000000",
        ),
        ("execution-none-yet", 1, "execution logs last"),
        ("since-wrong", 2, "execution logs --since 5x"),
        ("level-wrong", 2, "execution logs --level WARNING"),
        ("state-wrong", 2, "execution list --state DONE"),
        ("limit-no-number", 2, "execution list --limit many"),
        ("limit-negative", 2, "execution list --limit -1"),
        ("days-wrong", 2, "execution cleanup --days week"),
        ("cleanup-of-what-runs", 2, "execution cleanup --days 1 --states RUNNING"),
        ("pretty-alone", 2, "execution list --pretty"),
        ("format-unknown", 2, "graph flow.yaml --format png"),
        ("shell-unknown", 2, "completions csh"),
        ("color-unknown", 2, "execution list --color yes"),
        ("input-without-equals", 2, "run flow.yaml --input who"),
        ("input-twice-no-flag", 2, "run flow.yaml who=Ada"),
        ("input-of-a-flow-without", 2, "run flow.yaml --input who=Ada"),
        ("inputs-missing", 2, "run flow.yaml --inputs inputs.json"),
        ("inputs-no-json", 2, "run flow.yaml --inputs inputs.txt"),
        ("inputs-no-object", 2, "run flow.yaml --inputs list.json"),
        ("plugin-name-wrong", 2, "plugin inspect http"),
        ("plugin-mistyped", 1, "plugin inspect core/htpp"),
    ] {
        told(name, code, &place.run(line), &place);
    }
}

/// Mistakes in a workflow.
#[test]
fn of_a_workflow() {
    let task = |rest: &str| format!("id: flow\ntasks:\n  - {{ id: a, {rest} }}\n");
    let log = |more: &str| task(&format!("type: core/console.log, inputs: {{ message: hi }}{more}"));
    for (name, yaml) in [
        ("yaml-empty", String::new()),
        ("yaml-comments-only", "# nothing yet\n".to_owned()),
        ("yaml-tabs", "id: flow\ntasks:\n\t- id: a\n".to_owned()),
        ("yaml-indent", "id: flow\ntasks:\n  - id: a\n   type: core/console.log\n".to_owned()),
        ("yaml-colon", "id: flow\nname: build: all\ntasks: []\n".to_owned()),
        ("yaml-unclosed", "id: flow\ntasks: [{ id: a, type: core/console.log }\n".to_owned()),
        ("yaml-is-text", "just some words\n".to_owned()),
        ("key-twice", "id: flow\nid: again\ntasks: []\n".to_owned()),
        ("key-of-a-task-unknown", log(", retires: { max: 2 }")),
        ("type-wrong", log(", timeoutSeconds: soon")),
        ("type-of-tasks-wrong", "id: flow\ntasks: { a: { type: core/console.log } }\n".to_owned()),
        ("key-missing", "id: flow\ntasks:\n  - { id: a }\n".to_owned()),
        ("no-tasks", "id: flow\ntasks: []\n".to_owned()),
        ("id-wrong", "id: my flow\ntasks: [{ id: a, type: core/console.log, inputs: { message: hi } }]\n".to_owned()),
        ("task-twice", format!("{}  - {{ id: a, type: core/console.log, inputs: {{ message: hi }} }}\n", log(""))),
        (
            "cycle",
            "id: flow\ntasks:\n  - { id: a, needs: [c], type: core/console.log, inputs: { message: hi } }\n  - { id: b, needs: [a], type: core/console.log, inputs: { message: hi } }\n  - { id: c, needs: [b], type: core/console.log, inputs: { message: hi } }\n".to_owned(),
        ),
        ("needs-itself", log(", needs: [a]")),
        (
            "needs-unknown",
            "id: flow\ntasks:\n  - { id: fetch, type: core/console.log, inputs: { message: hi } }\n  - { id: b, needs: [fecth], type: core/console.log, inputs: { message: hi } }\n".to_owned(),
        ),
        ("action-unknown", task("type: core/console.lgo, inputs: { message: hi }")),
        ("action-without-plugin", task("type: console.log, inputs: { message: hi }")),
        ("plugin-unknown", task("type: core/consol.log, inputs: { message: hi }")),
        ("plugin-of-others", task("type: acme/slack.post, inputs: { text: hi }")),
        ("task-input-missing", task("type: core/http.get")),
        ("task-input-unknown", task("type: core/http.get, inputs: { uri: \"https://example.com\" }")),
        ("task-input-wrong-type", task("type: core/time.sleep, inputs: { seconds: long }")),
        ("expression-unclosed", task("type: core/console.log, inputs: { message: \"Hi {{ inputs.who }\" }")),
        ("expression-operator", task("type: core/console.log, inputs: { message: \"{{ 1 + }}\" }")),
        (
            "expression-unknown-input",
            "id: flow\ninputs: [{ id: who, type: string, default: x }]\ntasks:\n  - { id: a, type: core/console.log, inputs: { message: \"{{ inputs.whom }}\" } }\n".to_owned(),
        ),
        ("expression-unknown-task", task("type: core/console.log, inputs: { message: \"{{ tasks.fetch.output }}\" }")),
        ("expression-unknown-root", task("type: core/console.log, inputs: { message: \"{{ input.who }}\" }")),
        (
            "expression-task-not-needed",
            "id: flow\ntasks:\n  - { id: a, type: core/console.log, inputs: { message: hi } }\n  - { id: b, type: core/console.log, inputs: { message: \"{{ tasks.a.output }}\" } }\n".to_owned(),
        ),
        ("expression-secret-not-listed", task("type: core/console.log, inputs: { message: \"{{ secrets.TOKEN }}\" }")),
        ("secret-with-value", format!("secrets: [{{ TOKEN: hunter2 }}]\n{}", log(""))),
        ("network-wrong", format!("permissions: {{ network: [\"https://example.com\"] }}\n{}", log(""))),
        ("timeout-too-long", log(", timeoutSeconds: 99999999")),
        ("triggers", format!("triggers: [{{ type: cron, cron: \"* * * * *\" }}]\n{}", log(""))),
        ("version-unknown", format!("apiVersion: v2\n{}", log(""))),
    ] {
        let place = Place::with_flow(&yaml);
        told(name, 2, &place.run("run flow.yaml"), &place);
        assert!(!place.path("data/db.sqlite").exists(), "{name}: nothing ran");
    }
}

#[test]
fn of_a_workflow_that_is_wrong_in_many_ways() {
    let place = Place::with_flow(
        "id: my flow\ntimeout: 5\ntasks:\n  - { id: a, type: core/console.lgo }\n  - { id: b, type: core/http.get, needs: [c] }\n  - { id: a, type: core/console.log, inputs: { mesage: x } }\n",
    );
    told("many-at-once", 2, &place.run("validate flow.yaml"), &place);
}

#[test]
fn of_a_file_that_is_no_text() {
    let place = Place::new();
    std::fs::write(place.path("flow.yaml"), b"id: flow\nname: caf\xe9\n").expect("it is written");
    told("file-no-utf8", 2, &place.run("run flow.yaml"), &place);
}

#[test]
fn of_inputs() {
    let place = Place::with_flow(
        "id: flow\ninputs:\n  - { id: name, type: string, required: true }\n  - { id: count, type: integer, default: 1 }\n  - { id: size, type: string, default: small, enum: [small, large] }\ntasks: [{ id: a, type: core/console.log, inputs: { message: hi } }]\n",
    );
    for (name, line) in [
        ("inputs-required-missing", "run flow.yaml"),
        ("inputs-unknown", "run flow.yaml --input nmae=Ada"),
        ("inputs-wrong-type", "run flow.yaml --input name=Ada --input count=many"),
        ("inputs-no-choice", "run flow.yaml --input name=Ada --input size=medium"),
    ] {
        told(name, 2, &place.run(line), &place);
    }
}

#[test]
fn of_secrets() {
    let place = Place::with_flow(
        "id: flow\nsecrets: [TOKEN]\ntasks: [{ id: a, type: core/console.log, inputs: { message: \"{{ secrets.TOKEN }}\" } }]\n",
    );
    told("secret-without-value", 2, &place.run("run flow.yaml"), &place);
    told(
        "secrets-missing",
        2,
        &place.run("run flow.yaml --secrets secrets.yaml"),
        &place,
    );
    place.write("secrets.yaml", "TOKEN: correct-horse\n");
    let mode = |mode| std::fs::set_permissions(place.path("secrets.yaml"), std::fs::Permissions::from_mode(mode));
    mode(0o644).expect("it is set");
    told(
        "secrets-read-by-others",
        2,
        &place.run("run flow.yaml --secrets secrets.yaml"),
        &place,
    );
    mode(0o600).expect("it is set");
    place.write("secrets.yaml", "TOKEN correct-horse\n");
    told(
        "secrets-no-mapping",
        2,
        &place.run("run flow.yaml --secrets secrets.yaml"),
        &place,
    );
}

#[test]
fn of_the_configuration() {
    for (name, yaml) in [
        ("config-key-unknown", "server:\n  prot: 7233\n"),
        ("config-section-unknown", "sever:\n  port: 7233\n"),
        ("config-type-wrong", "execution:\n  maxConcurrentTasks: \"50\"\n"),
        ("config-out-of-range", "execution:\n  maxConcurrentTasks: 0\n"),
        ("config-no-yaml", "server: [\n"),
        ("config-postgresql", "storage:\n  type: postgresql\n"),
    ] {
        let place = Place::with_flow(GOOD);
        place.write("config.yaml", yaml);
        told(name, 2, &place.run("run flow.yaml"), &place);
    }
    let mut place = Place::with_flow(GOOD);
    place.set("WORKFLOW_SERVER_PROT", "7233");
    let run = place.run("execution list").code(0);
    insta::assert_snapshot!("variable-unknown", run.redacted(&place));
    place.set("WORKFLOW_EXECUTION_MAX_CONCURRENT_TASKS", "lots");
    told("variable-wrong", 2, &place.run("execution list"), &place);
}

#[test]
fn of_the_database() {
    let place = Place::with_flow(GOOD);
    place.run("run flow.yaml").code(0);
    let connection = rusqlite::Connection::open(place.path("data/db.sqlite")).expect("a database");
    connection.pragma_update(None, "user_version", 9999).expect("it is set");
    drop(connection);
    told("database-newer", 3, &place.run("execution list"), &place);
    let mut place = Place::with_flow(GOOD);
    place.write("notes.txt", &"these are notes, and no database\n".repeat(100));
    place.set("WORKFLOW_STORAGE_PATH", "notes.txt");
    told("database-is-none", 3, &place.run("execution list"), &place);
    // Nobody makes folders there, not even root.
    place.set("WORKFLOW_STORAGE_PATH", "/sys/autokestra/db.sqlite");
    told("database-folder-read-only", 3, &place.run("run flow.yaml"), &place);
    place.set("WORKFLOW_STORAGE_PATH", "flow.yaml/db.sqlite");
    told("database-folder-is-a-file", 3, &place.run("run flow.yaml"), &place);
    place.set("WORKFLOW_STORAGE_PATH", ".");
    told("database-is-a-folder", 3, &place.run("run flow.yaml"), &place);
}

#[test]
fn of_executions() {
    let place = Place::with_flow(GOOD);
    place.run("run flow.yaml").code(0);
    place.run("run flow.yaml").code(0);
    for (name, code, line) in [
        ("execution-ambiguous", 2, "execution inspect exec-0"),
        ("cancel-of-what-ended", 1, "execution cancel last"),
        ("resume-of-what-ended", 1, "execution resume last"),
        ("retry-of-what-succeeded", 2, "execution retry last"),
        ("retry-from-nobody", 2, "execution retry last --from b"),
        ("inspect-of-no-task", 1, "execution inspect last --task b"),
        ("files-of-none", 1, "execution files last report.csv"),
    ] {
        told(name, code, &place.run(line), &place);
    }
}

#[test]
fn two_processes_at_once() {
    let place = Place::with_flow(
        "id: held\ninputs: [{ id: url, type: string }]\npermissions: { network: [\"127.0.0.1:*\"] }\ntasks: [{ id: wait, type: core/http.get, inputs: { url: \"{{ inputs.url }}\" } }]\n",
    );
    let held = Held::start(&place, "run flow.yaml --no-progress");
    told("resume-of-what-runs", 1, &place.run("execution resume last"), &place);
    told("retry-of-what-runs", 2, &place.run("execution retry last"), &place);
    held.go_on(&place).code(0);
}

/// Mistakes that are known only when a task runs.
#[test]
fn of_a_run() {
    let mut place = Place::new();
    for (name, yaml) in [
        (
            "run-permission-denied",
            "id: flow\ntasks: [{ id: a, type: core/http.get, inputs: { url: \"http://example.com/\" } }]\n",
        ),
        (
            "run-file-denied",
            "id: flow\ntasks: [{ id: a, type: core/file.read, inputs: { path: /etc/hostname } }]\n",
        ),
        (
            "run-expression-fails",
            "id: flow\ninputs: [{ id: list, type: array, default: [] }]\ntasks: [{ id: a, type: core/console.log, inputs: { message: \"{{ inputs.list[3].name }}\" } }]\n",
        ),
        (
            "run-filter-unknown",
            "id: flow\ntasks: [{ id: a, type: core/console.log, inputs: { message: \"{{ inputs | jsn }}\" } }]\n",
        ),
        (
            "run-timeout",
            "id: flow\ntasks: [{ id: a, type: core/time.sleep, timeoutSeconds: 0.1, inputs: { seconds: 60 } }]\n",
        ),
    ] {
        place.write("flow.yaml", yaml);
        let run = place.run("run flow.yaml").code(1);
        assert!(run.stderr.contains("/docs/errors/"), "{name}: {run:?}");
        shown(name, &run, &place);
    }
    // A plugin that is none.
    place.write("plugins/slack.wasm", "no component");
    place.set("WORKFLOW_PLUGINS_DIRECTORIES", "plugins");
    place.write(
        "flow.yaml",
        "id: flow\ntasks: [{ id: a, type: acme/slack.post, inputs: { text: hi } }]\n",
    );
    told("plugin-broken", 2, &place.run("run flow.yaml"), &place);
}
