//! What the user's own document promises: every command, key, variable, audit event, level and source of it is in ours, and works.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value, json};

use super::scenes::Scene;
use super::{below, blocks, document, pages};
use crate::process::Place;
use crate::support::repository;

/// The commands of the user's document, letter for letter.
const COMMANDS: &str = include_str!("promised.txt");

/// Keys with their defaults where the document names one, their variables, and another value.
const SETTINGS: &[(&str, &str, Option<&str>, &str)] = &[
    ("server.port", "WORKFLOW_SERVER_PORT", Some("7233"), "8001"),
    ("server.host", "WORKFLOW_SERVER_HOST", None, "0.0.0.0"),
    ("storage.type", "WORKFLOW_STORAGE_TYPE", Some("sqlite"), "postgresql"),
    (
        "storage.path",
        "WORKFLOW_STORAGE_PATH",
        Some("./data/db.sqlite"),
        "/tmp/other.sqlite",
    ),
    ("storage.host", "WORKFLOW_STORAGE_HOST", None, "db.example"),
    ("storage.port", "WORKFLOW_STORAGE_PORT", None, "6543"),
    ("storage.database", "WORKFLOW_STORAGE_DATABASE", None, "flows"),
    ("storage.username", "WORKFLOW_STORAGE_USERNAME", None, "ada"),
    ("storage.password", "WORKFLOW_STORAGE_PASSWORD", None, "correct-horse"),
    (
        "execution.maxConcurrentWorkflows",
        "WORKFLOW_EXECUTION_MAX_CONCURRENT_WORKFLOWS",
        Some("10"),
        "3",
    ),
    (
        "execution.maxConcurrentTasks",
        "WORKFLOW_EXECUTION_MAX_CONCURRENT_TASKS",
        Some("50"),
        "7",
    ),
    (
        "execution.defaultTimeoutSeconds",
        "WORKFLOW_EXECUTION_DEFAULT_TIMEOUT_SECONDS",
        Some("300"),
        "60",
    ),
    ("logRetentionDays", "WORKFLOW_LOG_RETENTION_DAYS", Some("30"), "7"),
    (
        "logging.maxBufferSize",
        "WORKFLOW_LOGGING_MAX_BUFFER_SIZE",
        Some("100"),
        "50",
    ),
    (
        "logging.flushIntervalMs",
        "WORKFLOW_LOGGING_FLUSH_INTERVAL_MS",
        Some("1000"),
        "250",
    ),
];

/// Audit events and the keys of their metadata.
const EVENTS: &[(&str, &[&str])] = &[
    ("CREATED", &["workflowId", "triggerType"]),
    ("STARTED", &[]),
    ("STATE_CHANGE", &["from", "to", "reason"]),
    ("COMPLETED", &["duration"]),
    ("FAILED", &["reason", "message"]),
    ("CANCELLED", &["reason"]),
    ("TIMEOUT", &["duration"]),
];

const LEVELS: [&str; 4] = ["DEBUG", "INFO", "WARN", "ERROR"];

const SOURCES: [&str; 4] = ["scheduler", "worker", "plugin:{executionId}/{taskId}", "system"];

#[test]
fn every_promised_command_is_in_the_documents() {
    let mut written = BTreeSet::new();
    for page in pages() {
        for block in blocks(&document(&page), "bash") {
            written.extend(block.lines().map(|line| line.trim().to_owned()));
        }
    }
    let promised: Vec<&str> = COMMANDS.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(promised.len(), 32, "one was lost");
    for line in promised {
        assert!(written.contains(line), "nowhere in the documents: {line}");
    }
}

#[test]
fn every_promised_key_and_variable_is_told_and_works() {
    let (readme, page) = (document("README.md"), document("docs/configuration.md"));
    let place = Place::new();
    let defaults = place.run("config show --json").code(0).json();
    for (key, variable, default, other) in SETTINGS {
        assert!(
            readme.contains(&format!("`{variable}`")),
            "the README has no {variable}"
        );
        assert!(
            page.contains(&format!("`{key}`")) && page.contains(&format!("`{variable}`")),
            "{key} has no line"
        );
        let last = key.rsplit('.').next().unwrap_or_default();
        if let Some(default) = default {
            let set = format!("{last}: {default}");
            assert!(readme.contains(&set), "the README does not show `{set}`");
            let shown = text(&defaults[*key]["value"]);
            assert!(
                shown == *default || shown.ends_with(default),
                "{key} is {shown}, not {default}"
            );
            assert_eq!(defaults[*key]["origin"], "default", "{key}");
        }
        let mut place = Place::new();
        place.set(variable, other);
        let found = place.run("config show --json").code(0).json();
        let shown = text(&found[*key]["value"]);
        if *key == "storage.password" {
            assert!(!shown.contains(other), "a password is shown");
        } else {
            assert_eq!(shown, *other, "{variable}");
        }
        assert_eq!(found[*key]["origin"], format!("${variable}"), "{variable}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn every_promised_audit_event_is_told_and_recorded() {
    let scene = Scene::ended();
    let all = scene.json("execution list --json --limit 1000");
    let mut events: Vec<Value> = Vec::new();
    for execution in all["executions"].as_array().expect("a list") {
        let id = execution["executionId"].as_str().expect("an id");
        let found = scene.json(&format!("execution inspect {id} --with-audit --json"));
        events.extend(found["auditEvents"].as_array().expect("a list").iter().cloned());
    }
    for page in ["README.md", "docs/observability.md"] {
        let page = document(page);
        for (kind, keys) in EVENTS {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{kind}` |")));
            let row = row.unwrap_or_else(|| panic!("no row for {kind}"));
            let metadata = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
            let expected = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            assert_eq!(metadata, if keys.is_empty() { "-" } else { expected.as_str() }, "{row}");
            let recorded: Vec<&Value> = events.iter().filter(|event| event["type"] == *kind).collect();
            assert!(!recorded.is_empty(), "no execution left a {kind}");
            for event in recorded {
                let found = event["metadata"].as_object().expect("an object");
                for key in *keys {
                    assert!(found.contains_key(*key), "{kind} without `{key}`: {event}");
                }
            }
        }
    }
    // They are there for good.
    let database = rusqlite::Connection::open(scene.place.path("data/db.sqlite")).expect("it opens");
    for sql in ["UPDATE audit_events SET type = 'X'", "DELETE FROM audit_events"] {
        let refused = database.execute(sql, []).expect_err(sql).to_string();
        assert!(refused.contains("audit events cannot be"), "{sql}: {refused}");
    }
}

#[test]
fn every_kind_of_audit_event_is_told() {
    let record = Regex::new(r#"Record::new\(\s*"([A-Z_]+)""#).expect("a good pattern");
    let mut kinds = BTreeSet::new();
    below(&repository().join("host/crates/store/src"), &mut |path| {
        let text = std::fs::read_to_string(path).expect("read a source");
        kinds.extend(record.captures_iter(&text).map(|found| found[1].to_owned()));
    });
    assert!(kinds.len() > EVENTS.len(), "{kinds:?}");
    for page in ["README.md", "docs/observability.md"] {
        let text = document(page);
        for kind in &kinds {
            assert!(
                text.contains(&format!("\n| `{kind}` | ")),
                "{page} has no row for {kind}"
            );
        }
    }
}

#[test]
fn every_promised_level_and_source_is_told_and_found() {
    let said = LEVELS.map(|level| {
        let level = level.to_lowercase();
        json!({ "id": level, "type": "core/console.log", "inputs": { "message": "said", "level": level } })
    });
    let place = Place::with_flow(&json!({ "id": "levels", "tasks": said }).to_string());
    drop(place.run("run flow.yaml").code(0));
    for level in LEVELS {
        let found = place
            .run(&format!("execution logs last --level {level} --json"))
            .code(0)
            .json();
        let found = found.as_array().expect("a list");
        assert!(
            !found.is_empty() && found.iter().all(|entry| entry["level"] == level),
            "{level}: {found:#?}"
        );
    }
    for source in SOURCES {
        let name = source.split(':').next().unwrap_or_default();
        let found = place
            .run(&format!("execution logs last --source {name} --json"))
            .code(0)
            .json();
        let found = found.as_array().expect("a list");
        // Nothing of an execution that goes well is worth an entry of the system.
        assert_eq!(found.is_empty(), name == "system", "{name}: {found:#?}");
        assert!(
            found
                .iter()
                .all(|entry| entry["source"].as_str().is_some_and(|text| text.starts_with(name)))
        );
    }
    for page in ["README.md", "docs/observability.md"] {
        let page = document(page);
        for word in LEVELS.iter().chain(&SOURCES) {
            assert!(page.contains(&format!("**{word}**")), "{word} is not told");
        }
    }
}
