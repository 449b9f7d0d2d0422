//! What follows from the start and the end of a unit: states, rows, what runs next. Decides only; nothing here waits.

use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{InputCheck, OnError, ReasonCode, Scope, Task, TaskState, Timestamp};
use autokestra_sandbox::{Failure, Usage};
use autokestra_secrets::Masked;
use autokestra_store::{AuditEvent, Change};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::artifacts::Artifact;
use crate::attempt::{End, Ended};
use crate::batch::Batch;
use crate::dispatch::{Skipped, TaskEnd};
use crate::event::RunEvent;
use crate::execution::Execution;
use crate::flow;
use crate::rows::{AttemptEnd, ClosingWords, Next, TaskFields, error_row, own_error};
use crate::stop::{Stop, StopReason};
use crate::unit::Unit;

/// Longest message of an input that does not fit, in bytes: keys of values may be long.
const MISFIT_BYTES_MAX: usize = 1000;

/// A unit's end, before it is written down.
pub(crate) struct TaskOutcome {
    pub(crate) next: Next<TaskState>,
    pub(crate) message: Option<Masked>,
    pub(crate) output: Option<Value>,
    pub(crate) files: Vec<Artifact>,
}

impl TaskOutcome {
    pub(crate) fn success(output: Value) -> Self {
        Self {
            next: Next::to(TaskState::Success),
            message: None,
            output: Some(output),
            files: Vec::new(),
        }
    }

    pub(crate) fn without_output(to: TaskState, reason: ReasonCode, message: Masked) -> Self {
        Self {
            next: Next::because(to, reason),
            message: Some(message),
            output: None,
            files: Vec::new(),
        }
    }
}

impl Execution {
    /// Starts a unit: its next attempt, or what it is instead. Where no attempt follows, the slot comes back.
    pub(crate) fn start(
        &mut self,
        unit: Unit,
        slot: OwnedSemaphorePermit,
        batch: &mut Batch,
    ) -> Option<OwnedSemaphorePermit> {
        let now = self.runner.clock.now();
        if let Some(item) = unit.item {
            self.elements.entry(unit.task).or_default().begin(item);
            self.queue_element(unit.task);
        }
        let plan = self.plan.clone();
        let definition = plan.task(unit.task);
        if let Err(end) = self.condition(unit, definition) {
            self.end_unit(unit, *end, now, batch);
            return Some(slot);
        }
        if unit.item.is_none() && definition.for_each.is_some() {
            self.begin_elements(unit, now, batch);
            return Some(slot);
        }
        let input = definition.inputs.render(&self.scope_of(unit));
        let input = match input {
            Ok(input) => input,
            Err(error) => {
                let end = self.expression_failed(&format!("failed to render its inputs: {error}"));
                self.end_unit(unit, end, now, batch);
                return Some(slot);
            }
        };
        if let Some(own) = flow::own_action(&definition.action) {
            self.carry_out_own(unit, own, &input, now, batch);
            return Some(slot);
        }
        if let Err(wrong) = self.check_input(definition, &input) {
            let end = TaskOutcome::without_output(TaskState::Failed, ReasonCode::InvalidInput, wrong);
            self.end_unit(unit, end, now, batch);
            return Some(slot);
        }
        self.start_attempt(unit, input, slot, now, batch);
        None
    }

    /// Holds what expressions came to against the action's schema. What is written out was held against it before the start.
    fn check_input(&mut self, definition: &Task, input: &Value) -> Result<(), Masked> {
        if definition.inputs.expressions().is_empty() {
            return Ok(());
        }
        let action = &definition.action;
        let Some(plugin) = self.plugins.get(action.plugin()) else {
            return Ok(());
        };
        let check = self.input_checks.entry(action.clone()).or_insert_with(|| {
            let info = plugin.actions.iter().find(|known| known.name == action.action());
            info.map(|info| InputCheck::new(info))
        });
        let Some(check) = check else { return Ok(()) };
        let wrong = check.check(input, definition, &self.plan.workflow().lines);
        wrong.map_err(|wrong| {
            let message = self.shared.masker.mask(&wrong);
            if message.as_str().len() <= MISFIT_BYTES_MAX {
                return message;
            }
            Masked::joined(&message.cut(MISFIT_BYTES_MAX), "…", &Masked::default())
        })
    }

    /// What expressions of a unit may name.
    pub(crate) fn scope_of(&self, unit: Unit) -> Scope {
        let item = unit.item.and_then(|item| {
            let value = self.elements.get(&unit.task)?.items.get(item as usize)?;
            Some(self.scope.with_element(value, item))
        });
        item.unwrap_or_else(|| self.scope.clone())
    }

    pub(crate) fn expression_failed(&self, text: &str) -> TaskOutcome {
        let message = self.shared.masker.mask(text);
        TaskOutcome::without_output(TaskState::Failed, ReasonCode::ExpressionFailed, message)
    }

    /// Asks a unit's `when`, once: a retry belongs to a unit that runs. One that names its element is asked for each.
    fn condition(&mut self, unit: Unit, definition: &Task) -> Result<(), Box<TaskOutcome>> {
        let Some(when) = definition.when.as_ref() else {
            return Ok(());
        };
        let of_element = definition.for_each.is_some()
            && when
                .names()
                .iter()
                .any(|name| matches!(name.split('.').next(), Some("item" | "index")));
        if of_element != unit.item.is_some() || self.run_of(unit).attempts > 0 {
            return Ok(());
        }
        match when.evaluate_bool(&self.scope_of(unit)) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let message = Masked::literal("its condition `when` is false");
                Err(Box::new(TaskOutcome::without_output(
                    TaskState::Skipped,
                    ReasonCode::ConditionFalse,
                    message,
                )))
            }
            Err(error) => Err(Box::new(
                self.expression_failed(&format!("failed to evaluate its condition `when`: {error}")),
            )),
        }
    }

    fn start_attempt(
        &mut self,
        unit: Unit,
        input: Value,
        slot: OwnedSemaphorePermit,
        at: Timestamp,
        batch: &mut Batch,
    ) {
        let attempt = self.count_attempt(unit, at);
        let Some(job) = self.job(unit, input, slot, at) else {
            // Every plugin of the workflow was loaded before the start.
            let message = Masked::literal("its plugin is not loaded");
            let end = TaskOutcome::without_output(TaskState::Failed, ReasonCode::Internal, message);
            self.end_unit(unit, end, at, batch);
            return;
        };
        self.attempt_rows(unit, attempt, job.spec.code.digest(), at, batch);
        batch.jobs.push(job);
    }

    /// Counts one more attempt, and gives its number.
    pub(crate) fn count_attempt(&mut self, unit: Unit, at: Timestamp) -> u32 {
        let run = self.run_of(unit);
        run.attempts += 1;
        run.started_at.get_or_insert(at);
        run.attempt_at = Some(at);
        run.attempts
    }

    /// The rows of an attempt's beginning.
    pub(crate) fn attempt_rows(
        &mut self,
        unit: Unit,
        attempt: u32,
        digest: Option<autokestra_model::Digest>,
        at: Timestamp,
        batch: &mut Batch,
    ) {
        let plan = self.plan.clone();
        let definition = plan.task(unit.task);
        // Templates, not values: a secret stands in the store as its name. An element's are those of its task.
        let shown = attempt == 1 && unit.item.is_none();
        let fields = TaskFields {
            inputs: shown.then(|| self.shared.masker.mask_json(&definition.inputs.source())),
            ..TaskFields::default()
        };
        self.change_unit(unit, Next::to(TaskState::Running), at, fields, batch);
        let run = self.key(unit);
        batch.changes.push(Change::AttemptStarted {
            run: run.clone(),
            attempt,
            at,
            digest,
        });
        batch.changes.extend(definition.inputs.secrets().iter().map(|name| {
            let event = AuditEvent::SecretAccessed { name: name.clone() };
            Change::Audit {
                task: Some(run.task.clone()),
                at,
                event,
            }
        }));
        let id = self.shared.lease.execution();
        tracing::debug!(execution = %id, task = %run, attempt, action = %definition.action, "attempt starts");
        batch.events.push(RunEvent::AttemptStarted {
            task: run.task,
            item: unit.item,
            attempt,
        });
    }

    /// Takes an attempt that ended: its rows, then its unit's retry or end.
    pub(crate) fn settle(&mut self, mut ended: Ended, batch: &mut Batch) {
        drop(ended.slot.take());
        batch.changes.append(&mut ended.rows);
        let (unit, at) = (ended.unit, ended.ended_at);
        self.started_children.extend(ended.child.map(|child| (unit, child)));
        let row = AttemptEnd {
            unit,
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
                self.state_rows(unit, std::mem::take(&mut ended.state), batch);
                let end = TaskOutcome {
                    files: std::mem::take(&mut ended.files),
                    ..TaskOutcome::success(output)
                };
                self.end_unit(unit, end, at, batch);
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
                self.after_failure(unit, ended.attempt, failure, at, batch);
            }
            End::Stopped(reason) => {
                let (code, message) = self.stop_words(reason);
                self.closing_entries(
                    &ended,
                    &ClosingWords {
                        verb: "was stopped",
                        failure: None,
                    },
                    batch,
                );
                self.attempt_row(&row, Some(own_error(code, message.clone())), batch);
                let end = TaskOutcome::without_output(TaskState::Cancelled, code, message);
                self.end_unit(unit, end, at, batch);
            }
        }
    }

    /// Takes an attempt whose engine task panicked.
    pub(crate) fn settle_lost(&mut self, unit: Unit, attempt: u32, batch: &mut Batch) {
        let at = self.runner.clock.now();
        let message = Masked::literal("the engine lost this attempt by a bug of its own; run with -v and report it");
        let row = AttemptEnd {
            unit,
            attempt,
            at,
            usage: Usage::default(),
        };
        self.attempt_row(&row, Some(own_error(ReasonCode::Internal, message.clone())), batch);
        let end = TaskOutcome::without_output(TaskState::Failed, ReasonCode::Internal, message);
        self.end_unit(unit, end, at, batch);
    }

    fn after_failure(&mut self, unit: Unit, attempt: u32, failure: Failure, at: Timestamp, batch: &mut Batch) {
        let run = self.run_of(unit);
        run.failures += 1;
        let failures = run.failures;
        let definition = self.plan.task(unit.task);
        // `max` counts the attempts after the first.
        if self.halted || !failure.retryable || failures > definition.retry.max {
            let end = TaskOutcome::without_output(TaskState::Failed, failure.reason, failure.message);
            self.end_unit(unit, end, at, batch);
            return;
        }
        let id = definition.id.clone();
        let backoff = definition.retry.delay(failures, self.random.f64());
        let wait = backoff.max(failure.retry_after.unwrap_or_default());
        let fields = TaskFields {
            message: Some(failure.message.clone()),
            ..TaskFields::default()
        };
        self.park(unit, ReasonCode::RetryBackoff, wait, fields, at, batch);
        batch.events.push(RunEvent::RetryPlanned {
            task: id,
            item: unit.item,
            attempt,
            wait,
            message: failure.message,
        });
    }

    /// Lets a unit wait for a time, without an instance; the store knows until when.
    pub(crate) fn park(
        &mut self,
        unit: Unit,
        reason: ReasonCode,
        wait: Duration,
        mut fields: TaskFields,
        at: Timestamp,
        batch: &mut Batch,
    ) {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        fields.due = Some(Timestamp::from_millis(at.as_millis().saturating_add(millis)));
        self.timers.insert((Instant::now() + wait, unit));
        self.change_unit(unit, Next::because(TaskState::Waiting, reason), at, fields, batch);
    }

    /// Ends a sleep.
    pub(crate) fn wake(&mut self, unit: Unit, batch: &mut Batch) {
        let at = self.runner.clock.now();
        let run = self.run_of(unit);
        run.sleeping = false;
        let (attempt, times_out) = (run.attempts, run.times_out);
        let row = AttemptEnd {
            unit,
            attempt,
            at,
            usage: Usage::default(),
        };
        if times_out {
            let failure = flow::sleep_timed_out();
            let code = self.shared.masker.mask(&failure.code);
            self.attempt_row(&row, Some(error_row(&failure, code)), batch);
            // To wait once more it must have run.
            self.change_unit(unit, Next::to(TaskState::Running), at, TaskFields::default(), batch);
            self.after_failure(unit, attempt, failure, at, batch);
        } else {
            self.attempt_row(&row, None, batch);
            self.end_unit(unit, TaskOutcome::success(Value::Null), at, batch);
        }
    }

    /// Writes a unit's end down, tells the graph or the list that it is of, and skips what can no longer run.
    pub(crate) fn end_unit(&mut self, unit: Unit, end: TaskOutcome, at: Timestamp, batch: &mut Batch) {
        let TaskOutcome {
            next,
            message,
            output,
            files,
        } = end;
        batch.changes.extend(files.iter().map(|file| Change::File {
            run: self.key(unit),
            name: file.name.clone(),
            digest: file.digest,
            size: file.size,
        }));
        self.note_files(unit, files);
        let fields = TaskFields {
            message: message.clone(),
            output: output.as_ref().map(|output| self.shared.masker.seal(output)),
            ..TaskFields::default()
        };
        self.change_unit(unit, next, at, fields, batch);
        self.note_end(unit, next, message, at, batch);
        match unit.item {
            Some(item) => self.end_element(unit.task, item, next, output, at, batch),
            None => self.end_task(unit.task, next, output.map(Arc::new), at, batch),
        }
    }

    fn end_task(
        &mut self,
        task: usize,
        next: Next<TaskState>,
        output: Option<Arc<Value>>,
        at: Timestamp,
        batch: &mut Batch,
    ) {
        self.elements.remove(&task);
        let definition = self.plan.task(task);
        self.tell_scope(task, next.to, output);
        if next.to == TaskState::Failed && definition.on_error == OnError::Fail {
            self.failure.get_or_insert(task);
        }
        if self.halted {
            self.dispatch.end(task);
            return;
        }
        let end = TaskEnd {
            state: next.to,
            reason: next.reason,
        };
        for skip in self.dispatch.finish(&self.plan, task, end) {
            self.write_skip(skip, at, batch);
        }
    }

    /// Writes down a task that the graph has already skipped.
    pub(crate) fn write_skip(&mut self, skip: Skipped, at: Timestamp, batch: &mut Batch) {
        let message = if skip.reason == ReasonCode::DependencySkipped {
            Masked::literal("a task that it needs was skipped")
        } else {
            Masked::literal("a task that it needs did not succeed")
        };
        let unit = Unit::task(skip.task);
        let next = Next::because(TaskState::Skipped, skip.reason);
        self.change_unit(unit, next, at, TaskFields::message(message.clone()), batch);
        self.tell_scope(skip.task, next.to, None);
        self.note_end(unit, next, Some(message), at, batch);
    }

    /// Cancels all that has not started or waits for a time. What runs ends by itself.
    pub(crate) fn cancel_idle(&mut self, stop: &Stop, batch: &mut Batch) {
        let at = self.runner.clock.now();
        self.timers.clear();
        self.dispatch.clear_ready();
        let (code, message) = stop.words();
        // A list that was opened is closed before its elements end, so that none of them begins another.
        self.stopping.get_or_insert_with(|| stop.clone());
        for elements in self.elements.values_mut() {
            elements.close();
        }
        for unit in self.unended() {
            if self.is_running(unit) || (unit.item.is_none() && self.elements.contains_key(&unit.task)) {
                continue;
            }
            let run = self.run_of(unit);
            if run.state.is_terminal() {
                continue;
            }
            if std::mem::take(&mut run.sleeping) {
                let attempt = run.attempts;
                let row = AttemptEnd {
                    unit,
                    attempt,
                    at,
                    usage: Usage::default(),
                };
                self.attempt_row(&row, Some(own_error(code, message.clone())), batch);
            }
            let end = TaskOutcome::without_output(TaskState::Cancelled, code, message.clone());
            self.end_unit(unit, end, at, batch);
        }
        let open: Vec<usize> = self.elements.keys().copied().collect();
        for task in open {
            self.end_list_if_done(task, at, batch);
        }
    }

    /// The code and the words of a stop that an attempt met.
    fn stop_words(&self, reason: StopReason) -> (ReasonCode, Masked) {
        match &self.stopping {
            Some(stop) => stop.words(),
            None => Stop::of(reason).words(),
        }
    }

    fn note_end(
        &mut self,
        unit: Unit,
        next: Next<TaskState>,
        message: Option<Masked>,
        at: Timestamp,
        batch: &mut Batch,
    ) {
        let run = self.run_of(unit);
        run.reason = next.reason;
        run.message = message;
        run.ended_at = Some(at);
        let summary = self.summary(unit);
        batch.events.push(RunEvent::TaskEnded(summary));
    }
}
