//! `core/json`: asks, merges and checks JSON.

mod jq;

use autokestra_sdk::prelude::*;

/// What is asked, and of what.
#[derive(Input)]
struct Query {
    /// Any JSON.
    data: Value,
    /// A jq filter, e.g. `.items | map(select(.open))`.
    filter: String,
    /// Always give a list of all results, even of one or none.
    #[serde(default)]
    all: bool,
}

/// Runs a jq filter.
///
/// One result is given as it is, several as a list, none as null; with `all` it is always a list.
#[action(idempotent, title = "Query JSON with jq")]
fn query(input: Query) -> Result<Value, TaskError> {
    let mut results = jq::run(&input.filter, &input.data)?;
    if input.all {
        return Ok(Value::Array(results));
    }
    Ok(match results.len() {
        0 => Value::Null,
        1 => results.remove(0),
        _ => Value::Array(results),
    })
}

/// What is merged.
#[derive(Input)]
struct Merge {
    /// JSON values; a later one wins.
    values: Vec<Value>,
}

/// Merges values: objects key by key, at every depth; of anything else the last one stands.
#[action(idempotent, title = "Merge JSON")]
fn merge(input: Merge) -> Result<Value, TaskError> {
    Ok(input.values.into_iter().reduce(merged).unwrap_or(Value::Null))
}

fn merged(below: Value, above: Value) -> Value {
    match (below, above) {
        (Value::Object(mut below), Value::Object(above)) => {
            for (key, value) in above {
                let value = match below.get_mut(&key).map(Value::take) {
                    Some(known) => merged(known, value),
                    None => value,
                };
                below.insert(key, value);
            }
            Value::Object(below)
        }
        (_, above) => above,
    }
}

/// What is checked, and against what.
#[derive(Input)]
struct Validate {
    /// Any JSON.
    data: Value,
    /// A JSON Schema (2020-12, unless its `$schema` says otherwise).
    schema: Value,
}

/// Checks data against a JSON Schema and gives it back.
///
/// Data that does not fit fails with `invalid_data` and the pointer of every mistake.
#[action(idempotent, title = "Check JSON against a schema")]
fn validate(input: Validate) -> Result<Value, TaskError> {
    let validator = jsonschema::validator_for(&input.schema)
        .map_err(|error| TaskError::new("invalid_schema", format!("the schema is wrong: {error}")))?;
    let mistakes: Vec<(String, String)> = validator
        .iter_errors(&input.data)
        .map(|error| (error.instance_path().to_string(), error.to_string()))
        .collect();
    if mistakes.is_empty() {
        return Ok(input.data);
    }
    let lines: Vec<String> = mistakes
        .iter()
        .map(|(pointer, message)| match pointer.as_str() {
            "" => message.clone(),
            pointer => format!("{pointer}: {message}"),
        })
        .collect();
    let details: Vec<Value> = mistakes
        .iter()
        .map(|(pointer, message)| json!({ "pointer": pointer, "message": message }))
        .collect();
    Err(TaskError::new(
        "invalid_data",
        format!("the data does not fit the schema:\n{}", lines.join("\n")),
    )
    .details(details.into()))
}

plugin! {
    name: "core/json",
    actions: [query, merge, validate],
}
