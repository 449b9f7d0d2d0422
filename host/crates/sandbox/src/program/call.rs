//! What a task gives a program: its inputs, read and checked.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::output::OutputForm;

/// The inputs that there are.
const KEYS: &[&str] = &["module", "args", "stdin", "env", "mounts", "output", "allowFailure"];

/// Most arguments, variables and mounts, each.
const ENTRIES_MAX: usize = 1000;

/// What a program is called with.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgramCall {
    /// Which program: a path below the workflow's folder, or the name of one that is installed.
    pub module: String,
    pub(super) args: Vec<String>,
    pub(super) stdin: Bytes,
    pub(super) env: Vec<(String, String)>,
    /// Paths of the guest, and the host's paths that stand there.
    pub(super) mounts: Vec<(String, String)>,
    pub(super) output: OutputForm,
    pub(super) allow_failure: bool,
}

impl ProgramCall {
    /// Reads the inputs of `core/wasm.run`.
    ///
    /// # Errors
    /// What does not fit, with its place.
    pub fn read(input: &Value) -> Result<Self, String> {
        let Value::Object(input) = input else {
            return Err("the inputs must be a mapping".to_owned());
        };
        if let Some(unknown) = input.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!("there is no input `{unknown}`; known: {}", KEYS.join(", ")));
        }
        let module = input.get("module").and_then(Value::as_str);
        Ok(Self {
            module: module.ok_or("/module: expected a path or a name")?.to_owned(),
            args: args(input.get("args"))?,
            stdin: stdin(input.get("stdin")),
            env: entries(input, "env")?
                .map(|(name, value)| Ok((variable(name)?, plain(value, &format!("/env/{name}"))?)))
                .collect::<Result<_, String>>()?,
            mounts: entries(input, "mounts")?
                .map(|(guest, host)| {
                    let host = host.as_str().ok_or(format!("/mounts/{guest}: expected a path"))?;
                    Ok((guest.clone(), host.to_owned()))
                })
                .collect::<Result<_, String>>()?,
            output: match input.get("output") {
                None | Some(Value::Null) => OutputForm::Text,
                Some(form) => {
                    let form = form.as_str().and_then(OutputForm::of);
                    form.ok_or("/output: expected text, json, lines or none")?
                }
            },
            allow_failure: match input.get("allowFailure") {
                None | Some(Value::Null) => false,
                Some(value) => value.as_bool().ok_or("/allowFailure: expected true or false")?,
            },
        })
    }

    /// The program's own name, as it is given its arguments.
    pub(super) fn name(&self) -> &str {
        let file = self.module.rsplit('/').next().unwrap_or(&self.module);
        file.strip_suffix(".wasm").unwrap_or(file)
    }

    /// JSON Schema of the inputs.
    #[must_use]
    pub fn input_schema() -> Value {
        let plain = json!(["string", "number", "boolean"]);
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "module": {
                    "type": "string",
                    "examples": ["./program.wasm"],
                    "description": "The program: a path below the folder of the workflow's file (`./jq.wasm`), or the name of a `*.wasm` in `plugins.directories`, without its ending.",
                },
                "args": {
                    "type": "array",
                    "items": { "type": plain },
                    "maxItems": ENTRIES_MAX,
                    "description": "Its arguments.",
                },
                "stdin": { "description": "What it reads: text as it is, anything else as JSON." },
                "env": {
                    "type": "object",
                    "additionalProperties": { "type": plain },
                    "maxProperties": ENTRIES_MAX,
                    "description": "Variables of its environment, with their values. Those of the engine's environment need `permissions.env`.",
                },
                "mounts": {
                    "type": "object",
                    "additionalProperties": { "type": "string" },
                    "maxProperties": ENTRIES_MAX,
                    "description": "Where it sees folders and files: its own path, then the one of the host, which `permissions.filesystem` must grant. What is granted is at its usual place besides.",
                },
                "output": {
                    "type": "string",
                    "enum": ["text", "json", "lines", "none"],
                    "description": "What its stdout is read as: text, json, lines or none; default text.",
                },
                "allowFailure": {
                    "type": "boolean",
                    "description": "Whether an exit code other than 0 is a result instead of a failure; default false.",
                },
            },
            "required": ["module"],
            "additionalProperties": false,
            "examples": [{ "module": "./htmlq.wasm", "args": ["--text", "h1"], "stdin": "<h1>Hello</h1>", "output": "lines" }],
        })
    }

    /// JSON Schema of the output.
    #[must_use]
    pub fn output_schema() -> Value {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "stdout": { "description": "What it printed, read as `output` says." },
                "exitCode": { "type": "integer", "description": "How it ended." },
            },
            "required": ["stdout", "exitCode"],
        })
    }
}

fn args(given: Option<&Value>) -> Result<Vec<String>, String> {
    let given = match given {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(given)) if given.len() <= ENTRIES_MAX => given,
        Some(Value::Array(_)) => return Err(format!("/args: {ENTRIES_MAX} are the most")),
        Some(_) => return Err("/args: expected a list".to_owned()),
    };
    let read = given
        .iter()
        .enumerate()
        .map(|(index, value)| plain(value, &format!("/args/{index}")));
    read.collect()
}

fn stdin(given: Option<&Value>) -> Bytes {
    match given {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(value) => Bytes::from(format!("{value}\n")),
    }
}

fn entries<'v>(
    input: &'v Map<String, Value>,
    key: &str,
) -> Result<impl Iterator<Item = (&'v String, &'v Value)>, String> {
    let found = match input.get(key) {
        None | Some(Value::Null) => None,
        Some(Value::Object(found)) if found.len() <= ENTRIES_MAX => Some(found),
        Some(Value::Object(_)) => return Err(format!("/{key}: {ENTRIES_MAX} are the most")),
        Some(_) => return Err(format!("/{key}: expected a mapping")),
    };
    Ok(found.into_iter().flatten())
}

/// A variable's name.
fn variable(name: &str) -> Result<String, String> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(format!("/env: `{}` is no name of a variable", name.escape_debug()));
    }
    Ok(name.to_owned())
}

/// Text, or a number or truth value as text. A program in C would end it at a zero byte.
fn plain(value: &Value, place: &str) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(format!("{place}: expected text, a number, true or false"));
        }
    };
    if text.contains('\0') {
        return Err(format!("{place}: it has a zero byte in it"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_read() {
        let call = ProgramCall::read(&json!({
            "module": "tools/jq.wasm",
            "args": ["-r", 7, 1.5, true],
            "stdin": { "a": [1] },
            "env": { "TZ": "UTC", "N": 1 },
            "mounts": { "/in": "./data" },
            "output": "json",
            "allowFailure": true,
        }));
        let call = call.expect("they fit");
        assert_eq!(
            (call.name(), &call.args[..]),
            ("jq", &["-r", "7", "1.5", "true"].map(String::from)[..])
        );
        assert_eq!(&call.stdin[..], b"{\"a\":[1]}\n");
        assert_eq!(
            call.env,
            [("TZ", "UTC"), ("N", "1")].map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!((call.output, call.allow_failure), (OutputForm::Json, true));
        let text = ProgramCall::read(&json!({ "module": "lua5.4", "stdin": "as it is" })).expect("it fits");
        assert_eq!((text.name(), &text.stdin[..]), ("lua5.4", &b"as it is"[..]));
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        for (more, said) in [
            (json!([]), "a mapping"),
            (json!({}), "/module"),
            (json!({ "module": 1 }), "/module"),
            (
                json!({ "module": "x", "arg": [] }),
                "no input `arg`; known: module, args",
            ),
            (json!({ "module": "x", "args": "-r" }), "/args: expected a list"),
            (json!({ "module": "x", "args": ["a", null] }), "/args/1: expected text"),
            (
                json!({ "module": "x", "args": ["a\u{0}b"] }),
                "/args/0: it has a zero byte",
            ),
            (
                json!({ "module": "x", "args": vec![0; ENTRIES_MAX + 1] }),
                "/args: 1000 are the most",
            ),
            (json!({ "module": "x", "env": { "A=B": "" } }), "`A=B` is no name"),
            (json!({ "module": "x", "env": { "A": {} } }), "/env/A: expected text"),
            (
                json!({ "module": "x", "mounts": { "/in": 1 } }),
                "/mounts//in: expected a path",
            ),
            (json!({ "module": "x", "output": "yaml" }), "/output"),
            (json!({ "module": "x", "allowFailure": "yes" }), "/allowFailure"),
        ] {
            let error = ProgramCall::read(&more).expect_err("it does not fit");
            assert!(error.contains(said), "{more}: {error}");
        }
    }

    #[test]
    fn the_schema_tells_every_input() {
        let schema = ProgramCall::input_schema();
        let properties = schema["properties"].as_object().expect("they are an object");
        assert_eq!(properties.keys().map(String::as_str).collect::<Vec<_>>(), KEYS);
        assert!(properties.values().all(|property| property["description"].is_string()));
    }
}
