//! How the database looks for what it is asked: for tests that hold the statements that really run against their plans.

use std::cell::RefCell;

use autokestra_model::{ExecutionId, TaskId};
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use tokio::sync::mpsc;

use crate::error::StoreError;
use crate::filter::{CleanupFilter, ExecutionFilter, ExecutionRef, LogFilter};
use crate::sqlite::connection::{self, sqlite_error};
use crate::sqlite::{SqliteStore, cleanup, logs, queries};

/// What is asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// [`Store::logs`](crate::Store::logs).
    Logs(Box<LogFilter>),
    /// [`Store::last_logs`](crate::Store::last_logs) and [`Store::count_logs`](crate::Store::count_logs).
    LastLogs(ExecutionId, Option<TaskId>),
    /// [`Store::list_executions`](crate::Store::list_executions).
    List(ExecutionFilter),
    /// [`Store::find_execution`](crate::Store::find_execution).
    Find(ExecutionRef),
    /// [`Store::execution`](crate::Store::execution).
    Inspect(ExecutionId),
    /// [`Store::audit_events`](crate::Store::audit_events).
    Audit(ExecutionId),
    /// [`Store::is_removable`](crate::Store::is_removable).
    Removable(CleanupFilter),
}

/// A statement that ran, and how the database went about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The statement.
    pub sql: String,
    /// The lines of `EXPLAIN QUERY PLAN`.
    pub steps: Vec<String>,
}

thread_local! {
    /// The statements that ran on this thread while one looked: SQLite's hook is a plain function.
    static RAN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

impl SqliteStore {
    /// Asks, and gives the plan of each statement that ran for the answer.
    ///
    /// # Errors
    /// What the answer's own call says.
    pub fn plans(&self, question: &Question) -> Result<Vec<Plan>, StoreError> {
        // A thread of its own: reading a log waits for whoever takes it, as no async thread may.
        let asked = std::thread::scope(|scope| scope.spawn(|| self.plans_here(question)).join());
        asked.unwrap_or(Err(StoreError::Closed))
    }

    fn plans_here(&self, question: &Question) -> Result<Vec<Plan>, StoreError> {
        let path = &self.readers.path;
        let connection = connection::open_reader(path)?;
        connection.trace_v2(
            TraceEventCodes::SQLITE_TRACE_STMT,
            Some(|event| {
                if let TraceEvent::Stmt(statement, _) = event {
                    RAN.with_borrow_mut(|ran| ran.push(statement.sql().into_owned()));
                }
            }),
        );
        RAN.take();
        let asked = match question {
            Question::Logs(filter) => all_logs(&connection, path, filter),
            Question::LastLogs(id, task) => {
                let last = logs::last_logs(&connection, path, *id, task.as_ref(), 10);
                last.and_then(|_| logs::count_logs(&connection, path, *id, task.as_ref()))
                    .map(drop)
            }
            Question::List(filter) => queries::list(&connection, path, filter).map(drop),
            // One that is not there was looked for all the same.
            Question::Find(reference) => {
                drop(queries::find(&connection, path, reference));
                Ok(())
            }
            Question::Inspect(id) => queries::detail(&connection, path, *id).map(drop),
            Question::Audit(id) => queries::audit_events(&connection, path, *id).map(drop),
            Question::Removable(filter) => cleanup::is_removable(&connection, path, filter).map(drop),
        };
        connection.trace_v2(TraceEventCodes::empty(), None);
        asked?;
        let mut ran: Vec<String> = RAN.take();
        ran.retain(|sql| sql.starts_with("SELECT"));
        ran.sort_unstable();
        ran.dedup();
        let plan = |sql: String| {
            let steps = explain(&connection, &sql).map_err(|source| sqlite_error(path, source))?;
            Ok(Plan { sql, steps })
        };
        ran.into_iter().map(plan).collect()
    }
}

fn all_logs(connection: &Connection, path: &std::path::Path, filter: &LogFilter) -> Result<(), StoreError> {
    let (sender, mut receiver) = mpsc::channel(1);
    std::thread::scope(|scope| {
        scope.spawn(move || while receiver.blocking_recv().is_some() {});
        let read = logs::logs(connection, path, filter, &sender).map(drop);
        drop(sender);
        read
    })
}

fn explain(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(row.get("detail")?);
    }
    Ok(steps)
}
