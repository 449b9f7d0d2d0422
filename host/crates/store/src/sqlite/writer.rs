//! The one thread that writes. It takes all that is queued into one transaction, so a commit's cost is shared.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use autokestra_model::{ExecutionId, ExecutionState, Timestamp};
use autokestra_secrets::Masked;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::change::{Change, LogEntry, NewExecution};
use crate::error::StoreError;
use crate::fault;
use crate::filter::CleanupFilter;
use crate::lease::{Admission, Lease};
use crate::row::{Removed, Shrunk};
use crate::secret::SecretUpdate;
use crate::sqlite::apply;
use crate::sqlite::audit::Trail;
use crate::sqlite::connection::sqlite_error;
use crate::sqlite::leases::Acquired;
use crate::sqlite::owner::Owner;
use crate::sqlite::slow::Slow;
use crate::sqlite::upkeep::{self, Upkeep};

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
    Claim(&'static str, Timestamp, Timestamp),
    Secrets(Box<SecretUpdate>),
    Upkeep(Upkeep),
}

/// What is said to the caller of a piece of work.
pub(super) enum Reply {
    Done,
    Lease(Lease),
    Acquired(Acquired),
    Admission(Admission),
    Cancelled(Option<ExecutionState>),
    Removed(Removed),
    Shrunk(Shrunk),
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
        slow: Option<Slow>,
    ) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(WORK_QUEUED_MAX);
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let open = |source: std::io::Error| StoreError::Open {
            path: path.to_path_buf(),
            source: Box::new(source),
        };
        let mut thread_of = Thread {
            connection,
            trail,
            path: path.to_path_buf(),
            owner,
            slow,
        };
        let thread = thread.spawn(move || thread_of.write_all(jobs)).map_err(open)?;
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

    /// A way to the thread that keeps it from ending no longer than the store is open.
    pub(super) fn handle(&self) -> WriterHandle {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        WriterHandle(queue.as_ref().map(mpsc::Sender::downgrade))
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

/// Hands work over from a thread of its own.
pub(super) struct WriterHandle(Option<mpsc::WeakSender<Job>>);

impl WriterHandle {
    /// Hands work over and waits until it is durable, or refused.
    pub(super) fn submit_blocking(&self, work: Work) -> Result<Reply, StoreError> {
        let queue = self.0.as_ref().and_then(mpsc::WeakSender::upgrade);
        let (done, result) = oneshot::channel();
        let sent = queue.ok_or(StoreError::Closed)?.blocking_send(Job { work, done });
        sent.map_err(|_| StoreError::Closed)?;
        result.blocking_recv().map_err(|_| StoreError::Closed)?
    }
}

/// What the thread works with.
struct Thread {
    connection: Connection,
    trail: Trail,
    path: PathBuf,
    owner: Arc<Owner>,
    slow: Option<Slow>,
}

impl Thread {
    fn write_all(&mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut group: Vec<Job> = Vec::with_capacity(GROUP_MAX);
        while jobs.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
            let (alone, mut group): (Vec<Job>, Vec<Job>) =
                group.drain(..).partition(|job| matches!(job.work, Work::Upkeep(_)));
            if let [_] = group.as_slice() {
                if let Some(job) = group.pop() {
                    // Whoever asked may be gone; the work stands all the same.
                    drop(job.done.send(self.write_one(&job.work)));
                }
            } else if !group.is_empty() {
                match self.write_group(&group) {
                    Ok(results) => {
                        for (job, result) in group.drain(..).zip(results) {
                            drop(job.done.send(result));
                        }
                    }
                    // The transaction as a whole failed: each is told by itself, as if it had come alone.
                    Err(_) => {
                        for job in group.drain(..) {
                            drop(job.done.send(self.write_one(&job.work)));
                        }
                    }
                }
            }
            // These are no work of a transaction.
            for job in alone {
                drop(job.done.send(self.write_one(&job.work)));
            }
        }
    }

    fn write_one(&mut self, work: &Work) -> Result<Reply, StoreError> {
        if let Work::Upkeep(upkeep) = work {
            return upkeep::upkeep(&mut self.connection, &self.path, *upkeep).map(Reply::Shrunk);
        }
        let (path, trail) = (&self.path, &self.trail);
        let sqlite = |source| sqlite_error(path, source);
        // What a transaction before it had noted, and then failed.
        trail.forget(0);
        let begun = Instant::now();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite)?;
        let waited = begun.elapsed();
        fault::point("commit.begun");
        let reply = apply::apply(&transaction, (path, trail), &self.owner, work)?;
        trail.close(&transaction)?;
        fault::point("commit.applied");
        transaction.commit().map_err(sqlite)?;
        fault::point("commit.done");
        if matches!(work, Work::Remove(_)) {
            upkeep::tidy(&self.connection);
        }
        self.note_time(&[work], begun, waited);
        Ok(reply)
    }

    /// Does each job under a savepoint of its own: one that is refused takes no other with it.
    fn write_group(&mut self, group: &[Job]) -> Result<Vec<Result<Reply, StoreError>>, StoreError> {
        let (path, trail) = (&self.path, &self.trail);
        let sqlite = |source| sqlite_error(path, source);
        trail.forget(0);
        let begun = Instant::now();
        let mut transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite)?;
        let waited = begun.elapsed();
        fault::point("commit.begun");
        let mut results = Vec::with_capacity(group.len());
        for job in group {
            let savepoint = transaction.savepoint().map_err(sqlite)?;
            let noted = trail.noted();
            let result = apply::apply(&savepoint, (path, trail), &self.owner, &job.work);
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
        let works: Vec<&Work> = group.iter().map(|job| &job.work).collect();
        self.note_time(&works, begun, waited);
        Ok(results)
    }

    /// Tells of a commit that took too long. That entry's own commit is not looked at, so nothing is told of the telling.
    fn note_time(&mut self, works: &[&Work], begun: Instant, waited: Duration) {
        let took = begun.elapsed();
        let Some(slow) = self.slow.as_ref().filter(|slow| slow.is_slow(took)) else {
            return;
        };
        let Some(entry) = slow.commit(works, took, waited) else {
            return;
        };
        let work = Work::Logs(vec![entry]);
        let place = (self.path.as_path(), &self.trail);
        let written = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|source| sqlite_error(&self.path, source))
            .and_then(|transaction| {
                apply::apply(&transaction, place, &self.owner, &work)?;
                transaction.commit().map_err(|source| sqlite_error(&self.path, source))
            });
        // The work itself stands; a database that takes no entry shows it at the next piece of work.
        drop(written);
    }
}
