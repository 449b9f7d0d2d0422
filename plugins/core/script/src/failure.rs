//! What a script threw, as the error of its task: with the line that threw it, in the script's own words.

use std::time::Duration;

use autokestra_sdk::TaskError;
use autokestra_sdk::prelude::{Value, json};
use boa_engine::{Context, JsError, JsObject, JsValue, js_string};

use crate::engine::{HEAD, Script};

/// Most characters of a line that a message shows.
const LINE_CHARS_MAX: usize = 120;

/// What ended a script.
pub(crate) enum Thrown {
    /// An exception.
    Js(Box<JsError>),
    /// The error of a promise that nobody waited for.
    Lost(Box<JsError>),
    /// Why what it returned is no JSON.
    Output(Box<JsError>),
    /// A finding of ours.
    Found(String),
}

impl From<JsError> for Thrown {
    fn from(error: JsError) -> Self {
        Self::Js(Box::new(error))
    }
}

impl From<&str> for Thrown {
    fn from(text: &str) -> Self {
        Self::Found(text.to_owned())
    }
}

/// A place in a script.
struct Place {
    line: usize,
    column: usize,
}

/// The error of the task.
pub(crate) fn task_error(script: &Script, thrown: Thrown, context: &mut Context) -> TaskError {
    let (before, error) = match thrown {
        Thrown::Found(text) => return TaskError::new("script_error", text),
        Thrown::Js(error) => ("", *error),
        Thrown::Lost(error) => ("a promise was rejected, and nothing waited for it: ", *error),
        Thrown::Output(error) => ("what it returned cannot be JSON: ", *error),
    };
    let display = error.to_string();
    let frames: Vec<Place> = display.lines().filter_map(|line| frame(script, line)).collect();
    let value = error.into_opaque(context).ok();
    let object = value.as_ref().and_then(JsValue::as_object);
    let mut message = match (&object, &value) {
        (Some(object), _) => words(object, context),
        (None, Some(value)) => threw(value, context),
        // What the engine itself stops has no value.
        (None, None) => display
            .lines()
            .next()
            .unwrap_or_default()
            .replace("RuntimeLimitError: ", ""),
    };
    let in_text = position(script, &mut message);
    let place = frames.into_iter().next().or(in_text);
    let place = undefined(script, &message, place.as_ref()).or(place);
    message.insert_str(0, before);
    let code = object.as_ref().and_then(|object| code(object, context));
    let retryable = object.as_ref().is_some_and(|object| flag(object, "retryable", context));
    let failed = |message: String| match &code {
        Some(code) if retryable => TaskError::retryable(code, message),
        Some(code) => TaskError::new(code, message),
        None => TaskError::new("script_error", message),
    };
    let Some(Place { line, column }) = place else {
        return failed(message);
    };
    let source = script.code.lines().nth(line - 1).unwrap_or_default().trim();
    let shown: String = source.chars().take(LINE_CHARS_MAX).collect();
    let of = if script.name == "script" {
        String::new()
    } else {
        format!("{} ", script.name)
    };
    let at = if shown.is_empty() {
        format!("{of}line {line}")
    } else {
        format!("{of}line {line}: `{shown}`")
    };
    let mut details = json!({ "line": line, "column": column, "source": shown });
    let mut error = failed(format!("{message} ({at})"));
    if let Some(object) = &object {
        if let Some(given) = given(object, "details", context) {
            details["given"] = given;
        }
        if let Some(wait) = given(object, "retryAfterMs", context).as_ref().and_then(Value::as_f64)
            && let Ok(wait) = Duration::try_from_secs_f64(wait / 1000.0)
        {
            error = error.retry_after(wait);
        }
    }
    error.details(details)
}

/// `    at name (script:3:5)`: a place of the script, unless the frame is one of ours.
fn frame(script: &Script, line: &str) -> Option<Place> {
    let inner = line.trim().strip_prefix("at ")?.strip_suffix(')')?;
    let (_, place) = inner.rsplit_once(" (")?;
    let place = place.strip_prefix(&script.name)?.strip_prefix(':')?;
    let (line, column) = place.split_once(':')?;
    within(script, line.parse().ok()?, column.parse().ok()?)
}

/// A place without what stands before the script. What comes behind its end is its last line; what comes before its beginning is no place:
/// the engine knows those of calls and of what is thrown, and names the beginning of the function for the rest.
fn within(script: &Script, line: usize, column: usize) -> Option<Place> {
    let lines = script.code.lines().count().max(1);
    let before = if line == 1 { HEAD.len() } else { 0 };
    let column = column.checked_sub(before).filter(|column| *column > 0)?;
    Some(Place {
        line: line.clamp(1, lines),
        column,
    })
}

/// Where a name stands that is not defined, at `from` or behind it: the engine says only in which function.
fn undefined(script: &Script, message: &str, from: Option<&Place>) -> Option<Place> {
    let name = message
        .strip_prefix("ReferenceError: ")?
        .strip_suffix(" is not defined")?;
    let part = |character: char| character.is_alphanumeric() || character == '_' || character == '$';
    let stands = |line: &str| {
        let mut starts = line.match_indices(name).map(|(start, _)| start);
        starts.find(|start| {
            let (before, after) = (line.get(..*start), line.get(start + name.len()..));
            !before.is_some_and(|text| text.ends_with(part)) && !after.is_some_and(|text| text.starts_with(part))
        })
    };
    let skipped = from.map_or(0, |place| place.line.saturating_sub(1));
    let mut lines = script.code.lines().enumerate().skip(skipped);
    lines.find_map(|(index, line)| {
        let column = stands(line)? + 1;
        Some(Place {
            line: index + 1,
            column,
        })
    })
}

/// Takes ` at line 3, col 5` off the message of a parser.
fn position(script: &Script, message: &mut String) -> Option<Place> {
    let start = message.rfind(" at line ")?;
    let (line, column) = message.get(start + " at line ".len()..)?.split_once(", col ")?;
    let (line, column) = (line.parse::<usize>().ok()?, column.trim().parse().ok()?);
    message.truncate(start);
    within(script, line, column)
}

/// `TypeError: what is wrong`, or the message alone of a `TaskError`, which names itself.
fn words(object: &JsObject, context: &mut Context) -> String {
    let (name, message) = (text(object, "name", context), text(object, "message", context));
    match (name, message) {
        (Some(name), Some(message)) if name == "TaskError" => message,
        (Some(name), Some(message)) if message.is_empty() => name,
        (Some(name), Some(message)) => format!("{name}: {message}"),
        _ => threw(&object.clone().into(), context),
    }
}

/// Something that is no error was thrown.
fn threw(value: &JsValue, context: &mut Context) -> String {
    match value.to_json(context) {
        Ok(Some(json)) => format!("it threw {json}"),
        Ok(None) | Err(_) => format!("it threw {}", value.display()),
    }
}

fn text(object: &JsObject, key: &str, context: &mut Context) -> Option<String> {
    let value = object.get(js_string!(key), context).ok()?;
    Some(value.as_string()?.to_std_string_lossy())
}

/// The code of a `TaskError`.
fn code(object: &JsObject, context: &mut Context) -> Option<String> {
    if text(object, "name", context)? != "TaskError" {
        return None;
    }
    let code = text(object, "code", context)?;
    let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    (!code.is_empty() && code.len() <= 64 && code.chars().all(plain)).then_some(code)
}

fn flag(object: &JsObject, key: &str, context: &mut Context) -> bool {
    object
        .get(js_string!(key), context)
        .is_ok_and(|value| value.to_boolean())
}

fn given(object: &JsObject, key: &str, context: &mut Context) -> Option<Value> {
    let value = object.get(js_string!(key), context).ok()?;
    if value.is_null_or_undefined() {
        return None;
    }
    value.to_json(context).ok().flatten()
}
