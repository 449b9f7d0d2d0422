//! Changes of values in a YAML text: as little as says it, so that comments and layout stay.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{Place, same};
use crate::diagnostic::Span;
use crate::yaml::{Key, Node, NodeKind, plain};

/// One part of a text that is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which.
    pub span: Span,
    /// What stands there afterwards.
    pub text: String,
}

/// Widest line that a collection is written on, in characters.
const LINE_CHARS_MAX: usize = 100;

/// The changes of `text` that make the value at `place` be `wanted`. What is right already stays as it is written.
#[must_use]
pub fn edits(text: &str, place: &Place, wanted: &Value) -> Vec<Edit> {
    let mut found = Vec::new();
    change(text, place.key, &place.node, wanted, &mut found);
    found
}

/// `text` with all of `edits` made; none where they do not fit.
#[must_use]
pub fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.span.start);
    let mut changed = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        changed.push_str(text.get(at..edit.span.start)?);
        changed.push_str(&edit.text);
        at = edit.span.start.checked_add(edit.span.len)?;
    }
    changed.push_str(text.get(at..)?);
    Some(changed)
}

fn change(text: &str, key: Span, node: &Node, wanted: &Value, found: &mut Vec<Edit>) {
    if same(&node.to_json(), wanted) {
        return;
    }
    match (&node.kind, wanted) {
        (NodeKind::Mapping(entries), Value::Object(wanted))
            if entries.len() == wanted.len() && entries.iter().all(|(key, _)| wanted.contains_key(&key.text)) =>
        {
            for (Key { text: name, span }, node) in entries {
                if let Some(wanted) = wanted.get(name) {
                    change(text, *span, node, wanted, found);
                }
            }
        }
        (NodeKind::Sequence(items), Value::Array(wanted)) if items.len() == wanted.len() && !items.is_empty() => {
            for (node, wanted) in items.iter().zip(wanted) {
                // An element has no key; what stands before it is its dash or bracket.
                change(text, Span { len: 0, ..node.span }, node, wanted, found);
            }
        }
        _ => found.push(replacement(text, key, node, wanted)),
    }
}

fn replacement(text: &str, key: Span, node: &Node, wanted: &Value) -> Edit {
    let written = text
        .get(node.span.start..node.span.start + node.span.len)
        .unwrap_or_default();
    let is_collection = matches!(node.kind, NodeKind::Mapping(_) | NodeKind::Sequence(_));
    if is_collection && !written.starts_with(['{', '[']) {
        // It stands in lines of its own, and so does what comes for it.
        let column = column(text, node.span.start);
        return Edit {
            span: Span::between(node.span.start, end(text, node)),
            text: block(wanted, column),
        };
    }
    let line = flow(wanted);
    let indent = own_line(text, key);
    let inner = match indent {
        Some(indent) if key.len > 0 && is_long(wanted, &line) => {
            Some(format!("\n{}{}", " ".repeat(indent + 2), block(wanted, indent + 2)))
        }
        Some(indent) if key.len > 0 => literal(wanted, indent + 2),
        _ => None,
    };
    let new = inner.unwrap_or(line);
    if written.trim().is_empty() {
        // Nothing was written behind the colon.
        let after = text.get(key.start + key.len..).and_then(|rest| rest.find(':'));
        let start = key.start + key.len + after.map_or(0, |colon| colon + 1);
        let blank = if new.starts_with('\n') { "" } else { " " };
        return Edit {
            span: Span { start, len: 0 },
            text: format!("{blank}{new}"),
        };
    }
    // A collection below its key begins right behind the colon.
    let start = if new.starts_with('\n') {
        text.get(..node.span.start)
            .unwrap_or_default()
            .trim_end_matches(' ')
            .len()
    } else {
        header(text, node).unwrap_or(node.span.start)
    };
    Edit {
        span: Span::between(start, end(text, node)),
        text: new,
    }
}

/// Where a value ends as it is written: a collection in lines of its own with the last of what it holds, not behind comments.
fn end(text: &str, node: &Node) -> usize {
    let whole = node.span.start + node.span.len;
    let written = text.get(node.span.start..whole).unwrap_or_default();
    let last = match &node.kind {
        NodeKind::Sequence(items) => items.last(),
        NodeKind::Mapping(entries) => entries.last().map(|(_, value)| value),
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_) | NodeKind::String(_) => None,
    };
    match last {
        Some(last) if !written.starts_with(['{', '[']) => end(text, last).max(node.span.start),
        _ => node.span.start + written.trim_end_matches(['\n', ' ']).len(),
    }
}

/// Where the mark of a text in lines of its own stands, `|` or `>`: its place begins behind that.
fn header(text: &str, node: &Node) -> Option<usize> {
    static MARK: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[|>][-+0-9]*(?:[ ]+#[^\n]*)?\n[ \n]*$").expect("the pattern is a literal"));
    if !matches!(node.kind, NodeKind::String(_)) {
        return None;
    }
    let before = text.get(..node.span.start)?;
    // The mark stands in the line before the first that says something.
    let lines = before.trim_end_matches([' ', '\n']);
    let line = lines.rfind('\n').map_or(0, |at| at + 1);
    MARK.find(before.get(line..)?).map(|found| line + found.start())
}

fn is_long(value: &Value, line: &str) -> bool {
    let is_collection = match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    is_collection && line.chars().count() > LINE_CHARS_MAX
}

/// The column of a byte, from 0.
fn column(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rsplit('\n').next().unwrap_or_default().chars().count()
}

/// The column of a key that begins its line; none where something but blanks and dashes stands before it.
fn own_line(text: &str, key: Span) -> Option<usize> {
    let before = text.get(..key.start)?.rsplit('\n').next()?;
    before
        .bytes()
        .all(|byte| byte == b' ' || byte == b'-')
        .then_some(before.len())
}

/// A value in lines, the first of them at `indent` already.
fn block(value: &Value, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    let inner = |value: &Value, deeper: usize| {
        let line = flow(value);
        if is_long(value, &line) {
            (true, block(value, deeper))
        } else {
            (false, literal(value, deeper).unwrap_or(line))
        }
    };
    let lines: Vec<String> = match value {
        Value::Array(items) if !items.is_empty() => {
            let item = |item| format!("- {}", inner(item, indent + 2).1);
            items.iter().map(item).collect()
        }
        Value::Object(entries) if !entries.is_empty() => entries
            .iter()
            .map(|(key, value)| match inner(value, indent + 2) {
                (true, lines) => format!("{}:\n{blanks}  {lines}", scalar(key)),
                (false, line) => format!("{}: {line}", scalar(key)),
            })
            .collect(),
        other => return flow(other),
    };
    lines.join(&format!("\n{blanks}"))
}

/// A text of several lines as it is read best; none for all else.
fn literal(value: &Value, indent: usize) -> Option<String> {
    let text = value.as_str()?;
    let body = text.strip_suffix('\n').unwrap_or(text);
    let readable = body.contains('\n')
        && !body.starts_with([' ', '\n'])
        && !body.ends_with(['\n', ' '])
        && !body
            .chars()
            .any(|c| c.is_control() && c != '\n' || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'));
    if !readable {
        return None;
    }
    let mark = if text.ends_with('\n') { "|" } else { "|-" };
    let blanks = " ".repeat(indent);
    let lines = body.lines().map(|line| {
        if line.is_empty() {
            "\n".to_owned()
        } else {
            format!("\n{blanks}{line}")
        }
    });
    Some(mark.to_owned() + &lines.collect::<String>())
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", scalar(key), flow(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A text without quotes where that is surely a text, else as JSON has it, which is YAML too.
fn scalar(text: &str) -> String {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '.' | '/' | '+' | '-' | '(' | ')');
    let bare = text.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '/')
        && !text.ends_with(' ')
        && text.chars().all(inner)
        && matches!(plain(text), NodeKind::String(_))
        // Other readers of YAML take these for booleans.
        && !["y", "n", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    if bare {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cases::CaseFile;
    use crate::diagnostic::Source;

    /// The one place that edits: the text afterwards, which must say what is wanted.
    #[track_caller]
    fn check(before: &str, wanted: &Value, after: &str) {
        let file = CaseFile::parse(&Source::new("a.yaml", before)).expect("cases");
        let place = &file.cases()[0].expected.output.as_ref().expect("an output").at;
        let changed = apply(before, &edits(before, place, wanted)).expect("the edits fit");
        assert_eq!(changed, after);
        let again = CaseFile::parse(&Source::new("a.yaml", changed.as_str())).expect("still cases");
        let output = again.cases()[0].expected.output.as_ref().expect("an output");
        assert_eq!(output.value, *wanted, "{changed}");
        assert_eq!(again.cases().len(), file.cases().len());
    }

    #[test]
    fn a_scalar_is_replaced_and_its_comment_stays() {
        check(
            "- action: a\n  output: 1 # one\n- action: b\n",
            &json!("two words"),
            "- action: a\n  output: two words # one\n- action: b\n",
        );
        check(
            "- { action: a, output: 'x' }\n",
            &json!("y: z"),
            "- { action: a, output: \"y: z\" }\n",
        );
        check(
            "- action: a\n  output: x\n",
            &json!("yes"),
            "- action: a\n  output: \"yes\"\n",
        );
        check(
            "- action: a\n  output: null",
            &json!([1, { "a": "1" }]),
            "- action: a\n  output: [1, { a: \"1\" }]",
        );
    }

    #[test]
    fn nothing_behind_the_colon_is_filled_in() {
        check(
            "- action: a\n  output:\n  random: 1\n",
            &json!(3),
            "- action: a\n  output: 3\n  random: 1\n",
        );
        check(
            "- action: a\n  output:   # soon\n- action: b\n",
            &json!("x"),
            "- action: a\n  output: x   # soon\n- action: b\n",
        );
        check(
            "- action: a\n  output:",
            &json!({ "a": 1 }),
            "- action: a\n  output: { a: 1 }",
        );
    }

    #[test]
    fn only_what_differs_is_touched() {
        check(
            "- action: a\n  output: # all of it\n    rows: 3 # was counted\n    names:\n      - Ada\n      - 'Bob' # quoted\n",
            &json!({ "rows": 4, "names": ["Eve", "Bob"] }),
            "- action: a\n  output: # all of it\n    rows: 4 # was counted\n    names:\n      - Eve\n      - 'Bob' # quoted\n",
        );
        check(
            "- action: a\n  output: { rows: 3,   names: [a, b] } # here\n",
            &json!({ "rows": 3, "names": ["a", "c"] }),
            "- action: a\n  output: { rows: 3,   names: [a, c] } # here\n",
        );
    }

    #[test]
    fn another_shape_is_written_in_the_style_of_what_stood_there() {
        check(
            "- action: a\n  output:\n    - one\n    - two\n# behind\n- action: b\n",
            &json!(["one"]),
            "- action: a\n  output:\n    - one\n# behind\n- action: b\n",
        );
        check(
            "- action: a\n  output:\n    a: 1\n  random: 2\n",
            &json!({ "a": 1, "b": { "c": [] } }),
            "- action: a\n  output:\n    a: 1\n    b: { c: [] }\n  random: 2\n",
        );
        let long = "x".repeat(60);
        check(
            "- action: a\n  output: { a: 1 } # short\n- action: b\n",
            &json!({ "a": long, "b": [long] }),
            &format!("- action: a\n  output:\n    a: {long}\n    b: [{long}] # short\n- action: b\n"),
        );
    }

    #[test]
    fn texts_of_several_lines_are_written_as_such() {
        check(
            "- action: a\n  output: x\n- action: b\n",
            &json!("one\n  two\n\nthree\n"),
            "- action: a\n  output: |\n    one\n      two\n\n    three\n- action: b\n",
        );
        check(
            "- action: a\n  output: |\n    one\n    two\n- action: b\n",
            &json!("one\nthree"),
            "- action: a\n  output: |-\n    one\n    three\n- action: b\n",
        );
        check(
            "- { action: a, output: x }\n",
            &json!("one\ntwo"),
            "- { action: a, output: \"one\\ntwo\" }\n",
        );
        check(
            "- action: a\n  output: >-\n    folded\n    text\n",
            &json!("short"),
            "- action: a\n  output: short\n",
        );
    }
}
