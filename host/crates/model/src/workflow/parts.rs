//! Parts that several places of a workflow share: ids, permissions, limits, triggers.

use std::str::FromStr;

use bytesize::ByteSize;

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::id::IdError;
use crate::permission::{NetworkPattern, Permissions, is_reserved_variable};
use crate::reader::{Fields, integer, list, string, wrong_type};
use crate::workflow::{Concurrency, Limits, OnLimit, PermissionPlaces};
use crate::yaml::{Node, NodeKind};

/// A node as an id.
pub(super) fn id<T: FromStr<Err = IdError>>(node: &Node, what: &str, errors: &mut Diagnostics) -> Option<T> {
    let text = string(node, what, errors)?;
    match text.parse() {
        Ok(id) => Some(id),
        Err(error) => {
            let message = format!("`{text}` cannot be used here");
            let error =
                Diagnostic::error("invalid_name", node.span, message).label(format!("expected {}", error.expected));
            errors.push(error);
            None
        }
    }
}

/// The error that something is understood and cannot be run yet.
pub(super) fn not_supported(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error("unsupported", span, format!("{what}: not supported yet"))
        .label("this version cannot run it")
        .help("take it out for now; a later version runs it as written")
}

/// Reads `permissions`.
pub(crate) fn permissions(node: &Node, errors: &mut Diagnostics) -> (Permissions, PermissionPlaces) {
    let mut found = Permissions::default();
    let mut places = PermissionPlaces {
        whole: Span { len: 1, ..node.span },
        ..PermissionPlaces::default()
    };
    let Some(fields) = Fields::read(node, "permissions", &["network", "filesystem", "env"], errors) else {
        return (found, places);
    };
    places.whole = fields.head();
    for entry in fields.list("network", errors) {
        if let Some(pattern) = NetworkPattern::read(entry, errors) {
            found.network.push(pattern);
            places.network.push(entry.span);
        }
    }
    if let Some(node) = fields.get("filesystem")
        && let Some(filesystem) = Fields::read(node, "filesystem", &["read", "write"], errors)
    {
        (found.read, places.read) = paths(&filesystem, "read", errors);
        (found.write, places.write) = paths(&filesystem, "write", errors);
    }
    for entry in fields.list("env", errors) {
        let Some(name) = string(entry, "env", errors) else {
            continue;
        };
        if name.is_empty() || name.contains(['=', '\0']) {
            errors.push(Diagnostic::error(
                "invalid_name",
                entry.span,
                format!("`{name}` is no variable's name"),
            ));
        } else if is_reserved_variable(name) {
            let message = format!("`{name}` is the engine's own, and no task may read it");
            let error = Diagnostic::error("reserved_variable", entry.span, message);
            errors.push(error.help("give the task a secret by `secrets` and an expression: then it is masked"));
        } else {
            found.env.push(name.to_owned());
            places.env.push(entry.span);
        }
    }
    (found, places)
}

fn paths(fields: &Fields<'_>, key: &'static str, errors: &mut Diagnostics) -> (Vec<String>, Vec<Span>) {
    let (mut found, mut places) = (Vec::new(), Vec::new());
    for node in fields.list(key, errors) {
        let Some(path) = string(node, key, errors) else {
            continue;
        };
        let error = if path.is_empty() || path.contains('\0') {
            Some("a path is expected")
        } else if path.split('/').any(|part| part == "..") {
            Some("a granted path cannot contain `..`; write it as an absolute path")
        } else if path.trim_start_matches(['.', '/']).is_empty() && path.starts_with('/') {
            Some("the whole file system cannot be granted; name the folders that are needed")
        } else if path.contains("{{") {
            Some("a granted path cannot hold an expression")
        } else {
            None
        };
        match error {
            Some(message) => errors.push(Diagnostic::error("invalid_path", node.span, message)),
            None => {
                found.push(path.to_owned());
                places.push(node.span);
            }
        }
    }
    (found, places)
}

/// Reads `limits` on top of `base`.
pub(super) fn limits_over(node: &Node, base: Limits, errors: &mut Diagnostics) -> Limits {
    let Some(fields) = Fields::read(node, "limits", &["memory", "fuel", "output", "logBytes"], errors) else {
        return base;
    };
    let mut size = |key, range| fields.get(key).and_then(|node| byte_size(node, key, range, errors));
    let memory = size("memory", (1 << 20, 4 << 30)).unwrap_or(base.memory);
    let output = size("output", (16, 256 << 20)).unwrap_or(base.output);
    let log_bytes = size("logBytes", (0, 16 << 30)).unwrap_or(base.log_bytes);
    let fuel = fields.integer("fuel", (1, u64::MAX), errors).or(base.fuel);
    Limits {
        memory,
        fuel,
        output,
        log_bytes,
    }
}

/// Reads `limits`.
pub(crate) fn limits(node: &Node, errors: &mut Diagnostics) -> Limits {
    limits_over(node, Limits::default(), errors)
}

fn byte_size(node: &Node, key: &str, range: (u64, u64), errors: &mut Diagnostics) -> Option<u64> {
    if matches!(node.kind, NodeKind::Number(_)) {
        return integer(node, key, range, errors);
    }
    let text = string(node, key, errors)?;
    let bytes = text.parse::<ByteSize>().ok().map(|size| size.as_u64());
    let fits = bytes.filter(|bytes| (range.0..=range.1).contains(bytes));
    if fits.is_none() {
        let message = format!("`{key}` cannot be `{text}`");
        let label = format!(
            "expected a size from {} to {}, as in 64MiB",
            ByteSize(range.0),
            ByteSize(range.1)
        );
        let code = if bytes.is_some() {
            "out_of_range"
        } else {
            "invalid_value"
        };
        errors.push(Diagnostic::error(code, node.span, message).label(label));
    }
    fits
}

/// Checks one trigger.
pub(super) fn trigger(node: &Node, errors: &mut Diagnostics) {
    let known = &["type", "cron", "timezone", "catchUp", "path", "method", "secret"];
    let Some(fields) = Fields::read(node, "a trigger", known, errors) else {
        return;
    };
    if fields.required("type", errors).is_none() {
        return;
    }
    let kind = fields.choice("type", &[("cron", true), ("webhook", false)], errors);
    let foreign: &[&str] = match kind {
        Some(true) => &["path", "method", "secret"],
        Some(false) => &["cron", "timezone", "catchUp"],
        None => &[],
    };
    for (key, _) in foreign.iter().filter_map(|key| fields.entry(key)) {
        let message = format!("`{}` does not belong to this type of trigger", key.text);
        errors.push(Diagnostic::error("unknown_key", key.span, message));
    }
    match kind {
        Some(true) => cron(&fields, errors),
        Some(false) => webhook(&fields, errors),
        None => {}
    }
}

fn cron(fields: &Fields<'_>, errors: &mut Diagnostics) {
    if let Some(node) = fields.required("cron", errors)
        && let Some(text) = string(node, "cron", errors)
    {
        let parser = croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Optional)
            .build();
        if let Err(error) = parser.parse(text) {
            let error = Diagnostic::error(
                "invalid_cron",
                node.span,
                format!("the cron expression is wrong: {error}"),
            );
            errors.push(error.label("expected 5 fields, or 6 with seconds first"));
        }
    }
    if let Some(name) = fields.string("timezone", errors)
        && let Some(node) = fields.get("timezone")
        && jiff::tz::TimeZone::get(name).is_err()
    {
        let error = Diagnostic::error("invalid_timezone", node.span, format!("`{name}` is no time zone"));
        errors.push(error.label("expected an IANA name, as in Europe/Paris"));
    }
    fields.choice("catchUp", &[("none", ()), ("latest", ()), ("all", ())], errors);
}

fn webhook(fields: &Fields<'_>, errors: &mut Diagnostics) {
    if let Some(node) = fields.required("path", errors)
        && let Some(path) = string(node, "path", errors)
        && (!path.starts_with('/') || path.contains(['?', '#', ' ']) || path.contains("//"))
    {
        let error = Diagnostic::error("invalid_path", node.span, format!("`{path}` is no path of a webhook"));
        errors.push(error.label("expected a path that begins with `/`"));
    }
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"].map(|name| (name, ()));
    fields.choice("method", &methods, errors);
    if let Some(node) = fields.get("secret") {
        drop(id::<crate::id::SecretName>(node, "secret", errors));
    }
}

/// Reads `concurrency`.
pub(super) fn concurrency(node: &Node, errors: &mut Diagnostics) -> Option<Concurrency> {
    let fields = Fields::read(node, "concurrency", &["max", "onLimit"], errors)?;
    let on_limit = fields.choice(
        "onLimit",
        &[
            ("queue", OnLimit::Queue),
            ("skip", OnLimit::Skip),
            ("cancel-running", OnLimit::CancelRunning),
        ],
        errors,
    );
    fields.required("max", errors)?;
    let max = fields.integer("max", (1, 10_000), errors)?;
    Some(Concurrency {
        max: u32::try_from(max).ok()?,
        on_limit: on_limit.unwrap_or(OnLimit::Queue),
    })
}

/// Reads a list of texts that name something, or reports what is none.
pub(super) fn names<'n>(node: &'n Node, what: &str, errors: &mut Diagnostics) -> Vec<&'n Node> {
    match &node.kind {
        NodeKind::Sequence(_) => list(node, what, errors).iter().collect(),
        NodeKind::String(_) => {
            errors.push(wrong_type(node, what, "a list").help("write it as [name]"));
            Vec::new()
        }
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_) | NodeKind::Mapping(_) => {
            errors.push(wrong_type(node, what, "a list"));
            Vec::new()
        }
    }
}
