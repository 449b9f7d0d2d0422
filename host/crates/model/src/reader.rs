//! Reads a mapping of known keys from a tree, and says what is wrong with it: all of it, not the first.

use std::time::Duration;

use serde_json::Number;

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::yaml::{Key, Node, NodeKind};

/// The entries of a mapping whose keys have been checked against those that it may have.
#[derive(Debug)]
pub struct Fields<'n> {
    what: &'static str,
    span: Span,
    entries: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    /// Takes `node` as a mapping with no keys but `known`; `what` is its name in messages, e.g. "a task".
    /// Gives nothing where it is no mapping at all.
    pub fn read(node: &'n Node, what: &'static str, known: &[&str], errors: &mut Diagnostics) -> Option<Self> {
        let NodeKind::Mapping(entries) = &node.kind else {
            errors.push(wrong_type(node, what, "a mapping"));
            return None;
        };
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
            let error = Diagnostic::error("unknown_key", key.span, format!("{what} has no key `{}`", key.text));
            let error = error
                .label("unknown key")
                .help(format!("known here: {}", known.join(", ")));
            errors.push(error.did_you_mean(&key.text, known.iter().copied()));
        }
        Some(Self {
            what,
            span: node.span,
            entries,
        })
    }

    /// The value of `key`, if it stands there.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The entry of `key`, if it stands there.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<(&'n Key, &'n Node)> {
        self.entries
            .iter()
            .find(|(found, _)| found.text == key)
            .map(|(key, node)| (key, node))
    }

    /// The place of the mapping's beginning: where a missing key is shown.
    #[must_use]
    pub fn head(&self) -> Span {
        self.entries.first().map_or(
            Span {
                len: self.span.len.min(1),
                ..self.span
            },
            |(key, _)| key.span,
        )
    }

    /// The value of `key`, or an error that it is missing.
    pub fn required(&self, key: &str, errors: &mut Diagnostics) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            let message = format!("{} needs the key `{key}`", self.what);
            errors
                .push(Diagnostic::error("missing_key", self.head(), message).label(format!("`{key}` is missing here")));
        }
        found
    }

    /// `key` as text.
    pub fn string(&self, key: &'static str, errors: &mut Diagnostics) -> Option<&'n str> {
        self.get(key).and_then(|node| string(node, key, errors))
    }

    /// `key` as a boolean.
    pub fn boolean(&self, key: &'static str, errors: &mut Diagnostics) -> Option<bool> {
        self.get(key).and_then(|node| boolean(node, key, errors))
    }

    /// `key` as a whole number from `least` to `most`.
    pub fn integer(&self, key: &'static str, range: (u64, u64), errors: &mut Diagnostics) -> Option<u64> {
        self.get(key).and_then(|node| integer(node, key, range, errors))
    }

    /// `key` as seconds, whole or not, from `least` to `most`.
    pub fn seconds(&self, key: &'static str, range: (f64, f64), errors: &mut Diagnostics) -> Option<Duration> {
        let node = self.get(key)?;
        let NodeKind::Number(number) = &node.kind else {
            errors.push(wrong_type(node, key, "a number of seconds"));
            return None;
        };
        let seconds = number.as_f64().filter(|seconds| (range.0..=range.1).contains(seconds));
        if seconds.is_none() {
            errors.push(out_of_range(node, key, number, &format!("{} to {}", range.0, range.1)));
        }
        seconds.map(Duration::from_secs_f64)
    }

    /// `key` as one of the names of `choices`.
    pub fn choice<T: Copy>(
        &self,
        key: &'static str,
        choices: &[(&'static str, T)],
        errors: &mut Diagnostics,
    ) -> Option<T> {
        let node = self.get(key)?;
        let text = string(node, key, errors)?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let error = Diagnostic::error("invalid_value", node.span, format!("`{key}` cannot be `{text}`"));
            errors.push(
                error
                    .label(format!("expected {}", one_of(&names)))
                    .did_you_mean(text, names),
            );
        }
        found
    }

    /// `key` as a list; nothing where it is missing.
    pub fn list(&self, key: &'static str, errors: &mut Diagnostics) -> &'n [Node] {
        self.get(key).map_or(&[], |node| list(node, key, errors))
    }
}

/// A node as text.
pub fn string<'n>(node: &'n Node, what: &str, errors: &mut Diagnostics) -> Option<&'n str> {
    if let NodeKind::String(text) = &node.kind {
        return Some(text);
    }
    let mut error = wrong_type(node, what, "a string");
    if matches!(node.kind, NodeKind::Number(_) | NodeKind::Bool(_)) {
        error = error.help("put it in quotes to make it a string");
    }
    errors.push(error);
    None
}

/// A node that must be true or false.
pub fn boolean(node: &Node, what: &str, errors: &mut Diagnostics) -> Option<bool> {
    if let NodeKind::Bool(value) = node.kind {
        return Some(value);
    }
    errors.push(wrong_type(node, what, "true or false"));
    None
}

/// A node as a whole number from `range.0` to `range.1`.
pub fn integer(node: &Node, what: &str, range: (u64, u64), errors: &mut Diagnostics) -> Option<u64> {
    let NodeKind::Number(number) = &node.kind else {
        errors.push(wrong_type(node, what, "a whole number"));
        return None;
    };
    let value = number.as_u64().filter(|value| (range.0..=range.1).contains(value));
    if value.is_none() {
        errors.push(out_of_range(node, what, number, &format!("{} to {}", range.0, range.1)));
    }
    value
}

/// A node as a list; an error and nothing where it is none.
pub fn list<'n>(node: &'n Node, what: &str, errors: &mut Diagnostics) -> &'n [Node] {
    if let NodeKind::Sequence(items) = &node.kind {
        return items;
    }
    errors.push(wrong_type(node, what, "a list"));
    &[]
}

/// The error that `node` is not of the type that `what` has.
#[must_use]
pub fn wrong_type(node: &Node, what: &str, expected: &str) -> Diagnostic {
    // A key is quoted, words are not.
    let quote = if what.contains(' ') { "" } else { "`" };
    let message = format!("{quote}{what}{quote} must be {expected}, found {}", node.type_name());
    Diagnostic::error("wrong_type", first_line(node), message).label(format!("expected {expected}"))
}

fn out_of_range(node: &Node, what: &str, number: &Number, range: &str) -> Diagnostic {
    let message = format!("`{what}` cannot be {number}");
    Diagnostic::error("out_of_range", node.span, message).label(format!("expected a number from {range}"))
}

/// A collection's place is long; its beginning is enough for a caret.
fn first_line(node: &Node) -> Span {
    match node.kind {
        NodeKind::Sequence(_) | NodeKind::Mapping(_) => Span {
            len: node.span.len.min(1),
            ..node.span
        },
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_) | NodeKind::String(_) => node.span,
    }
}

/// "`a`, `b` or `c`".
#[must_use]
pub fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}
