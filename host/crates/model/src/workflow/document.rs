//! The top of a workflow file, and the order of its checks.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Diagnostics, Lines, Source, Span};
use crate::expression::Template;
use crate::permission::{NetworkPattern, Permissions};
use crate::reader::{Fields, list, string, wrong_type};
use crate::workflow::broken::Broken;
use crate::workflow::{Parsed, PermissionPlaces, SecretSpec, TASKS_MAX, Workflow, inputs, parts, references, tasks};
use crate::yaml::{self, Node, NodeKind};

pub(super) const KEYS: &[&str] = &[
    "apiVersion",
    "id",
    "name",
    "description",
    "labels",
    "enabled",
    "inputs",
    "secrets",
    "triggers",
    "trigger",
    "permissions",
    "limits",
    "concurrency",
    "timeoutSeconds",
    "tasks",
    "finally",
    "outputs",
];

/// Longest `timeoutSeconds` of a workflow: a year.
const TIMEOUT_SECONDS_MAX: f64 = 31_536_000.0;

/// Reads a whole file.
pub(super) fn parse(source: &Source) -> Result<Parsed, Broken> {
    let mut parsed = parse_tree(source);
    match &mut parsed {
        Ok(parsed) => parsed.warnings.fit(source),
        Err(broken) => broken.errors_mut().fit(source),
    }
    parsed
}

fn parse_tree(source: &Source) -> Result<Parsed, Broken> {
    let root = yaml::parse(source).map_err(|errors| Broken::new(explained(errors), None))?;
    let mut errors = Diagnostics::new();
    let workflow = Fields::read(&root, "a workflow", KEYS, &mut errors).and_then(|fields| read(&fields, &mut errors));
    match workflow {
        Some(workflow) if !errors.has_errors() => Ok(Parsed {
            workflow: Workflow {
                lines: Lines::of(source.text()),
                ..workflow
            },
            warnings: errors,
        }),
        read => Err(Broken::new(errors, read)),
    }
}

/// An empty file is where somebody begins.
fn explained(errors: Diagnostics) -> Diagnostics {
    let explain = |error: Diagnostic| {
        match error.code {
        "empty" => error.help(
            "a workflow has an id and tasks:\nid: hello\ntasks:\n  - id: greet\n    type: core/console.log\n    inputs: { message: Hello }",
        ),
        _ => error,
    }
    };
    errors.into_iter().map(explain).collect()
}

/// The id of a workflow whose own cannot be read; what is wrong with that is told already.
const UNNAMED: &str = "unnamed";

fn read(fields: &Fields<'_>, errors: &mut Diagnostics) -> Option<Workflow> {
    if let Some(version) = fields.string("apiVersion", errors)
        && version != "v1"
        && let Some(node) = fields.get("apiVersion")
    {
        let error = Diagnostic::error("api_version", node.span, format!("`apiVersion` {version} is not known"));
        errors.push(error.label("expected v1"));
    }
    let id = fields
        .required("id", errors)
        .and_then(|node| parts::id(node, "id", errors));
    let secrets = secrets(fields, errors);
    let (permissions, permission_places) = match fields.get("permissions") {
        Some(node) => parts::permissions(node, errors),
        None => (Permissions::default(), PermissionPlaces::default()),
    };
    let limits = fields
        .get("limits")
        .map(|node| parts::limits(node, errors))
        .unwrap_or_default();
    unsupported(fields, errors);
    let concurrency = fields
        .get("concurrency")
        .and_then(|node| parts::concurrency(node, errors));
    let outer = fields.get("permissions").map(|_| (&permissions, &permission_places));
    let (mut tasks, mut complete) = match fields.required("tasks", errors) {
        Some(node) => all_tasks(node, limits, outer, errors),
        None => (Vec::new(), false),
    };
    let main_tasks = tasks.len();
    if let Some(node) = fields.get("finally") {
        let (last, all) = tasks::read(list(node, "finally", errors), limits, outer, errors);
        complete &= tasks::append(&mut tasks, last, errors) && all;
    }
    let inputs = inputs::read(fields.list("inputs", errors), errors);
    let outputs = match fields.get("outputs") {
        Some(node) if matches!(node.kind, NodeKind::Mapping(_)) => Template::parse(node, errors),
        Some(node) => {
            errors.push(wrong_type(node, "outputs", "a mapping"));
            Template::default()
        }
        None => Template::default(),
    };
    let workflow = Workflow {
        name: fields.string("name", errors).map(str::to_owned),
        description: fields.string("description", errors).map(str::to_owned),
        labels: labels(fields, errors),
        enabled: fields.boolean("enabled", errors).unwrap_or(true),
        timeout: fields.seconds("timeoutSeconds", (0.001, TIMEOUT_SECONDS_MAX), errors),
        concurrency,
        main_tasks,
        id: id.or_else(|| UNNAMED.parse().ok())?,
        inputs,
        secrets,
        permissions,
        permission_places,
        limits,
        tasks,
        outputs,
        lines: Lines::default(),
    };
    // References among tasks are worth asking about only where every task could be read.
    if complete {
        references::check(&workflow, errors);
    }
    Some(workflow)
}

fn all_tasks(
    node: &Node,
    limits: super::Limits,
    outer: Option<(&Permissions, &PermissionPlaces)>,
    errors: &mut Diagnostics,
) -> (Vec<super::Task>, bool) {
    let items = list(node, "tasks", errors);
    if items.is_empty() && matches!(node.kind, NodeKind::Sequence(_)) {
        errors.push(Diagnostic::error("no_tasks", node.span, "`tasks` is empty").label("at least one task is needed"));
    }
    if items.len() > TASKS_MAX {
        let message = format!("there are {} tasks; {TASKS_MAX} is the most", items.len());
        let place = items
            .get(TASKS_MAX)
            .map_or(node.span, |item| Span { len: 1, ..item.span });
        errors.push(Diagnostic::error("too_many_tasks", place, message));
        return (Vec::new(), false);
    }
    tasks::read(items, limits, outer, errors)
}

fn labels(fields: &Fields<'_>, errors: &mut Diagnostics) -> BTreeMap<String, String> {
    let Some(node) = fields.get("labels") else {
        return BTreeMap::new();
    };
    let NodeKind::Mapping(entries) = &node.kind else {
        errors.push(wrong_type(node, "labels", "a mapping"));
        return BTreeMap::new();
    };
    let text =
        |(key, value): &(yaml::Key, Node)| Some((key.text.clone(), string(value, &key.text, errors)?.to_owned()));
    entries.iter().filter_map(text).collect()
}

fn secrets(fields: &Fields<'_>, errors: &mut Diagnostics) -> Vec<SecretSpec> {
    let mut specs: Vec<SecretSpec> = Vec::new();
    for node in fields.list("secrets", errors) {
        let spec = match &node.kind {
            NodeKind::Mapping(_) => secret_entry(node, errors),
            _ => parts::id(node, "a secret", errors).map(|name| (SecretSpec { name, only_to: None }, node.span)),
        };
        let Some((spec, span)) = spec else { continue };
        if specs.iter().any(|known| known.name == spec.name) {
            errors.push(Diagnostic::error(
                "duplicate_secret",
                span,
                format!("the secret `{}` is listed twice", spec.name),
            ));
        } else {
            specs.push(spec);
        }
    }
    specs
}

fn secret_entry(node: &Node, errors: &mut Diagnostics) -> Option<(SecretSpec, Span)> {
    if let NodeKind::Mapping(entries) = &node.kind
        && !entries.iter().any(|(key, _)| key.text == "name")
        && let [(key, _)] = entries.as_slice()
    {
        let error = Diagnostic::error(
            "secret_value",
            key.span,
            "a secret's value does not belong into a workflow",
        );
        let help = format!(
            "list the name alone (`- {}`) and give the value by WORKFLOW_SECRET_{}",
            key.text, key.text
        );
        errors.push(error.label("a name is expected here, without a value").help(help));
        return None;
    }
    let fields = Fields::read(node, "a secret", &["name", "onlyTo"], errors)?;
    let only_to = fields.entry("onlyTo").map(|(key, node)| {
        let patterns = list(node, "onlyTo", errors);
        if patterns.is_empty() && matches!(node.kind, NodeKind::Sequence(_)) {
            let error = Diagnostic::error(
                "empty_only_to",
                key.span,
                "`onlyTo` names no host, so the secret could go nowhere",
            );
            errors.push(error.label("expected hosts, as in [\"api.example.com:443\"]"));
        }
        patterns
            .iter()
            .filter_map(|pattern| NetworkPattern::read(pattern, errors))
            .collect()
    });
    let name = fields.required("name", errors)?;
    let parsed = parts::id(name, "name", errors)?;
    Some((SecretSpec { name: parsed, only_to }, name.span))
}

/// What is checked and cannot be run yet is refused by name, never passed over.
fn unsupported(fields: &Fields<'_>, errors: &mut Diagnostics) {
    for key in ["triggers", "trigger"] {
        let Some((found, node)) = fields.entry(key) else {
            continue;
        };
        match (&node.kind, key) {
            (NodeKind::Sequence(items), "triggers") => items.iter().for_each(|item| parts::trigger(item, errors)),
            (_, "trigger") => parts::trigger(node, errors),
            _ => errors.push(wrong_type(node, key, "a list")),
        }
        errors.push(parts::not_supported(found.span, "triggers"));
    }
}
