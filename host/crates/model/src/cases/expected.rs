//! What must come of a case.

use bytesize::ByteSize;
use serde_json::Value;

use super::{Content, Expected, ExpectedDenial, ExpectedError, ExpectedLine, Place, TextMatch, Wanted, given, http};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::reader::{Fields, string, wrong_type};
use crate::yaml::{Node, NodeKind};

/// The keys that say what an output is.
const OUTPUTS: [&str; 3] = ["output", "outputHas", "outputSchema"];

/// Reads what a case expects.
pub(super) fn read(fields: &Fields<'_>, errors: &mut Diagnostics) -> Expected {
    let wanted = |key| {
        fields.entry(key).map(|(key, node)| Wanted {
            value: node.to_json(),
            at: Place {
                key: key.span,
                node: node.clone(),
            },
        })
    };
    let error = fields.get("error").and_then(|node| error(node, errors));
    for key in OUTPUTS {
        if let (Some((key, _)), Some((error, _))) = (fields.entry(key), fields.entry("error")) {
            let message = format!("`{}` and `error` cannot both come of a case", key.text);
            let wrong = Diagnostic::error("invalid_value", key.span, message);
            errors.push(wrong.related(error.span, "this one fails").label("this one succeeds"));
        }
    }
    let output_schema = fields.get("outputSchema").map(|node| {
        let schema = node.to_json();
        if let Some(why) = http::schema_error(&schema) {
            let wrong = Diagnostic::error("invalid_value", node.span, format!("this is no JSON Schema: {why}"));
            errors.push(wrong);
        }
        schema
    });
    let progress = fields.list("progress", errors);
    for node in progress {
        let _checked = Fields::read(node, "a report of progress", &["done", "total", "note"], errors);
    }
    Expected {
        output: wanted("output"),
        output_has: wanted("outputHas"),
        output_schema,
        error,
        logs: fields
            .list("logs", errors)
            .iter()
            .filter_map(|node| line(node, errors))
            .collect(),
        logs_at: fields.entry("logs").map(|(key, node)| Place {
            key: key.span,
            node: node.clone(),
        }),
        written: written(fields, errors),
        state: fields
            .get("stateAfter")
            .map(|node| given::object(node, "stateAfter", errors)),
        denied: fields.get("denied").map(|_| {
            let items = fields.list("denied", errors);
            items.iter().filter_map(|node| denial(node, errors)).collect()
        }),
        progress: progress.iter().map(Node::to_json).collect(),
        fuel_max: fields.integer("fuelMax", (1, u64::MAX), errors),
        memory_max: fields.get("memoryMax").and_then(|node| size(node, "memoryMax", errors)),
    }
}

fn error(node: &Node, errors: &mut Diagnostics) -> Option<ExpectedError> {
    let fields = match &node.kind {
        NodeKind::String(code) => {
            return Some(ExpectedError {
                code: code.clone(),
                message: None,
                retryable: None,
                details: None,
            });
        }
        _ => Fields::read(node, "an error", &["code", "message", "retryable", "details"], errors)?,
    };
    let code = fields.required("code", errors)?;
    Some(ExpectedError {
        code: string(code, "code", errors)?.to_owned(),
        message: fields.string("message", errors).map(str::to_owned),
        retryable: fields.boolean("retryable", errors),
        details: fields.get("details").map(Node::to_json),
    })
}

fn line(node: &Node, errors: &mut Diagnostics) -> Option<ExpectedLine> {
    if let NodeKind::String(text) = &node.kind {
        return Some(ExpectedLine {
            level: None,
            stream: None,
            text: TextMatch::Exact(text.clone()),
            fields: serde_json::Map::new(),
        });
    }
    if !matches!(node.kind, NodeKind::Mapping(_)) {
        errors.push(wrong_type(node, "a line of the log", "a string or a mapping"));
        return None;
    }
    let known = &["level", "stream", "message", "contains", "matches", "fields"];
    let fields = Fields::read(node, "a line of the log", known, errors)?;
    let levels = ["debug", "info", "warn", "error"].map(|name| (name, name));
    let streams = ["stdout", "stderr", "log"].map(|name| (name, name));
    let texts = [
        fields
            .string("message", errors)
            .map(|text| TextMatch::Exact(text.to_owned())),
        fields
            .string("contains", errors)
            .map(|text| TextMatch::Contains(text.to_owned())),
        fields
            .get("matches")
            .and_then(|node| http::pattern(node, false, errors))
            .map(TextMatch::Matches),
    ];
    let mut texts = texts.into_iter().flatten();
    let text = texts.next().unwrap_or(TextMatch::Any);
    if texts.next().is_some() {
        let wrong = Diagnostic::error("invalid_value", fields.head(), "a line is told by one text");
        errors.push(wrong.label("expected one of `message`, `contains` and `matches`"));
    }
    Some(ExpectedLine {
        level: fields.choice("level", &levels, errors).map(str::to_owned),
        stream: fields.choice("stream", &streams, errors).map(str::to_owned),
        text,
        fields: fields
            .get("fields")
            .map(|node| given::object(node, "fields", errors))
            .unwrap_or_default(),
    })
}

fn written(fields: &Fields<'_>, errors: &mut Diagnostics) -> Vec<(String, Option<Content>)> {
    let mut found = Vec::new();
    for (path, node) in given::entries(fields, "written", errors) {
        let content = match &node.kind {
            NodeKind::Null => None,
            _ => match given::content(node, errors) {
                Some(content) => Some(content),
                None => continue,
            },
        };
        if given::check_path(&path.text, path.span, errors) {
            found.push((path.text.clone(), content));
        }
    }
    found
}

fn denial(node: &Node, errors: &mut Diagnostics) -> Option<ExpectedDenial> {
    let fields = Fields::read(node, "a denial", &["capability", "target"], errors)?;
    fields.required("capability", errors)?;
    let known = ["network", "filesystem", "secret"].map(|name| (name, name));
    Some(ExpectedDenial {
        capability: fields.choice("capability", &known, errors)?.to_owned(),
        target: fields.string("target", errors).map(str::to_owned),
    })
}

/// A size: a number of bytes, or a text as `2MiB`.
fn size(node: &Node, key: &str, errors: &mut Diagnostics) -> Option<u64> {
    let found = match node.to_json() {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse::<ByteSize>().ok().map(|size| size.as_u64()),
        _ => None,
    };
    let found = found.filter(|bytes| *bytes > 0);
    if found.is_none() {
        let wrong = Diagnostic::error("invalid_value", node.span, format!("`{key}` cannot be this"));
        errors.push(wrong.label("expected a size, as in 2MiB"));
    }
    found
}
