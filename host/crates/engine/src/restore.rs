//! An execution as the store has it, made to run again: the same one after its process died, or a new one that keeps
//! what succeeded.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{Plan, ReasonCode, TaskState, Timestamp};
use autokestra_secrets::{Masked, OpenError, SealedJson};
use autokestra_store::{AttemptErrorRow, Change, ExecutionDetail, LogLevel, TaskRunRow, Usage};
use tokio::time::Instant;

use crate::artifacts::{Artifact, Artifacts};
use crate::batch::Batch;
use crate::dispatch::TaskEnd;
use crate::error::ResumeError;
use crate::execution::Execution;
use crate::flow::{Own, own_action};
use crate::options::Retried;
use crate::rows::{Next, TaskFields};
use crate::settle::TaskOutcome;
use crate::stop::{Stop, StopReason};
use crate::unit::{TaskRun, Unit};

/// What a retry keeps: units that succeeded, with what came of them.
pub(crate) struct Kept {
    units: Vec<KeptUnit>,
}

/// A unit that succeeded.
struct KeptUnit {
    unit: Unit,
    output: SealedJson,
    files: Vec<Artifact>,
}

/// What succeeded, and does not stand at or behind the task from which all is to run again. Of a task whose elements
/// failed in part, those that succeeded are kept. What left files that are gone runs again, and so does `finally`.
pub(crate) fn kept(plan: &Plan, retried: &Retried, artifacts: &Artifacts, now: Timestamp) -> Kept {
    let rows = &retried.detail.tasks;
    let lost = rows.iter().filter(|row| {
        let mut files = row.files.iter();
        !files.all(|file| artifacts.renew(&file.digest, now))
    });
    let lost: HashSet<(u64, Option<u32>)> = lost.map(|row| (row.position, row.item)).collect();
    let mut again: HashSet<usize> = (plan.main_len()..plan.len()).collect();
    let first = retried.from.as_ref();
    let first = first.and_then(|from| (0..plan.len()).find(|task| plan.task(*task).id == *from));
    let mut open: Vec<usize> = first.into_iter().collect();
    while let Some(task) = open.pop() {
        if again.insert(task) {
            open.extend(plan.dependents(task).iter().map(|edge| edge.task));
        }
    }
    // A task behind one that runs again runs again too: what it was given may have changed.
    for (task, _) in plan.workflow().tasks.iter().enumerate() {
        let row = retried.detail.tasks.iter().find(|row| is_task(row, task));
        let has_lost = lost.iter().any(|(position, _)| usize::try_from(*position) == Ok(task));
        let succeeded = !has_lost && row.is_some_and(|row| row.state == TaskState::Success);
        if !succeeded && !again.contains(&task) {
            let mut open = vec![task];
            while let Some(task) = open.pop() {
                if again.insert(task) {
                    open.extend(plan.dependents(task).iter().map(|edge| edge.task));
                }
            }
        }
    }
    let from_itself = |task: usize| first == Some(task);
    let units = retried.detail.tasks.iter().filter_map(|row| {
        let task = usize::try_from(row.position)
            .ok()
            .filter(|task| *task < plan.main_len())?;
        let unit = Unit { task, item: row.item };
        // The task's list is the same only if all that it needs is kept.
        let partly = row.item.is_some()
            && !from_itself(task)
            && plan.task(task).needs.iter().all(|need| !again.contains(&need.index));
        let is_whole = row.state == TaskState::Success && !lost.contains(&(row.position, row.item));
        let keeps = is_whole && (!again.contains(&task) || partly);
        keeps.then(|| KeptUnit {
            unit,
            output: row
                .sealed_output
                .clone()
                .unwrap_or(SealedJson::from_store(serde_json::Value::Null)),
            files: files_of_row(row),
        })
    });
    Kept { units: units.collect() }
}

fn is_task(row: &TaskRunRow, task: usize) -> bool {
    row.item.is_none() && usize::try_from(row.position) == Ok(task)
}

impl Execution {
    /// Takes over what another execution had, with the first transaction of this one.
    pub(crate) fn keep(&mut self, kept: Kept, at: Timestamp) -> Result<(), OpenError> {
        let mut batch = Batch::default();
        let whole: HashSet<usize> = kept
            .units
            .iter()
            .filter(|kept| kept.unit.item.is_none())
            .map(|kept| kept.unit.task)
            .collect();
        // The files of elements are known before their task's end is told.
        for KeptUnit { unit, files, .. } in &kept.units {
            batch.changes.extend(files.iter().map(|file| Change::File {
                run: self.key(*unit),
                name: file.name.clone(),
                digest: file.digest,
                size: file.size,
            }));
            self.note_files(*unit, files.iter().cloned());
        }
        for KeptUnit {
            unit, output: sealed, ..
        } in kept.units
        {
            let output = self.shared.masker.open(&sealed)?;
            let fields = TaskFields {
                message: Some(Masked::literal("kept from the execution that this one retries")),
                output: Some(sealed),
                ..TaskFields::default()
            };
            let next = Next::because(TaskState::Success, ReasonCode::Kept);
            match unit.item {
                None => {
                    self.change_unit(unit, next, at, fields, &mut batch);
                    self.tasks[unit.task].reason = next.reason;
                    self.restore_end(unit.task, TaskState::Success, next.reason, Some(output));
                }
                Some(item) if !whole.contains(&unit.task) => {
                    // The list opens when its task starts; what is kept of it is known until then.
                    self.change_unit(unit, next, at, fields, &mut batch);
                    self.elements.entry(unit.task).or_default().keep(item, output);
                }
                // The task's own output is the list of all of them.
                Some(_) => self.change_unit(unit, next, at, fields, &mut batch),
            }
            if unit.item.is_some() && whole.contains(&unit.task) {
                self.elements.remove(&unit.task);
            }
        }
        self.relink();
        self.first.extend(batch.changes);
        Ok(())
    }

    /// Takes over what an earlier process of this execution had.
    pub(crate) fn restore(&mut self, detail: &ExecutionDetail, at: Timestamp) -> Result<(), ResumeError> {
        self.state = detail.row.state;
        let tasks: Vec<&TaskRunRow> = detail.tasks.iter().filter(|row| row.item.is_none()).collect();
        let same = tasks.len() == self.plan.len()
            && tasks
                .iter()
                .zip(0..)
                .all(|(row, task)| self.plan.task(task).id == row.task);
        if !same {
            return Err(ResumeError::OtherWorkflow);
        }
        for row in &detail.tasks {
            let task = usize::try_from(row.position).unwrap_or(usize::MAX);
            self.note_files(Unit { task, item: row.item }, files_of_row(row));
        }
        for (task, row) in tasks.iter().enumerate() {
            self.tasks[task] = run_of_row(row);
            if row.state.is_terminal() {
                let output = row.sealed_output.as_ref().map(|sealed| self.shared.masker.open(sealed));
                self.restore_end(task, row.state, row.reason, output.transpose()?);
                let fails = self.plan.task(task).on_error == autokestra_model::OnError::Fail;
                if row.state == TaskState::Failed && fails {
                    self.failure.get_or_insert(task);
                }
            }
        }
        self.relink();
        self.stopping = tasks.iter().take(self.plan.main_len()).find_map(|row| stopped_by(row));
        if self.dispatch.is_done() {
            // Only `finally` is left, or not even that.
            self.reopen_finally();
        }
        let mut batch = Batch::default();
        for row in &tasks {
            let task = usize::try_from(row.position).unwrap_or(usize::MAX);
            let is_list = self.plan.task(task).for_each.is_some();
            if is_list && row.state == TaskState::Running {
                self.restore_elements(task, detail, at, &mut batch)?;
            } else if matches!(row.state, TaskState::Running | TaskState::Waiting) {
                self.dispatch.withdraw(task);
                self.restore_unit(Unit::task(task), row, detail, at, &mut batch);
            }
        }
        let text = "Execution resumed by another process";
        let entry = self.scheduler_entry(LogLevel::Warn, Masked::literal(text), at);
        self.first.push(entry);
        self.first.extend(batch.changes);
        Ok(())
    }

    /// Tells the scope and the graph of a task that ended.
    fn restore_end(
        &mut self,
        task: usize,
        state: TaskState,
        reason: Option<ReasonCode>,
        output: Option<serde_json::Value>,
    ) {
        self.tasks[task].state = state;
        self.tasks[task].reason = reason;
        self.tell_scope(task, state, output.map(Arc::new));
        self.dispatch.end(task);
        self.dispatch.withdraw(task);
    }

    /// Lets what needs the ended tasks know that they have ended.
    fn relink(&mut self) {
        for task in 0..self.plan.len() {
            let run = &self.tasks[task];
            if !run.state.is_terminal() {
                continue;
            }
            let end = TaskEnd {
                state: run.state,
                reason: run.reason,
            };
            // What follows from a task's end was stored together with it: nothing is left to be skipped.
            drop(self.dispatch.finish(&self.plan, task, end));
        }
    }

    /// The elements of a list that was under way.
    fn restore_elements(
        &mut self,
        task: usize,
        detail: &ExecutionDetail,
        at: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), ResumeError> {
        self.dispatch.withdraw(task);
        let items = match self.items_of(task) {
            Ok(items) => items,
            Err(text) => {
                let message = self.shared.masker.mask(&text);
                let end = TaskOutcome::without_output(TaskState::Failed, ReasonCode::ExpressionFailed, message);
                self.end_unit(Unit::task(task), end, at, batch);
                return Ok(());
            }
        };
        self.open_elements(task, items);
        let rows = detail
            .tasks
            .iter()
            .filter(|row| usize::try_from(row.position) == Ok(task));
        let rows: Vec<(u32, &TaskRunRow)> = rows.filter_map(|row| Some((row.item?, row))).collect();
        for (item, row) in &rows {
            if row.state.is_terminal() {
                let output = row.sealed_output.as_ref().map(|sealed| self.shared.masker.open(sealed));
                let failed = row.state == TaskState::Failed;
                let closes = failed && self.plan.task(task).on_error == autokestra_model::OnError::Fail;
                let output = output.transpose()?;
                let elements = self.elements.entry(task).or_default();
                elements.end(*item, output, failed);
                elements.closed |= closes;
            } else {
                *self.elements.entry(task).or_default().run(*item) = run_of_row(row);
            }
        }
        for (item, row) in rows.iter().filter(|(_, row)| !row.state.is_terminal()) {
            self.restore_unit(Unit::element(task, *item), row, detail, at, batch);
        }
        self.queue_element(task);
        self.end_list_if_done(task, at, batch);
        Ok(())
    }

    /// A unit that was running or waiting when its process died.
    fn restore_unit(
        &mut self,
        unit: Unit,
        row: &TaskRunRow,
        detail: &ExecutionDetail,
        at: Timestamp,
        batch: &mut Batch,
    ) {
        // Of the executions that it started the last one belongs to its last attempt.
        let children = detail.children.iter().rev();
        let mut children = children.filter(|child| child.position == row.position && child.item == row.item);
        let existing = children.next().map(|child| child.execution);
        let due = row.due_at.map(|due| due.since(at));
        if row.state == TaskState::Waiting {
            let sleeps = row.reason == Some(ReasonCode::Sleeping);
            let definition = self.plan.task(unit.task);
            // A clock that was set back must not make it wait longer than it would have at first.
            let longest = if sleeps {
                self.sleep_of(unit)
            } else {
                Some(definition.retry.longest.max(Duration::from_secs(1)))
            };
            let wait = due.unwrap_or_default().min(longest.unwrap_or(Duration::MAX));
            let times_out = sleeps
                && definition
                    .timeout
                    .is_some_and(|limit| longest.is_some_and(|whole| limit < whole));
            let run = self.run_of(unit);
            run.sleeping = sleeps;
            run.times_out = times_out;
            self.timers.insert((Instant::now() + wait, unit));
            return;
        }
        let attempt = row.attempts.last().filter(|attempt| attempt.ended_at.is_none());
        if own_action(&self.plan.task(unit.task).action) == Some(Own::Run)
            && let Some(attempt) = attempt
            && let Ok(input) = self.plan.task(unit.task).inputs.render(&self.scope_of(unit))
        {
            let mut job = self.child_job(unit, attempt.attempt, input, attempt.started_at);
            job.existing = existing;
            self.first_children.push(job);
            return;
        }
        let message = Masked::literal("the process that ran it died");
        if let Some(attempt) = attempt {
            batch.changes.push(Change::AttemptEnded {
                run: self.key(unit),
                attempt: attempt.attempt,
                at,
                error: Some(AttemptErrorRow {
                    code: Masked::literal(ReasonCode::Interrupted.as_str()),
                    message: message.clone(),
                    retryable: self.is_idempotent(unit.task),
                    details: None,
                }),
                usage: Usage::default(),
            });
        }
        if self.is_idempotent(unit.task) {
            let next = Next::because(TaskState::Waiting, ReasonCode::Interrupted);
            self.change_unit(unit, next, at, TaskFields::message(message), batch);
            self.dispatch.push_ready(unit);
        } else {
            let text = "the process that ran it died, and it is not idempotent: it may have had its effect; \
                        `workflow execution retry` runs it again";
            let end = TaskOutcome::without_output(TaskState::Failed, ReasonCode::Interrupted, Masked::literal(text));
            self.end_unit(unit, end, at, batch);
        }
    }

    /// Whether a task may run twice: as it says itself, else as its action does.
    fn is_idempotent(&self, task: usize) -> bool {
        let definition = self.plan.task(task);
        definition.idempotent.unwrap_or_else(|| {
            own_action(&definition.action).is_some_and(|own| own != Own::Fail)
                || self
                    .plugins
                    .get(definition.action.plugin())
                    .and_then(|plugin| plugin.action(definition.action.action()))
                    .is_some_and(|action| action.idempotent)
        })
    }
}

/// Why an earlier process was stopping the execution, as a task that it cancelled tells.
fn stopped_by(row: &TaskRunRow) -> Option<Stop> {
    let code = row.reason.filter(|_| row.state == TaskState::Cancelled)?;
    let stops = StopReason::ALL.into_iter().map(Stop::of);
    let mut stops = stops.filter(|stop| stop.words().0 == code);
    Some(stops.next().unwrap_or(Stop::of(StopReason::User)))
}

fn files_of_row(row: &TaskRunRow) -> Vec<Artifact> {
    let files = row.files.iter().map(|file| Artifact {
        name: file.name.clone(),
        digest: file.digest,
        size: file.size,
    });
    files.collect()
}

fn run_of_row(row: &TaskRunRow) -> TaskRun {
    let interrupted = ReasonCode::Interrupted.as_str();
    let failures = row
        .attempts
        .iter()
        .filter_map(|attempt| attempt.error.as_ref())
        .filter(|error| error.code.as_str() != interrupted)
        .count();
    TaskRun {
        state: row.state,
        attempts: row
            .attempts
            .iter()
            .map(|attempt| attempt.attempt)
            .max()
            .unwrap_or_default(),
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        started_at: row.started_at,
        attempt_at: row.attempts.last().map(|attempt| attempt.started_at),
        ended_at: row.ended_at,
        reason: row.reason,
        message: row.message.clone(),
        ..TaskRun::default()
    }
}
