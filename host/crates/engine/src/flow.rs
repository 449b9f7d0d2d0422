//! Actions that the engine carries out itself, without an instance: the end of a flow by its own will, and waiting.

use std::time::Duration;

use autokestra_model::{ActionName, ReasonCode, TaskState, Timestamp};
use autokestra_sandbox::Failure;
use autokestra_secrets::Masked;
use autokestra_store::LogLevel;
use serde_json::Value;

use crate::batch::Batch;
use crate::child::ChildJob;
use crate::event::RunEvent;
use crate::execution::Execution;
use crate::rows::{AttemptEnd, TaskFields, own_error};
use crate::settle::TaskOutcome;
use crate::unit::Unit;

/// The plugin whose actions are the engine's own.
pub(crate) const FLOW: &str = "core/flow";

/// The longest that `core/time.sleep` waits: a year, in seconds.
const SLEEP_SECONDS_MAX: f64 = 31_536_000.0;

/// An action that the engine carries out itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    Fail,
    Assert,
    Run,
    Sleep,
}

/// What the engine does itself, of the actions that a task may name.
pub(crate) fn own_action(name: &ActionName) -> Option<Own> {
    match (name.plugin().as_str(), name.action()) {
        (FLOW, "fail") => Some(Own::Fail),
        (FLOW, "assert") => Some(Own::Assert),
        (FLOW, "run") => Some(Own::Run),
        ("core/time", "sleep") => Some(Own::Sleep),
        _ => None,
    }
}

impl Execution {
    /// Carries an action of the engine's own out: one attempt that ends at once, or at a time.
    pub(crate) fn carry_out_own(&mut self, unit: Unit, own: Own, input: &Value, at: Timestamp, batch: &mut Batch) {
        let attempt = self.count_attempt(unit, at);
        self.attempt_rows(unit, attempt, None, at, batch);
        let ended = match own {
            Own::Fail => Err(text(input, "message")
                .unwrap_or("`core/flow.fail` was reached")
                .to_owned()),
            Own::Assert if holds(&input["condition"]) => Ok(()),
            Own::Assert => Err(text(input, "message")
                .unwrap_or("`core/flow.assert` found its condition false")
                .to_owned()),
            Own::Run => {
                batch.children.push(self.child_job(unit, attempt, input.clone(), at));
                return;
            }
            Own::Sleep => match sleep_time(input) {
                Ok(wait) => {
                    self.sleep(unit, wait, at, batch);
                    return;
                }
                Err(error) => Err(error),
            },
        };
        let row = AttemptEnd {
            unit,
            attempt,
            at,
            usage: autokestra_sandbox::Usage::default(),
        };
        match ended {
            Ok(()) => {
                self.attempt_row(&row, None, batch);
                self.end_unit(unit, TaskOutcome::success(Value::Null), at, batch);
            }
            Err(said) => {
                let code = if own == Own::Sleep {
                    ReasonCode::InvalidInput
                } else {
                    ReasonCode::FlowFailed
                };
                let message = self.shared.masker.mask(&said);
                self.attempt_row(&row, Some(own_error(code, message.clone())), batch);
                let end = TaskOutcome::without_output(TaskState::Failed, code, message);
                self.end_unit(unit, end, at, batch);
            }
        }
    }

    /// The job of an attempt of `core/flow.run`.
    pub(crate) fn child_job(&self, unit: Unit, attempt: u32, input: Value, at: Timestamp) -> ChildJob {
        ChildJob {
            unit,
            run: self.key(unit),
            plugin: self.plan.task(unit.task).action.plugin().clone(),
            attempt,
            started_at: at,
            input,
            existing: None,
        }
    }

    /// Lets a unit sleep. A shorter `timeoutSeconds` of its own ends it first.
    pub(crate) fn sleep(&mut self, unit: Unit, wait: Duration, at: Timestamp, batch: &mut Batch) {
        let limit = self.plan.task(unit.task).timeout.filter(|limit| *limit < wait);
        let run = self.run_of(unit);
        run.sleeping = true;
        run.times_out = limit.is_some();
        let text = format!("`{}` sleeps for {wait:?}, without an instance", self.key(unit));
        let entry = self.scheduler_entry(LogLevel::Debug, self.shared.masker.mask(&text), at);
        batch.changes.push(entry);
        let wait = limit.unwrap_or(wait);
        self.park(unit, ReasonCode::Sleeping, wait, TaskFields::default(), at, batch);
        batch.events.push(RunEvent::Sleeping {
            task: self.plan.task(unit.task).id.clone(),
            item: unit.item,
            wait,
        });
    }

    /// How long a sleeping unit was told to sleep, read again from its inputs.
    pub(crate) fn sleep_of(&self, unit: Unit) -> Option<Duration> {
        let inputs = self.plan.task(unit.task).inputs.render(&self.scope_of(unit)).ok()?;
        sleep_time(&inputs).ok()
    }
}

/// The failure of a sleep that its task's time limit ended.
pub(crate) fn sleep_timed_out() -> Failure {
    Failure {
        reason: ReasonCode::Timeout,
        code: ReasonCode::Timeout.as_str().to_owned(),
        message: Masked::literal("it sleeps longer than its `timeoutSeconds`"),
        retryable: true,
        retry_after: None,
        details: None,
    }
}

fn text<'v>(input: &'v Value, key: &str) -> Option<&'v str> {
    input.get(key).and_then(Value::as_str)
}

fn sleep_time(input: &Value) -> Result<Duration, String> {
    let seconds = input.get("seconds").and_then(Value::as_f64);
    match seconds.filter(|seconds| (0.0..=SLEEP_SECONDS_MAX).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => Err("`seconds` must be a number from 0 to a year".to_owned()),
    }
}

/// Whether a value counts as true, as in a condition.
fn holds(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}
