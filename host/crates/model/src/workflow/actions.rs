//! A workflow against the plugins that there are: actions, literal inputs, grants that will be missed.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::id::{ActionName, PluginName};
use crate::workflow::{Task, Workflow};

/// What a plugin says of one action, and what its component could reach.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionInfo {
    /// The plugin.
    pub plugin: PluginName,
    /// The action's own name.
    pub name: String,
    /// A few words.
    pub title: String,
    /// Sentences.
    pub description: String,
    /// JSON Schema of the input.
    pub input_schema: Value,
    /// JSON Schema of the output.
    pub output_schema: Value,
    /// Whether running it twice is the same as once.
    pub idempotent: bool,
    /// What the plugin's component could reach, if it were granted.
    pub needs: CapabilityNeeds,
}

/// What a component could reach, by its imports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilityNeeds {
    /// It can send HTTP requests.
    pub network: bool,
    /// It can open files.
    pub filesystem: bool,
}

/// What a catalog says of an action's name.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// It is there.
    Found(Arc<ActionInfo>),
    /// There is no such plugin.
    UnknownPlugin,
    /// The plugin has no such action.
    UnknownAction {
        /// Those that it has.
        known: Vec<String>,
    },
    /// The plugin is there and cannot be used.
    Unusable {
        /// Why.
        message: String,
    },
}

/// The plugins that there are.
pub trait Catalog {
    /// What is known of `name`.
    fn lookup(&self, name: &ActionName) -> Lookup;
    /// The names of all plugins.
    fn plugin_names(&self) -> Vec<String>;
}

impl Workflow {
    /// Holds every task against `catalog`: its action exists, its literal inputs fit the action's schema, its required
    /// inputs are there. A plugin that could reach the network or files and is granted none gets a warning.
    #[must_use]
    pub fn check_actions(&self, catalog: &dyn Catalog) -> Diagnostics {
        let mut found = Diagnostics::new();
        let mut known: HashMap<&ActionName, Result<Checked, Box<Diagnostic>>> = HashMap::new();
        for task in &self.tasks {
            let checked = known.entry(&task.action).or_insert_with(|| look_up(task, catalog));
            match checked {
                Ok(action) => {
                    check_inputs(task, action, &mut found);
                    self.check_grants(task, &action.info, &mut found);
                }
                Err(error) => found.push(Diagnostic {
                    span: task.places.action,
                    ..Diagnostic::clone(error)
                }),
            }
        }
        found
    }

    fn check_grants(&self, task: &Task, info: &ActionInfo, found: &mut Diagnostics) {
        let granted = task.permissions.as_ref().unwrap_or(&self.permissions);
        let files = granted.read.is_empty() && granted.write.is_empty() && !uses_artifacts(task);
        let mut warn = |what: &str, yaml: &str| {
            let message = format!("`{}` can {what}, and `{}` is granted none of it", info.plugin, task.id);
            let warning = Diagnostic::warning("missing_permission", task.places.action, message);
            found.push(
                warning
                    .label("this will be denied if it is tried")
                    .help(format!("add to the task:\n{yaml}")),
            );
        };
        if info.needs.network && granted.network.is_empty() {
            warn(
                "open connections",
                "permissions:\n  network: [\"host.example.com:443\"]",
            );
        }
        // A plugin that may save what it fetched, or read a file instead of text, is of use without files too.
        if info.needs.filesystem && !info.needs.network && files && asks_for_files(task) {
            warn(
                "open files",
                "permissions:\n  filesystem: { read: [\"./data\"], write: [\"./out\"] }",
            );
        }
    }
}

/// Whether a task's inputs name a file.
fn asks_for_files(task: &Task) -> bool {
    task.action.plugin().as_str() == "core/file"
        || ["path", "saveTo"]
            .iter()
            .any(|key| task.places.input.contains_key(*key))
}

/// An action with its compiled schema.
struct Checked {
    info: Arc<ActionInfo>,
    schema: Option<jsonschema::Validator>,
}

fn look_up(task: &Task, catalog: &dyn Catalog) -> Result<Checked, Box<Diagnostic>> {
    let name = &task.action;
    let error = |code, message: String| Diagnostic::error(code, task.places.action, message);
    match catalog.lookup(name) {
        Lookup::Found(info) => {
            // A plugin with a schema that is none is judged by what it says when it runs.
            let schema = jsonschema::draft202012::new(&info.input_schema).ok();
            Ok(Checked { info, schema })
        }
        Lookup::UnknownPlugin => {
            let names = catalog.plugin_names();
            let near = names.iter().map(String::as_str);
            let error = error("unknown_plugin", format!("there is no plugin `{}`", name.plugin()));
            let help = "`workflow plugin list` shows all; more are found in `plugins.directories` of the config";
            Err(Box::new(
                error
                    .label("not found")
                    .help(help)
                    .did_you_mean(name.plugin().as_str(), near),
            ))
        }
        Lookup::UnknownAction { known } => {
            let message = format!("the plugin `{}` has no action `{}`", name.plugin(), name.action());
            let error = error("unknown_action", message).label(format!("known: {}", known.join(", ")));
            Err(Box::new(
                error.did_you_mean(name.action(), known.iter().map(String::as_str)),
            ))
        }
        Lookup::Unusable { message } => {
            let message = format!("the plugin `{}` cannot be used: {message}", name.plugin());
            Err(Box::new(error("unusable_plugin", message)))
        }
    }
}

/// Whether a task's inputs speak of files that need no grant: its own below `/artifacts`, or those of another task.
fn uses_artifacts(task: &Task) -> bool {
    fn names(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains("/artifacts"),
            Value::Array(items) => items.iter().any(names),
            Value::Object(entries) => entries.values().any(names),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    !task.inputs.files_of().is_empty() || names(&task.inputs.source())
}

fn check_inputs(task: &Task, action: &Checked, found: &mut Diagnostics) {
    let place = |key: &str| task.places.input.get(key).copied().unwrap_or(task.places.inputs);
    let literals = task.inputs.literals();
    let schema = &action.info.input_schema;
    let required = schema
        .get("required")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    for key in required.iter().filter_map(Value::as_str) {
        if !literals.iter().any(|(name, _)| *name == key) {
            let message = format!("`{}` needs the input `{key}`", task.action);
            let about = schema
                .pointer(&format!("/properties/{key}/description"))
                .and_then(Value::as_str);
            let error =
                Diagnostic::error("missing_input", task.places.inputs, message).label(format!("`{key}` is missing"));
            found.push(match about {
                Some(about) => error.help(format!("{key}: {about}")),
                None => error,
            });
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    if let Some(properties) = properties.filter(|_| schema.get("additionalProperties") == Some(&Value::Bool(false))) {
        for (key, _) in literals.iter().filter(|(key, _)| !properties.contains_key(*key)) {
            let known: Vec<&str> = properties.keys().map(String::as_str).collect();
            let error = Diagnostic::error(
                "unknown_input",
                place(key),
                format!("`{}` has no input `{key}`", task.action),
            );
            found.push(
                error
                    .label(format!("known: {}", known.join(", ")))
                    .did_you_mean(key, known),
            );
        }
    }
    let Some(validator) = &action.schema else { return };
    // Expressions have no value yet; what is written out has.
    let literal: serde_json::Map<String, Value> = literals
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect();
    for error in validator.iter_errors(&Value::Object(literal)) {
        let pointer = error.instance_path().to_string();
        // Missing and unknown keys of the top level are told above, with better words.
        let Some(key) = pointer
            .trim_start_matches('/')
            .split('/')
            .next()
            .filter(|key| !key.is_empty())
        else {
            continue;
        };
        let message = format!("the input `{pointer}` of `{}` does not fit: {error}", task.action);
        found.push(input_error(place(key), message));
    }
}

fn input_error(span: Span, message: String) -> Diagnostic {
    let mut message = message;
    if message.chars().count() > 400 {
        message = message.chars().take(400).chain(['…']).collect();
    }
    Diagnostic::error("invalid_input", span, message).label("this value")
}
