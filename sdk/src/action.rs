//! What stands between the contract and an author's function.

use std::collections::{BTreeMap, HashMap};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_path_to_error::Segment;

use crate::{Context, TaskError};

/// One action, as `#[action]` describes it.
#[derive(Clone, Copy, Debug)]
pub struct ActionEntry {
    /// The name behind the dot.
    pub name: &'static str,
    /// A few words for people.
    pub title: &'static str,
    /// What it does.
    pub description: &'static str,
    /// Whether running it twice is the same as running it once.
    pub idempotent: bool,
    /// The schema of its input.
    pub input_schema: fn() -> Schema,
    /// The schema of its output.
    pub output_schema: fn() -> Schema,
    /// Runs it: JSON in, JSON out.
    pub run: fn(&Context, &str) -> Result<String, TaskError>,
}

/// The input of an action that takes none.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoInput {}

/// What an action may take: a mapping, as the `inputs` of a task are one. The derives make a type one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no input of an action",
    label = "an action does not take this",
    note = "the `inputs` of a task are a mapping: take a struct that derives `Input` (`Data`, where it is output as well)"
)]
pub trait Takes: DeserializeOwned + JsonSchema {}

impl Takes for NoInput {}
impl Takes for Value {}
impl Takes for serde_json::Map<String, Value> {}
impl<T: DeserializeOwned + JsonSchema> Takes for BTreeMap<String, T> {}
impl<T: DeserializeOwned + JsonSchema> Takes for HashMap<String, T> {}

/// What an action may give: all that serde writes and schemars describes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no output of an action",
    label = "an action does not give this",
    note = "derive `Output` for it (`Data`, where it is input as well)"
)]
pub trait Gives: Serialize + JsonSchema {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + JsonSchema> Gives for T {}

/// What an action may fail with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no failure of an action",
    label = "an action does not fail with this",
    note = "return a `TaskError`, or derive `TaskError` for an enum of your own"
)]
pub trait Fails: Into<TaskError> {}

#[diagnostic::do_not_recommend]
impl<E: Into<TaskError>> Fails for E {}

/// Fails the build where two actions have one name.
///
/// # Panics
/// Then, while the constant is made.
pub const fn names_differ(actions: &[ActionEntry]) {
    let mut one = 0;
    while one < actions.len() {
        let mut other = one + 1;
        while other < actions.len() {
            assert!(
                !is_same(actions[one].name.as_bytes(), actions[other].name.as_bytes()),
                "two actions have one name: give one another by `#[action(name = \"…\")]`"
            );
            other += 1;
        }
        one += 1;
    }
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The schema of what an action takes.
#[must_use]
pub fn input_schema<T: Takes>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    settings.into_generator().into_root_schema_for::<T>()
}

/// The schema of what an action gives.
#[must_use]
pub fn output_schema<T: Gives>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<T>()
}

/// Reads the input, runs the function, writes its output.
///
/// # Errors
/// `invalid_input` with the pointer of the bad field, what the function fails with, or `invalid_output`.
pub fn call<I, O, E>(input: &str, function: impl FnOnce(I) -> Result<O, E>) -> Result<String, TaskError>
where
    I: Takes,
    O: Gives,
    E: Fails,
{
    let mut deserializer = serde_json::Deserializer::from_str(input);
    let input = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| invalid_input(&error))?;
    let output = function(input).map_err(Into::into)?;
    serde_json::to_string(&output).map_err(|error| TaskError::new("invalid_output", error.to_string()))
}

fn invalid_input(error: &serde_path_to_error::Error<serde_json::Error>) -> TaskError {
    let pointer: String = error
        .path()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    let text = error.inner().to_string();
    // The input is one line that nobody wrote; its pointer says more than a column.
    let text = text.split(" at line ").next().unwrap_or(&text);
    let place = if pointer.is_empty() {
        String::new()
    } else {
        format!(" at `{pointer}`")
    };
    let message = format!("the input does not fit{place}: {text}");
    TaskError::new("invalid_input", message).details(Value::from_iter([("pointer", pointer)]))
}

#[cfg(target_family = "wasm")]
pub use guest::{manifest, run};

/// The guest's side of the contract.
#[cfg(target_family = "wasm")]
mod guest {
    use std::sync::Once;
    use std::time::{Duration, Instant};

    use super::ActionEntry;
    use crate::bindings::autokestra::plugin::types as wire;
    use crate::{Context, TaskError};

    /// What the plugin is.
    #[must_use]
    pub fn manifest(
        name: &str,
        version: &str,
        description: &str,
        actions: &[ActionEntry],
    ) -> crate::bindings::Manifest {
        let action = |entry: &ActionEntry| wire::Action {
            name: entry.name.to_owned(),
            title: entry.title.to_owned(),
            description: entry.description.to_owned(),
            input_schema: (entry.input_schema)().as_value().to_string(),
            output_schema: (entry.output_schema)().as_value().to_string(),
            idempotent: entry.idempotent,
        };
        crate::bindings::Manifest {
            name: name.to_owned(),
            version: version.to_owned(),
            description: description.to_owned(),
            actions: actions.iter().map(action).collect(),
        }
    }

    /// Runs the action of a name.
    ///
    /// # Errors
    /// What the action fails with, or `unknown_action`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the deadline is one of this process's own clock"
    )]
    pub fn run(
        actions: &[ActionEntry],
        name: &str,
        context: crate::bindings::Context,
        input: &str,
    ) -> Result<String, crate::bindings::TaskError> {
        static HOOK: Once = Once::new();
        HOOK.call_once(tell_panics);
        let context = Context {
            execution_id: context.execution_id,
            workflow_id: context.workflow_id,
            task_id: context.task_id,
            attempt: context.attempt,
            index: context.index,
            idempotency_key: context.idempotency_key,
            deadline: context
                .deadline_ms
                .and_then(|left| Instant::now().checked_add(Duration::from_millis(left))),
        };
        let result = match actions.iter().find(|entry| entry.name == name) {
            Some(entry) => (entry.run)(&context, input),
            None => Err(TaskError::new("unknown_action", format!("there is no action `{name}`"))),
        };
        result
            .map_err(TaskError::into_parts)
            .map_err(|error| crate::bindings::TaskError {
                code: error.code,
                message: error.message,
                retryable: error.retryable,
                retry_after_ms: error
                    .retry_after
                    .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
                details: error.details.map(|details| details.to_string()),
            })
    }

    /// One line for a panic, which the host makes the failure's message.
    fn tell_panics() {
        std::panic::set_hook(Box::new(|info| {
            let message = info.payload_as_str().unwrap_or("no message");
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            write_stderr(&format!("panicked at {place}: {message}\n"));
        }));
    }

    fn write_stderr(text: &str) {
        use std::io::Write as _;
        // Nobody could be told that telling failed.
        drop(std::io::stderr().write_all(text.as_bytes()));
    }
}
