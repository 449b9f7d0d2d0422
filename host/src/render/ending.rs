//! The end of `run`: how each task went, what came of all, and where to look where it failed.

use autokestra_engine::{Outcome, TaskSummary};
use autokestra_model::{ExecutionState, TaskState};
use autokestra_secrets::MaskedJson;
use autokestra_store::{LogLevel, LogRow};
use serde_json::Value;

use super::columns::{Cell, Column, Columns};
use super::live::Size;
use super::values::{execution_tint, indented, shown, task_tint};
use super::width::one_line;
use super::{Tint, Ui, human, safe};
use crate::error::CliError;

/// Tasks that the table shows of a longer list.
const TASKS_SHOWN_MAX: usize = 25;

/// Tasks that failed as well and are named.
const OTHERS_NAMED_MAX: usize = 5;

const COLUMNS: [Column; 5] = [
    Column::cut_to("TASK", 12, 0),
    Column::whole("STATE", 1),
    Column::figures("ATTEMPTS", 3),
    Column::figures("DURATION", 2),
    Column::cut_to("REASON", 16, 4),
];

/// How each task went, as a table on stderr.
pub(crate) fn summary(ui: &Ui, outcome: &Outcome) -> String {
    let mut table = Columns::new(&COLUMNS);
    let shown = worth_showing(&outcome.tasks);
    for task in &shown {
        let attempts = match task.elements {
            Some(elements) => format!(
                "{}/{}",
                elements.total - elements.failed.min(elements.total),
                elements.total
            ),
            None if task.attempts == 0 => String::new(),
            None => task.attempts.to_string(),
        };
        table.row(vec![
            one_line(task.task.as_str()).into(),
            Cell::tinted(task_tint(task.state), task.state.as_str()),
            attempts.into(),
            task.duration.map(human).unwrap_or_default().into(),
            reason(task).into(),
        ]);
    }
    let width = Size::of_stderr().map(|size| size.width);
    let mut text = table.draw(width, 2, |tint, text| ui.tint_note(tint, text));
    let more = outcome.tasks.len() - shown.len();
    if more > 0 {
        let line = format!("  … and {more} more: {}", counted(&outcome.tasks));
        text += &ui.tint_note(Tint::Faint, &line);
        text.push('\n');
    }
    text
}

/// All of a short list; of a longer one what went wrong, then what took longest, in file order.
fn worth_showing(tasks: &[TaskSummary]) -> Vec<&TaskSummary> {
    if tasks.len() <= TASKS_SHOWN_MAX {
        return tasks.iter().collect();
    }
    let rank = |task: &TaskSummary| match task.state {
        TaskState::Failed => 0,
        TaskState::Cancelled => 1,
        TaskState::Success | TaskState::Running | TaskState::Waiting => 2,
        TaskState::Skipped | TaskState::Pending => 3,
    };
    let mut places: Vec<usize> = (0..tasks.len()).collect();
    places.sort_by_key(|place| {
        let task = &tasks[*place];
        (rank(task), std::cmp::Reverse(task.duration), *place)
    });
    places.truncate(TASKS_SHOWN_MAX - 1);
    places.sort_unstable();
    places.iter().map(|place| &tasks[*place]).collect()
}

/// `9,970 SUCCESS, 2 FAILED, 28 SKIPPED` of all.
fn counted(tasks: &[TaskSummary]) -> String {
    let states = [
        TaskState::Success,
        TaskState::Failed,
        TaskState::Cancelled,
        TaskState::Skipped,
        TaskState::Pending,
        TaskState::Running,
        TaskState::Waiting,
    ];
    let counts = states.map(|state| (state, tasks.iter().filter(|task| task.state == state).count()));
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts.map(|(state, count)| format!("{count} {state}")).collect();
    format!("{} of {} tasks", counts.join(", "), tasks.len())
}

fn reason(task: &TaskSummary) -> String {
    let reason = task.reason.map(|reason| reason.to_string());
    let message = task
        .message
        .as_ref()
        .filter(|_| task.state == TaskState::Failed)
        .map(|message| one_line(message.as_str()));
    [reason, message].into_iter().flatten().collect::<Vec<_>>().join(": ")
}

/// How it went, and what it returns.
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

/// An execution that did not succeed.
#[derive(Debug)]
pub(crate) struct Failure<'a> {
    pub(crate) outcome: &'a Outcome,
    /// The last log entries of the task that failed it.
    pub(crate) logs: Vec<LogRow>,
}

/// Why it did not succeed, the last that was heard of it, and the commands to look further.
pub(crate) fn failure(ui: &Ui, failure: &Failure<'_>) -> Result<(), CliError> {
    let outcome = failure.outcome;
    let task = outcome
        .failed
        .as_ref()
        .and_then(|failed| outcome.tasks.iter().find(|task| task.task == *failed));
    let why = match task {
        Some(task) => format!("task `{}` failed with {}", task.task, reason_and_message(task)),
        None => {
            let message = outcome
                .message
                .as_ref()
                .map_or("it gives no reason", |message| message.as_str());
            let reason = outcome.reason.map(|reason| format!(" ({reason})"));
            format!("{}{}", message.trim_end(), reason.unwrap_or_default())
        }
    };
    let label = match outcome.state {
        ExecutionState::Cancelled => "stopped",
        ExecutionState::Failed
        | ExecutionState::Success
        | ExecutionState::Pending
        | ExecutionState::Running
        | ExecutionState::Waiting => "error",
    };
    ui.error(label, &why)?;
    let others = others(outcome);
    if task.is_some() && !others.is_empty() {
        ui.error("also failed", &others)?;
    }
    if !failure.logs.is_empty() {
        ui.note(&ui.tint_note(Tint::Faint, "the last lines of its log:"))?;
        for row in &failure.logs {
            ui.note(&log(ui, row))?;
        }
    }
    let id = outcome.execution;
    let mut hints = Vec::new();
    if let Some(task) = task {
        hints.push(format!("workflow execution logs {id} --task-id {}", task.task));
        hints.push(format!("workflow execution inspect {id} --task {}", task.task));
    } else {
        hints.push(format!("workflow execution inspect {id} --with-logs"));
    }
    hints.push(format!("workflow execution retry {id}"));
    ui.error("hint", &hints.join("\n"))
}

fn reason_and_message(task: &TaskSummary) -> String {
    let reason = task
        .reason
        .map_or_else(|| "no reason".to_owned(), |reason| reason.to_string());
    match &task.message {
        Some(message) => format!("{reason}: {}", message.as_str().trim_end()),
        None => reason,
    }
}

/// The other tasks that failed.
fn others(outcome: &Outcome) -> String {
    let others = outcome.tasks.iter().filter(|task| task.state == TaskState::Failed);
    let others = others.filter(|task| Some(&task.task) != outcome.failed.as_ref());
    let names: Vec<&str> = others.map(|task| task.task.as_str()).collect();
    let named = names
        .iter()
        .take(OTHERS_NAMED_MAX)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(OTHERS_NAMED_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// A log entry whose execution, task and day stand above it already.
fn log(ui: &Ui, row: &LogRow) -> String {
    let tint = match row.level {
        LogLevel::Debug => Tint::Faint,
        LogLevel::Info => Tint::Good,
        LogLevel::Warn => Tint::Doubtful,
        LogLevel::Error => Tint::Bad,
    };
    let time = row.at.to_string();
    let time = time.get(11..23).unwrap_or(&time);
    let message = safe(row.message.as_str()).trim_end().replace('\n', "\n      ");
    format!(
        "  {} {} {message}",
        ui.tint_note(Tint::Faint, time),
        ui.tint_note(tint, &format!("{:<5}", row.level.as_str())),
    )
}
