//! What expressions may name: only what exists, and what has ended before they are read.

use std::collections::{HashMap, HashSet};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expression::Expression;
use crate::workflow::{Task, Workflow};

/// The names that an expression may begin with, in any workflow.
const ROOTS: &[&str] = &[
    "inputs",
    "secrets",
    "tasks",
    "trigger",
    "execution",
    "item",
    "index",
    "vars",
];

/// Checks every expression of a workflow whose needs are known and have no cycle.
pub(super) fn check(workflow: &Workflow, errors: &mut Diagnostics) {
    let names = Names {
        inputs: workflow.inputs.iter().map(|input| input.id.as_str()).collect(),
        secrets: workflow.secrets.iter().map(|secret| secret.name.as_ref()).collect(),
        tasks: workflow
            .tasks
            .iter()
            .enumerate()
            .map(|(index, task)| (task.id.as_str(), index))
            .collect(),
        all: &workflow.tasks,
        main: workflow.main_tasks,
    };
    for (index, task) in workflow.tasks.iter().enumerate() {
        let mut reader = Reader {
            from: index,
            last: index >= workflow.main_tasks,
            element: false,
            found: None,
        };
        let items = task.for_each.iter().flat_map(|each| each.items.expressions());
        for expression in items {
            names.check_all(expression, Some(&mut reader), errors);
        }
        reader.element = task.for_each.is_some();
        for expression in task.inputs.expressions().into_iter().chain(&task.when) {
            names.check_all(expression, Some(&mut reader), errors);
        }
    }
    for expression in workflow.outputs.expressions() {
        names.check_all(expression, None, errors);
    }
}

struct Names<'w> {
    inputs: HashSet<&'w str>,
    secrets: HashSet<&'w str>,
    tasks: HashMap<&'w str, usize>,
    all: &'w [Task],
    main: usize,
}

/// A task that reads, and the tasks that its needs lead to: found only when a name asks for one that is no direct need.
struct Reader {
    from: usize,
    /// It is one of `finally`.
    last: bool,
    /// It knows `item` and `index`.
    element: bool,
    found: Option<HashSet<usize>>,
}

impl Reader {
    fn reaches(&mut self, tasks: &[Task], target: usize) -> bool {
        let Some(task) = tasks.get(self.from) else { return false };
        if task.needs.iter().any(|need| need.index == target) {
            return true;
        }
        let found = self.found.get_or_insert_with(|| {
            let mut found = HashSet::new();
            let mut open: Vec<usize> = task.needs.iter().map(|need| need.index).collect();
            while let Some(index) = open.pop() {
                if found.insert(index)
                    && let Some(task) = tasks.get(index)
                {
                    open.extend(task.needs.iter().map(|need| need.index));
                }
            }
            found
        });
        found.contains(&target)
    }
}

impl Names<'_> {
    fn check_all(&self, at: &Expression, mut reader: Option<&mut Reader>, errors: &mut Diagnostics) {
        for name in at.names() {
            self.check(name, at, reader.as_deref_mut(), errors);
        }
    }

    /// Checks one dotted name. `reader` is the task that reads it; workflow outputs may read every task.
    fn check(&self, name: &str, at: &Expression, reader: Option<&mut Reader>, errors: &mut Diagnostics) {
        let mut parts = name.split('.');
        let root = parts.next().unwrap_or_default();
        let rest = parts.next();
        let error = match (root, rest) {
            ("inputs", Some(input)) => self.known(&self.inputs, "input", input, at),
            ("secrets", Some(secret)) => self
                .known(&self.secrets, "secret", secret, at)
                .map(|error| error.help("a secret must be listed under `secrets:`")),
            ("tasks", Some(task)) => self.task(task, parts.next(), at, reader),
            ("tasks" | "secrets", None) => {
                let message = format!("`{root}` must be followed by a name that is written out");
                let label = format!("write `{root}.name`, or `{root}['name']`");
                Some(Diagnostic::error("dynamic_reference", at.span(), message).label(label))
            }
            ("execution", Some(field)) => execution(field, reader.is_some_and(|reader| reader.last), at),
            ("inputs" | "execution", None) => None,
            ("item" | "index", _) if reader.as_ref().is_some_and(|reader| reader.element) => None,
            ("item" | "index", _) => Some(missing(root, "it is known only in a task with `forEach`", at)),
            ("trigger", _) => Some(missing(root, "it is known only in a workflow with triggers", at)),
            ("vars", _) => Some(missing(root, "this workflow has no `vars`", at)),
            _ => {
                let error = Diagnostic::error("unknown_name", at.span(), format!("`{root}` is not known"));
                let known = ROOTS.join(", ");
                Some(
                    error
                        .label("in this expression")
                        .help(format!("known: {known}"))
                        .did_you_mean(root, ROOTS.iter().copied()),
                )
            }
        };
        if let Some(error) = error {
            errors.push(error);
        }
    }

    fn known(&self, known: &HashSet<&str>, what: &str, name: &str, at: &Expression) -> Option<Diagnostic> {
        if known.contains(name) {
            return None;
        }
        let mut names: Vec<&str> = known.iter().copied().collect();
        names.sort_unstable();
        let error = Diagnostic::error("unknown_name", at.span(), format!("there is no {what} `{name}`"));
        let label = if names.is_empty() {
            format!("no {what} is declared")
        } else {
            format!("known: {}", names.join(", "))
        };
        Some(error.label(label).did_you_mean(name, names))
    }

    fn task(&self, id: &str, field: Option<&str>, at: &Expression, reader: Option<&mut Reader>) -> Option<Diagnostic> {
        let Some(&target) = self.tasks.get(id) else {
            let error = Diagnostic::error("unknown_name", at.span(), format!("there is no task `{id}`"));
            return Some(
                error
                    .label("named in this expression")
                    .did_you_mean(id, self.tasks.keys().copied()),
            );
        };
        if let Some(field) = field
            && !matches!(field, "output" | "state" | "files")
        {
            let error = Diagnostic::error("unknown_name", at.span(), format!("a task has no `{field}`"));
            let error = error
                .label("expected `output`, `state` or `files`")
                .did_you_mean(field, ["output", "state", "files"]);
            return Some(error.help(format!("its result is `tasks.{id}.output`")));
        }
        let reader = reader?;
        let from = self.all.get(reader.from)?;
        // When `finally` runs, all that stands before it has ended.
        if reader.last && target < self.main {
            return None;
        }
        if target == reader.from {
            return Some(Diagnostic::error(
                "not_needed",
                at.span(),
                format!("the task `{id}` reads its own output"),
            ));
        }
        if reader.reaches(self.all, target) {
            return None;
        }
        let message = format!("`{}` reads `{id}`, which may not have ended by then", from.id);
        let error = Diagnostic::error("not_needed", at.span(), message).label("read here");
        let places = self.all.get(target).map(|task| task.places.id).unwrap_or_default();
        Some(
            error
                .related(places, "this task")
                .help(format!("add `{id}` to the `needs` of `{}`", from.id)),
        )
    }
}

fn execution(field: &str, last: bool, at: &Expression) -> Option<Diagnostic> {
    match field {
        "id" | "workflowId" | "startedAt" => None,
        "state" if last => None,
        "state" => Some(missing("execution.state", "it is known only in `finally`", at)),
        _ => {
            let known = ["id", "workflowId", "startedAt"];
            let error = Diagnostic::error("unknown_name", at.span(), format!("`execution` has no `{field}`"));
            Some(
                error
                    .label(format!("known: {}", known.join(", ")))
                    .did_you_mean(field, known),
            )
        }
    }
}

fn missing(name: &str, why: &str, at: &Expression) -> Diagnostic {
    Diagnostic::error("unknown_name", at.span(), format!("`{name}` has no value here: {why}"))
        .label("in this expression")
}
