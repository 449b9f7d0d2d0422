//! The one thread that writes. It takes all that is queued into one transaction, so a commit's cost is shared.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use autokestra_model::{ExecutionId, ExecutionState, Timestamp};
use autokestra_secrets::Masked;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::change::{Change, LogEntry, NewExecution};
use crate::error::StoreError;
use crate::fault;
use crate::filter::CleanupFilter;
use crate::lease::{Admission, Lease};
use crate::row::Removed;
use crate::secret::SecretUpdate;
use crate::sqlite::apply;
use crate::sqlite::audit::Trail;
use crate::sqlite::connection::sqlite_error;
use crate::sqlite::leases::Acquired;
use crate::sqlite::owner::Owner;

/// Pieces of work that wait for the writer; past it callers wait.
const WORK_QUEUED_MAX: usize = 1024;

/// Pieces of work that share a transaction at most, so that none waits for ever.
const GROUP_MAX: usize = 256;

/// One caller's work: all of it or nothing.
pub(super) enum Work {
    Create(Box<NewExecution>, Timestamp),
    Changes(Lease, Vec<Change>),
    Admit(Lease, u32, Timestamp, Vec<Change>),
    Acquire(ExecutionId, Timestamp, Timestamp),
    Renew(Timestamp),
    Cancel(ExecutionId, Masked, Timestamp),
    Logs(Vec<LogEntry>),
    Remove(CleanupFilter),
    Secrets(Box<SecretUpdate>),
}

/// What is said to the caller of a piece of work.
pub(super) enum Reply {
    Done,
    Lease(Lease),
    Acquired(Acquired),
    Admission(Admission),
    Cancelled(Option<ExecutionState>),
    Removed(Removed),
    Changed(bool),
}

struct Job {
    work: Work,
    done: oneshot::Sender<Result<Reply, StoreError>>,
}

/// The face of the thread.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        (connection, trail): (Connection, Trail),
        path: &Path,
        owner: Arc<Owner>,
    ) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(WORK_QUEUED_MAX);
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let open = |source: std::io::Error| StoreError::Open {
            path: path.to_path_buf(),
            source: Box::new(source),
        };
        let at = path.to_path_buf();
        let thread = thread
            .spawn(move || write_all(connection, (&at, &trail), &owner, jobs))
            .map_err(open)?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Hands work over and waits until it is durable, or refused.
    pub(super) async fn submit(&self, work: Work) -> Result<Reply, StoreError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (done, result) = oneshot::channel();
        let queue = queue.ok_or(StoreError::Closed)?;
        queue.send(Job { work, done }).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    /// Lets the thread write what is queued, and waits for its end.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            joined
                .map_err(|_| StoreError::Closed)?
                .map_err(|_| StoreError::Closed)?;
        }
        Ok(())
    }
}

fn write_all(mut connection: Connection, place: (&Path, &Trail), owner: &Owner, mut jobs: mpsc::Receiver<Job>) {
    let mut group: Vec<Job> = Vec::with_capacity(GROUP_MAX);
    while jobs.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        if let [_] = group.as_slice() {
            if let Some(job) = group.pop() {
                // Whoever asked may be gone; the work stands all the same.
                drop(job.done.send(write_one(&mut connection, place, owner, &job.work)));
            }
            continue;
        }
        match write_group(&mut connection, place, owner, &group) {
            Ok(results) => {
                for (job, result) in group.drain(..).zip(results) {
                    drop(job.done.send(result));
                }
            }
            // The transaction as a whole failed: each is told by itself, as if it had come alone.
            Err(_) => {
                for job in group.drain(..) {
                    drop(job.done.send(write_one(&mut connection, place, owner, &job.work)));
                }
            }
        }
    }
}

fn write_one(
    connection: &mut Connection,
    (path, trail): (&Path, &Trail),
    owner: &Owner,
    work: &Work,
) -> Result<Reply, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    // What a transaction before it had noted, and then failed.
    trail.forget(0);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sqlite)?;
    fault::point("commit.begun");
    let reply = apply::apply(&transaction, (path, trail), owner, work)?;
    trail.close(&transaction)?;
    fault::point("commit.applied");
    transaction.commit().map_err(sqlite)?;
    fault::point("commit.done");
    Ok(reply)
}

/// Does each job under a savepoint of its own: one that is refused takes no other with it.
fn write_group(
    connection: &mut Connection,
    (path, trail): (&Path, &Trail),
    owner: &Owner,
    group: &[Job],
) -> Result<Vec<Result<Reply, StoreError>>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    trail.forget(0);
    let mut transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sqlite)?;
    fault::point("commit.begun");
    let mut results = Vec::with_capacity(group.len());
    for job in group {
        let savepoint = transaction.savepoint().map_err(sqlite)?;
        let noted = trail.noted();
        let result = apply::apply(&savepoint, (path, trail), owner, &job.work);
        if result.is_ok() {
            savepoint.commit().map_err(sqlite)?;
        } else {
            // Dropping a savepoint rolls it back.
            drop(savepoint);
            trail.forget(noted);
        }
        results.push(result);
    }
    trail.close(&transaction)?;
    fault::point("commit.applied");
    transaction.commit().map_err(sqlite)?;
    fault::point("commit.done");
    Ok(results)
}
