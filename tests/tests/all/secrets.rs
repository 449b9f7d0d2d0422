//! The secret store from the outside: set, listed, used and deleted, and nothing of a value anywhere.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Place, task};
use crate::support::repository;

const TOKEN: &str = "correct-horse-battery";

/// A workflow that tells a secret by its digest, which no masker knows.
pub(crate) const DIGEST: &str = "id: digest\nsecrets: [TOKEN]\ntasks:\n  - { id: a, type: core/hash.digest, inputs: { algorithm: blake3, data: \"{{ secrets.TOKEN }}\" } }\noutputs: { digest: \"{{ tasks.a.output }}\" }\n";

/// The digest of a value, as that workflow gives it.
pub(crate) fn digest(value: &str) -> Value {
    blake3::hash(value.as_bytes()).to_hex().as_str().into()
}

/// Sets a secret.
pub(crate) fn set(place: &Place, name: &str, value: &str) {
    let run = place
        .run_with_input(&format!("secret set {name}"), value.as_bytes())
        .code(0);
    assert_eq!(run.stdout, format!("set {name}\n"));
}

/// The value that a run is given, by its digest.
pub(crate) fn given(place: &Place, line: &str) -> Value {
    let run = place.run(&format!("{line} --json --no-progress")).code(0);
    run.json()["outputs"]["digest"].clone()
}

/// Writes a file of secrets that its owner alone may read.
fn private(place: &Place, name: &str, text: &str) {
    place.write(name, text);
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(place.path(name), mode).expect("it is set");
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
        }
    }
    found
}

#[test]
fn a_stored_secret_is_used_and_is_nowhere_to_be_seen() {
    let place = Place::new();
    place.copy(&repository().join("examples/secret.yaml"));
    // The shell's `echo` ends it with a line end, which is no part of it.
    let made = place
        .run_with_input("secret set API_TOKEN", format!("{TOKEN}\n").as_bytes())
        .code(0);
    assert!(
        made.stderr.contains("made the master key ./data/secrets.key"),
        "{made:?}"
    );
    let mode = place
        .path("data/secrets.key")
        .metadata()
        .expect("a key")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let listed = place.run("secret list").code(0);
    // As long as another reads, the write-ahead log stays as it was written.
    let reader = rusqlite::Connection::open(place.path("data/db.sqlite")).expect("it opens");
    let kept_open = reader.query_row("SELECT count(*) FROM secrets", [], |row| row.get::<_, i64>(0));
    assert_eq!(kept_open, Ok(1));
    let run = place.run("run secret.yaml --logs --json -vv").code(0);
    let kept = place
        .run("execution inspect last --with-logs --with-audit --show-inputs --json")
        .code(0);
    assert_eq!(
        run.json()["outputs"]["everything"],
        json!({ "base64": "***", "url": "***", "text": "***" })
    );
    let digits: String = TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect();
    let forms = [TOKEN, "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5", &digits, "correct", "battery"];
    let printed = [made, listed, run, kept].map(|run| run.stdout + &run.stderr);
    let mut texts: Vec<(String, Vec<u8>)> = printed
        .into_iter()
        .map(|text| ("what was printed".to_owned(), text.into_bytes()))
        .collect();
    texts.extend(files(&place.path("data")));
    assert!(texts.iter().any(|(name, _)| name.ends_with("db.sqlite-wal")));
    for (name, bytes) in texts {
        for form in forms {
            let found = bytes.windows(form.len()).any(|part| part == form.as_bytes());
            assert!(!found, "{name} has {form}");
        }
    }
    place.write("flow.yaml", DIGEST);
    set(&place, "TOKEN", TOKEN);
    assert_eq!(given(&place, "run flow.yaml"), digest(TOKEN));
    set(&place, "TOKEN", "another\nof two lines\n");
    assert_eq!(given(&place, "run flow.yaml"), digest("another\nof two lines"));
}

#[test]
fn the_first_place_wins_and_all_are_listed() {
    let mut place = Place::with_flow(DIGEST);
    place.write("parent.yaml", "id: parent\ntasks: [{ id: c, type: core/flow.run, inputs: { workflow: flow } }]\noutputs: { digest: \"{{ tasks.c.output.digest }}\" }\n");
    private(&place, "given.yaml", "TOKEN: of-the-flag\nONLY_GIVEN: of-the-flag\n");
    private(&place, "configured.yaml", "TOKEN: of-the-file\n");
    set(&place, "TOKEN", "of-the-store");
    set(&place, "ONLY_STORED", "of-the-store");
    let is = |place: &Place, flag: &str, value: &str| {
        for file in ["flow.yaml", "parent.yaml"] {
            assert_eq!(
                given(place, &format!("run {file}{flag}")),
                digest(value),
                "{file}{flag}"
            );
        }
    };
    is(&place, "", "of-the-store");
    place.set("WORKFLOW_SECRETS_FILE", "configured.yaml");
    is(&place, "", "of-the-file");
    place.set("WORKFLOW_SECRET_TOKEN", "of-the-environment");
    is(&place, "", "of-the-environment");
    is(&place, " --secrets given.yaml", "of-the-flag");
    assert_eq!(
        given(&place, "execution retry last --from a --secrets given.yaml"),
        digest("of-the-flag")
    );
    assert_eq!(
        given(&place, "execution retry last --from a"),
        digest("of-the-environment")
    );
    let listed = place.run("secret list --secrets given.yaml").code(0);
    insta::assert_snapshot!("secret-list", listed.redacted(&place));
    let listed = place.run("secret list --secrets given.yaml --json").code(0).json();
    let token = &listed["secrets"][2];
    assert_eq!(
        (&token["name"], &token["source"]),
        (&json!("TOKEN"), &json!("flag-file"))
    );
    let sources = token["sources"].as_array().expect("a list").iter();
    let told: Vec<(&Value, &Value, &Value)> = sources
        .map(|source| (&source["source"], &source["path"], &source["variable"]))
        .collect();
    let expected = [
        (&json!("flag-file"), &json!("given.yaml"), &Value::Null),
        (&json!("environment"), &Value::Null, &json!("WORKFLOW_SECRET_TOKEN")),
        (&json!("file"), &json!("configured.yaml"), &Value::Null),
        (&json!("store"), &Value::Null, &Value::Null),
    ];
    assert_eq!(told, expected);
    let stored = &token["sources"][3];
    assert!(
        stored["createdAt"].is_string() && stored["createdAt"] == stored["updatedAt"],
        "{stored}"
    );
    let text = listed.to_string() + &place.run("secret list --secrets given.yaml").code(0).stdout;
    assert!(!text.contains("of-the"), "{text}");
    let shadowed = place.run_with_input("secret set TOKEN", b"of-the-store").code(0);
    assert!(
        shadowed.stderr.contains("WORKFLOW_SECRET_TOKEN is set, and wins"),
        "{shadowed:?}"
    );
}

#[test]
fn a_value_that_cannot_be_one_is_refused() {
    let place = Place::new();
    let long = "x".repeat((64 << 10) + 1);
    let inputs: [(&str, &str, &[u8]); 8] = [
        ("empty", "secret set NAME", b""),
        ("line-end", "secret set NAME", b"\r\n"),
        ("short", "secret set NAME", b"abc\n"),
        ("long", "secret set NAME", long.as_bytes()),
        ("no-text", "secret set NAME", &[0xff, 0xfe, 0xfd, 0xfc]),
        ("bad-name", "secret set 9-NAME", b"hidden-word"),
        ("argument", "secret set NAME hidden-word", b""),
        ("option", "secret set NAME --value=hidden-word", b""),
    ];
    let mut told = String::new();
    for (what, line, input) in inputs {
        let run = place.run_with_input(line, input).code(2);
        assert!(run.stdout.is_empty() && !run.stderr.contains("hidden-word"), "{run:?}");
        told.extend([format!("[{what}]\n{}", run.stderr)]);
    }
    insta::assert_snapshot!("secret-refused", told);
    let listed = place.run("secret list --json").code(0).json();
    assert_eq!(listed, json!({ "secrets": [] }));
    assert!(!place.path("data/secrets.key").exists(), "no key is made for nothing");
    place.run_with_input("secret set LONG", &long.as_bytes()[1..]).code(0);
}

#[test]
fn a_secret_without_a_value_is_told_with_all_ways_to_give_it() {
    let mut place = Place::with_flow(
        "id: two\nsecrets: [FIRST, SECOND]\ntasks: [{ id: a, type: core/console.log, inputs: { message: \"{{ secrets.FIRST }}{{ secrets.SECOND }}\" } }]\n",
    );
    insta::assert_snapshot!("secret-missing", place.run("run flow.yaml").code(2).redacted(&place));
    set(&place, "FIRST", "hidden-word");
    private(&place, "given.yaml", "OTHER: hidden-word\n");
    let run = place.run("run flow.yaml --secrets given.yaml").code(2);
    insta::assert_snapshot!("secret-missing-one", run.redacted(&place));
    place.write(
        "parent.yaml",
        "id: parent\ntasks: [{ id: c, type: core/flow.run, inputs: { workflow: flow } }]\n",
    );
    place.run("run parent.yaml --no-progress").code(1);
    let message = crate::process::task(&place.inspect(), "c")["message"].to_string();
    assert!(message.contains("workflow secret set SECOND"), "{message}");
    place.set("WORKFLOW_SECRET_SECOND", "hidden-word");
    place.run("run flow.yaml --no-progress").code(0);
}

#[test]
fn a_deleted_secret_is_gone_and_what_was_done_is_logged() {
    let place = Place::with_flow(DIGEST);
    set(&place, "TOKEN", TOKEN);
    set(&place, "TOKENS", TOKEN);
    let unknown = place.run("secret delete TOKNE").code(1);
    insta::assert_snapshot!("secret-delete-unknown", unknown.redacted(&place));
    // Who lost the key can still clear the store, and begin anew.
    std::fs::remove_file(place.path("data/secrets.key")).expect("there was a key");
    place.run_with_input("secret set OTHER", b"hidden-word").code(2);
    for name in ["TOKEN", "TOKENS"] {
        let run = place.run(&format!("secret delete {name}")).code(0);
        assert_eq!(run.stdout, format!("deleted {name}\n"));
    }
    place.run("run flow.yaml").code(2);
    set(&place, "TOKEN", "begun-anew");
    assert_eq!(given(&place, "run flow.yaml"), digest("begun-anew"));
    // Cleanup is for executions.
    place.run("execution cleanup --days 0 --states SUCCESS").code(0);
    assert_eq!(given(&place, "run flow.yaml"), digest("begun-anew"));
    place.run("secret rotate-key").code(0);
    let logs = place.run("execution logs --source system").code(0);
    insta::assert_snapshot!("secret-log", logs.redacted(&place));
}

#[test]
fn no_grant_opens_a_key_or_a_file_of_secrets() {
    let mut place = Place::new();
    set(&place, "TOKEN", TOKEN);
    private(&place, "data/configured.yaml", "A: hidden-word\n");
    private(&place, "data/given.yaml", "B: hidden-word\n");
    place.write("data/plain.txt", "plain");
    place.set("WORKFLOW_SECRETS_FILE", "data/configured.yaml");
    std::os::unix::fs::symlink("secrets.key", place.path("data/link")).expect("linked");
    std::fs::hard_link(place.path("data/secrets.key"), place.path("data/hard")).expect("linked");
    let key = place.read("data/secrets.key");
    let tries = [
        ("key", "read, inputs: { path: data/secrets.key }"),
        ("link", "read, inputs: { path: data/link }"),
        ("hard", "read, inputs: { path: data/hard }"),
        ("configured", "read, inputs: { path: data/configured.yaml }"),
        ("given", "read, inputs: { path: data/given.yaml }"),
        ("write", "write, inputs: { path: data/secrets.key, content: x }"),
        ("move", "move, inputs: { from: data/secrets.key, to: data/moved }"),
        (
            "replace",
            "move, inputs: { from: data/plain.txt, to: data/secrets.key }",
        ),
        ("remove", "remove, inputs: { path: data/secrets.key }"),
        ("allowed", "read, inputs: { path: data/plain.txt }"),
    ];
    let mut flow = "id: f\npermissions: { filesystem: { write: [./data] } }\ntasks:\n".to_owned();
    for (id, action) in tries {
        flow.extend([format!(
            "  - {{ id: {id}, onError: continue, type: core/file.{action} }}\n"
        )]);
    }
    place.write("flow.yaml", &flow);
    place.run("run flow.yaml --secrets data/given.yaml").code(0);
    let execution = place.inspect();
    for (id, _) in tries {
        let found = task(&execution, id);
        let expected = if id == "allowed" { "SUCCESS" } else { "FAILED" };
        assert_eq!(found["state"], expected, "{found:#}");
    }
    let denied = execution["auditEvents"].as_array().expect("a list").iter();
    let denied = denied.filter(|event| event["type"] == "PERMISSION_DENIED").count();
    assert!(denied >= tries.len() - 1, "{denied} were denied");
    assert_eq!(place.read("data/secrets.key"), key);
    assert!(!execution.to_string().contains("hidden-word"));
    place.write("flow.yaml", "id: f\npermissions: { env: [WORKFLOW_SECRETS_KEY] }\ntasks: [{ id: a, type: core/console.log, inputs: { message: x } }]\n");
    let refused = place.run("validate flow.yaml").code(2);
    assert!(refused.stderr.contains("reserved_variable"), "{refused:?}");
}

#[test]
fn many_may_set_and_rotate_at_once() {
    let place = Place::with_flow(DIGEST);
    std::thread::scope(|scope| {
        for number in 0..6 {
            let place = &place;
            scope.spawn(move || set(place, &format!("TOKEN{number}"), &format!("value-{number}")));
        }
        for _ in 0..2 {
            // It comes before the first is set, or anywhere between.
            let run = || place.run("secret rotate-key");
            scope.spawn(move || assert!(matches!(run().code, 0 | 1)));
        }
    });
    for number in 0..6 {
        place.write("flow.yaml", &DIGEST.replace("TOKEN", &format!("TOKEN{number}")));
        assert_eq!(given(&place, "run flow.yaml"), digest(&format!("value-{number}")));
    }
}
