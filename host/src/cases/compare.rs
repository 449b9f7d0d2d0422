//! What differs between two values, line by line.

use autokestra_model::cases::ExpectedLine;
use autokestra_secrets::{Masked, Masker};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::Line;

/// Lines around a difference.
const CONTEXT: usize = 3;
/// Most lines of one comparison; what is more is on no screen.
const LINES_MAX: usize = 200;
/// Longest text that is compared line by line, in bytes.
const COMPARED_BYTES_MAX: usize = 1 << 20;

/// A line of a comparison.
#[derive(Clone, Debug)]
pub(crate) struct DiffLine {
    /// `-` is expected and not there, `+` is there and not expected, a blank is both, `…` stands for what is left out.
    pub(crate) sign: char,
    pub(crate) text: Masked,
}

/// The lines in which two values differ. Keys that both have stand in the order of `expected`.
pub(super) fn values(expected: &Value, actual: &Value, masker: &Masker) -> Vec<DiffLine> {
    let (expected, actual) = (masker.mask_json(expected), masker.mask_json(actual));
    let actual = ordered(actual.value(), expected.value());
    match (expected.value(), &actual) {
        // Lines of a text are read as such.
        (Value::String(expected), Value::String(actual)) if expected.contains('\n') || actual.contains('\n') => {
            texts(expected, actual, masker)
        }
        (expected, actual) => texts(&pretty(expected), &pretty(actual), masker),
    }
}

/// The lines in which two texts differ. They are masked whole, as a secret may have several lines, or stand where one is cut.
pub(super) fn texts(expected: &str, actual: &str, masker: &Masker) -> Vec<DiffLine> {
    let (expected, actual) = (masker.mask(expected), masker.mask(actual));
    lines(expected.as_str(), actual.as_str(), masker)
}

fn lines(expected: &str, actual: &str, masker: &Masker) -> Vec<DiffLine> {
    let line = |sign, text: &str| DiffLine {
        sign,
        text: masker.mask(text),
    };
    if expected.len() + actual.len() > COMPARED_BYTES_MAX {
        let told = |text: &str| format!("{} bytes that begin with {}", text.len(), beginning(text));
        return vec![line('-', &told(expected)), line('+', &told(actual))];
    }
    let diff = TextDiff::from_lines(expected, actual);
    let mut lines = Vec::new();
    for (position, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if position > 0 {
            lines.push(line('…', ""));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let text = change.value().trim_end_matches('\n');
            let no_end = if change.missing_newline() && expected.ends_with('\n') != actual.ends_with('\n') {
                " (no line end)"
            } else {
                ""
            };
            lines.push(line(sign, &format!("{text}{no_end}")));
        }
    }
    if lines.len() > LINES_MAX {
        let more = lines.len() - LINES_MAX;
        lines.truncate(LINES_MAX);
        lines.push(line('…', &format!("{more} lines more")));
    }
    lines
}

/// The beginning of a masked text.
pub(super) fn beginning(text: &str) -> String {
    text.chars().take(80).collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Whether a line of the log is the expected one.
pub(super) fn fits(said: &Line, expected: &ExpectedLine) -> bool {
    let field = |key: &str, value: &Value| {
        let wanted = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        said.fields
            .iter()
            .any(|(known, said)| known.as_str() == key && said.as_str() == wanted)
    };
    expected.level.as_deref().is_none_or(|level| level == said.level)
        && expected.stream.as_deref().is_none_or(|stream| stream == said.stream)
        && expected.text.fits(said.message.as_str())
        && expected.fields.iter().all(|(key, value)| field(key, value))
}

/// What `value` has of `part`: the same keys, where they are there.
pub(super) fn part_of(value: &Value, part: &Value) -> Value {
    match (value, part) {
        (Value::Object(value), Value::Object(part)) => {
            let known = part
                .iter()
                .filter_map(|(key, part)| Some((key.clone(), part_of(value.get(key)?, part))));
            Value::Object(known.collect())
        }
        (Value::Array(value), Value::Array(part)) if value.len() == part.len() => value
            .iter()
            .zip(part)
            .map(|(value, part)| part_of(value, part))
            .collect(),
        (value, _) => value.clone(),
    }
}

/// `value`, its keys in the order of `like`, the others behind them.
fn ordered(value: &Value, like: &Value) -> Value {
    match (value, like) {
        (Value::Object(value), Value::Object(like)) => {
            let known = like
                .iter()
                .filter_map(|(key, like)| Some((key, ordered(value.get(key)?, like))));
            let others = value.iter().filter(|(key, _)| !like.contains_key(*key));
            let others = others.map(|(key, value)| (key, value.clone()));
            Value::Object(known.chain(others).map(|(key, value)| (key.clone(), value)).collect())
        }
        (Value::Array(value), Value::Array(like)) => {
            let last = like.len();
            let items = value.iter().enumerate();
            let items = items.map(|(index, item)| match like.get(index.min(last)) {
                Some(like) => ordered(item, like),
                None => item.clone(),
            });
            Value::Array(items.collect())
        }
        (value, _) => value.clone(),
    }
}
