//! The cases beside each first-party plugin, run by the program: input, files and grants in; output, error, log and files out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::built::put_python;
use crate::process::{Place, task};
use crate::server::{Server, response};
use crate::support::repository;

/// One case of a `tests/*.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    action: String,
    input: Value,
    /// Files that are there before, by path.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Files that are no text, in base64.
    #[serde(default)]
    bytes: BTreeMap<String, String>,
    permissions: Option<Value>,
    /// The whole output.
    #[serde(default, deserialize_with = "given")]
    output: Option<Value>,
    /// A part of the output.
    output_has: Option<Value>,
    error: Option<Failure>,
    /// Lines that the plugin must have printed or logged.
    #[serde(default)]
    logs: Vec<String>,
    /// Files that must be there after, by path.
    #[serde(default)]
    written: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    code: String,
    message: String,
}

/// A null that is written is a value.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The folders of all plugins.
fn plugins() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for namespace in std::fs::read_dir(repository().join("plugins")).expect("read plugins/") {
        for plugin in std::fs::read_dir(namespace.expect("an entry").path()).expect("read a namespace") {
            found.push(plugin.expect("an entry").path());
        }
    }
    found.sort();
    found
}

/// Whether `value` has all that `part` has.
fn has(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Object(value), Value::Object(part)) => part
            .iter()
            .all(|(key, part)| value.get(key).is_some_and(|value| has(value, part))),
        (Value::Array(value), Value::Array(part)) => {
            value.len() == part.len() && value.iter().zip(part).all(|(value, part)| has(value, part))
        }
        (value, part) => value == part,
    }
}

/// What the cases of `core/http` ask: the request itself comes back, or what its path says.
fn server() -> Server {
    Server::start(|_, request| {
        let path = request.line.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        match path {
            "/json" => response("200 OK", "application/json; charset=utf-8", r#"{"items":[1,2]}"#),
            "/text" => response("200 OK", "text/plain", "héllo"),
            "/bytes" => {
                "HTTP/1.1 200 OK\r\ncontent-type: image/x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n\u{7f}\u{1}"
                    .to_owned()
            }
            "/created" => response("201 Created", "text/plain", ""),
            "/missing" => response("404 Not Found", "text/plain", "there is no such thing"),
            "/busy" => response("503 Service Unavailable", "text/plain", "later"),
            "/liar" => response("200 OK", "application/json", "{"),
            "/away" => {
                "HTTP/1.1 302 Found\r\nlocation: /json\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
            }
            "/circle" => {
                "HTTP/1.1 302 Found\r\nlocation: /circle\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
            }
            _ => {
                let echo = json!({
                    "line": request.line,
                    "type": request.header("content-type"),
                    "custom": request.header("x-custom"),
                    "body": request.body,
                });
                response("200 OK", "application/json", &echo.to_string())
            }
        }
    })
}

/// The plugin that is no part of the program.
const PYTHON: &str = "core/script-python";

/// A place that looks for plugins in a folder of its own.
fn place() -> Place {
    let mut place = Place::new();
    place.write("plugins/.kept", "");
    place.set("WORKFLOW_PLUGINS_DIRECTORIES", "plugins");
    place
}

fn check(plugin: &str, number: usize, case: &Case) {
    let what = format!("case {number} of {plugin}, {}", case.action);
    let place = place();
    for (path, content) in &case.files {
        place.write(path, content);
    }
    for (path, content) in &case.bytes {
        let content = BASE64.decode(content).unwrap_or_else(|error| panic!("{what}: {error}"));
        place.write_bytes(path, &content);
    }
    if plugin == PYTHON {
        put_python(&place);
    }
    let mut one = json!({ "id": "case", "type": format!("{plugin}.{}", case.action), "inputs": case.input });
    if let Some(permissions) = &case.permissions {
        one["permissions"] = permissions.clone();
    }
    // JSON is YAML. What looks like an expression stays one: cases are written as in a workflow.
    place.write("flow.yaml", &json!({ "id": "cases", "tasks": [one] }).to_string());
    let run = place.run("run flow.yaml --json --no-progress");
    if run.code == 2 {
        let failure = case.error.as_ref().unwrap_or_else(|| panic!("{what}: {}", run.stderr));
        assert_eq!(failure.code, "invalid_input", "{what}: {}", run.stderr);
        assert!(
            run.stderr.contains(failure.message.trim_start_matches('/')),
            "{what}: {}",
            run.stderr
        );
        return;
    }
    let execution = place.inspect();
    let ended = task(&execution, "case");
    match &case.error {
        None => {
            assert_eq!(ended["state"], "SUCCESS", "{what}: {ended:#}");
            if let Some(output) = &case.output {
                assert_eq!(ended["output"], *output, "{what}");
            }
            if let Some(part) = &case.output_has {
                assert!(
                    has(&ended["output"], part),
                    "{what}: {:#} has not {part:#}",
                    ended["output"]
                );
            }
            assert!(
                case.output.is_some() || case.output_has.is_some(),
                "{what} says nothing of the output"
            );
        }
        Some(failure) => {
            let error = &ended["attempts"][0]["error"];
            assert_eq!(error["code"], failure.code.as_str(), "{what}: {error:#}");
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains(&failure.message), "{what}: {message}");
        }
    }
    let logs = execution["logs"].as_array().expect("a list");
    for line in &case.logs {
        assert!(
            logs.iter().any(|log| log["message"] == line.as_str()),
            "{what}: no line `{line}` in {logs:#?}"
        );
    }
    for (path, content) in &case.written {
        assert_eq!(place.read(path), *content, "{what}: {path}");
    }
}

fn check_all(folder: &Path) {
    let server = server();
    let (namespace, name) = (folder.parent().and_then(Path::file_name), folder.file_name());
    let plugin = format!(
        "{}/{}",
        namespace.expect("a namespace").to_string_lossy(),
        name.expect("a name").to_string_lossy()
    );
    let text = std::fs::read_to_string(folder.join("tests/cases.yaml")).expect("a plugin has cases");
    let text = text.replace("{server}", &format!("127.0.0.1:{}", server.port));
    let cases: Vec<Case> = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("the cases of {plugin}: {error}"));
    for (index, case) in cases.iter().enumerate() {
        check(&plugin, index + 1, case);
    }
    let place = place();
    if plugin == PYTHON {
        put_python(&place);
    }
    let run = place.run_args(["plugin", "inspect", &plugin, "--json"]).code(0);
    let inspected = run.json();
    let actions = inspected["actions"].as_array().expect("a list");
    let tried: BTreeSet<&str> = cases.iter().map(|case| case.action.as_str()).collect();
    for action in actions {
        let name = action["name"].as_str().unwrap_or_default();
        assert!(tried.contains(name), "{plugin}.{name} has no case");
        assert_ne!(action["description"], "", "{plugin}.{name} says nothing of itself");
        let fields = action["inputSchema"]["properties"]
            .as_object()
            .expect("inputs are an object");
        for (field, schema) in fields {
            assert!(
                schema["description"].is_string(),
                "{plugin}.{name}: `{field}` is not described"
            );
        }
    }
}

#[test]
fn every_case_of_every_plugin_comes_out_as_it_says() {
    let found = plugins();
    assert!(found.len() >= 8, "{found:?}");
    std::thread::scope(|scope| {
        for folder in &found {
            scope.spawn(move || check_all(folder));
        }
    });
}
