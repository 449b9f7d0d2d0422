//! The embedded store: one writer thread with group commit, and readers with connections of their own.

mod apply;
mod audit;
mod cleanup;
mod connection;
mod decode;
mod leases;
mod logs;
mod migrations;
mod owner;
mod plan;
mod queries;
mod secrets;
mod slow;
mod upkeep;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use autokestra_model::{Digest, ExecutionId, PluginName, TaskId, Timestamp, WorkflowId};
use autokestra_secrets::{Masked, SealedJson};
use futures::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use connection::{SlowQueries, SqliteOptions, Synchronous};
pub use plan::{Plan, Question};

use crate::change::{Change, LogEntry, NewExecution};
use crate::error::{FindError, StoreError};
use crate::filter::{CleanupFilter, ExecutionFilter, ExecutionRef, LogFilter};
use crate::lease::{AcquireError, Admission, CancelAnswer, Lease};
use crate::row::{AuditEventRow, ExecutionDetail, ExecutionPage, LogRow, Removed, Shrunk};
use crate::secret::{SecretRows, SecretUpdate};
use crate::sqlite::audit::Trail;
use crate::sqlite::leases::Acquired;
use crate::sqlite::owner::Owner;
use crate::sqlite::secrets::Secrets;
use crate::sqlite::slow::Slow;
use crate::sqlite::upkeep::Upkeep;
use crate::sqlite::writer::{Reply, Work, Writer};
use crate::store::{AuditReceiver, LogReceiver, Store};
use crate::trail::{AuditFilter, AuditHead, AuditPage, ChainState, TrailState};

/// Log rows that wait for whoever reads them.
const LOG_ROWS_QUEUED_MAX: usize = 256;

/// Connections that are kept for the next reader.
const IDLE_READERS_MAX: usize = 4;

/// A store in one SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: Arc<Readers>,
    owner: Arc<Owner>,
    watch: Arc<Mutex<Watch>>,
    slow: Option<Slow>,
}

/// Sees whether anything was written since it last looked, without reading any of it.
#[derive(Default)]
struct Watch {
    connection: Option<Connection>,
    version: Option<i64>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.readers.path)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens a database, making it where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`], which tells a newer version, a damaged file, a missing permission and a full disk apart.
    pub fn open(options: &SqliteOptions) -> Result<Self, StoreError> {
        // One process at a time: SQLite says that it is busy, and does not wait, where two make the same database.
        let opening = connection::lock_folder(&options.path);
        let mut connection = connection::open_writer(options)?;
        migrations::migrate(&mut connection, &options.path)?;
        let trail = Trail::open(&mut connection, &options.path)?;
        drop(opening);
        let owner = Arc::new(Owner::new(&options.path));
        let slow = options.slow_queries.clone().map(Slow::new);
        let writer = Writer::start((connection, trail), &options.path, Arc::clone(&owner), slow.clone())?;
        Ok(Self {
            writer,
            owner,
            watch: Arc::default(),
            slow,
            readers: Arc::new(Readers {
                path: options.path.clone(),
                idle: Mutex::new(Some(Vec::new())),
            }),
        })
    }

    /// Runs `query` on a connection that only reads, off the async threads.
    fn read<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        what: &'static str,
        query: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, E>> {
        let readers = Arc::clone(&self.readers);
        Box::pin(async move {
            let begun = Instant::now();
            let reading = tokio::task::spawn_blocking(move || readers.with(query));
            let found = reading.await.unwrap_or_else(|_| Err(StoreError::Closed.into()));
            if let Some(slow) = &self.slow
                && let Some(entry) = slow.read(what, begun.elapsed())
            {
                // What was asked for is there; a database that takes no entry shows it where somebody writes.
                drop(self.writer.submit(Work::Logs(vec![entry])).await);
            }
            found
        })
    }

    async fn upkeep(&self, upkeep: Upkeep) -> Result<Shrunk, StoreError> {
        match self.writer.submit(Work::Upkeep(upkeep)).await? {
            Reply::Shrunk(shrunk) => Ok(shrunk),
            _ => Err(StoreError::Closed),
        }
    }
}

/// Connections that only read.
struct Readers {
    path: PathBuf,
    /// None once the store is closed: then a connection ends with its query.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    fn with<T, E: From<StoreError>>(&self, query: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let idle = self.idle().as_mut().and_then(Vec::pop);
        let connection = match idle {
            Some(connection) => connection,
            None => connection::open_reader(&self.path)?,
        };
        let found = query(&connection);
        if let Some(idle) = self.idle().as_mut().filter(|idle| idle.len() < IDLE_READERS_MAX) {
            idle.push(connection);
        }
        found
    }

    fn close(&self) {
        *self.idle() = None;
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for SqliteStore {
    fn create_execution(&self, new: NewExecution, until: Timestamp) -> BoxFuture<'_, Result<Lease, StoreError>> {
        Box::pin(async move {
            match self.writer.submit(Work::Create(Box::new(new), until)).await? {
                Reply::Lease(lease) => Ok(lease),
                _ => Err(StoreError::Closed),
            }
        })
    }

    fn acquire(&self, id: ExecutionId, now: Timestamp, until: Timestamp) -> BoxFuture<'_, Result<Lease, AcquireError>> {
        Box::pin(async move {
            match self.writer.submit(Work::Acquire(id, now, until)).await? {
                Reply::Acquired(Acquired::Yes(lease)) => Ok(lease),
                Reply::Acquired(Acquired::NotFound) => Err(AcquireError::NotFound { id }),
                Reply::Acquired(Acquired::Ended(state)) => Err(AcquireError::Ended { id, state }),
                Reply::Acquired(Acquired::Owned(owner)) => Err(AcquireError::Owned { id, owner }),
                _ => Err(StoreError::Closed.into()),
            }
        })
    }

    fn renew(&self, until: Timestamp) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.writer.submit(Work::Renew(until)).await.map(drop) })
    }

    fn commit(&self, lease: &Lease, changes: Vec<Change>) -> BoxFuture<'_, Result<(), StoreError>> {
        let work = Work::Changes(lease.clone(), changes);
        Box::pin(async move { self.writer.submit(work).await.map(drop) })
    }

    fn admit(
        &self,
        lease: &Lease,
        max: u32,
        now: Timestamp,
        changes: Vec<Change>,
    ) -> BoxFuture<'_, Result<Admission, StoreError>> {
        let work = Work::Admit(lease.clone(), max, now, changes);
        Box::pin(async move {
            match self.writer.submit(work).await? {
                Reply::Admission(admission) => Ok(admission),
                _ => Err(StoreError::Closed),
            }
        })
    }

    fn request_cancel(
        &self,
        id: ExecutionId,
        actor: Masked,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<CancelAnswer, FindError>> {
        Box::pin(async move {
            match self.writer.submit(Work::Cancel(id, actor, at)).await {
                Ok(Reply::Cancelled(Some(state))) => Ok(CancelAnswer::Ended(state)),
                Ok(_) => Ok(CancelAnswer::Asked),
                Err(StoreError::Missing { .. }) => Err(FindError::NotFound {
                    reference: id.to_string(),
                }),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn cancel_requests(&self) -> BoxFuture<'_, Result<Vec<(ExecutionId, Masked)>, StoreError>> {
        let (watch, path, owner) = (
            Arc::clone(&self.watch),
            self.readers.path.clone(),
            self.owner.id.clone(),
        );
        Box::pin(async move {
            let asking = tokio::task::spawn_blocking(move || {
                let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
                let connection = match watch.connection.take() {
                    Some(connection) => connection,
                    None => connection::open_reader(&path)?,
                };
                let version: i64 = connection
                    .query_row("PRAGMA data_version", [], |row| row.get(0))
                    .map_err(|source| connection::sqlite_error(&path, source))?;
                let found = if watch.version.replace(version) == Some(version) {
                    Vec::new()
                } else {
                    leases::cancel_requests(&connection, &path, &owner)?
                };
                if !found.is_empty() {
                    // Until it is heeded, it is found again.
                    watch.version = None;
                }
                watch.connection = Some(connection);
                Ok(found)
            });
            asking.await.unwrap_or(Err(StoreError::Closed))
        })
    }

    fn append_logs(&self, entries: Vec<LogEntry>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.writer.submit(Work::Logs(entries)).await.map(drop) })
    }

    fn orphans(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<ExecutionId>, StoreError>> {
        let path = self.readers.path.clone();
        self.read("orphans", move |connection| leases::orphans(connection, &path, now))
    }

    fn remove_some(&self, filter: CleanupFilter) -> BoxFuture<'_, Result<Removed, StoreError>> {
        Box::pin(async move {
            match self.writer.submit(Work::Remove(filter)).await? {
                Reply::Removed(removed) => Ok(removed),
                _ => Err(StoreError::Closed),
            }
        })
    }

    fn count_removable(&self, filter: CleanupFilter) -> BoxFuture<'_, Result<Removed, StoreError>> {
        let path = self.readers.path.clone();
        self.read("count", move |connection| cleanup::count(connection, &path, &filter))
    }

    fn is_removable(&self, filter: CleanupFilter) -> BoxFuture<'_, Result<bool, StoreError>> {
        let path = self.readers.path.clone();
        self.read("whether anything is old", move |connection| {
            cleanup::is_removable(connection, &path, &filter)
        })
    }

    fn claim(&self, name: &'static str, now: Timestamp, until: Timestamp) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            match self.writer.submit(Work::Claim(name, now, until)).await? {
                Reply::Changed(changed) => Ok(changed),
                _ => Err(StoreError::Closed),
            }
        })
    }

    fn shrink_some(&self) -> BoxFuture<'_, Result<Shrunk, StoreError>> {
        Box::pin(self.upkeep(Upkeep::Shrink))
    }

    fn settle(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.upkeep(Upkeep::Settle).await.map(drop) })
    }

    fn compact(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { self.upkeep(Upkeep::Compact).await.map(|shrunk| shrunk.bytes) })
    }

    fn named_files(&self, digests: Vec<Digest>) -> BoxFuture<'_, Result<Vec<Digest>, StoreError>> {
        let path = self.readers.path.clone();
        self.read("files", move |connection| cleanup::named(connection, &path, &digests))
    }

    fn find_execution(&self, reference: ExecutionRef) -> BoxFuture<'_, Result<ExecutionId, FindError>> {
        let path = self.readers.path.clone();
        self.read("find", move |connection| queries::find(connection, &path, &reference))
    }

    fn list_executions(&self, filter: ExecutionFilter) -> BoxFuture<'_, Result<ExecutionPage, StoreError>> {
        let path = self.readers.path.clone();
        self.read("list", move |connection| queries::list(connection, &path, &filter))
    }

    fn execution(&self, id: ExecutionId) -> BoxFuture<'_, Result<Option<ExecutionDetail>, StoreError>> {
        let path = self.readers.path.clone();
        self.read("inspect", move |connection| queries::detail(connection, &path, id))
    }

    fn logs(&self, filter: LogFilter) -> LogReceiver {
        let (sender, receiver) = mpsc::channel(LOG_ROWS_QUEUED_MAX);
        let (readers, slow, writer) = (Arc::clone(&self.readers), self.slow.clone(), self.writer.handle());
        drop(tokio::task::spawn_blocking(move || {
            let path = readers.path.clone();
            let read = readers.with(|connection| logs::logs(connection, &path, &filter, &sender));
            match read {
                Ok(searched) => {
                    if let Some(entry) = slow.and_then(|slow| slow.read("logs", searched)) {
                        // Before the receiver sees the end, and the process may be gone.
                        drop(writer.submit_blocking(Work::Logs(vec![entry])));
                    }
                }
                // A reader that went away needs no error.
                Err(error) => drop(sender.blocking_send(Err(error))),
            }
        }));
        receiver
    }

    fn last_logs(
        &self,
        id: ExecutionId,
        task: Option<TaskId>,
        limit: u64,
    ) -> BoxFuture<'_, Result<Vec<LogRow>, StoreError>> {
        let path = self.readers.path.clone();
        self.read("last logs", move |connection| {
            logs::last_logs(connection, &path, id, task.as_ref(), limit)
        })
    }

    fn count_logs(&self, id: ExecutionId, task: Option<TaskId>) -> BoxFuture<'_, Result<u64, StoreError>> {
        let path = self.readers.path.clone();
        self.read("count logs", move |connection| {
            logs::count_logs(connection, &path, id, task.as_ref())
        })
    }

    fn audit_events(&self, id: ExecutionId) -> BoxFuture<'_, Result<Vec<AuditEventRow>, StoreError>> {
        let path = self.readers.path.clone();
        self.read("audit", move |connection| queries::audit_events(connection, &path, id))
    }

    fn find_audited(&self, reference: ExecutionRef) -> BoxFuture<'_, Result<ExecutionId, FindError>> {
        let path = self.readers.path.clone();
        self.read("find", move |connection| {
            queries::find_audited(connection, &path, &reference)
        })
    }

    fn audit_page(&self, filter: AuditFilter, limit: u64, offset: u64) -> BoxFuture<'_, Result<AuditPage, StoreError>> {
        let path = self.readers.path.clone();
        self.read("audit", move |connection| {
            audit::page(connection, &path, &filter, (limit, offset))
        })
    }

    fn audit_trail(&self, filter: AuditFilter) -> AuditReceiver {
        let (sender, receiver) = mpsc::channel(LOG_ROWS_QUEUED_MAX);
        let readers = Arc::clone(&self.readers);
        drop(tokio::task::spawn_blocking(move || {
            let path = readers.path.clone();
            let read = readers.with(|connection| audit::send(connection, &path, &filter, &sender));
            if let Err(error) = read {
                // A reader that went away needs no error.
                drop(sender.blocking_send(Err(error)));
            }
        }));
        receiver
    }

    fn audit_chain(&self, id: ExecutionId) -> BoxFuture<'_, Result<ChainState, StoreError>> {
        let path = self.readers.path.clone();
        self.read("audit", move |connection| audit::chain(connection, &path, id))
    }

    fn verify_audit(&self, kept: Vec<AuditHead>) -> BoxFuture<'_, Result<TrailState, StoreError>> {
        let path = self.readers.path.clone();
        self.read("audit", move |connection| audit::trail(connection, &path, kept))
    }

    fn audit_head(&self) -> BoxFuture<'_, Result<Option<AuditHead>, StoreError>> {
        let path = self.readers.path.clone();
        self.read("audit", move |connection| audit::head(connection, &path))
    }

    fn state_value<'a>(
        &'a self,
        workflow: &'a WorkflowId,
        plugin: &'a PluginName,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<SealedJson>, StoreError>> {
        let path = self.readers.path.clone();
        let (workflow, plugin, key) = (workflow.clone(), plugin.clone(), key.to_owned());
        self.read("state", move |connection| {
            queries::state_value(connection, &path, (&workflow, &plugin, &key))
        })
    }

    fn state_keys<'a>(
        &'a self,
        workflow: &'a WorkflowId,
        plugin: &'a PluginName,
        prefix: &'a str,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        let path = self.readers.path.clone();
        let (workflow, plugin, prefix) = (workflow.clone(), plugin.clone(), prefix.to_owned());
        self.read("state", move |connection| {
            queries::state_keys(connection, &path, (&workflow, &plugin), (&prefix, most))
        })
    }

    fn secrets(&self) -> BoxFuture<'_, Result<SecretRows, StoreError>> {
        let path = self.readers.path.clone();
        self.read("secrets", move |connection| {
            Secrets {
                connection,
                path: &path,
            }
            .read()
        })
    }

    fn change_secrets(&self, update: SecretUpdate) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            match self.writer.submit(Work::Secrets(Box::new(update))).await? {
                Reply::Changed(changed) => Ok(changed),
                _ => Err(StoreError::Closed),
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            // The last connection that is closed moves the write-ahead log into the database, and only a writer can.
            self.readers.close();
            if let Ok(mut watch) = self.watch.lock() {
                *watch = Watch::default();
            }
            self.writer.close().await?;
            self.owner.release();
            Ok(())
        })
    }
}
