//! Executions for people.

use std::collections::BTreeMap;

use autokestra_engine::Outcome;
use autokestra_model::{ExecutionState, TaskState, Timestamp};
use autokestra_secrets::MaskedJson;
use autokestra_store::{AuditEventRow, ExecutionDetail, ExecutionPage, LogRow, TaskRunRow};
use serde_json::Value;

use super::{Table, Tint, Ui, files, human, log_line, safe};

/// Longest value that is shown on one line, in characters.
const VALUE_CHARS_MAX: usize = 200;

/// Files that an inspection lists; `execution files` lists all.
const FILES_SHOWN_MAX: usize = 20;

/// What `inspect` shows beside the execution itself.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a> {
    /// Only this task.
    pub(crate) task: Option<&'a str>,
    pub(crate) inputs: bool,
    pub(crate) timeline: bool,
    pub(crate) logs: Option<(Vec<&'a LogRow>, usize)>,
    pub(crate) audit: Option<&'a [AuditEventRow]>,
}

fn execution_tint(state: ExecutionState) -> Tint {
    match state {
        ExecutionState::Success => Tint::Good,
        ExecutionState::Failed => Tint::Bad,
        ExecutionState::Cancelled => Tint::Doubtful,
        ExecutionState::Pending => Tint::Faint,
        ExecutionState::Running | ExecutionState::Waiting => Tint::Going,
    }
}

pub(crate) fn task_tint(state: TaskState) -> Tint {
    match state {
        TaskState::Success => Tint::Good,
        TaskState::Failed => Tint::Bad,
        TaskState::Cancelled => Tint::Doubtful,
        TaskState::Pending | TaskState::Skipped => Tint::Faint,
        TaskState::Running | TaskState::Waiting => Tint::Going,
    }
}

/// `execution list`.
pub(crate) fn page(ui: &Ui, page: &ExecutionPage, offset: u64) -> String {
    if page.executions.is_empty() {
        return match page.total {
            0 => "no execution fits\n".to_owned(),
            total => format!("none from {offset} on; there are {total}\n"),
        };
    }
    let mut table = Table::new(ui, &["EXECUTION", "WORKFLOW", "STATE", "REASON", "CREATED", "DURATION"]);
    for row in &page.executions {
        table.row(vec![
            row.id.to_string(),
            safe(&row.workflow).into_owned(),
            ui.tint(execution_tint(row.state), row.state.as_str()),
            row.reason.map(|reason| reason.to_string()).unwrap_or_default(),
            row.created_at.to_string(),
            row.duration().map(human).unwrap_or_default(),
        ]);
    }
    let mut text = table.to_string();
    let shown = page.executions.len() as u64;
    if offset + shown < page.total || offset > 0 {
        text += &ui.tint(
            Tint::Faint,
            &format!("{} to {} of {}", offset + 1, offset + shown, page.total),
        );
        text.push('\n');
    }
    text
}

/// `execution inspect`.
pub(crate) fn detail(ui: &Ui, detail: &ExecutionDetail, parts: &Parts<'_>) -> String {
    let row = &detail.row;
    let mut text = format!(
        "{} {}  {}{}\n",
        ui.tint(Tint::Head, "Execution"),
        row.id,
        ui.tint(execution_tint(row.state), row.state.as_str()),
        row.reason.map(|reason| format!(" ({reason})")).unwrap_or_default(),
    );
    let mut line = |label: &str, value: &str| {
        let label = ui.tint(Tint::Faint, &format!("{label:<10}"));
        text.extend([format!("  {label} {value}\n")]);
    };
    line("workflow", &safe(&row.workflow));
    line("trigger", &safe(&row.trigger));
    line("created", &row.created_at.to_string());
    if let Some(at) = row.started_at {
        line("started", &at.to_string());
    }
    if let Some(at) = row.ended_at {
        line("ended", &at.to_string());
    }
    if let Some(duration) = row.duration() {
        line("duration", &human(duration));
    }
    if let Some(message) = &row.message {
        line("message", &indented(&safe(message.as_str())));
    }
    let mut line = |label: &str, value: &str| {
        let label = ui.tint(Tint::Faint, &format!("{label:<10}"));
        text.extend([format!("  {label} {value}\n")]);
    };
    if let Some(retried) = detail.retry_of {
        line("retries", &retried.to_string());
    }
    for retry in &detail.retried_by {
        line("retried by", &retry.to_string());
    }
    if let Some(parent) = &detail.parent {
        line("started by", &format!("{} of {}", parent.run, parent.execution));
    }
    for child in &detail.children {
        line("started", &format!("{} {}", child.execution, child.state));
    }
    if let Some(owner) = &detail.owner {
        line("run by", &format!("process {} on {}", owner.process, safe(&owner.host)));
    }
    if let Some(actor) = &detail.cancel_requested_by {
        line("cancelled", &format!("by {}", safe(actor.as_str())));
    }
    let mut text = text + &values(ui, "Inputs", Some(&detail.inputs)) + &tasks(ui, detail, parts);
    if parts.timeline {
        text += &timeline(ui, detail);
    }
    text += &values(ui, "Outputs", detail.outputs.as_ref());
    text += &files_left(ui, detail, parts);
    if let Some((logs, total)) = &parts.logs {
        text += &head(ui, "Logs");
        if logs.len() < *total {
            let earlier = total - logs.len();
            let hint = format!("  {earlier} earlier entries: workflow execution logs {}\n", row.id);
            text += &ui.tint(Tint::Faint, &hint);
        }
        for log in logs {
            let line = log_line(log.at, log.level, &log.source, log.message.as_str(), |tint, text| {
                ui.tint(tint, text)
            });
            text.extend([format!("  {line}\n")]);
        }
    }
    if let Some(events) = parts.audit {
        text += &audit(ui, events);
    }
    text
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

fn head(ui: &Ui, title: &str) -> String {
    format!("\n{}\n", ui.tint(Tint::Head, title))
}

fn tasks(ui: &Ui, detail: &ExecutionDetail, parts: &Parts<'_>) -> String {
    let mut table = Table::new(
        ui,
        &["  TASK", "TYPE", "STATE", "REASON", "ATTEMPTS", "DURATION", "MEMORY"],
    );
    // Of a task's elements those that did not succeed are shown, unless that task is asked for.
    let mut elements: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for row in detail.tasks.iter().filter(|row| row.item.is_some()) {
        let (ended, succeeded) = elements.entry(row.task.as_str()).or_default();
        *ended += usize::from(row.state.is_terminal());
        *succeeded += usize::from(row.state == TaskState::Success);
    }
    let shown = |task: &&TaskRunRow| match parts.task {
        Some(wanted) => task.task.as_str() == wanted,
        None => task.item.is_none() || task.state != TaskState::Success,
    };
    for task in detail.tasks.iter().filter(shown) {
        let peak = task
            .attempts
            .iter()
            .filter_map(|attempt| attempt.usage.as_ref())
            .map(|usage| usage.peak_memory)
            .max();
        table.row(vec![
            format!("  {}", name_of(task)),
            safe(&task.action).into_owned(),
            ui.tint(task_tint(task.state), task.state.as_str()),
            task.reason.map(|reason| reason.to_string()).unwrap_or_default(),
            match elements.get(task.task.as_str()).filter(|_| task.item.is_none()) {
                Some((ended, succeeded)) => format!("{succeeded}/{ended} elements"),
                None => task.attempts.len().to_string(),
            },
            task.duration().map(human).unwrap_or_default(),
            peak.map(super::bytes).unwrap_or_default(),
        ]);
    }
    let mut text = head(ui, "Tasks") + &table.to_string();
    for task in detail.tasks.iter().filter(shown) {
        text += &notes(ui, task, parts);
    }
    text
}

/// What the table has no room for: errors, and what was asked for.
fn notes(ui: &Ui, task: &TaskRunRow, parts: &Parts<'_>) -> String {
    let mut text = String::new();
    let one = parts.task.is_some();
    let failed: Vec<_> = task
        .attempts
        .iter()
        .filter_map(|attempt| Some((attempt.attempt, attempt.error.as_ref()?)))
        .collect();
    let mut add = |label: &str, value: &str| {
        text.extend([format!(
            "    {} {}\n",
            ui.tint(Tint::Faint, label),
            indented(&safe(value))
        )]);
    };
    for (attempt, error) in &failed {
        let retryable = if error.retryable { ", retryable" } else { "" };
        add(
            &format!("attempt {attempt}"),
            &format!("{}{retryable}: {}", error.code, error.message),
        );
    }
    if failed.is_empty()
        && let Some(message) = &task.message
    {
        add("message", message.as_str());
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
                    super::bytes(usage.peak_memory),
                    super::bytes(usage.log_bytes),
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
    match task.item {
        Some(item) => format!("{}[{item}]", safe(task.task.as_str())),
        None => safe(task.task.as_str()).into_owned(),
    }
}

/// A value in one line, or whole.
fn shown(value: &Value, whole: bool) -> String {
    if whole {
        return match value {
            Value::String(text) => text.clone(),
            other => serde_json::to_string_pretty(other).unwrap_or_default(),
        };
    }
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= VALUE_CHARS_MAX && !text.contains('\n') {
        return text;
    }
    let cut: String = text.chars().take_while(|c| *c != '\n').take(VALUE_CHARS_MAX).collect();
    format!("{cut}… ({} in all)", super::bytes(text.len() as u64))
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n      ")
}

fn values(ui: &Ui, title: &str, values: Option<&MaskedJson>) -> String {
    let Some(Value::Object(entries)) = values.map(MaskedJson::value) else {
        return String::new();
    };
    if entries.is_empty() {
        return String::new();
    }
    let width = entries.keys().map(|key| key.chars().count()).max().unwrap_or_default();
    let mut text = head(ui, title);
    for (key, value) in entries {
        let key = ui.tint(Tint::Faint, &format!("{:<width$}", safe(key)));
        text.extend([format!("  {key}  {}\n", safe(&shown(value, false)))]);
    }
    text
}

/// Attempts on one scale: when each ran, beside the others.
fn timeline(ui: &Ui, detail: &ExecutionDetail) -> String {
    let Some(start) = detail.row.started_at else {
        return String::new();
    };
    let spans: Vec<(String, Timestamp, Timestamp, bool)> = detail
        .tasks
        .iter()
        .flat_map(|task| {
            task.attempts.iter().map(move |attempt| {
                let name = match task.attempts.len() {
                    1 => name_of(task),
                    _ => format!("{} #{}", name_of(task), attempt.attempt),
                };
                let ended = attempt.ended_at.unwrap_or(attempt.started_at);
                (name, attempt.started_at, ended, attempt.error.is_none())
            })
        })
        .collect();
    let Some(last) = spans.iter().map(|(_, _, ended, _)| *ended).max() else {
        return String::new();
    };
    let names = spans
        .iter()
        .map(|(name, ..)| name.chars().count())
        .max()
        .unwrap_or_default();
    let width = ui.width().saturating_sub(names + 16).clamp(10, 60);
    let total = last.since(start).as_millis().max(1);
    let column = |at: Timestamp| {
        let part = at.since(start).as_millis().saturating_mul(width as u128) / total;
        usize::try_from(part).unwrap_or(width).min(width)
    };
    let mut text = head(ui, "Timeline");
    for (name, began, ended, good) in &spans {
        let (from, to) = (column(*began).min(width - 1), column(*ended));
        let bar = "█".repeat(to.saturating_sub(from).max(1));
        let bar = ui.tint(if *good { Tint::Good } else { Tint::Bad }, &bar);
        let rest = " ".repeat(width.saturating_sub(to.max(from + 1)));
        let took = human(ended.since(*began));
        text.extend([format!(
            "  {:<names$}  {}{bar}{rest}  {took}\n",
            safe(name),
            " ".repeat(from)
        )]);
    }
    text
}

fn audit(ui: &Ui, events: &[AuditEventRow]) -> String {
    head(ui, "Audit trail") + &super::audit::events(ui, events, false)
}

/// The end of `run`: how it went, and what it returns.
pub(crate) fn outcome(ui: &Ui, outcome: &Outcome) -> String {
    let duration = human(outcome.ended_at.since(outcome.started_at));
    let state = ui.tint(execution_tint(outcome.state), outcome.state.as_str());
    let mut text = format!("{state} in {duration}: {}\n", outcome.execution);
    if let Some(Value::Object(entries)) = outcome.outputs.as_ref().map(MaskedJson::value) {
        let width = entries.keys().map(|key| key.chars().count()).max().unwrap_or_default();
        for (key, value) in entries {
            let key = ui.tint(Tint::Faint, &format!("{:<width$}", safe(key)));
            text.extend([format!("  {key}  {}\n", indented(&safe(&shown(value, true))))]);
        }
    }
    text
}
