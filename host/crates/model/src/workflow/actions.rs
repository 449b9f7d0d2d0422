//! A workflow against the plugins that there are: actions, literal inputs, grants that will be missed.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics, Lines, Span};
use crate::id::{ActionName, PluginName};
use crate::misfit::misfit;
use crate::workflow::{Task, Workflow, grants};

/// The most characters of a message that names a value.
const MESSAGE_CHARS_MAX: usize = 400;

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

/// Which grants a component could use at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilityNeeds {
    /// Those of hosts: it can send HTTP requests, open sockets or look up names.
    pub network: bool,
    /// It was made to reach hosts. What carries a whole interpreter can open sockets, whatever it was made for.
    pub hosts_meant: bool,
    /// Those of files.
    pub filesystem: bool,
    /// Those of files that allow writing.
    pub write: bool,
    /// Those of environment variables.
    pub env: bool,
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
    /// inputs are there. A plugin that could reach the network or files and is granted none gets a warning, and so does a
    /// grant that nothing can use.
    #[must_use]
    pub fn check_actions(&self, catalog: &dyn Catalog) -> Diagnostics {
        let mut found = Diagnostics::new();
        let mut infos = Vec::with_capacity(self.tasks.len());
        let mut known: HashMap<&ActionName, Result<Checked, Box<Diagnostic>>> = HashMap::new();
        for task in &self.tasks {
            let checked = known.entry(&task.action).or_insert_with(|| look_up(task, catalog));
            match checked {
                Ok(action) => {
                    check_inputs(task, action, &mut found);
                    grants::missing(self, task, &action.info, &mut found);
                    infos.push(Arc::clone(&action.info));
                }
                Err(error) => found.push(Diagnostic {
                    span: task.places.action,
                    ..Diagnostic::clone(error)
                }),
            }
        }
        // Of a task that is not known, nobody can say what it would use.
        if infos.len() == self.tasks.len() {
            grants::unused(self, &infos, &mut found);
        }
        found
    }
}

/// An action with its compiled schema.
struct Checked {
    info: Arc<ActionInfo>,
    schema: Option<jsonschema::Validator>,
}

/// The plugin that is no part of the program for its size: CPython.
const PYTHON: &str = "core/script-python";

/// Where it is had.
const PYTHON_HELP: &str = "it is CPython, 36 MB, and no part of the program; take core-script-python.wasm from the release, or run \
     `make plugins` in a checkout, which writes target/dist/core-script-python.wasm; then `workflow plugin install core-script-python.wasm`, or \
     put it into a folder of `plugins.directories` in the config. `core/script.js` needs nothing";

fn look_up(task: &Task, catalog: &dyn Catalog) -> Result<Checked, Box<Diagnostic>> {
    let name = &task.action;
    let error = |code, message: String| Diagnostic::error(code, task.places.action, message);
    match catalog.lookup(name) {
        Lookup::Found(info) => {
            // A plugin with a schema that is none is judged by what it says when it runs.
            let schema = jsonschema::draft202012::new(&info.input_schema).ok();
            Ok(Checked { info, schema })
        }
        Lookup::UnknownPlugin if name.plugin().as_str() == PYTHON => {
            let message = format!("`{name}` needs the plugin `{PYTHON}`, which is not installed");
            Err(Box::new(
                error("unknown_plugin", message).label("not found").help(PYTHON_HELP),
            ))
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
        Lookup::UnknownAction { mut known } => {
            // Those that are plugins of their own belong to the family all the same.
            known.extend(ActionName::apart(name.plugin()).map(str::to_owned));
            let message = format!("the plugin `{}` has no action `{}`", name.plugin(), name.action());
            let error = error("unknown_action", message).label(format!("known: {}", known.join(", ")));
            Err(Box::new(
                error.did_you_mean(name.action(), known.iter().map(String::as_str)),
            ))
        }
        Lookup::Unusable { message } => {
            let message = format!("the plugin `{}` cannot be used: {message}", name.plugin());
            let error = error("unusable_plugin", message).label("needs this plugin");
            Err(Box::new(error.help(
                "`workflow plugin inspect FILE` checks a file; folders of plugins are named by `plugins.directories` of the config",
            )))
        }
    }
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
        let why = misfit(&error);
        let message = format!("the input `{pointer}` of `{}` does not fit: {why}", task.action);
        found.push(input_error(place(key), message));
    }
}

fn input_error(span: Span, message: String) -> Diagnostic {
    Diagnostic::error("invalid_input", span, cut(message)).label("this value")
}

/// A message that names a value, which may be long.
fn cut(message: String) -> String {
    if message.chars().count() > MESSAGE_CHARS_MAX {
        return message.chars().take(MESSAGE_CHARS_MAX).chain(['…']).collect();
    }
    message
}

/// What the expressions of a task's inputs came to, against the schema of its action.
#[derive(Debug)]
pub struct InputCheck(Option<jsonschema::Validator>);

impl InputCheck {
    /// That of an action. One with a schema that is none checks nothing.
    #[must_use]
    pub fn new(action: &ActionInfo) -> Self {
        Self(jsonschema::draft202012::new(&action.input_schema).ok())
    }

    /// What does not fit first: its JSON pointer, what was expected, and the line of the workflow that it stands in.
    ///
    /// # Errors
    /// That text, whole: it may hold a secret, so only what is masked may be cut.
    pub fn check(&self, input: &Value, task: &Task, lines: &Lines) -> Result<(), String> {
        let Some(error) = self.0.as_ref().and_then(|schema| schema.iter_errors(input).next()) else {
            return Ok(());
        };
        let pointer = error.instance_path().to_string();
        let key = pointer.split('/').nth(1).unwrap_or_default();
        let span = task.places.input.get(key).copied().unwrap_or(task.places.inputs);
        let line = lines.line(span);
        Err(format!(
            "line {line} of the workflow: the input `{pointer}` of `{}` does not fit: {}",
            task.action,
            misfit(&error)
        ))
    }
}
