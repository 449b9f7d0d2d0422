//! The rows of a decision: transitions, attempts, closing log entries.

use autokestra_model::{ExecutionState, ReasonCode, State as _, TaskState, Timestamp};
use autokestra_sandbox::{Failure, Usage};
use autokestra_secrets::{Masked, MaskedJson, SealedJson};
use autokestra_store::{AttemptErrorRow, Change, LogLevel};
use serde_json::{Map, Value};

use crate::attempt::Ended;
use crate::batch::Batch;
use crate::event::{Outcome, RunEvent};
use crate::execution::{Execution, duration_text};
use crate::unit::Unit;

/// What goes with a change of a task's state.
#[derive(Default)]
pub(crate) struct TaskFields {
    pub(crate) message: Option<Masked>,
    pub(crate) inputs: Option<MaskedJson>,
    pub(crate) output: Option<SealedJson>,
    pub(crate) due: Option<Timestamp>,
}

impl TaskFields {
    pub(crate) fn message(message: Masked) -> Self {
        Self {
            message: Some(message),
            ..Self::default()
        }
    }
}

/// A state and why it is entered.
#[derive(Clone, Copy)]
pub(crate) struct Next<S> {
    pub(crate) to: S,
    pub(crate) reason: Option<ReasonCode>,
}

impl<S> Next<S> {
    /// A state that needs no reason.
    pub(crate) const fn to(to: S) -> Self {
        Self { to, reason: None }
    }

    /// A state and its reason.
    pub(crate) const fn because(to: S, reason: ReasonCode) -> Self {
        Self {
            to,
            reason: Some(reason),
        }
    }
}

/// An error of the engine's own about an attempt.
pub(crate) fn own_error(code: ReasonCode, message: Masked) -> AttemptErrorRow {
    AttemptErrorRow {
        code: Masked::literal(code.as_str()),
        message,
        retryable: false,
        details: None,
    }
}

impl Execution {
    /// Changes a unit's state, here and in the batch.
    pub(crate) fn change_unit(
        &mut self,
        unit: Unit,
        next: Next<TaskState>,
        at: Timestamp,
        fields: TaskFields,
        batch: &mut Batch,
    ) {
        let from = self.run_of(unit).state;
        match from.transition(next.to, next.reason) {
            Ok(transition) => {
                batch.changes.push(Change::Task {
                    run: self.key(unit),
                    transition,
                    at,
                    message: fields.message,
                    inputs: fields.inputs,
                    output: fields.output,
                    due: fields.due,
                });
                self.run_of(unit).state = next.to;
            }
            // The table is the law: what it has not does not reach the store.
            Err(error) => tracing::error!(%error, ?unit, "refused a change of a task's state"),
        }
    }

    /// Changes the execution's own state, here and in the batch.
    pub(crate) fn set_state(&mut self, next: Next<ExecutionState>, at: Timestamp, batch: &mut Batch) {
        self.set_end_state(next, at, None, None, batch);
    }

    fn set_end_state(
        &mut self,
        next: Next<ExecutionState>,
        at: Timestamp,
        message: Option<Masked>,
        outputs: Option<MaskedJson>,
        batch: &mut Batch,
    ) {
        match self.state.transition(next.to, next.reason) {
            Ok(transition) => {
                batch.changes.push(Change::Execution {
                    transition,
                    at,
                    message,
                    outputs,
                });
                self.state = next.to;
            }
            Err(error) => tracing::error!(%error, "refused a change of the execution's state"),
        }
    }

    /// The row of an attempt's end.
    pub(crate) fn attempt_row(&mut self, ended: &AttemptEnd, error: Option<AttemptErrorRow>, batch: &mut Batch) {
        self.note_attempt(ended, error.as_ref(), batch);
        batch.changes.push(Change::AttemptEnded {
            run: self.key(ended.unit),
            attempt: ended.attempt,
            at: ended.at,
            error,
            usage: usage_row(&ended.usage),
        });
    }

    /// What a successful plugin wants kept.
    pub(crate) fn state_rows(&self, unit: Unit, values: Vec<(String, Option<Value>)>, batch: &mut Batch) {
        for (key, value) in values {
            batch.changes.push(Change::PluginState {
                workflow: self.shared.workflow.clone(),
                plugin: self.plan.task(unit.task).action.plugin().clone(),
                key,
                value: value.map(|value| self.shared.masker.seal(&value)),
            });
        }
    }

    /// The last entries of an attempt's log: the engine's, and one with the plugin's own source.
    pub(crate) fn closing_entries(&self, ended: &Ended, words: &ClosingWords<'_>, batch: &mut Batch) {
        let duration = ended.ended_at.since(ended.started_at);
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let level = if words.failure.is_some() {
            LogLevel::Error
        } else {
            LogLevel::Info
        };
        let task = self.key(ended.unit);
        let mut text = format!(
            "attempt {} of `{task}` {} after {}",
            ended.attempt,
            words.verb,
            duration_text(duration)
        );
        if let Some(failure) = words.failure {
            text.push_str(": ");
            text.push_str(failure.message.as_str());
        }
        let mut metadata = Map::new();
        metadata.insert("duration".into(), millis.into());
        if let Some(failure) = words.failure {
            metadata.insert("code".into(), failure.code.as_str().into());
            metadata.insert("reason".into(), failure.reason.as_str().into());
        }
        let masker = &self.shared.masker;
        let worker = ended.log.worker(
            level,
            masker.mask(&text),
            Some(masker.mask_json(&Value::Object(metadata))),
        );
        let fields = Map::from_iter([("duration".to_owned(), Value::from(millis))]);
        let action = &self.plan.task(ended.unit.task).action;
        let text = format!("{action} {} after {}", words.verb, duration_text(duration));
        let plugin = ended.log.plugin(LogLevel::Info, masker.mask(&text), None, fields);
        if self.shared.observer.is_some() {
            batch.events.push(RunEvent::Log(worker.clone()));
            batch.events.push(RunEvent::Log(plugin.clone()));
        }
        batch.changes.push(Change::Logs(vec![worker, plugin]));
    }

    /// Ends the execution, once all its tasks have.
    pub(crate) fn finish(&mut self, batch: &mut Batch) -> Outcome {
        let at = self.runner.clock.now();
        let (next, message, outputs) = self.verdict();
        let level = if next.to == ExecutionState::Success {
            LogLevel::Info
        } else {
            LogLevel::Error
        };
        let duration = duration_text(at.since(self.started_at));
        let mut text = format!("Execution ended {} after {duration}", next.to);
        if let Some(message) = &message {
            text.push_str(": ");
            text.push_str(message.as_str());
        }
        let entry = self.scheduler_entry(level, self.shared.masker.mask(&text), at);
        batch.changes.push(entry);
        if self.state == ExecutionState::Waiting && next.to == ExecutionState::Success {
            // What it waited for was the last of it.
            self.set_state(Next::to(ExecutionState::Running), at, batch);
        }
        self.set_end_state(next, at, message.clone(), outputs.clone(), batch);
        let tasks = (0..self.plan.len())
            .map(|task| self.summary(Unit::task(task)))
            .collect();
        let outcome = Outcome {
            execution: self.shared.lease.execution(),
            workflow: self.shared.workflow.clone(),
            state: next.to,
            reason: next.reason,
            message,
            failed: self.failure.map(|task| self.plan.task(task).id.clone()),
            outputs,
            started_at: self.started_at,
            ended_at: at,
            tasks,
        };
        self.note_execution(&outcome, batch);
        outcome
    }

    pub(crate) fn verdict(&self) -> (Next<ExecutionState>, Option<Masked>, Option<MaskedJson>) {
        if let Some(stop) = &self.stopping {
            let (reason, message) = stop.words();
            return (Next::because(stop.state(), reason), Some(message), None);
        }
        let failed = |reason| Next {
            to: ExecutionState::Failed,
            reason: Some(reason),
        };
        if let Some(task) = self.failure {
            let message = self.tasks[task].message.as_ref().map_or("", Masked::as_str);
            let text = format!("task `{}` failed: {message}", self.plan.task(task).id);
            return (
                failed(ReasonCode::TaskFailed),
                Some(self.shared.masker.mask(&text)),
                None,
            );
        }
        match self.workflow().outputs.render(&self.scope) {
            Ok(outputs) => {
                let outputs = self.shared.masker.mask_json(&outputs);
                (
                    Next {
                        to: ExecutionState::Success,
                        reason: None,
                    },
                    None,
                    Some(outputs),
                )
            }
            Err(error) => {
                let text = format!("every task ended, and the workflow's outputs cannot be rendered: {error}");
                (
                    failed(ReasonCode::ExpressionFailed),
                    Some(self.shared.masker.mask(&text)),
                    None,
                )
            }
        }
    }
}

/// Which attempt ended, and what it used.
pub(crate) struct AttemptEnd {
    pub(crate) unit: Unit,
    pub(crate) attempt: u32,
    pub(crate) at: Timestamp,
    pub(crate) usage: Usage,
}

/// How an attempt's end reads in the log.
pub(crate) struct ClosingWords<'a> {
    pub(crate) verb: &'static str,
    pub(crate) failure: Option<&'a Failure>,
}

fn usage_row(usage: &Usage) -> autokestra_store::Usage {
    autokestra_store::Usage {
        fuel: usage.fuel,
        peak_memory: usage.peak_memory,
        cpu_ms: usage.cpu.as_secs_f64() * 1000.0,
        log_bytes: usage.log_bytes,
        bytes_in: usage.bytes_in,
        bytes_out: usage.bytes_out,
    }
}

/// A plugin's failure as a row.
pub(crate) fn error_row(failure: &Failure, code: Masked) -> AttemptErrorRow {
    AttemptErrorRow {
        code,
        message: failure.message.clone(),
        retryable: failure.retryable,
        details: failure.details.clone(),
    }
}
