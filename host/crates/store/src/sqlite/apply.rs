//! Work as rows. Runs on the writer's thread, inside its transaction.

use std::path::Path;

use autokestra_model::{ExecutionId, ExecutionState, ReasonCode, TaskState, Timestamp, Transition};
use autokestra_secrets::{Masked, MaskedJson, SealedJson};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;

use crate::audit::{AuditEvent, Record};
use crate::change::{AttemptErrorRow, Change, LogEntry, LogSource, NewExecution, RunKey, Usage};
use crate::error::StoreError;
use crate::lease::{Admission, Lease};
use crate::sqlite::audit::{self, Trail};
use crate::sqlite::cleanup;
use crate::sqlite::connection::sqlite_error;
use crate::sqlite::leases;
use crate::sqlite::owner::Owner;
use crate::sqlite::secrets::Secrets;
use crate::sqlite::writer::{Reply, Work};

/// Does one caller's work on an open transaction.
pub(super) fn apply(
    connection: &Connection,
    (path, trail): (&Path, &Trail),
    owner: &Owner,
    work: &Work,
) -> Result<Reply, StoreError> {
    let rows = Rows {
        connection,
        path,
        trail,
    };
    match work {
        Work::Create(new, until) => {
            rows.own(owner, *until)?;
            rows.create(new, owner).map(Reply::Lease)
        }
        Work::Changes(lease, changes) => {
            rows.fenced(lease)?;
            rows.changes(lease, changes)?;
            Ok(Reply::Done)
        }
        Work::Admit(lease, max, now, changes) => {
            rows.fenced(lease)?;
            let before = leases::before(connection, path, lease, *now)?;
            if before.len() >= usize::try_from(*max).unwrap_or(usize::MAX) {
                return Ok(Reply::Admission(Admission::Full(before)));
            }
            rows.changes(lease, changes)?;
            Ok(Reply::Admission(Admission::Begun))
        }
        Work::Acquire(id, now, until) => {
            rows.own(owner, *until)?;
            leases::acquire(connection, path, owner, *id, *now).map(Reply::Acquired)
        }
        Work::Renew(until) => {
            rows.own(owner, *until)?;
            Ok(Reply::Done)
        }
        Work::Cancel(id, actor, at) => rows.cancel(*id, actor, *at).map(Reply::Cancelled),
        Work::Remove(filter) => cleanup::remove_some(connection, path, filter).map(Reply::Removed),
        Work::Logs(entries) => {
            rows.logs(entries)?;
            Ok(Reply::Done)
        }
        Work::Claim(name, now, until) => cleanup::claim(connection, path, name, (*now, *until)).map(Reply::Changed),
        // It is none of a transaction's, and does not come here.
        Work::Upkeep(_) => Ok(Reply::Done),
        Work::Secrets(update) => {
            let changed = Secrets { connection, path }.change(update)?;
            if changed {
                rows.logs(std::slice::from_ref(&update.entry))?;
            }
            Ok(Reply::Changed(changed))
        }
    }
}

struct Rows<'a> {
    connection: &'a Connection,
    path: &'a Path,
    trail: &'a Trail,
}

impl Rows<'_> {
    fn sqlite(&self, source: rusqlite::Error) -> StoreError {
        sqlite_error(self.path, source)
    }

    fn execute(&self, sql: &'static str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(|source| self.sqlite(source))?;
        statement.execute(params).map_err(|source| self.sqlite(source))
    }

    fn row<T>(
        &self,
        sql: &'static str,
        params: impl rusqlite::Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(|source| self.sqlite(source))?;
        let found = statement.query_row(params, read).optional();
        found.map_err(|source| self.sqlite(source))
    }

    fn audit(
        &self,
        execution: ExecutionId,
        run: Option<&RunKey>,
        at: Timestamp,
        record: &Record,
    ) -> Result<(), StoreError> {
        let task = run.map(|run| &run.task);
        audit::append((self.connection, self.path), self.trail, (execution, task), at, record)
    }

    /// Says that this process lives, and until when it counts as living.
    fn own(&self, owner: &Owner, until: Timestamp) -> Result<(), StoreError> {
        owner.hold().map_err(|source| StoreError::Open {
            path: self.path.to_path_buf(),
            source: Box::new(source),
        })?;
        let sql = "INSERT INTO owners (id, host, process, expires_at) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT DO UPDATE SET expires_at = excluded.expires_at";
        self.execute(sql, params![owner.id, owner.host, owner.process, until.as_millis()])?;
        Ok(())
    }

    /// Refuses a lease that is not the newest.
    fn fenced(&self, lease: &Lease) -> Result<(), StoreError> {
        let sql = "SELECT fence FROM executions WHERE key = ?1";
        let fence: Option<i64> = self.row(sql, [lease.key], |row| row.get(0))?;
        if fence == Some(lease.fence) {
            Ok(())
        } else {
            Err(StoreError::Fenced {
                execution: lease.execution,
            })
        }
    }

    fn create(&self, new: &NewExecution, owner: &Owner) -> Result<Lease, StoreError> {
        let text = new.source.text.stored().to_string();
        let digest = blake3::hash(text.as_bytes());
        let sql = "INSERT OR IGNORE INTO workflow_sources (digest, text) VALUES (?1, ?2)";
        self.execute(sql, params![digest.as_bytes().as_slice(), text])?;
        let sql = "INSERT INTO executions (id, workflow, state, trigger, inputs, created_at, source, source_name, base, \
                   owner, fence, parent, parent_position, parent_item, parent_task, retry_of) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, (SELECT key FROM workflow_sources WHERE digest = ?7), ?8, ?9, ?10, 1, \
                   ?11, ?12, ?13, ?14, ?15)";
        let state = ExecutionState::Pending.as_str();
        let (id, inputs) = (new.id.to_string(), new.inputs.stored().to_string());
        let parent = new.parent.as_ref();
        self.execute(
            sql,
            params![
                id,
                new.workflow.as_str(),
                state,
                new.trigger,
                inputs,
                new.at.as_millis(),
                digest.as_bytes().as_slice(),
                new.source.name,
                new.source.base,
                owner.id,
                parent.map(|parent| parent.execution.to_string()),
                parent.map(|parent| parent.run.position),
                parent.map(|parent| parent.run.item_number()),
                parent.map(|parent| parent.run.task.as_str()),
                new.retry_of.map(|id| id.to_string()),
            ],
        )?;
        let key = self.connection.last_insert_rowid();
        let sql = "INSERT INTO task_runs (execution, position, item, task, action, state, needs) \
                   VALUES (?1, ?2, -1, ?3, ?4, ?5, ?6)";
        for (position, task) in (0_i64..).zip(&new.tasks) {
            let needs = json!(task.needs).to_string();
            let state = TaskState::Pending.as_str();
            self.execute(
                sql,
                params![key, position, task.task.as_str(), task.action.to_string(), state, needs],
            )?;
        }
        let mut metadata = json!({ "workflowId": new.workflow, "triggerType": new.trigger });
        if let Some(parent) = parent {
            metadata["parentExecutionId"] = json!(parent.execution);
            metadata["parentTaskId"] = json!(parent.run.task);
        }
        if let Some(retried) = new.retry_of {
            metadata["retryOf"] = json!(retried);
        }
        self.audit(new.id, None, new.at, &Record::new("CREATED", metadata))?;
        Ok(Lease {
            execution: new.id,
            key,
            fence: 1,
        })
    }

    fn cancel(&self, id: ExecutionId, actor: &Masked, at: Timestamp) -> Result<Option<ExecutionState>, StoreError> {
        let sql = "SELECT state FROM executions WHERE id = ?1";
        let text = id.to_string();
        let state: Option<String> = self.row(sql, [&text], |row| row.get(0))?;
        let missing = || StoreError::Missing {
            what: format!("execution {id}"),
        };
        let state = state.ok_or_else(missing)?;
        let state: ExecutionState = state
            .parse()
            .map_err(|error: autokestra_model::IdError| StoreError::Row {
                table: "executions",
                reason: error.to_string(),
            })?;
        if !state.is_terminal() {
            let sql = "UPDATE executions SET cancel_by = ?2 WHERE id = ?1 AND cancel_by IS NULL";
            if self.execute(sql, params![text, actor.as_str()])? > 0 {
                let event = AuditEvent::CancelRequested { actor: actor.clone() };
                self.audit(id, None, at, &event.record())?;
            }
        }
        Ok(state.is_terminal().then_some(state))
    }

    fn changes(&self, lease: &Lease, changes: &[Change]) -> Result<(), StoreError> {
        changes.iter().try_for_each(|change| self.change(lease, change))
    }

    fn change(&self, lease: &Lease, change: &Change) -> Result<(), StoreError> {
        match change {
            Change::Execution {
                transition,
                at,
                message,
                outputs,
            } => self.execution(lease, transition, *at, message.as_ref(), outputs.as_ref()),
            Change::Task { .. } => self.task(lease, change),
            Change::AttemptStarted {
                run,
                attempt,
                at,
                digest,
            } => {
                let sql = "INSERT OR IGNORE INTO attempts (execution, position, item, attempt, started_at, digest) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                let digest = digest.as_ref().map(|digest| digest.as_bytes().as_slice());
                let place = (run.position, run.item_number());
                let added = self.execute(
                    sql,
                    params![lease.key, place.0, place.1, attempt, at.as_millis(), digest],
                )?;
                if added > 0 && *attempt > 1 {
                    let mut metadata = json!({ "taskId": run.task, "attempt": attempt });
                    if let Some(item) = run.item {
                        metadata["index"] = json!(item);
                    }
                    self.audit(lease.execution, Some(run), *at, &Record::new("RETRIED", metadata))?;
                }
                Ok(())
            }
            Change::AttemptLoaded { run, attempt, digest } => {
                let sql = "UPDATE attempts SET digest = ?1 WHERE execution = ?2 AND position = ?3 AND item = ?4 AND \
                           attempt = ?5";
                let (item, digest) = (run.item_number(), digest.as_bytes().as_slice());
                self.execute(sql, params![digest, lease.key, run.position, item, attempt])?;
                Ok(())
            }
            Change::AttemptEnded {
                run,
                attempt,
                at,
                error,
                usage,
            } => self.attempt_end(lease, (run, *attempt), *at, error.as_ref(), usage),
            Change::Logs(entries) => self.logs(entries),
            Change::Audit { task, at, event } => {
                let task = task.as_ref();
                audit::append(
                    (self.connection, self.path),
                    self.trail,
                    (lease.execution, task),
                    *at,
                    &event.record(),
                )
            }
            Change::PluginState {
                workflow,
                plugin,
                key,
                value,
            } => self.plugin_state((workflow.as_str(), plugin.as_str(), key), value.as_ref()),
            Change::File {
                run,
                name,
                digest,
                size,
            } => {
                let sql = "INSERT OR REPLACE INTO files (execution, position, item, name, digest, size) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                let size = i64::try_from(*size).unwrap_or(i64::MAX);
                let (position, item, digest) = (run.position, run.item_number(), digest.as_bytes().as_slice());
                self.execute(sql, params![lease.key, position, item, name, digest, size])?;
                Ok(())
            }
        }
    }

    fn plugin_state(
        &self,
        (workflow, plugin, key): (&str, &str, &str),
        value: Option<&SealedJson>,
    ) -> Result<(), StoreError> {
        match value {
            Some(value) => {
                let sql = "INSERT INTO plugin_state (workflow, plugin, key, value) VALUES (?1, ?2, ?3, ?4) \
                           ON CONFLICT DO UPDATE SET value = excluded.value";
                self.execute(sql, params![workflow, plugin, key, value.stored().to_string()])?;
            }
            None => {
                let sql = "DELETE FROM plugin_state WHERE workflow = ?1 AND plugin = ?2 AND key = ?3";
                self.execute(sql, params![workflow, plugin, key])?;
            }
        }
        Ok(())
    }

    fn execution(
        &self,
        lease: &Lease,
        transition: &Transition<ExecutionState>,
        at: Timestamp,
        message: Option<&Masked>,
        outputs: Option<&MaskedJson>,
    ) -> Result<(), StoreError> {
        let id = lease.execution;
        let sql = "SELECT state, started_at FROM executions WHERE key = ?1";
        let found: Option<(String, Option<i64>)> = self.row(sql, [lease.key], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (state, started_at) = found.ok_or_else(|| StoreError::Missing {
            what: format!("execution {id}"),
        })?;
        let (from, to) = (transition.from().as_str(), transition.to());
        if !applies(&format!("execution {id}"), &state, from, to.as_str())? {
            return Ok(());
        }
        let begins = (to == ExecutionState::Running && started_at.is_none()).then_some(at.as_millis());
        let ends = to.is_terminal().then_some(at.as_millis());
        let sql = "UPDATE executions SET state = ?2, reason = ?3, message = ?4, outputs = ?5, \
                   started_at = COALESCE(started_at, ?6), ended_at = ?7 WHERE key = ?1";
        let reason = transition.reason().map(ReasonCode::as_str);
        let outputs = outputs.map(|outputs| outputs.value().to_string());
        self.execute(
            sql,
            params![
                lease.key,
                to.as_str(),
                reason,
                message.map(Masked::as_str),
                outputs,
                begins,
                ends
            ],
        )?;
        let metadata = json!({ "from": from, "to": to, "reason": reason });
        self.audit(id, None, at, &Record::new("STATE_CHANGE", metadata))?;
        let started_at = started_at.map(Timestamp::from_millis);
        match lifecycle(transition, at, started_at, message) {
            Some(record) => self.audit(id, None, at, &record),
            None => Ok(()),
        }
    }

    fn task(&self, lease: &Lease, change: &Change) -> Result<(), StoreError> {
        let Change::Task {
            run,
            transition,
            at,
            message,
            inputs,
            output,
            due,
        } = change
        else {
            return Ok(());
        };
        let (position, item) = (run.position, run.item_number());
        let sql = "SELECT state FROM task_runs WHERE execution = ?1 AND position = ?2 AND item = ?3";
        let found: Option<String> = self.row(sql, params![lease.key, position, item], |row| row.get(0))?;
        let (from, to) = (transition.from().as_str(), transition.to());
        let what = || format!("task `{run}` of {}", lease.execution);
        match found {
            Some(state) => {
                if !applies(&what(), &state, from, to.as_str())? {
                    return Ok(());
                }
            }
            // An element is made when it begins, so that a long list costs what has begun of it.
            None if run.item.is_some() && transition.from() == TaskState::Pending => {
                let sql = "INSERT INTO task_runs (execution, position, item, task, action, state, needs) \
                           SELECT execution, position, ?3, task, action, ?4, '[]' FROM task_runs \
                           WHERE execution = ?1 AND position = ?2 AND item = -1";
                self.execute(sql, params![lease.key, position, item, from])?;
            }
            None => return Err(StoreError::Missing { what: what() }),
        }
        let begins = (to == TaskState::Running).then_some(at.as_millis());
        let ends = to.is_terminal().then_some(at.as_millis());
        let sql = "UPDATE task_runs SET state = ?4, reason = ?5, message = ?6, inputs = COALESCE(?7, inputs), output = ?8, \
                   due_at = ?9, started_at = COALESCE(started_at, ?10), ended_at = ?11 \
                   WHERE execution = ?1 AND position = ?2 AND item = ?3";
        let reason = transition.reason().map(ReasonCode::as_str);
        let message = message.as_ref().map(Masked::as_str);
        self.execute(
            sql,
            params![
                lease.key,
                position,
                item,
                to.as_str(),
                reason,
                message,
                inputs.as_ref().map(|inputs| inputs.value().to_string()),
                output.as_ref().map(|output: &SealedJson| output.stored().to_string()),
                due.map(Timestamp::as_millis),
                begins,
                ends
            ],
        )?;
        let mut metadata = json!({ "taskId": run.task, "from": from, "to": to, "reason": reason });
        if let Some(item) = run.item {
            metadata["index"] = json!(item);
        }
        self.audit(lease.execution, Some(run), *at, &Record::new("STATE_CHANGE", metadata))
    }

    fn attempt_end(
        &self,
        lease: &Lease,
        (run, attempt): (&RunKey, u32),
        at: Timestamp,
        error: Option<&AttemptErrorRow>,
        usage: &Usage,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE attempts SET ended_at = ?5, error_code = ?6, error_message = ?7, error_retryable = ?8, \
                   error_details = ?9, fuel = ?10, peak_memory = ?11, cpu_ms = ?12, log_bytes = ?13, bytes_in = ?14, \
                   bytes_out = ?15 WHERE execution = ?1 AND position = ?2 AND item = ?3 AND attempt = ?4 \
                   AND ended_at IS NULL";
        let details = error
            .and_then(|error| error.details.as_ref())
            .map(|details| details.value().to_string());
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.execute(
            sql,
            params![
                lease.key,
                run.position,
                run.item_number(),
                attempt,
                at.as_millis(),
                error.map(|error| error.code.as_str()),
                error.map(|error| error.message.as_str()),
                error.map(|error| error.retryable),
                details,
                usage.fuel.map(number),
                number(usage.peak_memory),
                usage.cpu_ms,
                number(usage.log_bytes),
                number(usage.bytes_in),
                number(usage.bytes_out),
            ],
        )?;
        Ok(())
    }

    fn logs(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        // A key is never used again, also where a cleanup has removed the newest entries: who follows goes by it.
        let sql = "SELECT max(ifnull((SELECT max(key) FROM logs), 0), ifnull((SELECT value FROM marks WHERE name = 'logs'), 0))";
        let newest: i64 = self.row(sql, [], |row| row.get(0))?.unwrap_or_default();
        let sql = "INSERT INTO logs (execution, task, attempt, at, level, source, message, metadata, key) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        // Most entries are of the same execution as the one before.
        let mut known: Option<(ExecutionId, Option<i64>)> = None;
        for (key, entry) in (newest + 1..).zip(entries) {
            let source = match entry.source {
                LogSource::Scheduler => 0,
                LogSource::Worker => 1,
                LogSource::System => 2,
                LogSource::Plugin { .. } => 3,
            };
            let execution = match (entry.execution, known) {
                (None, _) => None,
                (Some(id), Some((known, key))) if id == known => key,
                (Some(id), _) => {
                    let sql = "SELECT key FROM executions WHERE id = ?1";
                    let found = self.row(sql, [id.to_string()], |row| row.get(0))?;
                    known = Some((id, found));
                    found
                }
            };
            let task = entry.task.as_ref().map(autokestra_model::TaskId::as_str);
            let metadata = entry.metadata.as_ref().map(|metadata| metadata.value().to_string());
            let (at, level) = (entry.at.as_millis(), entry.level.number());
            let message = entry.message.as_str();
            self.execute(
                sql,
                params![
                    execution,
                    task,
                    entry.attempt,
                    at,
                    level,
                    source,
                    message,
                    metadata,
                    key
                ],
            )?;
        }
        Ok(())
    }
}

/// Whether a change is still to be made. One that was made already is none.
fn applies(what: &str, state: &str, from: &str, to: &str) -> Result<bool, StoreError> {
    if state == from {
        Ok(true)
    } else if state == to {
        Ok(false)
    } else {
        Err(StoreError::StaleState {
            what: what.to_owned(),
            found: state.to_owned(),
            expected: from.to_owned(),
        })
    }
}

/// The event that a change of an execution's state is known by, beside `STATE_CHANGE`.
fn lifecycle(
    transition: &Transition<ExecutionState>,
    at: Timestamp,
    started_at: Option<Timestamp>,
    message: Option<&Masked>,
) -> Option<Record> {
    let reason = transition.reason();
    let duration = at.since(started_at.unwrap_or(at)).as_millis();
    let duration = json!({ "duration": u64::try_from(duration).unwrap_or(u64::MAX) });
    match transition.to() {
        ExecutionState::Running if started_at.is_none() => Some(Record::new("STARTED", json!({}))),
        ExecutionState::Success => Some(Record::new("COMPLETED", duration)),
        ExecutionState::Failed if reason == Some(ReasonCode::Timeout) => Some(Record::new("TIMEOUT", duration)),
        ExecutionState::Failed => Some(Record::new("FAILED", json!({ "reason": reason, "message": message }))),
        ExecutionState::Cancelled => Some(Record::new("CANCELLED", json!({ "reason": reason }))),
        ExecutionState::Pending | ExecutionState::Running | ExecutionState::Waiting => None,
    }
}
