//! Changes as rows.

use std::path::Path;

use autokestra_model::{ExecutionId, ExecutionState, ReasonCode, TaskId, TaskState, Timestamp, Transition};
use autokestra_secrets::{Masked, MaskedJson};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;

use crate::audit::Record;
use crate::change::{AttemptErrorRow, Change, LogEntry, LogSource, NewExecution, Usage};
use crate::error::StoreError;
use crate::sqlite::audit;
use crate::sqlite::connection::sqlite_error;
use crate::sqlite::writer::Work;

/// Does one caller's work on an open transaction.
pub(super) fn apply(connection: &Connection, path: &Path, work: &Work) -> Result<(), StoreError> {
    let rows = Rows { connection, path };
    match work {
        Work::Create(new) => rows.create(new),
        Work::Changes(changes) => changes.iter().try_for_each(|change| rows.change(change)),
    }
}

struct Rows<'a> {
    connection: &'a Connection,
    path: &'a Path,
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

    fn audit(
        &self,
        execution: ExecutionId,
        task: Option<&TaskId>,
        at: Timestamp,
        record: &Record,
    ) -> Result<(), StoreError> {
        audit::append(self.connection, self.path, (execution, task), at, record)
    }

    fn create(&self, new: &NewExecution) -> Result<(), StoreError> {
        let sql = "INSERT INTO executions (id, workflow, state, trigger, inputs, created_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let state = ExecutionState::Pending.as_str();
        let (id, inputs) = (new.id.to_string(), new.inputs.value().to_string());
        self.execute(
            sql,
            params![
                id,
                new.workflow.as_str(),
                state,
                new.trigger,
                inputs,
                new.at.as_millis()
            ],
        )?;
        let key = self.connection.last_insert_rowid();
        let sql =
            "INSERT INTO task_runs (execution, position, task, action, state, needs) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        for (position, task) in (0_i64..).zip(&new.tasks) {
            let needs = json!(task.needs).to_string();
            let state = TaskState::Pending.as_str();
            self.execute(
                sql,
                params![key, position, task.task.as_str(), task.action.to_string(), state, needs],
            )?;
        }
        let metadata = json!({ "workflowId": new.workflow, "triggerType": new.trigger });
        self.audit(new.id, None, new.at, &Record::new("CREATED", metadata))
    }

    fn change(&self, change: &Change) -> Result<(), StoreError> {
        match change {
            Change::Execution {
                id,
                transition,
                at,
                message,
                outputs,
            } => self.execution(*id, transition, *at, message.as_ref(), outputs.as_ref()),
            Change::Task { .. } => self.task(change),
            Change::AttemptStarted {
                execution,
                task,
                attempt,
                at,
                digest,
            } => {
                let (key, position) = self.task_key(*execution, task)?;
                let sql = "INSERT OR IGNORE INTO attempts (execution, position, attempt, started_at, digest) \
                           VALUES (?1, ?2, ?3, ?4, ?5)";
                let digest = digest.as_ref().map(|digest| digest.as_bytes().as_slice());
                let added = self.execute(sql, params![key, position, attempt, at.as_millis(), digest])?;
                if added > 0 && *attempt > 1 {
                    let metadata = json!({ "taskId": task, "attempt": attempt });
                    self.audit(*execution, Some(task), *at, &Record::new("RETRIED", metadata))?;
                }
                Ok(())
            }
            Change::AttemptEnded {
                execution,
                task,
                attempt,
                at,
                error,
                usage,
            } => {
                let place = (*execution, task, *attempt);
                self.attempt_end(place, *at, error.as_ref(), usage)
            }
            Change::Logs(entries) => self.logs(entries),
            Change::Audit {
                execution,
                task,
                at,
                event,
            } => self.audit(*execution, task.as_ref(), *at, &event.record()),
            Change::PluginState {
                workflow,
                plugin,
                key,
                value,
            } => {
                let (workflow, plugin) = (workflow.as_str(), plugin.as_str());
                match value {
                    Some(value) => {
                        let sql = "INSERT INTO plugin_state (workflow, plugin, key, value) VALUES (?1, ?2, ?3, ?4) \
                                   ON CONFLICT DO UPDATE SET value = excluded.value";
                        self.execute(sql, params![workflow, plugin, key, value.value().to_string()])?;
                    }
                    None => {
                        let sql = "DELETE FROM plugin_state WHERE workflow = ?1 AND plugin = ?2 AND key = ?3";
                        self.execute(sql, params![workflow, plugin, key])?;
                    }
                }
                Ok(())
            }
        }
    }

    fn execution(
        &self,
        id: ExecutionId,
        transition: &Transition<ExecutionState>,
        at: Timestamp,
        message: Option<&Masked>,
        outputs: Option<&MaskedJson>,
    ) -> Result<(), StoreError> {
        let sql = "SELECT state, started_at FROM executions WHERE id = ?1";
        let text = id.to_string();
        let mut select = self
            .connection
            .prepare_cached(sql)
            .map_err(|source| self.sqlite(source))?;
        let found: Option<(String, Option<i64>)> = select
            .query_row([&text], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(|source| self.sqlite(source))?;
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
                   started_at = COALESCE(started_at, ?6), ended_at = ?7 WHERE id = ?1";
        let reason = transition.reason().map(ReasonCode::as_str);
        let outputs = outputs.map(|outputs| outputs.value().to_string());
        self.execute(
            sql,
            params![
                text,
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

    fn task(&self, change: &Change) -> Result<(), StoreError> {
        let Change::Task {
            execution,
            task,
            transition,
            at,
            message,
            inputs,
            output,
        } = change
        else {
            return Ok(());
        };
        let sql = "SELECT t.execution, t.position, t.state FROM task_runs t \
                   JOIN executions e ON e.key = t.execution WHERE e.id = ?1 AND t.task = ?2";
        let mut select = self
            .connection
            .prepare_cached(sql)
            .map_err(|source| self.sqlite(source))?;
        let found: Option<(i64, i64, String)> = select
            .query_row((execution.to_string(), task.as_str()), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()
            .map_err(|source| self.sqlite(source))?;
        let what = || format!("task `{task}` of {execution}");
        let (key, position, state) = found.ok_or_else(|| StoreError::Missing { what: what() })?;
        let (from, to) = (transition.from().as_str(), transition.to());
        if !applies(&what(), &state, from, to.as_str())? {
            return Ok(());
        }
        let begins = (to == TaskState::Running).then_some(at.as_millis());
        let ends = to.is_terminal().then_some(at.as_millis());
        let sql = "UPDATE task_runs SET state = ?3, reason = ?4, message = ?5, inputs = COALESCE(?6, inputs), output = ?7, \
                   started_at = COALESCE(started_at, ?8), ended_at = ?9 WHERE execution = ?1 AND position = ?2";
        let reason = transition.reason().map(ReasonCode::as_str);
        let json = |value: &Option<MaskedJson>| value.as_ref().map(|value| value.value().to_string());
        let message = message.as_ref().map(Masked::as_str);
        self.execute(
            sql,
            params![
                key,
                position,
                to.as_str(),
                reason,
                message,
                json(inputs),
                json(output),
                begins,
                ends
            ],
        )?;
        let metadata = json!({ "taskId": task, "from": from, "to": to, "reason": reason });
        self.audit(*execution, Some(task), *at, &Record::new("STATE_CHANGE", metadata))
    }

    fn attempt_end(
        &self,
        (execution, task, attempt): (ExecutionId, &TaskId, u32),
        at: Timestamp,
        error: Option<&AttemptErrorRow>,
        usage: &Usage,
    ) -> Result<(), StoreError> {
        let (key, position) = self.task_key(execution, task)?;
        let sql = "UPDATE attempts SET ended_at = ?4, error_code = ?5, error_message = ?6, error_retryable = ?7, \
                   error_details = ?8, fuel = ?9, peak_memory = ?10, cpu_ms = ?11, log_bytes = ?12, bytes_in = ?13, \
                   bytes_out = ?14 WHERE execution = ?1 AND position = ?2 AND attempt = ?3 AND ended_at IS NULL";
        let details = error
            .and_then(|error| error.details.as_ref())
            .map(|details| details.value().to_string());
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.execute(
            sql,
            params![
                key,
                position,
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
        let sql = "INSERT INTO logs (execution, task, attempt, at, level, source, message, metadata) \
                   VALUES ((SELECT key FROM executions WHERE id = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        for entry in entries {
            let source = match entry.source {
                LogSource::Scheduler => 0,
                LogSource::Worker => 1,
                LogSource::System => 2,
                LogSource::Plugin { .. } => 3,
            };
            let execution = entry.execution.map(|id| id.to_string());
            let task = entry.task.as_ref().map(TaskId::as_str);
            let metadata = entry.metadata.as_ref().map(|metadata| metadata.value().to_string());
            let (at, level) = (entry.at.as_millis(), entry.level.number());
            let message = entry.message.as_str();
            self.execute(
                sql,
                params![execution, task, entry.attempt, at, level, source, message, metadata],
            )?;
        }
        Ok(())
    }

    fn task_key(&self, execution: ExecutionId, task: &TaskId) -> Result<(i64, i64), StoreError> {
        let sql = "SELECT t.execution, t.position FROM task_runs t \
                   JOIN executions e ON e.key = t.execution WHERE e.id = ?1 AND t.task = ?2";
        let mut select = self
            .connection
            .prepare_cached(sql)
            .map_err(|source| self.sqlite(source))?;
        let found = select
            .query_row((execution.to_string(), task.as_str()), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional();
        let missing = || StoreError::Missing {
            what: format!("task `{task}` of {execution}"),
        };
        found.map_err(|source| self.sqlite(source))?.ok_or_else(missing)
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
