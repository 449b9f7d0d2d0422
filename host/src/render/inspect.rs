//! `execution inspect` for people.

use std::collections::HashMap;

use autokestra_model::{TaskState, Timestamp};
use autokestra_store::{AuditEventRow, ChainState, ExecutionDetail, LogRow, TaskRunRow, Usage};
use serde_json::Value;

use super::audit::{broken, counted, cut_words, metadata};
use super::columns::{Cell, Column, Columns};
use super::timeline::timeline;
use super::values::{execution_tint, head, indented, shown, task_tint, values};
use super::when::ago;
use super::width::one_line;
use super::{Tint, Ui, bytes, files, human, log_line, safe};

/// Files that an inspection lists; `execution files` lists all.
const FILES_SHOWN_MAX: usize = 20;

const COLUMNS: [Column; 9] = [
    Column::cut_to("TASK", 12, 0),
    Column::cut_to("TYPE", 12, 5),
    Column::whole("STATE", 1),
    Column::whole("REASON", 3),
    Column::figures("ATTEMPTS", 4),
    Column::figures("DURATION", 2),
    Column::figures("CPU", 6),
    Column::figures("MEMORY", 7),
    Column::figures("FUEL", 8),
];

const AUDIT_COLUMNS: [Column; 4] = [
    Column::whole("TIME", 4),
    Column::whole("EVENT", 0),
    Column::cut_to("TASK", 8, 2),
    Column::cut_to("METADATA", 20, 3),
];

/// What `inspect` shows beside the execution itself.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    /// Only this task.
    pub(crate) task: Option<&'a str>,
    pub(crate) inputs: bool,
    pub(crate) timeline: bool,
    pub(crate) logs: Option<(Vec<&'a LogRow>, u64)>,
    /// Its audit trail, which is shown only where `audit` says so.
    pub(crate) events: &'a [AuditEventRow],
    pub(crate) audit: bool,
    /// What a check of the trail's chain found.
    pub(crate) chain: ChainState,
    pub(crate) now: Timestamp,
}

/// One execution, whole.
pub(crate) fn detail(ui: &Ui, detail: &ExecutionDetail, parts: &Parts<'_>) -> String {
    let mut text = overview(ui, detail, parts);
    text += &values(ui, "Inputs", Some(&detail.inputs));
    text += &tasks(ui, detail, parts);
    if parts.timeline {
        text += &timeline(ui, detail, parts.task, parts.now);
    }
    text += &values(ui, "Outputs", detail.outputs.as_ref());
    text += &files_left(ui, detail, parts);
    if let Some((logs, total)) = &parts.logs {
        text += &head(ui, "Logs");
        if (logs.len() as u64) < *total {
            let earlier = total.saturating_sub(logs.len() as u64);
            let hint = format!(
                "  {earlier} earlier entries: workflow execution logs {}\n",
                detail.row.id
            );
            text += &ui.tint(Tint::Faint, &hint);
        }
        for log in logs {
            let line = log_line(log.at, log.level, &log.source, log.message.as_str(), |tint, text| {
                ui.tint(tint, text)
            });
            text.extend([format!("  {line}\n")]);
        }
    }
    if parts.audit {
        text += &audit(ui, parts.events);
    }
    text
}

fn overview(ui: &Ui, detail: &ExecutionDetail, parts: &Parts<'_>) -> String {
    let row = &detail.row;
    let mut lines: Vec<(&str, String)> = vec![("workflow", one_line(&row.workflow))];
    let trigger = one_line(&row.trigger);
    lines.push(match actor(parts.events) {
        Some(actor) => ("trigger", format!("{trigger}, by {actor}")),
        None => ("trigger", trigger),
    });
    // Where it is kept, how long ago it was would soon be wrong.
    let relative = ui.width_out().is_some();
    let time = |at: Timestamp| match relative {
        true => format!("{at}  {}", ui.tint(Tint::Faint, &ago(at, parts.now))),
        false => at.to_string(),
    };
    lines.push(("created", time(row.created_at)));
    lines.extend(row.started_at.map(|at| ("started", time(at))));
    lines.extend(row.ended_at.map(|at| ("ended", time(at))));
    match (row.duration(), row.started_at) {
        (Some(duration), _) => lines.push(("duration", human(duration))),
        (None, Some(started)) if relative => {
            lines.push(("duration", format!("{} until now", human(parts.now.since(started)))));
        }
        (None, _) => {}
    }
    let message = row.message.as_ref();
    lines.extend(message.map(|message| ("message", indented(&safe(message.as_str())))));
    lines.extend(detail.retry_of.map(|retried| ("retries", retried.to_string())));
    lines.extend(detail.retried_by.iter().map(|retry| ("retried by", retry.to_string())));
    let parent = detail.parent.as_ref();
    lines.extend(parent.map(|parent| ("started by", format!("{} of {}", parent.run, parent.execution))));
    let children = detail.children.iter();
    lines.extend(children.map(|child| ("started", format!("{} {}", child.execution, child.state))));
    if let Some(owner) = detail.owner.as_ref().filter(|_| !row.state.is_terminal()) {
        let sign = if owner.expires_at < parts.now {
            ", which gives no sign of life"
        } else {
            ""
        };
        let by = format!("process {} on {}{sign}", owner.process, one_line(&owner.host));
        lines.push(("run by", by));
    }
    let canceller = detail.cancel_requested_by.as_ref();
    lines.extend(canceller.map(|actor| ("cancelled", format!("by {}", one_line(actor.as_str())))));
    lines.push(("audit", chain(ui, detail, parts)));
    let mut text = format!(
        "{} {}  {}{}\n",
        ui.tint(Tint::Head, "Execution"),
        row.id,
        ui.tint(execution_tint(row.state), row.state.as_str()),
        row.reason.map(|reason| format!(" ({reason})")).unwrap_or_default(),
    );
    text.extend(lines.iter().map(|(label, value)| {
        let label = ui.tint(Tint::Faint, &format!("{label:<10}"));
        format!("  {label} {value}\n")
    }));
    text
}

/// Who started it, as the audit trail says.
fn actor(events: &[AuditEventRow]) -> Option<String> {
    let event = events.iter().find(|event| event.kind == "TRIGGERED_BY")?;
    event
        .metadata
        .value()
        .get("actor")
        .and_then(Value::as_str)
        .map(one_line)
}

/// How the audit trail stands.
fn chain(ui: &Ui, detail: &ExecutionDetail, parts: &Parts<'_>) -> String {
    let events = counted(parts.chain.events, "event", "events");
    if parts.chain.is_intact() {
        return format!("{events}, chain {}", ui.tint(Tint::Good, "intact"));
    }
    let broken = parts.chain.broken.as_ref().map(broken);
    let cut = parts.chain.cut.map(|cut| cut_words(detail.row.id, cut));
    let why: Vec<String> = broken.into_iter().chain(cut).collect();
    let mark = ui.tint(Tint::Bad, "broken");
    format!("{events}, chain {mark}: {}", one_line(&why.join("; ")))
}

/// The files that tasks left, as far as there is room for them.
fn files_left(ui: &Ui, detail: &ExecutionDetail, parts: &Parts<'_>) -> String {
    let wanted = |task: &&TaskRunRow| parts.task.is_none_or(|wanted| task.task.as_str() == wanted);
    let tasks: Vec<&TaskRunRow> = detail.tasks.iter().filter(wanted).collect();
    let count: usize = tasks.iter().map(|task| task.files.len()).sum();
    if count == 0 {
        return String::new();
    }
    let mut text = head(ui, "Files") + &files::table(ui, tasks, FILES_SHOWN_MAX);
    if count > FILES_SHOWN_MAX {
        let more = count - FILES_SHOWN_MAX;
        let hint = format!("  {more} more: workflow execution files {}\n", detail.row.id);
        text += &ui.tint(Tint::Faint, &hint);
    }
    text
}

/// What the elements of a task came to together.
#[derive(Debug, Default)]
struct Elements {
    all: usize,
    succeeded: usize,
    used: Used,
}

/// What attempts used: the most memory of one, the processor and the fuel of all.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    memory: Option<u64>,
    cpu_ms: Option<f64>,
    fuel: Option<u64>,
}

impl Used {
    fn of(task: &TaskRunRow) -> Self {
        let usages = task.attempts.iter().filter_map(|attempt| attempt.usage.as_ref());
        usages.fold(Self::default(), |used, usage: &Usage| {
            used.and(Self {
                memory: Some(usage.peak_memory),
                cpu_ms: Some(usage.cpu_ms),
                fuel: usage.fuel,
            })
        })
    }

    fn and(self, other: Self) -> Self {
        let sum = |left: Option<u64>, right: Option<u64>| match (left, right) {
            (Some(left), Some(right)) => Some(left.saturating_add(right)),
            (left, right) => left.or(right),
        };
        Self {
            memory: self.memory.max(other.memory),
            cpu_ms: match (self.cpu_ms, other.cpu_ms) {
                (Some(left), Some(right)) => Some(left + right),
                (left, right) => left.or(right),
            },
            fuel: sum(self.fuel, other.fuel),
        }
    }
}

fn tasks(ui: &Ui, detail: &ExecutionDetail, parts: &Parts<'_>) -> String {
    let mut elements: HashMap<&str, Elements> = HashMap::new();
    for row in detail.tasks.iter().filter(|row| row.item.is_some()) {
        let of_task = elements.entry(row.task.as_str()).or_default();
        of_task.all += 1;
        of_task.succeeded += usize::from(row.state == TaskState::Success);
        of_task.used = of_task.used.and(Used::of(row));
    }
    // Of a task's elements those that did not succeed are shown, unless that task is asked for.
    let shown = |task: &&TaskRunRow| match parts.task {
        Some(wanted) => task.task.as_str() == wanted,
        None => task.item.is_none() || task.state != TaskState::Success,
    };
    let mut table = Columns::new(&COLUMNS);
    for task in detail.tasks.iter().filter(shown) {
        let list = elements.get(task.task.as_str()).filter(|_| task.item.is_none());
        let used = list.map_or_else(|| Used::of(task), |list| list.used);
        // What the engine does itself uses no guest.
        let ran = used.memory.is_some_and(|memory| memory > 0);
        let duration = match (task.duration(), task.started_at) {
            (Some(duration), _) => human(duration),
            (None, Some(started)) if ui.width_out().is_some() && !task.state.is_terminal() => {
                format!("{}…", human(parts.now.since(started)))
            }
            (None, _) => String::new(),
        };
        table.row(vec![
            name_of(task).into(),
            one_line(&task.action).into(),
            Cell::tinted(task_tint(task.state), task.state.as_str()),
            task.reason.map(|reason| reason.to_string()).unwrap_or_default().into(),
            list.map_or_else(
                || task.attempts.len().to_string(),
                |list| format!("{}/{}", list.succeeded, list.all),
            )
            .into(),
            duration.into(),
            used.cpu_ms.filter(|_| ran).map(processor).unwrap_or_default().into(),
            used.memory.filter(|_| ran).map(bytes).unwrap_or_default().into(),
            used.fuel.map(compact).unwrap_or_default().into(),
        ]);
    }
    let mut text = head(ui, "Tasks") + &table.draw(ui.width_out(), 2, |tint, text| ui.tint(tint, text));
    for task in detail.tasks.iter().filter(shown) {
        text += &notes(ui, task, parts);
    }
    text
}

/// Time of the processor: tenths of milliseconds count.
fn processor(millis: f64) -> String {
    if millis < 1000.0 {
        format!("{millis:.1}ms")
    } else {
        human(std::time::Duration::from_secs_f64(millis / 1000.0))
    }
}

/// A large number: `987`, `12.3k`, `4.5M`, `6.7G`.
fn compact(count: u64) -> String {
    let (unit, name) = match count {
        0..1_000 => return count.to_string(),
        1_000..1_000_000 => (1_000, "k"),
        1_000_000..1_000_000_000 => (1_000_000, "M"),
        _ => (1_000_000_000, "G"),
    };
    format!("{}.{}{name}", count / unit, count % unit * 10 / unit)
}

/// What the table has no room for: errors, and what was asked for.
fn notes(ui: &Ui, task: &TaskRunRow, parts: &Parts<'_>) -> String {
    let mut text = String::new();
    let one = parts.task.is_some();
    let mut add = |label: &str, value: &str| {
        let label = ui.tint(Tint::Faint, label);
        text.extend([format!("    {label} {}\n", indented(&safe(value)))]);
    };
    let mut failed = false;
    for attempt in &task.attempts {
        if let Some(error) = &attempt.error {
            failed = true;
            let retryable = if error.retryable { ", retryable" } else { "" };
            let said = format!("{}{retryable}: {}", error.code, error.message);
            add(&format!("attempt {}", attempt.attempt), &said);
        }
    }
    if !failed && let Some(message) = &task.message {
        add("message", message.as_str());
    }
    if let Some(due) = task.due_at.filter(|_| task.state == TaskState::Waiting) {
        add("goes on", &format!("{due}, {}", ago(due, parts.now)));
    }
    if (parts.inputs || one)
        && let Some(inputs) = &task.inputs
    {
        add("inputs", &shown(inputs.value(), one));
    }
    if one && let Some(output) = &task.output {
        add("output", &shown(output.value(), true));
    }
    if one {
        for attempt in &task.attempts {
            if let Some(usage) = &attempt.usage {
                let duration = attempt.ended_at.map(|ended| human(ended.since(attempt.started_at)));
                let fuel = usage.fuel.map(|fuel| format!(", {fuel} fuel")).unwrap_or_default();
                let used = format!(
                    "attempt {}: {}, {:.1} ms of processor, {} of memory, {} of log{fuel}",
                    attempt.attempt,
                    duration.unwrap_or_default(),
                    usage.cpu_ms,
                    bytes(usage.peak_memory),
                    bytes(usage.log_bytes),
                );
                add("usage", &used);
            }
        }
    }
    if text.is_empty() {
        return text;
    }
    format!("  {}\n{text}", ui.tint(Tint::Head, &name_of(task)))
}

/// A task, or one element of it.
pub(super) fn name_of(task: &TaskRunRow) -> String {
    let name = one_line(task.task.as_str());
    match task.item {
        Some(item) => format!("{name}[{item}]"),
        None => name,
    }
}

fn audit(ui: &Ui, events: &[AuditEventRow]) -> String {
    let mut table = Columns::new(&AUDIT_COLUMNS);
    for event in events {
        table.row(vec![
            event.at.to_string().into(),
            event.kind.clone().into(),
            one_line(event.task.as_deref().unwrap_or_default()).into(),
            one_line(&metadata(event)).into(),
        ]);
    }
    head(ui, "Audit trail") + &table.draw(ui.width_out(), 2, |tint, text| ui.tint(tint, text))
}
