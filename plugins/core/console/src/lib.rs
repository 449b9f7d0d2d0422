//! `core/console`: writes to the log of the execution.

use std::collections::BTreeMap;
use std::io::Write as _;

use autokestra_sdk::prelude::*;

/// How grave an entry is.
#[derive(Input, Default)]
enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// What is written.
#[derive(Input)]
struct Log {
    /// The text; any other JSON is written as such.
    message: Value,
    /// How grave it is. Without one, the message is printed to stdout, which is INFO.
    level: Option<Level>,
    /// More for machines: names and values.
    #[serde(default)]
    fields: BTreeMap<String, Value>,
}

/// Prints a message to stdout, so to the log.
///
/// With a `level` or `fields` it becomes one entry with them.
#[action(idempotent, title = "Write to the log")]
fn log(input: Log) -> Result<(), TaskError> {
    let text = text(&input.message);
    if input.level.is_none() && input.fields.is_empty() {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}")?;
        return Ok(());
    }
    let level = match input.level.unwrap_or_default() {
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    let fields: Vec<_> = input
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), self::text(value)))
        .collect();
    autokestra_sdk::log::emit(level, &text, &fields);
    Ok(())
}

/// A string as it is, any other value as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

plugin! {
    name: "core/console",
    actions: [log],
}
