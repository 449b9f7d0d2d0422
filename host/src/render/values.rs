//! Values, states and names, as all views show them.

use autokestra_model::{ExecutionState, TaskState};
use autokestra_secrets::MaskedJson;
use serde_json::Value;

use super::{Tint, Ui, safe};

/// Longest value that is shown on one line, in characters.
const VALUE_CHARS_MAX: usize = 200;

pub(super) fn execution_tint(state: ExecutionState) -> Tint {
    match state {
        ExecutionState::Success => Tint::Good,
        ExecutionState::Failed => Tint::Bad,
        ExecutionState::Cancelled => Tint::Doubtful,
        ExecutionState::Pending => Tint::Faint,
        ExecutionState::Running | ExecutionState::Waiting => Tint::Going,
    }
}

pub(super) fn task_tint(state: TaskState) -> Tint {
    match state {
        TaskState::Success => Tint::Good,
        TaskState::Failed => Tint::Bad,
        TaskState::Cancelled => Tint::Doubtful,
        TaskState::Pending | TaskState::Skipped => Tint::Faint,
        TaskState::Running | TaskState::Waiting => Tint::Going,
    }
}

/// A value in one line, or whole.
pub(super) fn shown(value: &Value, whole: bool) -> String {
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

pub(super) fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n      ")
}

/// The head of a part.
pub(super) fn head(ui: &Ui, title: &str) -> String {
    format!("\n{}\n", ui.tint(Tint::Head, title))
}

/// Inputs or outputs, a line each.
pub(super) fn values(ui: &Ui, title: &str, values: Option<&MaskedJson>) -> String {
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
