//! YAML text as a tree whose every node knows its place.
//!
//! The parser is the one under `serde_yaml`; the tree is ours because serde's data model has no room for the places of
//! several errors at once.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Number, Value};
use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span as YamlSpan, Tag};

use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span};

/// Largest file, in bytes: 1 MiB. A larger one is data, not a description.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting.
pub const DEPTH_MAX: usize = 64;
/// Most text that aliases may expand to, in bytes: 1 MiB. It stops "billion laughs".
pub const ALIAS_BYTES_MAX: usize = 1 << 20;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Where it stands.
    pub span: Span,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// `null`, `~`, or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; digits may be grouped by `_`.
    Number(Number),
    /// Text.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order of the text.
    Mapping(Vec<(Key, Node)>),
}

/// A key of a mapping and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// What it is, in the words of a message.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match &self.kind {
            NodeKind::Null => "nothing",
            NodeKind::Bool(_) => "a boolean",
            NodeKind::Number(_) => "a number",
            NodeKind::String(_) => "a string",
            NodeKind::Sequence(_) => "a list",
            NodeKind::Mapping(_) => "a mapping",
        }
    }

    /// The value without its places.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.kind {
            NodeKind::Null => Value::Null,
            NodeKind::Bool(value) => Value::Bool(*value),
            NodeKind::Number(value) => Value::Number(value.clone()),
            NodeKind::String(value) => Value::String(value.clone()),
            NodeKind::Sequence(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            NodeKind::Mapping(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.text.clone(), value.to_json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }
}

/// Reads one YAML document.
///
/// # Errors
/// Everything that is wrong with the text as YAML: syntax, duplicate keys, unknown aliases, size, depth, expansion.
pub fn parse(source: &Source) -> Result<Node, Diagnostics> {
    let text = source.text();
    if text.len() > FILE_BYTES_MAX {
        let message = format!(
            "the file has {} bytes; {FILE_BYTES_MAX} (1 MiB) is the most",
            text.len()
        );
        return Err(std::iter::once(Diagnostic::error("file_too_large", Span::default(), message)).collect());
    }
    let mut builder = Builder {
        text,
        ..Builder::default()
    };
    let mut parser = Parser::new_from_str(text);
    let mut ended_at = 0;
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => {
                ended_at = builder.byte(&span);
                if builder.take(event, span).is_break() {
                    break;
                }
            }
            Err(error) => {
                let at = builder.byte_of(error.marker().byte_offset(), error.marker().index());
                let wrong = Diagnostic::error("syntax", at_char(text, at), error.info());
                builder.errors.push(match advice(&error.info()) {
                    Some(advice) => wrong.help(advice),
                    None => wrong,
                });
                break;
            }
        }
    }
    if builder.errors.is_empty() {
        builder.root.ok_or_else(|| {
            let error = Diagnostic::error("empty", at_char(text, ended_at), "the file holds no document");
            std::iter::once(error.label("a mapping was expected")).collect()
        })
    } else {
        Err(builder.errors)
    }
}

/// What to do about the mistakes that are made most: the parser says what it missed, and not why.
fn advice(told: &str) -> Option<&'static str> {
    let known = [
        ("tabs disallowed", "YAML is indented by blanks: two for each level"),
        (
            "mapping values are not allowed",
            "a text with `: ` in it stands between quotes; and keys of one mapping begin in the same column",
        ),
        (
            "block collection",
            "lines that belong together begin in the same column: this one stands between two",
        ),
        (
            "block mapping",
            "lines that belong together begin in the same column: this one stands between two",
        ),
        (
            "unclosed bracket",
            "what is opened here is not closed by the end of the file",
        ),
    ];
    let found = known.iter().find(|(words, _)| told.contains(words));
    found.map(|(_, advice)| *advice)
}

/// The one character at `offset`, or nothing at the end.
fn at_char(text: &str, offset: usize) -> Span {
    let start = offset.min(text.len());
    let len = text
        .get(start..)
        .and_then(|rest| rest.chars().next())
        .filter(|c| *c != '\n')
        .map_or(0, char::len_utf8);
    Span { start, len }
}

/// A collection that is not closed yet.
enum Open {
    Sequence {
        items: Vec<Node>,
        start: usize,
        anchor: usize,
    },
    Mapping {
        entries: Vec<(Key, Node)>,
        keys: HashMap<String, Span>,
        key: Option<Key>,
        start: usize,
        anchor: usize,
    },
}

#[derive(Default)]
struct Builder<'a> {
    text: &'a str,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, (Node, usize)>,
    alias_bytes: usize,
    documents: usize,
    errors: Diagnostics,
}

impl Builder<'_> {
    fn byte_of(&self, bytes: Option<usize>, chars: usize) -> usize {
        bytes.unwrap_or_else(|| {
            self.text
                .char_indices()
                .nth(chars)
                .map_or(self.text.len(), |(at, _)| at)
        })
    }

    fn byte(&self, span: &YamlSpan) -> usize {
        self.byte_of(span.start.byte_offset(), span.start.index())
    }

    fn span(&self, span: &YamlSpan) -> Span {
        Span::between(self.byte(span), self.byte_of(span.end.byte_offset(), span.end.index()))
    }

    fn take(&mut self, event: Event<'_>, at: YamlSpan) -> std::ops::ControlFlow<()> {
        let span = self.span(&at);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "the file holds more than one document";
                    self.errors
                        .push(Diagnostic::error("several_documents", span, message).label("the second starts here"));
                    return std::ops::ControlFlow::Break(());
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let kind = self.scalar(&text, style, tag.as_deref(), span);
                self.add(Node { kind, span }, anchor);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag, "seq", span);
                self.open.push(Open::Sequence {
                    items: Vec::new(),
                    start: span.start,
                    anchor,
                });
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag, "map", span);
                self.open.push(Open::Mapping {
                    entries: Vec::new(),
                    keys: HashMap::new(),
                    key: None,
                    start: span.start,
                    anchor,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => self.alias(id, span),
            _ => {}
        }
        if self.open.len() > DEPTH_MAX {
            let message = format!("the nesting is deeper than {DEPTH_MAX}");
            self.errors.push(Diagnostic::error(
                "too_deep",
                Span {
                    start: span.start,
                    len: span.len.min(1),
                },
                message,
            ));
            return std::ops::ControlFlow::Break(());
        }
        if self.alias_bytes > ALIAS_BYTES_MAX {
            let message = format!("the aliases expand to more than {ALIAS_BYTES_MAX} bytes (1 MiB)");
            self.errors
                .push(Diagnostic::error("alias_expansion", span, message).label("this alias is one too many"));
            return std::ops::ControlFlow::Break(());
        }
        std::ops::ControlFlow::Continue(())
    }

    fn check_tag(&mut self, tag: Option<Cow<'_, Tag>>, expected: &str, span: Span) {
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema_tag(expected)) {
            let error = Diagnostic::error(
                "unknown_tag",
                Span {
                    start: span.start,
                    // Its beginning alone: the value may be long, begin by a wide character, or be nothing at all.
                    len: 0,
                },
                "this tag is not known here",
            );
            self.errors.push(error.help("write the value without a tag"));
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> NodeKind {
        match tag.map(|tag| (tag.is_yaml_core_schema(), tag.suffix())) {
            Some((true, "str")) => return NodeKind::String(text.to_owned()),
            Some((true, "int" | "float" | "bool" | "null")) | None => {}
            Some(_) => {
                let error = Diagnostic::error("unknown_tag", span, "this tag is not known here");
                self.errors.push(error.help("write the value without a tag"));
            }
        }
        if style == ScalarStyle::Plain {
            plain(text)
        } else {
            NodeKind::String(text.to_owned())
        }
    }

    fn alias(&mut self, id: usize, span: Span) {
        if let Some((node, size)) = self.anchors.get(&id) {
            self.alias_bytes += size;
            // The copy keeps the places of the original: a mistake is shown where it stands.
            let node = node.clone();
            if self.alias_bytes <= ALIAS_BYTES_MAX {
                self.add(node, 0);
            }
        } else {
            self.errors.push(Diagnostic::error(
                "unknown_alias",
                span,
                "no anchor of this name is complete at this place",
            ));
            self.add(
                Node {
                    kind: NodeKind::Null,
                    span,
                },
                0,
            );
        }
    }

    fn close(&mut self, end: Span) {
        let (kind, start, anchor) = match self.open.pop() {
            Some(Open::Sequence { items, start, anchor }) => (NodeKind::Sequence(items), start, anchor),
            Some(Open::Mapping {
                entries, start, anchor, ..
            }) => (NodeKind::Mapping(entries), start, anchor),
            None => return,
        };
        let span = Span::between(start, self.trimmed(start, end.start + end.len));
        self.add(Node { kind, span }, anchor);
    }

    /// A block collection ends at its last character, not at the start of what follows it.
    fn trimmed(&self, start: usize, end: usize) -> usize {
        let part = self.text.get(start..end.min(self.text.len())).unwrap_or_default();
        start + part.trim_end().len()
    }

    fn add(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            let size = size_of(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            None => {
                self.root.get_or_insert(node);
            }
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { entries, keys, key, .. }) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => {
                    let (text, error) = key_text(&node);
                    if let Some(error) = error {
                        self.errors.push(error);
                    }
                    if let Some(first) = keys.insert(text.clone(), node.span) {
                        let error =
                            Diagnostic::error("duplicate_key", node.span, format!("the key `{text}` stands twice"));
                        self.errors.push(error.label("again here").related(first, "first here"));
                    }
                    *key = Some(Key { text, span: node.span });
                }
            },
        }
    }
}

/// A node as a key, and what is wrong with it as one.
fn key_text(node: &Node) -> (String, Option<Diagnostic>) {
    match &node.kind {
        NodeKind::String(text) => (text.clone(), None),
        NodeKind::Number(number) => (number.to_string(), None),
        NodeKind::Bool(value) => (value.to_string(), None),
        NodeKind::Null | NodeKind::Sequence(_) | NodeKind::Mapping(_) => {
            let message = format!("a key must be a string, found {}", node.type_name());
            (String::new(), Some(Diagnostic::error("key_type", node.span, message)))
        }
    }
}

/// How much text a node stands for, in bytes.
fn size_of(node: &Node) -> usize {
    match &node.kind {
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_) => 8,
        NodeKind::String(text) => text.len().max(8),
        NodeKind::Sequence(items) => 8 + items.iter().map(size_of).sum::<usize>(),
        NodeKind::Mapping(entries) => {
            8 + entries
                .iter()
                .map(|(key, value)| key.text.len() + size_of(value))
                .sum::<usize>()
        }
    }
}

/// A plain scalar by YAML 1.2's core schema, with digits grouped by `_` as Rust and YAML 1.1 have them.
pub(crate) fn plain(text: &str) -> NodeKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return NodeKind::Null,
        "true" | "True" | "TRUE" => return NodeKind::Bool(true),
        "false" | "False" | "FALSE" => return NodeKind::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| NodeKind::String(text.to_owned()), NodeKind::Number)
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    let clean = text.replace('_', "");
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = clean.strip_prefix(prefix) {
            return u64::from_str_radix(digits, radix).ok().map(Number::from);
        }
    }
    let plain = clean.strip_prefix('+').unwrap_or(&clean);
    if let Ok(value) = plain.parse::<i64>() {
        return Some(value.into());
    }
    if let Ok(value) = plain.parse::<u64>() {
        return Some(value.into());
    }
    let float = plain
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    let has_digit = plain.bytes().any(|byte| byte.is_ascii_digit());
    plain
        .parse::<f64>()
        .ok()
        .filter(|value| float && has_digit && value.is_finite())
        .and_then(Number::from_f64)
}
