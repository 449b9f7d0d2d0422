//! The face of a store.

use std::fmt;

use autokestra_model::{ExecutionId, PluginName, WorkflowId};
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::change::{Change, LogEntry, NewExecution};
use crate::error::{FindError, StoreError};
use crate::filter::{ExecutionFilter, ExecutionRef, LogFilter};
use crate::row::{AuditEventRow, ExecutionDetail, ExecutionPage, LogRow};

/// Log rows as they are read. Dropping it ends the reading.
pub type LogReceiver = mpsc::Receiver<Result<LogRow, StoreError>>;

/// Keeps executions. What a future of a writing call has returned is durable.
pub trait Store: Send + Sync + fmt::Debug {
    /// Creates an execution and its task runs, all PENDING, with the event `CREATED`.
    fn create_execution(&self, new: NewExecution) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Makes all `changes`, or none of them. A change of a state writes its audit events too. A change that was made
    /// already changes nothing; one that starts from another state than the row's is refused with
    /// [`StoreError::StaleState`].
    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Writes log entries.
    fn append_logs(&self, entries: Vec<LogEntry>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.commit(vec![Change::Logs(entries)])
    }

    /// Finds the execution that a person means.
    fn find_execution(&self, reference: ExecutionRef) -> BoxFuture<'_, Result<ExecutionId, FindError>>;

    /// Lists executions, newest first.
    fn list_executions(&self, filter: ExecutionFilter) -> BoxFuture<'_, Result<ExecutionPage, StoreError>>;

    /// One execution with its tasks and attempts.
    fn execution(&self, id: ExecutionId) -> BoxFuture<'_, Result<Option<ExecutionDetail>, StoreError>>;

    /// Reads log entries, oldest first, a few at a time.
    fn logs(&self, filter: LogFilter) -> LogReceiver;

    /// The audit trail of one execution, in order.
    fn audit_events(&self, id: ExecutionId) -> BoxFuture<'_, Result<Vec<AuditEventRow>, StoreError>>;

    /// The JSON text that a plugin keeps under `key` for a workflow.
    fn state_value<'a>(
        &'a self,
        workflow: &'a WorkflowId,
        plugin: &'a PluginName,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, StoreError>>;

    /// Writes what is queued and closes the store.
    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}
