//! `--json-schema`: what every command prints holds against its own schema, with no key that the schema does not know.

use serde_json::{Map, Value, json};

use crate::held::Held;
use crate::process::Place;

/// Every command that prints JSON, and a line that makes it print some in [`full_place`].
const COMMANDS: &[(&str, &str)] = &[
    ("run", "run flow.yaml"),
    ("validate", "validate flow.yaml bad.yaml nowhere.yaml"),
    ("execution list", "execution list"),
    ("execution inspect", "execution inspect FAILED --with-logs --with-audit"),
    ("execution logs", "execution logs"),
    ("execution files", "execution files FAILED"),
    (
        "execution cleanup",
        "execution cleanup --days 1 --states SUCCESS --dry-run",
    ),
    ("execution resume", "execution resume last"),
    ("execution retry", "execution retry FAILED"),
    ("audit list", "audit list"),
    ("audit verify", "audit verify"),
    ("audit verify", "audit verify last"),
    ("audit head", "audit head"),
    ("plugin build", "plugin build project"),
    ("plugin list", "plugin list"),
    ("plugin inspect", "plugin inspect core/http"),
    ("plugin docs", "plugin docs --out pages"),
    ("plugin install", "plugin install installable.wasm"),
    ("plugin test", "plugin test tested --plugin core/console"),
    ("plugin cache list", "plugin cache list"),
    ("plugin cache clear", "plugin cache clear"),
    ("secret list", "secret list"),
    ("config show", "config show"),
];

const FLOW: &str = r#"id: full
inputs: [{ id: who, type: string, default: World }]
secrets: [TOKEN]
tasks:
  - { id: greet, type: core/console.log, inputs: { message: "Hello, {{ inputs.who }}!" } }
  - { id: leave, type: core/file.write, inputs: { path: /artifacts/a.txt, content: "{{ secrets.TOKEN }}" } }
  - { id: each, type: core/file.write, forEach: [1, 2], inputs: { path: "/artifacts/{{ item }}.txt", content: x } }
  - { id: child, type: core/flow.run, inputs: { workflow: child } }
  - { id: skip, type: core/console.log, when: "{{ inputs.who == 'nobody' }}", inputs: { message: never } }
  - { id: fail, type: core/json.query, needs: [greet, leave], inputs: { data: 1, filter: ". + {}" } }
outputs: { greeted: "{{ inputs.who }}" }
"#;

/// A place where every kind of thing is: executions of every state, files, secrets, compiled code.
fn full_place() -> Place {
    let mut place = Place::with_flow(FLOW).with_tools();
    drop(place.run("plugin new project --lang c").code(0));
    place.set("WORKFLOW_SECRET_TOKEN", "correct-horse");
    place.set("WORKFLOW_POLICY_ENV", "A,B");
    place.write(
        "child.yaml",
        "id: child\ntasks: [{ id: a, type: core/console.log, inputs: { message: x } }]\n",
    );
    place.write(
        "bad.yaml",
        "id: bad\ntasks: [{ id: a, type: core/console.lgo, needs: [b] }]\nextra: 1\n",
    );
    place.write(
        "fueled.yaml",
        "id: fueled\nlimits: { fuel: 1000000000 }\ntasks: [{ id: a, type: core/text.render, inputs: { template: x } }]\n",
    );
    place.write(
        "tested/tests/cases.yaml",
        "- { action: log, input: { message: a }, logs: [b], fuelMax: 1 }\n- { action: log, input: { message: a } }\n",
    );
    let component = std::fs::read(crate::support::hostile_component()).expect("it is built");
    place.write_bytes("installable.wasm", &component);
    drop(place.run("run fueled.yaml --no-progress").code(0));
    drop(place.run_with_input("secret set STORED", b"correct-horse").code(0));
    drop(place.run("run flow.yaml --no-progress").code(1));
    place
}

/// The schema with every object closed: what it does not name may not be there.
fn closed(schema: &Value) -> Value {
    match schema {
        Value::Object(entries) => {
            let mut entries: Map<String, Value> = entries
                .iter()
                .map(|(key, value)| (key.clone(), closed(value)))
                .collect();
            if entries.get("properties").is_some_and(Value::is_object) && !entries.contains_key("additionalProperties")
            {
                entries.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            Value::Object(entries)
        }
        Value::Array(items) => items.iter().map(closed).collect(),
        other => other.clone(),
    }
}

fn schema(place: &Place, command: &str) -> Value {
    place.run(&format!("{command} --json-schema")).code(0).json()
}

#[track_caller]
fn fits(schema: &Value, output: &Value, what: &str) {
    let check = jsonschema::draft202012::new(&closed(schema)).expect("a schema");
    let errors: Vec<String> = check
        .iter_errors(output)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{output:#}");
}

#[test]
fn what_is_printed_fits_its_schema() {
    let place = full_place();
    let page = place.run("execution list --workflow full --json").code(0).json();
    let failed = page["executions"][0]["executionId"].as_str().expect("an id").to_owned();
    for (command, line) in COMMANDS {
        // What cannot be resumed prints no JSON.
        if *command == "execution resume" {
            continue;
        }
        let run = place.run(&format!("{} --json", line.replace("FAILED", &failed)));
        fits(&schema(&place, command), &run.json(), line);
    }
    let more = [
        ("execution list", "execution list --limit 1 --offset 1"),
        ("execution inspect", "execution inspect last --task fail"),
        ("execution cleanup", "execution cleanup --days 1"),
        ("plugin inspect", "plugin inspect core/flow"),
        ("validate", "validate flow.yaml"),
        ("run", "run child.yaml"),
    ];
    for (command, line) in more {
        fits(
            &schema(&place, command),
            &place.run(&format!("{line} --json")).code(0).json(),
            line,
        );
    }
    // A line for each entry has the schema of a line.
    let line = schema(&place, "execution logs --follow");
    let followed = place.run("execution logs last --follow --json").code(0).stdout;
    for entry in followed.lines() {
        fits(&line, &serde_json::from_str(entry).expect("an object a line"), entry);
    }
}

#[test]
fn what_runs_fits_it_too() {
    let place = Place::with_flow(
        "id: slow\ninputs: [{ id: url, type: string }]\npermissions: { network: [\"127.0.0.1:*\"] }\ntasks:\n  - { id: wait, type: core/http.get, inputs: { url: \"{{ inputs.url }}\" } }\n  - { id: later, type: core/console.log, needs: [wait], inputs: { message: x } }\n",
    );
    let held = Held::start(&place, "run flow.yaml --json");
    let inspected = place.run("execution inspect last --json").code(0).json();
    assert_eq!(
        (
            &inspected["state"],
            &inspected["endedAt"],
            &inspected["duration"],
            &inspected["outputs"]
        ),
        (&json!("RUNNING"), &Value::Null, &Value::Null, &Value::Null)
    );
    fits(&schema(&place, "execution inspect"), &inspected, "inspect of what runs");
    fits(
        &schema(&place, "execution list"),
        &place.run("execution list --json").code(0).json(),
        "list of what runs",
    );
    fits(&schema(&place, "run"), &held.go_on(&place).code(0).json(), "run");
}

#[test]
fn schemas_do_not_change_unseen() {
    let place = Place::new();
    for (command, _) in COMMANDS {
        let schema = schema(&place, command);
        assert_eq!(
            schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{command}"
        );
        jsonschema::meta::validate(&schema).expect("a schema");
        // Those that print an execution print the same.
        let title = format!("workflow {command} --json");
        assert_eq!(schema["title"], title.as_str());
        if ["execution resume", "execution retry", "execution inspect"].contains(command) {
            let mut run = self::schema(&place, "run");
            run["title"] = title.into();
            assert_eq!(schema, run, "{command}");
            continue;
        }
        let text = serde_json::to_string_pretty(&schema).expect("JSON");
        insta::assert_snapshot!(format!("schema-{}", command.replace(' ', "-")), text);
    }
    assert!(!place.path("data").exists(), "a schema needs no database");
}

/// The schema that a `$ref` leads to.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => root
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{reference} is missing")),
        None => schema,
    }
}

/// Names that must be there in any case; one with `?` may be null.
#[track_caller]
fn has(root: &Value, schema: &Value, names: &str) {
    let schema = resolved(root, schema);
    let required = schema["required"].as_array().expect("a list");
    for name in names.split(' ') {
        let (name, nullable) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
        let property = &schema["properties"][name];
        assert!(property.is_object(), "`{name}` is missing in {schema:#}");
        assert!(
            required.iter().any(|required| required == name),
            "`{name}` may be missing"
        );
        let check = jsonschema::draft202012::new(&json!({ "$defs": root["$defs"], "allOf": [property] }));
        assert_eq!(
            check.expect("a schema").is_valid(&Value::Null),
            nullable,
            "`{name}` and null"
        );
    }
}

#[test]
fn the_names_are_those_of_the_promise() {
    let place = Place::new();
    let execution =
        "executionId workflowId state reasonCode? message? triggerType createdAt startedAt? endedAt? duration?";
    let list = schema(&place, "execution list");
    has(&list, &list, "executions total limit offset");
    has(&list, &list["properties"]["executions"]["items"], execution);

    let inspect = schema(&place, "execution inspect");
    has(&inspect, &inspect, execution);
    has(&inspect, &inspect, "inputs outputs? tasks");
    for name in ["logs", "auditEvents"] {
        assert!(inspect["properties"][name].is_object(), "{name}");
    }
    let task = resolved(&inspect, &inspect["properties"]["tasks"]["items"]);
    has(
        &inspect,
        task,
        "taskId index? type state reasonCode? attempts needs inputs? output? duration?",
    );
    let attempt = resolved(&inspect, &task["properties"]["attempts"]["items"]);
    has(
        &inspect,
        attempt,
        "attempt startedAt endedAt? duration? error? usage? pluginDigest?",
    );
    let within = |name: &str| &attempt["properties"][name]["anyOf"][0];
    has(&inspect, within("error"), "code message retryable details?");
    has(&inspect, within("usage"), "fuel? peakMemory cpuMs logBytes");

    let logs = schema(&place, "execution logs");
    has(
        &logs,
        &logs["items"],
        "executionId? taskId? attempt? timestamp level source message metadata",
    );
    let cleanup = schema(&place, "execution cleanup");
    has(&cleanup, &cleanup, "dryRun deletedExecutions deletedLogs cutoff states");
}

#[test]
fn every_field_is_explained() {
    let place = Place::new();
    for (command, _) in COMMANDS {
        let schema = schema(&place, command);
        unexplained(&schema, command);
    }
}

/// Fails where a property of the schema has no description.
fn unexplained(schema: &Value, at: &str) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            let inner = property["properties"].is_object();
            assert!(
                inner || property["description"].is_string() || at.contains("config show"),
                "{at}: `{name}` is not explained"
            );
            if inner {
                unexplained(property, &format!("{at}.{name}"));
            }
        }
    }
    for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
        unexplained(definition, &format!("{at} {name}"));
    }
}
