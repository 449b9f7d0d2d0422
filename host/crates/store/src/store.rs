//! The face of a store.

use std::fmt;

use autokestra_model::{Digest, ExecutionId, PluginName, TaskId, Timestamp, WorkflowId};
use autokestra_secrets::{Masked, SealedJson};
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::change::{Change, LogEntry, NewExecution};
use crate::error::{FindError, StoreError};
use crate::filter::{CleanupFilter, ExecutionFilter, ExecutionRef, LogFilter};
use crate::lease::{AcquireError, Admission, CancelAnswer, Lease};
use crate::row::{AuditEventRow, ExecutionDetail, ExecutionPage, LogRow, Removed, Shrunk};
use crate::secret::{SecretRows, SecretUpdate};
use crate::trail::{AuditFilter, AuditHead, AuditPage, ChainState, TrailState};

/// Log rows as they are read. Dropping it ends the reading.
pub type LogReceiver = mpsc::Receiver<Result<LogRow, StoreError>>;

/// Audit events as they are read. Dropping it ends the reading.
pub type AuditReceiver = mpsc::Receiver<Result<AuditEventRow, StoreError>>;

/// Keeps executions. What a future of a writing call has returned is durable.
pub trait Store: Send + Sync + fmt::Debug {
    /// Creates an execution and its task runs, all PENDING, with the event `CREATED`; it is this process's until `until`.
    fn create_execution(&self, new: NewExecution, until: Timestamp) -> BoxFuture<'_, Result<Lease, StoreError>>;

    /// Takes an execution over that has not ended, and whose process is gone or gave no sign of life in time.
    fn acquire(&self, id: ExecutionId, now: Timestamp, until: Timestamp) -> BoxFuture<'_, Result<Lease, AcquireError>>;

    /// Gives a sign of life: all that this process drives is its own until `until`.
    fn renew(&self, until: Timestamp) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Makes all `changes`, or none of them. A change of a state writes its audit events too. A change that was made
    /// already changes nothing; one that starts from another state than the row's is refused with
    /// [`StoreError::StaleState`], and all of them with [`StoreError::Fenced`] where another process has the execution now.
    fn commit(&self, lease: &Lease, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Makes `changes`, of which one begins the execution, if fewer than `max` executions of its workflow run and none
    /// that came before it waits.
    fn admit(
        &self,
        lease: &Lease,
        max: u32,
        now: Timestamp,
        changes: Vec<Change>,
    ) -> BoxFuture<'_, Result<Admission, StoreError>>;

    /// Asks whoever drives an execution to end it.
    fn request_cancel(
        &self,
        id: ExecutionId,
        actor: Masked,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<CancelAnswer, FindError>>;

    /// Who asked for the end of which of this process's executions. Cheap where nothing was written since it was last asked.
    fn cancel_requests(&self) -> BoxFuture<'_, Result<Vec<(ExecutionId, Masked)>, StoreError>>;

    /// Writes log entries of no execution's own.
    fn append_logs(&self, entries: Vec<LogEntry>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Executions that have not ended and that no living process drives, oldest first.
    fn orphans(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<ExecutionId>, StoreError>>;

    /// Removes some of what a filter takes; the audit trail stays. To be called until there is no more.
    fn remove_some(&self, filter: CleanupFilter) -> BoxFuture<'_, Result<Removed, StoreError>>;

    /// What [`Store::remove_some`] would remove in all.
    fn count_removable(&self, filter: CleanupFilter) -> BoxFuture<'_, Result<Removed, StoreError>>;

    /// Whether [`Store::remove_some`] would remove anything. Cheap, however much there is.
    fn is_removable(&self, filter: CleanupFilter) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Takes `name` until a time, unless another process has it now. Says whether it did.
    fn claim(&self, name: &'static str, now: Timestamp, until: Timestamp) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Gives some of the room that nothing uses back to the disk. To be called until there is no more.
    fn shrink_some(&self) -> BoxFuture<'_, Result<Shrunk, StoreError>>;

    /// Puts what was committed where it stays, so that the store's files are as small as what is in them. It keeps nobody
    /// from writing, and does what it can beside those who do.
    fn settle(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Writes the store anew, without any room that nothing uses; others wait meanwhile. Gives the bytes that it freed.
    fn compact(&self) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Those of `digests` that some task run names as a file of its own.
    fn named_files(&self, digests: Vec<Digest>) -> BoxFuture<'_, Result<Vec<Digest>, StoreError>>;

    /// Finds the execution that a person means.
    fn find_execution(&self, reference: ExecutionRef) -> BoxFuture<'_, Result<ExecutionId, FindError>>;

    /// Lists executions, newest first.
    fn list_executions(&self, filter: ExecutionFilter) -> BoxFuture<'_, Result<ExecutionPage, StoreError>>;

    /// One execution with its tasks and attempts.
    fn execution(&self, id: ExecutionId) -> BoxFuture<'_, Result<Option<ExecutionDetail>, StoreError>>;

    /// Reads log entries, oldest first, a few at a time. Of the same millisecond that is first which was committed first.
    /// Where a filter follows, what is committed after the call comes in the order of commits.
    fn logs(&self, filter: LogFilter) -> LogReceiver;

    /// The newest `limit` log entries of an execution, or of one of its tasks, oldest first.
    fn last_logs(
        &self,
        id: ExecutionId,
        task: Option<TaskId>,
        limit: u64,
    ) -> BoxFuture<'_, Result<Vec<LogRow>, StoreError>>;

    /// How many log entries an execution has, or one of its tasks.
    fn count_logs(&self, id: ExecutionId, task: Option<TaskId>) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// The audit trail of one execution, in order.
    fn audit_events(&self, id: ExecutionId) -> BoxFuture<'_, Result<Vec<AuditEventRow>, StoreError>>;

    /// Finds the execution that a person means, though nothing but its events may be left of it.
    fn find_audited(&self, reference: ExecutionRef) -> BoxFuture<'_, Result<ExecutionId, FindError>>;

    /// The newest `limit` events that a filter takes, less the newest `offset` of them; the newest last.
    fn audit_page(&self, filter: AuditFilter, limit: u64, offset: u64) -> BoxFuture<'_, Result<AuditPage, StoreError>>;

    /// Reads audit events in the order of the trail, a few at a time.
    fn audit_trail(&self, filter: AuditFilter) -> AuditReceiver;

    /// Whether the events of one execution are all there, and as they were written.
    fn audit_chain(&self, id: ExecutionId) -> BoxFuture<'_, Result<ChainState, StoreError>>;

    /// Whether the whole trail is. `kept` are heads that were kept elsewhere, which must be points of it.
    fn verify_audit(&self, kept: Vec<AuditHead>) -> BoxFuture<'_, Result<TrailState, StoreError>>;

    /// The point of the trail that the newest head vouches for; none where there is no head.
    fn audit_head(&self) -> BoxFuture<'_, Result<Option<AuditHead>, StoreError>>;

    /// What a plugin keeps under `key` for a workflow.
    fn state_value<'a>(
        &'a self,
        workflow: &'a WorkflowId,
        plugin: &'a PluginName,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<SealedJson>, StoreError>>;

    /// The first `most` keys beginning with `prefix` under which a plugin keeps values for a workflow, in order of their bytes.
    fn state_keys<'a>(
        &'a self,
        workflow: &'a WorkflowId,
        plugin: &'a PluginName,
        prefix: &'a str,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<String>, StoreError>>;

    /// All secrets, sealed, as they are at one moment.
    fn secrets(&self) -> BoxFuture<'_, Result<SecretRows, StoreError>>;

    /// Changes the secrets, unless somebody else has since they were seen. Says whether it was done.
    fn change_secrets(&self, update: SecretUpdate) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Writes what is queued and closes the store.
    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}
