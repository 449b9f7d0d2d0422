//! What expressions in a case stand for: the server's address everywhere, secrets where they are asked for.

use std::sync::LazyLock;

use regex::Regex;

use super::CaseSecret;
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::expression::Template;
use crate::id::{ExecutionId, SecretName};
use crate::scope::{ExecutionInfo, Scope};
use crate::time::Timestamp;
use crate::yaml::{Key, Node, NodeKind};

/// `{{ server }}`.
static SERVER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{\{-?\s*server\s*-?\}\}").expect("the pattern is a literal"));

/// The key of a case's secrets, with its colon.
static SECRETS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?:^|[\s{,?"'-])secrets["']?\s*:"#).expect("the pattern is a literal"));

/// Puts the server's address in, wherever `{{ server }}` stands in a case.
pub(super) fn server(case: &mut Node, address: &str, errors: &mut Diagnostics) {
    let NodeKind::Mapping(entries) = &mut case.kind else {
        return;
    };
    let served = entries.iter().any(|(key, _)| key.text == "http");
    for (_, node) in entries {
        each_text(node, &mut |text, span| {
            if !SERVER.is_match(text) {
                return;
            }
            if !served {
                let message = "`server` has no value here: the case has no `http`";
                let error = Diagnostic::error("unknown_name", span, message).label("in this text");
                errors.push(error.help("list what it answers under `http`; an empty list answers nothing"));
            }
            *text = SERVER.replace_all(text, address).into_owned();
        });
    }
}

fn each_text(node: &mut Node, act: &mut impl FnMut(&mut String, Span)) {
    match &mut node.kind {
        NodeKind::String(text) => act(text, node.span),
        NodeKind::Sequence(items) => items.iter_mut().for_each(|item| each_text(item, act)),
        NodeKind::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| each_text(value, act)),
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_) => {}
    }
}

/// How much deeper than a blank a tab is taken to be.
const TAB_COLUMNS: usize = 7;

/// All that may be the value of a secret in a text whose YAML cannot be read: from a key `secrets` on, as far as lines are indented deeper
/// than its own or a bracket is open. It is rather more than there is.
pub(super) fn where_secrets_may_be(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    // How deep the key stands that is being covered, and how many brackets are open since.
    let (mut below, mut open) = (None, 0_i64);
    let mut start = 0;
    for line in text.split_inclusive(['\n', '\r']) {
        let content = line.trim_start_matches([' ', '\t', '-', '?']);
        let indent = line.len() - content.len();
        // A tab, which is why it is no YAML, is deeper than a dash.
        let tabs = line.bytes().take(indent).filter(|byte| *byte == b'\t').count();
        let depth = indent + tabs * TAB_COLUMNS;
        let is_blank = content.trim().is_empty();
        if !is_blank && open <= 0 && below.is_some_and(|key| depth <= key) {
            below = None;
        }
        let from = match (below, SECRETS.find(line)) {
            (Some(_), _) => Some(indent),
            (None, Some(key)) => {
                (below, open) = (Some(depth), 0);
                Some(key.end())
            }
            (None, None) => None,
        };
        if let Some(from) = from.filter(|_| !is_blank) {
            for c in line.get(from..).unwrap_or_default().chars() {
                match c {
                    '{' | '[' => open += 1,
                    '}' | ']' => open -= 1,
                    _ => {}
                }
            }
            spans.push(Span::between(start + from, start + line.trim_end().len().max(from)));
        }
        start += line.len();
    }
    spans
}

/// Where the values of secrets stand in a case.
pub(super) fn secrets(case: &Node) -> Vec<Span> {
    let NodeKind::Mapping(entries) = &case.kind else {
        return Vec::new();
    };
    let under = |key: &str, entries: &[(Key, Node)]| -> Vec<Node> {
        let found = entries.iter().filter(|(found, _)| found.text == key);
        found.map(|(_, node)| node.clone()).collect()
    };
    let mut spans = Vec::new();
    for node in under("secrets", entries) {
        if let NodeKind::Mapping(secrets) = node.kind {
            for (_, secret) in secrets {
                match &secret.kind {
                    NodeKind::Mapping(parts) => spans.extend(under("value", parts).iter().map(|node| node.span)),
                    NodeKind::Null
                    | NodeKind::Bool(_)
                    | NodeKind::Number(_)
                    | NodeKind::String(_)
                    | NodeKind::Sequence(_) => spans.push(secret.span),
                }
            }
        }
    }
    spans
}

/// The scope of a case's expressions: its secrets, and nothing else.
pub(super) fn scope(secrets: impl IntoIterator<Item = (SecretName, String)>) -> Scope {
    let epoch = Timestamp::from_millis(0);
    let info = ExecutionInfo {
        id: ExecutionId::new(epoch, 0),
        workflow_id: "case".parse().expect("a good name"),
        started_at: epoch,
    };
    let scope = Scope::new(serde_json::Value::Object(serde_json::Map::new()), &info);
    scope.set_secrets(secrets);
    scope
}

/// Checks that a template names nothing but secrets that there are.
pub(super) fn check(template: &Template, secrets: &[CaseSecret], errors: &mut Diagnostics) {
    for expression in template.expressions() {
        for name in expression.names() {
            let mut parts = name.split('.');
            let (root, rest) = (parts.next().unwrap_or_default(), parts.next());
            let known = || secrets.iter().map(|secret| secret.name.as_str());
            let error = |message: String| Diagnostic::error("unknown_name", expression.span(), message);
            let wrong = match (root, rest) {
                ("secrets", Some(secret)) if known().any(|known| known == secret) => continue,
                ("secrets", Some(secret)) => error(format!("there is no secret `{secret}`"))
                    .label("in this expression")
                    .help("give it a value under `secrets` of the case")
                    .did_you_mean(secret, known()),
                ("secrets", None) => error("`secrets` must be followed by a name that is written out".to_owned())
                    .label("write `secrets.NAME`"),
                _ => error(format!("`{root}` is not known in a case"))
                    .label("in this expression")
                    .help("known: server, secrets")
                    .did_you_mean(root, ["server", "secrets"]),
            };
            errors.push(wrong);
        }
    }
}

/// A tree with every expression in it evaluated; places stay.
pub(super) fn filled(node: &Node, secrets: &[CaseSecret], scope: &Scope, errors: &mut Diagnostics) -> Node {
    let kind = match &node.kind {
        NodeKind::String(_) => {
            let template = Template::parse(node, errors);
            check(&template, secrets, errors);
            match template.render(scope) {
                Ok(value) => of_json(value, node.span),
                // A name that is not there was told of.
                Err(_) if errors.has_errors() => NodeKind::Null,
                Err(error) => {
                    errors.push(Diagnostic::error("expression_syntax", node.span, error.to_string()));
                    NodeKind::Null
                }
            }
        }
        NodeKind::Sequence(items) => {
            NodeKind::Sequence(items.iter().map(|item| filled(item, secrets, scope, errors)).collect())
        }
        NodeKind::Mapping(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(key, value)| (key.clone(), filled(value, secrets, scope, errors)));
            NodeKind::Mapping(entries.collect())
        }
        plain @ (NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_)) => plain.clone(),
    };
    Node { kind, span: node.span }
}

fn of_json(value: serde_json::Value, span: Span) -> NodeKind {
    use serde_json::Value;
    let node = |value| Node {
        kind: of_json(value, span),
        span,
    };
    match value {
        Value::Null => NodeKind::Null,
        Value::Bool(value) => NodeKind::Bool(value),
        Value::Number(value) => NodeKind::Number(value),
        Value::String(value) => NodeKind::String(value),
        Value::Array(items) => NodeKind::Sequence(items.into_iter().map(node).collect()),
        Value::Object(entries) => {
            let entries = entries.into_iter();
            NodeKind::Mapping(entries.map(|(text, value)| (Key { text, span }, node(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with what is covered taken out.
    fn left(text: &str) -> String {
        let mut left = text.to_owned();
        for span in where_secrets_may_be(text).into_iter().rev() {
            left.replace_range(span.start..span.start + span.len, "*");
        }
        left
    }

    #[test]
    fn secrets_of_a_text_that_is_no_yaml_are_covered_and_what_follows_is_not() {
        for (text, shown) in [
            ("- secrets: { A: x }\n", "- secrets:*\n"),
            (
                "- name: a\n  secrets:\n    A: x\n\n    B: |\n      y\n  output: [\n- name: b\n",
                "- name: a\n  secrets:*\n    *\n\n    *\n      *\n  output: [\n- name: b\n",
            ),
            (
                "- { action: log, \"secrets\": { A: x }, output: 1\n- b",
                "- { action: log, \"secrets\":*\n- b",
            ),
            ("- secrets: {\nA: x,\nB: y }\n- a: [\n", "- secrets:*\n*\n*\n- a: [\n"),
            ("- secrets :\r\n\tA: x\r\n- b: {", "- secrets :*\r\n\t*\r\n- b: {"),
            (
                "- input: '{{ secrets.A }}'\n  no: [",
                "- input: '{{ secrets.A }}'\n  no: [",
            ),
        ] {
            assert_eq!(left(text), shown, "{text}");
        }
    }
}
