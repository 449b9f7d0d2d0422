//! The JSON Schemas of what commands print: made from the views themselves, so that they cannot say anything else.

use std::borrow::Cow;

use autokestra_model::{ExecutionState, ReasonCode, Severity, TaskState};
use autokestra_store::LogLevel;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

/// The schema (2020-12) of what `command` prints by `--json`.
pub(crate) fn schema_of<T: JsonSchema>(command: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    without_widths(&mut schema);
    let Value::Object(mut rest) = schema else {
        return schema;
    };
    // What it is stands first.
    let mut ordered = Map::new();
    ordered.extend(
        rest.shift_remove("$schema")
            .map(|dialect| ("$schema".to_owned(), dialect)),
    );
    ordered.insert("title".to_owned(), format!("workflow {command} --json").into());
    ordered.extend(
        rest.shift_remove("description")
            .map(|words| ("description".to_owned(), words)),
    );
    ordered.extend(rest.into_iter().filter(|(key, _)| key != "title"));
    Value::Object(ordered)
}

/// Takes away the formats that say how wide a number is here: no standard knows them.
fn without_widths(schema: &mut Value) {
    match schema {
        Value::Object(entries) => {
            let is_number = |kind: &Value| matches!(kind.as_str(), Some("integer" | "number"));
            let numeric = entries.get("type").is_some_and(|kind| {
                is_number(kind) || kind.as_array().is_some_and(|kinds| kinds.iter().any(is_number))
            });
            if numeric {
                entries.shift_remove("format");
            }
            entries.values_mut().for_each(without_widths);
        }
        Value::Array(items) => items.iter_mut().for_each(without_widths),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A time: ISO 8601, UTC, with milliseconds.
pub(crate) struct Time;

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
        })
    }
}

/// Types that stand for closed sets of names.
macro_rules! names {
    ($($(#[$doc:meta])* $marker:ident of $set:expr;)+) => {
        $(
            $(#[$doc])*
            pub(crate) struct $marker;

            impl JsonSchema for $marker {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($marker).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    let names: Vec<&str> = $set;
                    json_schema!({ "type": "string", "enum": names })
                }
            }
        )+
    };
}

names! {
    /// The states of an execution.
    StateOfExecution of ExecutionState::ALL.iter().map(|state| state.as_str()).collect();
    /// The states of a task run.
    StateOfTask of TaskState::ALL.iter().map(|state| state.as_str()).collect();
    /// Why a state was entered.
    Reason of ReasonCode::ALL.iter().map(|code| code.as_str()).collect();
    /// The levels of log entries.
    Level of LogLevel::ALL.iter().map(|level| level.as_str()).collect();
    /// How bad a diagnostic is.
    Badness of vec![severity_name(Severity::Error), severity_name(Severity::Warning)];
}

/// The name of a severity in JSON.
pub(crate) fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
