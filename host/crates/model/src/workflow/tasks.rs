//! The tasks of a workflow: each by itself, then their ids, needs and cycles.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::expression::{Expression, Template};
use crate::id::{ActionName, TaskId};
use crate::permission::{Permissions, path_covers};
use crate::reader::{Fields, string, wrong_type};
use crate::workflow::parts;
use crate::workflow::{Backoff, ForEach, Limits, Need, NeedOn, OnError, PermissionPlaces, Retry, Task, TaskPlaces};
use crate::yaml::{Node, NodeKind};

pub(super) const KEYS: &[&str] = &[
    "id",
    "type",
    "needs",
    "inputs",
    "retry",
    "timeoutSeconds",
    "permissions",
    "limits",
    "when",
    "forEach",
    "maxParallel",
    "onError",
    "idempotent",
];

/// Longest `timeoutSeconds` and waits of a task: a week.
const SECONDS_MAX: f64 = 604_800.0;

type Outer<'a> = Option<(&'a Permissions, &'a PermissionPlaces)>;

/// A need as written: the id, which ends will do, and its place.
type RawNeed = (TaskId, NeedOn, Span);

/// Reads all tasks, and says whether each of them could be read.
pub(super) fn read(items: &[Node], limits: Limits, outer: Outer<'_>, errors: &mut Diagnostics) -> (Vec<Task>, bool) {
    let mut tasks = Vec::with_capacity(items.len());
    let mut needs: Vec<Vec<RawNeed>> = Vec::with_capacity(items.len());
    let mut complete = true;
    for item in items {
        let task = Fields::read(item, "a task", KEYS, errors).and_then(|fields| task(&fields, limits, outer, errors));
        match task {
            Some((task, raw)) => {
                tasks.push(task);
                needs.push(raw);
            }
            None => complete = false,
        }
    }
    complete &= link(&mut tasks, needs, complete, errors);
    complete &= complete && no_cycle(&tasks, errors);
    (tasks, complete)
}

fn task(
    fields: &Fields<'_>,
    limits: Limits,
    outer: Outer<'_>,
    errors: &mut Diagnostics,
) -> Option<(Task, Vec<RawNeed>)> {
    let id_node = fields.required("id", errors);
    let id = id_node.and_then(|node| parts::id::<TaskId>(node, "id", errors));
    let action_node = fields.required("type", errors);
    let action = action_node.and_then(|node| parts::id::<ActionName>(node, "type", errors));
    let needs = fields.get("needs").map(|node| needs(node, errors)).unwrap_or_default();
    let mut places = TaskPlaces {
        id: id_node.map_or(fields.head(), |node| node.span),
        action: action_node.map_or(fields.head(), |node| node.span),
        ..TaskPlaces::default()
    };
    let inputs = inputs(fields, &mut places, errors);
    let when = fields.get("when").and_then(|node| Expression::condition(node, errors));
    let permissions = fields.get("permissions").map(|node| {
        let (found, found_places) = parts::permissions(node, errors);
        if let Some(outer) = outer {
            narrows(&found, &found_places, outer, errors);
        }
        places.permissions = Some(found_places);
        found
    });
    let task = Task {
        needs: Vec::new(),
        inputs,
        when,
        retry: fields.get("retry").map(|node| retry(node, errors)).unwrap_or_default(),
        timeout: fields.seconds("timeoutSeconds", (0.001, SECONDS_MAX), errors),
        permissions,
        limits: fields
            .get("limits")
            .map(|node| parts::limits_over(node, limits, errors)),
        on_error: fields
            .choice(
                "onError",
                &[("fail", OnError::Fail), ("continue", OnError::Continue)],
                errors,
            )
            .unwrap_or(OnError::Fail),
        for_each: for_each(fields, errors),
        idempotent: fields.boolean("idempotent", errors),
        places,
        id: id?,
        action: action?,
    };
    Some((task, needs))
}

fn inputs(fields: &Fields<'_>, places: &mut TaskPlaces, errors: &mut Diagnostics) -> Template {
    places.inputs = places.id;
    let Some((key, node)) = fields.entry("inputs") else {
        return Template::default();
    };
    places.inputs = key.span;
    match &node.kind {
        NodeKind::Mapping(entries) => {
            places.input = entries
                .iter()
                .map(|(key, value)| (key.text.clone(), short(value)))
                .collect();
            Template::parse(node, errors)
        }
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_) | NodeKind::String(_) | NodeKind::Sequence(_) => {
            errors.push(wrong_type(node, "inputs", "a mapping"));
            Template::default()
        }
    }
}

/// The place of a value, of a collection its beginning only.
fn short(node: &Node) -> Span {
    match node.kind {
        NodeKind::Sequence(_) | NodeKind::Mapping(_) => Span {
            len: node.span.len.min(1),
            ..node.span
        },
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_) | NodeKind::String(_) => node.span,
    }
}

fn for_each(fields: &Fields<'_>, errors: &mut Diagnostics) -> Option<ForEach> {
    let max_parallel = fields.integer("maxParallel", (1, 10_000), errors);
    let Some(node) = fields.get("forEach") else {
        if let Some((key, _)) = fields.entry("maxParallel") {
            let message = "`maxParallel` belongs to `forEach`, which is missing";
            errors.push(Diagnostic::error("needless_key", key.span, message));
        }
        return None;
    };
    if !matches!(node.kind, NodeKind::Sequence(_)) {
        Expression::condition(node, errors)?;
    }
    Some(ForEach {
        items: Template::parse(node, errors),
        max_parallel: max_parallel.and_then(|max| u32::try_from(max).ok()),
    })
}

fn needs(node: &Node, errors: &mut Diagnostics) -> Vec<RawNeed> {
    let mut found = Vec::new();
    for entry in parts::names(node, "needs", errors) {
        let (name, on) = if matches!(entry.kind, NodeKind::Mapping(_)) {
            let Some(fields) = Fields::read(entry, "a need", &["task", "on"], errors) else {
                continue;
            };
            let on = fields.choice(
                "on",
                &[("success", NeedOn::Success), ("always", NeedOn::Always)],
                errors,
            );
            let Some(name) = fields.required("task", errors) else {
                continue;
            };
            (name, on.unwrap_or(NeedOn::Success))
        } else {
            (entry, NeedOn::Success)
        };
        if let Some(text) = string(name, "needs", errors) {
            match text.parse() {
                Ok(id) => found.push((id, on, name.span)),
                Err(_) => {
                    errors.push(Diagnostic::error(
                        "invalid_name",
                        name.span,
                        format!("`{text}` is no task's id"),
                    ));
                }
            }
        }
    }
    found
}

fn retry(node: &Node, errors: &mut Diagnostics) -> Retry {
    let defaults = Retry::default();
    let known = &["max", "backoff", "initialSeconds", "maxSeconds", "jitter"];
    let Some(fields) = Fields::read(node, "retry", known, errors) else {
        return defaults;
    };
    let backoffs = [
        ("constant", Backoff::Constant),
        ("linear", Backoff::Linear),
        ("exponential", Backoff::Exponential),
    ];
    let max = if fields.required("max", errors).is_some() {
        fields.integer("max", (0, 1_000), errors)
    } else {
        None
    };
    let retry = Retry {
        max: max.and_then(|max| u32::try_from(max).ok()).unwrap_or(defaults.max),
        backoff: fields.choice("backoff", &backoffs, errors).unwrap_or(defaults.backoff),
        initial: fields
            .seconds("initialSeconds", (0.0, SECONDS_MAX), errors)
            .unwrap_or(defaults.initial),
        longest: fields
            .seconds("maxSeconds", (0.0, SECONDS_MAX), errors)
            .unwrap_or(defaults.longest),
        jitter: fields.boolean("jitter", errors).unwrap_or(defaults.jitter),
    };
    if retry.initial > retry.longest
        && let Some(place) = fields.get("initialSeconds").or_else(|| fields.get("maxSeconds"))
    {
        let message = format!(
            "the first wait ({:?}) is longer than the longest ({:?})",
            retry.initial, retry.longest
        );
        errors.push(Diagnostic::error("out_of_range", place.span, message).label("raise `maxSeconds`, or lower this"));
    }
    retry
}

/// A task may only narrow what the workflow grants.
fn narrows(
    found: &Permissions,
    places: &PermissionPlaces,
    (outer, outer_places): (&Permissions, &PermissionPlaces),
    errors: &mut Diagnostics,
) {
    let mut refuse = |what: &str, span: Span, allowed: &[Span]| {
        let message = format!("the task grants itself `{what}`, which the workflow does not grant");
        let whole = allowed.first().copied().unwrap_or(outer_places.whole);
        let error = Diagnostic::error("wider_permission", span, message).label("wider than the workflow's");
        let help = "a task's permissions replace the workflow's and may only narrow them; grant it there as well";
        errors.push(error.related(whole, "the workflow's grant").help(help));
    };
    for (pattern, span) in found.network.iter().zip(&places.network) {
        if !outer.network.iter().any(|granted| granted.covers(pattern)) {
            refuse(pattern.as_str(), *span, &outer_places.network);
        }
    }
    for (path, span) in found.read.iter().zip(&places.read) {
        if !outer
            .read
            .iter()
            .chain(&outer.write)
            .any(|granted| path_covers(granted, path))
        {
            refuse(path, *span, &outer_places.read);
        }
    }
    for (path, span) in found.write.iter().zip(&places.write) {
        if !outer.write.iter().any(|granted| path_covers(granted, path)) {
            refuse(path, *span, &outer_places.write);
        }
    }
    for (name, span) in found.env.iter().zip(&places.env) {
        if !outer.env.contains(name) {
            refuse(name, *span, &outer_places.env);
        }
    }
}

/// Puts the tasks of `finally` behind the others. Their needs are among themselves; their ids are their own.
pub(super) fn append(tasks: &mut Vec<Task>, last: Vec<Task>, errors: &mut Diagnostics) -> bool {
    let by_id: HashMap<TaskId, Span> = tasks.iter().map(|task| (task.id.clone(), task.places.id)).collect();
    let offset = tasks.len();
    let mut good = true;
    for mut task in last {
        if let Some(first) = by_id.get(&task.id) {
            let message = format!("the task id `{}` stands twice", task.id);
            let error = Diagnostic::error("duplicate_task", task.places.id, message);
            errors.push(error.label("again here").related(*first, "first here"));
            good = false;
        }
        for need in &mut task.needs {
            need.index += offset;
        }
        tasks.push(task);
    }
    good
}

/// Turns names into positions: every id once, every need there.
fn link(tasks: &mut [Task], needs: Vec<Vec<RawNeed>>, complete: bool, errors: &mut Diagnostics) -> bool {
    let mut by_id: HashMap<TaskId, usize> = HashMap::with_capacity(tasks.len());
    let mut good = true;
    for (index, task) in tasks.iter().enumerate() {
        if let Some(first) = by_id.insert(task.id.clone(), index) {
            let error = Diagnostic::error(
                "duplicate_task",
                task.places.id,
                format!("the task id `{}` stands twice", task.id),
            );
            let first = tasks.get(first).map_or(Span::default(), |task| task.places.id);
            errors.push(error.label("again here").related(first, "first here"));
            good = false;
        }
    }
    for (task, raw) in tasks.iter_mut().zip(needs) {
        for (id, on, span) in raw {
            match by_id.get(&id) {
                Some(_) if task.needs.iter().any(|need| need.task == id) => {
                    errors.push(Diagnostic::error(
                        "duplicate_need",
                        span,
                        format!("`{id}` is needed twice"),
                    ));
                    good = false;
                }
                Some(&index) => task.needs.push(Need { task: id, index, on }),
                // Where a task could not be read, a missing one may be that one.
                None if complete => {
                    let error = Diagnostic::error("unknown_task", span, format!("there is no task `{id}`"));
                    let known = by_id.keys().map(TaskId::as_str);
                    let error = error.label("needed here").help(known_tasks(&by_id));
                    errors.push(error.did_you_mean(id.as_str(), known));
                    good = false;
                }
                None => good = false,
            }
        }
    }
    good
}

/// Ids of tasks that a message lists; what is more is counted.
const LISTED_MAX: usize = 10;

fn known_tasks(by_id: &HashMap<TaskId, usize>) -> String {
    let mut known: Vec<(usize, &str)> = by_id.iter().map(|(id, index)| (*index, id.as_str())).collect();
    known.sort_unstable();
    let shown = known
        .iter()
        .take(LISTED_MAX)
        .map(|(_, id)| *id)
        .collect::<Vec<_>>()
        .join(", ");
    match known.len().checked_sub(LISTED_MAX) {
        Some(more) if more > 0 => format!("the tasks: {shown} and {more} more"),
        _ => format!("the tasks: {shown}"),
    }
}

/// Looks for a cycle, and prints it.
fn no_cycle(tasks: &[Task], errors: &mut Diagnostics) -> bool {
    // Kahn's algorithm; what is left over lies on a cycle or behind one.
    let mut open: Vec<usize> = tasks.iter().map(|task| task.needs.len()).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
    for (index, task) in tasks.iter().enumerate() {
        for need in &task.needs {
            dependents[need.index].push(index);
        }
    }
    let mut ready: Vec<usize> = (0..tasks.len()).filter(|index| open[*index] == 0).collect();
    let mut ended = 0;
    while let Some(index) = ready.pop() {
        ended += 1;
        for &dependent in &dependents[index] {
            open[dependent] -= 1;
            if open[dependent] == 0 {
                ready.push(dependent);
            }
        }
    }
    if ended == tasks.len() {
        return true;
    }
    let mut path = Vec::new();
    let mut seen = vec![false; tasks.len()];
    let mut at = open.iter().position(|open| *open > 0).unwrap_or(0);
    // From a task that is left over, one of its needs is left over too: walking them must come round.
    while !std::mem::replace(&mut seen[at], true) {
        path.push(at);
        let next = tasks[at]
            .needs
            .iter()
            .map(|need| need.index)
            .find(|index| open[*index] > 0);
        at = next.unwrap_or(at);
    }
    let cycle: Vec<usize> = path.into_iter().skip_while(|index| *index != at).collect();
    let mut names: Vec<&str> = cycle.iter().map(|index| tasks[*index].id.as_str()).collect();
    names.push(tasks[at].id.as_str());
    let message = format!("the tasks need each other in a cycle: {}", names.join(" -> "));
    errors.push(
        Diagnostic::error("cycle", tasks[at].places.id, message)
            .label("the cycle goes through this task")
            .help("take one of these `needs` away: the first task of a cycle would wait for the last"),
    );
    false
}
