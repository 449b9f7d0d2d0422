//! What follows from the start and the end of a task: states, rows, the next tasks. Decides only; nothing here waits.

use std::sync::Arc;

use autokestra_model::{OnError, ReasonCode, TaskState, Timestamp};
use autokestra_sandbox::{Failure, Usage};
use autokestra_secrets::Masked;
use autokestra_store::{AuditEvent, Change};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::attempt::{End, Ended};
use crate::batch::Batch;
use crate::dispatch::{Skipped, TaskEnd};
use crate::event::RunEvent;
use crate::execution::Execution;
use crate::rows::{AttemptEnd, ClosingWords, Next, TaskFields, error_row, own_error, stop_words};
use crate::runner::StopReason;

/// A task's end, before it is written down.
struct TaskOutcome {
    next: Next<TaskState>,
    message: Option<Masked>,
    output: Option<Value>,
}

impl TaskOutcome {
    fn success(output: Value) -> Self {
        Self {
            next: Next {
                to: TaskState::Success,
                reason: None,
            },
            message: None,
            output: Some(output),
        }
    }

    fn without_output(to: TaskState, reason: ReasonCode, message: Masked) -> Self {
        Self {
            next: Next {
                to,
                reason: Some(reason),
            },
            message: Some(message),
            output: None,
        }
    }
}

impl Execution {
    /// Starts a task's next attempt; where the task ends without one, the slot comes back.
    pub(crate) fn start(
        &mut self,
        task: usize,
        slot: OwnedSemaphorePermit,
        batch: &mut Batch,
    ) -> Option<OwnedSemaphorePermit> {
        let now = self.runner.clock.now();
        match self.input_of(task) {
            Ok(input) => {
                self.start_attempt(task, input, slot, now, batch);
                None
            }
            Err(end) => {
                self.end_task(task, *end, now, batch);
                Some(slot)
            }
        }
    }

    /// The rendered input of a task that is to run, or its end where it is not.
    fn input_of(&self, task: usize) -> Result<Value, Box<TaskOutcome>> {
        let definition = self.plan.task(task);
        let masker = &self.shared.masker;
        let failed = |text: String| {
            let message = masker.mask(&text);
            Box::new(TaskOutcome::without_output(
                TaskState::Failed,
                ReasonCode::ExpressionFailed,
                message,
            ))
        };
        // The condition is asked once: a retry belongs to a task that runs.
        if let Some(when) = definition.when.as_ref().filter(|_| self.tasks[task].attempts == 0) {
            let runs = when.evaluate_bool(&self.scope);
            if !runs.map_err(|error| failed(format!("failed to evaluate its condition `when`: {error}")))? {
                let message = Masked::literal("its condition `when` is false");
                let end = TaskOutcome::without_output(TaskState::Skipped, ReasonCode::ConditionFalse, message);
                return Err(Box::new(end));
            }
        }
        let rendered = definition.inputs.render(&self.scope);
        rendered.map_err(|error| failed(format!("failed to render its inputs: {error}")))
    }

    fn start_attempt(
        &mut self,
        task: usize,
        input: Value,
        slot: OwnedSemaphorePermit,
        at: Timestamp,
        batch: &mut Batch,
    ) {
        let first = self.tasks[task].attempts == 0;
        self.tasks[task].attempts += 1;
        self.tasks[task].started_at.get_or_insert(at);
        let attempt = self.tasks[task].attempts;
        let Some(job) = self.job(task, input, slot, at) else {
            // Every plugin of the workflow was loaded before the start.
            let message = Masked::literal("its plugin is not loaded");
            let end = TaskOutcome::without_output(TaskState::Failed, ReasonCode::Internal, message);
            self.end_task(task, end, at, batch);
            return;
        };
        let definition = self.plan.task(task);
        let id = definition.id.clone();
        let secrets = definition.inputs.secrets().to_vec();
        // Templates, not values: a secret stands in the store as its name.
        let inputs = first.then(|| self.shared.masker.mask_json(&definition.inputs.source()));
        let fields = TaskFields {
            inputs,
            ..TaskFields::default()
        };
        self.change_task(
            task,
            Next {
                to: TaskState::Running,
                reason: None,
            },
            at,
            fields,
            batch,
        );
        let execution = self.shared.execution;
        let digest = Some(job.spec.plugin.digest);
        batch.changes.push(Change::AttemptStarted {
            execution,
            task: id.clone(),
            attempt,
            at,
            digest,
        });
        batch.changes.extend(secrets.into_iter().map(|name| {
            let event = AuditEvent::SecretAccessed { name };
            Change::Audit {
                execution,
                task: Some(id.clone()),
                at,
                event,
            }
        }));
        batch.jobs.push(job);
        batch.events.push(RunEvent::AttemptStarted { task: id, attempt });
    }

    /// Takes an attempt that ended: its rows, then its task's retry or end.
    pub(crate) fn settle(&mut self, mut ended: Ended, batch: &mut Batch) {
        batch.changes.append(&mut ended.rows);
        let (task, at) = (ended.index, ended.ended_at);
        let row = AttemptEnd {
            task,
            attempt: ended.attempt,
            at,
            usage: std::mem::take(&mut ended.usage),
        };
        match std::mem::replace(&mut ended.end, End::Output(Value::Null)) {
            End::Output(output) => {
                self.closing_entries(
                    &ended,
                    &ClosingWords {
                        verb: "succeeded",
                        failure: None,
                    },
                    batch,
                );
                self.attempt_row(&row, None, batch);
                self.state_rows(task, std::mem::take(&mut ended.state), batch);
                self.end_task(task, TaskOutcome::success(output), at, batch);
            }
            End::Failed(failure) => {
                self.closing_entries(
                    &ended,
                    &ClosingWords {
                        verb: "failed",
                        failure: Some(&failure),
                    },
                    batch,
                );
                let code = self.shared.masker.mask(&failure.code);
                self.attempt_row(&row, Some(error_row(&failure, code)), batch);
                self.after_failure(task, ended.attempt, failure, at, batch);
            }
            End::Stopped(reason) => {
                let (code, message) = stop_words(reason);
                self.closing_entries(
                    &ended,
                    &ClosingWords {
                        verb: "was stopped",
                        failure: None,
                    },
                    batch,
                );
                self.attempt_row(&row, Some(own_error(code, message.clone())), batch);
                self.end_task(
                    task,
                    TaskOutcome::without_output(TaskState::Cancelled, code, message),
                    at,
                    batch,
                );
            }
        }
    }

    /// Takes an attempt whose engine task panicked.
    pub(crate) fn settle_lost(&mut self, task: usize, attempt: u32, batch: &mut Batch) {
        let at = self.runner.clock.now();
        let message = Masked::literal("the engine lost this attempt by a bug of its own; run with -v and report it");
        let row = AttemptEnd {
            task,
            attempt,
            at,
            usage: Usage::default(),
        };
        self.attempt_row(&row, Some(own_error(ReasonCode::Internal, message.clone())), batch);
        self.end_task(
            task,
            TaskOutcome::without_output(TaskState::Failed, ReasonCode::Internal, message),
            at,
            batch,
        );
    }

    fn after_failure(&mut self, task: usize, attempt: u32, failure: Failure, at: Timestamp, batch: &mut Batch) {
        let definition = self.plan.task(task);
        // `max` counts the attempts after the first.
        if self.stopping.is_some() || !failure.retryable || attempt > definition.retry.max {
            let end = TaskOutcome::without_output(TaskState::Failed, failure.reason, failure.message);
            self.end_task(task, end, at, batch);
            return;
        }
        let id = definition.id.clone();
        let backoff = definition.retry.delay(attempt, self.random.f64());
        let wait = backoff.max(failure.retry_after.unwrap_or_default());
        self.retries.insert((Instant::now() + wait, task));
        let next = Next {
            to: TaskState::Waiting,
            reason: Some(ReasonCode::RetryBackoff),
        };
        self.change_task(task, next, at, TaskFields::message(failure.message.clone()), batch);
        batch.events.push(RunEvent::RetryPlanned {
            task: id,
            attempt,
            wait,
            message: failure.message,
        });
    }

    /// Writes a task's end down, tells the graph, and skips what can no longer run.
    fn end_task(&mut self, task: usize, end: TaskOutcome, at: Timestamp, batch: &mut Batch) {
        let TaskOutcome { next, message, output } = end;
        let output = output.map(Arc::new);
        let masked = output.as_ref().map(|output| self.shared.masker.mask_json(output));
        let fields = TaskFields {
            message: message.clone(),
            inputs: None,
            output: masked,
        };
        self.change_task(task, next, at, fields, batch);
        let definition = self.plan.task(task);
        self.scope.set_task(&definition.id, next.to, output);
        if next.to == TaskState::Failed && definition.on_error == OnError::Fail {
            self.failure.get_or_insert(task);
        }
        self.note_end(task, next, message, at, batch);
        if self.stopping.is_some() {
            self.dispatch.finish_stopped(task, next.to);
            return;
        }
        for skip in self.dispatch.finish(
            &self.plan,
            task,
            TaskEnd {
                state: next.to,
                reason: next.reason,
            },
        ) {
            self.write_skip(skip, at, batch);
        }
    }

    /// Writes down a task that the graph has already skipped.
    fn write_skip(&mut self, skip: Skipped, at: Timestamp, batch: &mut Batch) {
        let message = if skip.reason == ReasonCode::DependencySkipped {
            Masked::literal("a task that it needs was skipped")
        } else {
            Masked::literal("a task that it needs did not succeed")
        };
        let next = Next {
            to: TaskState::Skipped,
            reason: Some(skip.reason),
        };
        let fields = TaskFields::message(message.clone());
        self.push_transition(skip.task, TaskState::Pending, next, at, fields, batch);
        self.scope.set_task(&self.plan.task(skip.task).id, next.to, None);
        self.note_end(skip.task, next, Some(message), at, batch);
    }

    /// Cancels all that has not started or waits for another attempt.
    pub(crate) fn cancel_idle(&mut self, reason: StopReason, batch: &mut Batch) {
        let at = self.runner.clock.now();
        self.retries.clear();
        let (code, message) = stop_words(reason);
        let next = Next {
            to: TaskState::Cancelled,
            reason: Some(code),
        };
        for (task, from) in self.dispatch.cancel_idle() {
            self.push_transition(task, from, next, at, TaskFields::message(message.clone()), batch);
            self.note_end(task, next, Some(message.clone()), at, batch);
        }
    }

    fn note_end(
        &mut self,
        task: usize,
        next: Next<TaskState>,
        message: Option<Masked>,
        at: Timestamp,
        batch: &mut Batch,
    ) {
        let run = &mut self.tasks[task];
        run.reason = next.reason;
        run.message = message;
        run.ended_at = Some(at);
        batch.events.push(RunEvent::TaskEnded(self.summary(task, next.to)));
    }
}
