//! What a case gives: the action, its input, and all that surrounds it.

use std::path::{Component, Path};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::{Case, CaseSecret, Content, expected, fill, http};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::expression::Template;
use crate::permission::{NetworkPattern, Permissions, is_reserved_variable};
use crate::reader::{Fields, string, wrong_type};
use crate::time::Timestamp;
use crate::workflow::{Limits, parts};
use crate::yaml::{Key, Node, NodeKind};

const KEYS: &[&str] = &[
    "name",
    "action",
    "input",
    "permissions",
    "files",
    "secrets",
    "env",
    "http",
    "state",
    "clock",
    "random",
    "limits",
    "timeoutSeconds",
    "attempt",
    "output",
    "outputHas",
    "outputSchema",
    "error",
    "logs",
    "written",
    "stateAfter",
    "denied",
    "progress",
    "fuelMax",
    "memoryMax",
];

/// The time in a case that names none: 2026-01-01T00:00:00Z.
const CLOCK_DEFAULT: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// The longest that a case may take, where it says nothing.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// The longest that it may say.
const TIMEOUT_SECONDS_MAX: f64 = 3600.0;
/// Shortest and longest value of a secret, as `workflow secret set` has them: what is shorter is not masked.
const SECRET_CHARS_MIN: usize = 4;
const SECRET_BYTES_MAX: usize = 64 << 10;
/// Longest name of a case.
const NAME_CHARS_MAX: usize = 200;

/// Reads one case.
pub(super) fn case(node: &Node, index: usize, errors: &mut Diagnostics) -> Option<Case> {
    let fields = Fields::read(node, "a case", KEYS, errors)?;
    let action_node = fields.required("action", errors);
    let action = action_node.and_then(|node| string(node, "action", errors));
    let secrets = secrets(&fields, errors);
    let scope = fill::scope(secrets.iter().map(|secret| (secret.name.clone(), secret.value.clone())));
    let fixtures = fields.get("http").map(|node| {
        let node = fill::filled(node, &secrets, &scope, errors);
        http::fixtures(&node, errors)
    });
    let input = fields.get("input").map_or_else(Template::default, |node| {
        let template = Template::parse(node, errors);
        fill::check(&template, &secrets, errors);
        template
    });
    let permissions = fields.get("permissions").map(|node| parts::permissions(node, errors).0);
    let limits = fields.get("limits").map(|node| parts::limits(node, errors));
    let case = Case {
        name: name(&fields, index, action, errors),
        place: fields.head(),
        action_place: action_node.map_or(fields.head(), |node| node.span),
        input,
        permissions: permissions.unwrap_or_else(Permissions::default),
        files: files(&fields, "files", errors),
        secrets,
        env: env(&fields, errors),
        http: fixtures,
        state: fields
            .get("state")
            .map(|node| object(node, "state", errors))
            .unwrap_or_default(),
        pinned: pinned(&fields, errors),
        limits: limits.unwrap_or_else(Limits::default),
        timeout: fields
            .seconds("timeoutSeconds", (0.001, TIMEOUT_SECONDS_MAX), errors)
            .unwrap_or(TIMEOUT_DEFAULT),
        attempt: fields
            .integer("attempt", (1, 1000), errors)
            .and_then(|attempt| u32::try_from(attempt).ok())
            .unwrap_or(1),
        expected: expected::read(&fields, errors),
        action: action?.to_owned(),
    };
    Some(case)
}

fn name(fields: &Fields<'_>, index: usize, action: Option<&str>, errors: &mut Diagnostics) -> String {
    let given = fields.string("name", errors);
    if let Some(text) = given
        && let Some(node) = fields.get("name")
        && (text.trim().is_empty() || text.chars().any(char::is_control) || text.chars().count() > NAME_CHARS_MAX)
    {
        let error = Diagnostic::error("invalid_name", node.span, "this cannot be the name of a case");
        errors.push(error.label(format!("expected one line of 1 to {NAME_CHARS_MAX} characters")));
    }
    given.map_or_else(|| format!("{} #{}", action.unwrap_or("case"), index + 1), str::to_owned)
}

fn pinned(fields: &Fields<'_>, errors: &mut Diagnostics) -> Option<(Timestamp, u64)> {
    let seed = fields.integer("random", (0, u64::MAX), errors);
    let Some((key, node)) = fields.entry("clock") else {
        return Some((CLOCK_DEFAULT, seed.unwrap_or(0)));
    };
    let text = string(node, "clock", errors)?;
    if text == "system" {
        if fields.get("random").is_some() {
            let error = Diagnostic::error("invalid_value", key.span, "`random` needs a clock that stands");
            errors.push(error.help("the clock and randomness are both pinned, or both the machine's"));
        }
        return None;
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(at) if at.as_millisecond() >= 0 => Some((Timestamp::from_millis(at.as_millisecond()), seed.unwrap_or(0))),
        Ok(_) | Err(_) => {
            let error = Diagnostic::error("invalid_value", node.span, format!("`clock` cannot be `{text}`"));
            errors.push(error.label("expected a time, as in 2026-01-31T12:00:00Z, or `system`"));
            None
        }
    }
}

fn secrets(fields: &Fields<'_>, errors: &mut Diagnostics) -> Vec<CaseSecret> {
    let mut found = Vec::new();
    for (key, node) in entries(fields, "secrets", errors) {
        let name = match key.text.parse() {
            Ok(name) => name,
            Err(error) => {
                let crate::id::IdError { text, expected } = error;
                let error = Diagnostic::error("invalid_name", key.span, format!("`{text}` cannot be used here"));
                errors.push(error.label(format!("expected {expected}")));
                continue;
            }
        };
        let (node, only_to) = match &node.kind {
            NodeKind::Mapping(_) => {
                let Some(parts) = Fields::read(node, "a secret", &["value", "onlyTo"], errors) else {
                    continue;
                };
                let only_to = parts.get("onlyTo").map(|_| {
                    let hosts = parts.list("onlyTo", errors);
                    hosts
                        .iter()
                        .filter_map(|host| NetworkPattern::read(host, errors))
                        .collect()
                });
                let Some(value) = parts.required("value", errors) else {
                    continue;
                };
                (value, only_to)
            }
            _ => (node, None),
        };
        let Some(value) = string(node, "a secret", errors) else {
            continue;
        };
        if value.chars().count() < SECRET_CHARS_MIN || value.len() > SECRET_BYTES_MAX {
            let message = format!("the secret `{name}` cannot have this value");
            let label = format!("expected {SECRET_CHARS_MIN} characters or more, and at most 64 KiB");
            errors.push(Diagnostic::error("invalid_value", node.span, message).label(label));
            continue;
        }
        found.push(CaseSecret {
            name,
            value: value.to_owned(),
            only_to,
        });
    }
    found
}

fn env(fields: &Fields<'_>, errors: &mut Diagnostics) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (key, node) in entries(fields, "env", errors) {
        if key.text.is_empty() || key.text.contains(['=', '\0']) || is_reserved_variable(&key.text) {
            let message = format!("`{}` cannot be a variable of a case", key.text);
            errors.push(Diagnostic::error("invalid_name", key.span, message));
        } else if let Some(value) = string(node, &key.text, errors) {
            found.push((key.text.clone(), value.to_owned()));
        }
    }
    found
}

/// Reads a mapping of paths to what the files hold.
fn files(fields: &Fields<'_>, key: &'static str, errors: &mut Diagnostics) -> Vec<(String, Content)> {
    let mut found = Vec::new();
    for (path, node) in entries(fields, key, errors) {
        let content = content(node, errors);
        if check_path(&path.text, path.span, errors)
            && let Some(content) = content
        {
            found.push((path.text.clone(), content));
        }
    }
    found
}

/// Whether a path stays in the folder of a case.
pub(super) fn check_path(path: &str, span: Span, errors: &mut Diagnostics) -> bool {
    let mut parts = Path::new(path).components().peekable();
    let inside = parts.peek().is_some()
        && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        && !path.contains('\0')
        && !path.ends_with('/')
        && Path::new(path).file_name().is_some();
    if !inside {
        let error = Diagnostic::error("invalid_path", span, format!("`{path}` is no file of a case"));
        errors.push(error.label("expected a relative path without `..`: each case has an empty folder of its own"));
    }
    inside
}

/// What a file holds: a text, or `{ json }`, `{ base64 }`, `{ file }`.
pub(super) fn content(node: &Node, errors: &mut Diagnostics) -> Option<Content> {
    if !matches!(node.kind, NodeKind::Mapping(_)) {
        return string(node, "a file", errors).map(|text| Content::Text(text.to_owned()));
    }
    let fields = Fields::read(node, "a file", &["text", "json", "base64", "file"], errors)?;
    let given: Vec<&str> = ["text", "json", "base64", "file"]
        .into_iter()
        .filter(|key| fields.get(key).is_some())
        .collect();
    if given.len() != 1 {
        let error = Diagnostic::error("invalid_value", fields.head(), "a file has exactly one content");
        errors.push(error.label("expected one of `text`, `json`, `base64` and `file`"));
        return None;
    }
    if let Some(value) = fields.get("json") {
        return Some(Content::Json(value.to_json()));
    }
    if let Some(node) = fields.get("base64") {
        return base64(node, errors).map(Content::Bytes);
    }
    if let Some(node) = fields.get("file") {
        let path = string(node, "file", errors)?;
        return check_path(path, node.span, errors).then(|| Content::File(path.to_owned(), node.span));
    }
    fields.string("text", errors).map(|text| Content::Text(text.to_owned()))
}

/// Bytes in base64.
pub(super) fn base64(node: &Node, errors: &mut Diagnostics) -> Option<Vec<u8>> {
    let text = string(node, "base64", errors)?;
    // Long ones stand on several lines.
    let text: String = text.split_whitespace().collect();
    match BASE64.decode(text) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let error = Diagnostic::error("invalid_value", node.span, format!("this is no base64: {error}"));
            errors.push(error);
            None
        }
    }
}

/// The entries of a mapping with any keys.
pub(super) fn entries<'n>(fields: &Fields<'n>, key: &'static str, errors: &mut Diagnostics) -> &'n [(Key, Node)] {
    fields.get(key).map_or(&[], |node| match &node.kind {
        NodeKind::Mapping(entries) => entries.as_slice(),
        _ => {
            errors.push(wrong_type(node, key, "a mapping"));
            &[]
        }
    })
}

/// A node as a JSON object.
pub(super) fn object(node: &Node, what: &str, errors: &mut Diagnostics) -> Map<String, Value> {
    match node.to_json() {
        Value::Object(entries) => entries,
        _ => {
            errors.push(wrong_type(node, what, "a mapping"));
            Map::new()
        }
    }
}
