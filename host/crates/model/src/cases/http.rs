//! What the server of a case answers, and what it expects to be asked.

use super::{Answer, BodyMatch, Fixture, PathMatch, given};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::reader::{Fields, integer, list, string};
use crate::yaml::{Node, NodeKind};
use regex::Regex;
use serde_json::Value;

/// Most often that a request is expected.
const TIMES_MAX: u64 = 10_000;

/// Reads `http`.
pub(super) fn fixtures(node: &Node, errors: &mut Diagnostics) -> Vec<Fixture> {
    let items = list(node, "http", errors);
    items.iter().filter_map(|item| fixture(item, errors)).collect()
}

fn fixture(node: &Node, errors: &mut Diagnostics) -> Option<Fixture> {
    let fields = Fields::read(
        node,
        "a request with its answer",
        &["request", "response", "times"],
        errors,
    )?;
    let times = match fields.get("times") {
        None => Some(1),
        Some(node) if matches!(&node.kind, NodeKind::String(text) if text == "any") => None,
        Some(node) => integer(node, "times", (0, TIMES_MAX), errors).and_then(|times| u32::try_from(times).ok()),
    };
    let response = fields.get("response").map(|node| answer(node, errors));
    let request = fields.required("request", errors)?;
    let mut fixture = Fixture {
        place: request.span,
        method: "GET".to_owned(),
        path: PathMatch::Exact("/".to_owned()),
        headers: Vec::new(),
        body: None,
        times,
        response: response.flatten().unwrap_or_else(|| Answer {
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
        }),
    };
    match &request.kind {
        NodeKind::String(text) => line(text, request, &mut fixture, errors),
        _ => asked(request, &mut fixture, errors),
    }
    Some(fixture)
}

/// `GET /path`.
fn line(text: &str, node: &Node, fixture: &mut Fixture, errors: &mut Diagnostics) {
    let (method, path) = text.split_once(' ').unwrap_or(("GET", text));
    fixture.method = method.to_ascii_uppercase();
    path.trim().clone_into(match &mut fixture.path {
        PathMatch::Exact(exact) => exact,
        PathMatch::Pattern(_) => return,
    });
    check(fixture, node, errors);
}

fn check(fixture: &Fixture, node: &Node, errors: &mut Diagnostics) {
    let method = !fixture.method.is_empty() && fixture.method.bytes().all(|byte| byte.is_ascii_uppercase());
    let path = match &fixture.path {
        PathMatch::Exact(path) => path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()),
        PathMatch::Pattern(_) => true,
    };
    if !method || !path {
        let error = Diagnostic::error("invalid_value", node.span, "this is no request");
        errors.push(error.label("expected a method and a path that begins with `/`, as in `GET /items?page=1`"));
    }
}

fn asked(node: &Node, fixture: &mut Fixture, errors: &mut Diagnostics) {
    let known = &["method", "path", "pathPattern", "headers", "body", "json", "jsonHas"];
    let Some(fields) = Fields::read(node, "a request", known, errors) else {
        return;
    };
    fixture.place = fields.head();
    if let Some(method) = fields.string("method", errors) {
        fixture.method = method.to_ascii_uppercase();
    }
    match (fields.get("path"), fields.get("pathPattern")) {
        (Some(node), None) => {
            if let Some(path) = string(node, "path", errors) {
                fixture.path = PathMatch::Exact(path.to_owned());
                check(fixture, node, errors);
            }
        }
        (None, Some(node)) => {
            if let Some(pattern) = pattern(node, true, errors) {
                fixture.path = PathMatch::Pattern(pattern);
                check(fixture, node, errors);
            }
        }
        (Some(_), Some(_)) | (None, None) => {
            let error = Diagnostic::error("missing_key", fields.head(), "a request needs one path");
            errors.push(error.label("expected either `path` or `pathPattern`"));
        }
    }
    fixture.headers = headers(&fields, errors);
    fixture
        .headers
        .iter_mut()
        .for_each(|(name, _)| name.make_ascii_lowercase());
    let bodies = [
        fields
            .get("body")
            .and_then(|node| string(node, "body", errors))
            .map(|text| BodyMatch::Text(text.to_owned())),
        fields.get("json").map(|node| BodyMatch::Json(node.to_json())),
        fields.get("jsonHas").map(|node| BodyMatch::JsonHas(node.to_json())),
    ];
    let mut bodies = bodies.into_iter().flatten();
    fixture.body = bodies.next();
    if bodies.next().is_some() {
        let error = Diagnostic::error("invalid_value", fields.head(), "a request has one body");
        errors.push(error.label("expected one of `body`, `json` and `jsonHas`"));
    }
}

fn answer(node: &Node, errors: &mut Diagnostics) -> Option<Answer> {
    let known = &["status", "headers", "body", "json", "base64"];
    let fields = Fields::read(node, "a response", known, errors)?;
    let status = fields.integer("status", (200, 599), errors).unwrap_or(200);
    let mut headers = headers(&fields, errors);
    for (name, _) in headers.extract_if(.., |(name, _)| {
        ["content-length", "transfer-encoding", "connection"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own))
    }) {
        let error = Diagnostic::error(
            "invalid_value",
            fields.head(),
            format!("`{name}` is the server's own header"),
        );
        errors.push(error);
    }
    let text = fields.get("body").and_then(|node| string(node, "body", errors));
    let json = fields.get("json").map(Node::to_json);
    let bytes = fields.get("base64").and_then(|node| given::base64(node, errors));
    let (body, kind) = match (text, json, bytes) {
        (None, None, None) => (Vec::new(), None),
        (Some(text), None, None) => (text.as_bytes().to_vec(), Some("text/plain; charset=utf-8")),
        (None, Some(json), None) => (json.to_string().into_bytes(), Some("application/json")),
        (None, None, Some(bytes)) => (bytes, Some("application/octet-stream")),
        _ => {
            let error = Diagnostic::error("invalid_value", fields.head(), "a response has one body");
            errors.push(error.label("expected one of `body`, `json` and `base64`"));
            return None;
        }
    };
    if let Some(kind) = kind
        && !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        headers.push(("content-type".to_owned(), kind.to_owned()));
    }
    Some(Answer {
        status: u16::try_from(status).ok()?,
        headers,
        body,
    })
}

fn headers(fields: &Fields<'_>, errors: &mut Diagnostics) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (key, node) in given::entries(fields, "headers", errors) {
        let value = match &node.kind {
            NodeKind::Number(number) => Some(number.to_string()),
            _ => string(node, &key.text, errors).map(str::to_owned),
        };
        let Some(value) = value else { continue };
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if key.text.is_empty() || !key.text.bytes().all(token) || value.contains(|c: char| c.is_control()) {
            let error = Diagnostic::error("invalid_value", key.span, "this is no header");
            errors.push(error.label("expected a name, and a value of one line"));
        } else {
            found.push((key.text.clone(), value));
        }
    }
    found
}

/// A regular expression; `whole`: one that must fit from the beginning of a text to its end.
pub(super) fn pattern(node: &Node, whole: bool, errors: &mut Diagnostics) -> Option<Regex> {
    let text = string(node, "a pattern", errors)?;
    let made = if whole {
        Regex::new(&format!("^(?:{text})$"))
    } else {
        Regex::new(text)
    };
    match made {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let error = Diagnostic::error("invalid_value", node.span, format!("the pattern is wrong: {why}"));
            errors.push(error.label("expected a regular expression"));
            None
        }
    }
}

/// What is wrong with a JSON Schema.
pub(super) fn schema_error(schema: &Value) -> Option<String> {
    jsonschema::draft202012::new(schema)
        .err()
        .map(|error| error.to_string())
}
