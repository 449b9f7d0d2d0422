//! Removes executions that ended long ago, with their logs and files, beside those that run: a little at a time, with a rest
//! after each.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{Clock, Timestamp};
use autokestra_secrets::{Masked, Masker};
use autokestra_store::{CleanupFilter, LogEntry, LogLevel, LogSource, Store, StoreError};
use serde_json::json;
use tokio::time::Instant;

use crate::artifacts::Artifacts;

/// A file that no task run names may belong to one that is about to be written down. After an hour it does not.
const FILE_AGE_MIN: Duration = Duration::from_secs(60 * 60);

/// Files that the store is asked about at a time.
const FILES_ASKED: usize = 500;

/// Between two transactions at least. Who waits to write looks every millisecond, and gets in.
const REST_MIN: Duration = Duration::from_millis(4);

/// The mark by which processes agree whose turn it is to remove what is too old.
const RETENTION: &str = "retention";

/// For so long nobody else begins, unless its process dies: then another goes on after it.
const RETENTION_LEASE: Duration = Duration::from_secs(60);

/// After one that came to its end none begins for so long.
const RETENTION_EVERY: Duration = Duration::from_secs(60 * 60);

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Executions.
    pub executions: u64,
    /// Log entries.
    pub logs: u64,
    /// Files that tasks left, and that no other execution has.
    pub files: u64,
    /// Bytes of those files.
    pub file_bytes: u64,
    /// Bytes that the database gave back to the disk.
    pub freed: u64,
    /// Bytes of the database that nothing uses.
    pub unused: u64,
}

/// Why a cleanup stopped. What was removed until then stays removed.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// The store failed.
    #[error("remove executions")]
    Store(#[from] StoreError),
    /// A file could not be removed.
    #[error("remove files of executions")]
    Files(#[from] io::Error),
}

/// Removes what is too old from a store and the files beside it.
#[derive(Clone, Debug)]
pub struct Cleaner {
    store: Arc<dyn Store>,
    artifacts: Artifacts,
    clock: Arc<dyn Clock>,
}

impl Cleaner {
    /// A cleaner of a store and its files.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, artifacts: Artifacts, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            artifacts,
            clock,
        }
    }

    /// Removes what `filter` takes, and gives the room back to the disk.
    ///
    /// # Errors
    /// [`CleanupError`].
    pub async fn clean(&self, filter: &CleanupFilter) -> Result<Cleaned, CleanupError> {
        let mut cleaned = Cleaned::default();
        loop {
            let begun = Instant::now();
            let some = self.store.remove_some(filter.clone()).await?;
            cleaned.executions += some.executions;
            cleaned.logs += some.logs;
            if !some.more {
                break;
            }
            rest(begun).await;
        }
        self.sweep(&mut cleaned).await?;
        loop {
            let begun = Instant::now();
            let shrunk = self.store.shrink_some().await?;
            cleaned.freed += shrunk.bytes;
            cleaned.unused = shrunk.unused;
            if !shrunk.more {
                break;
            }
            rest(begun).await;
        }
        self.store.settle().await?;
        Ok(cleaned)
    }

    /// Removes what ended more than `days` days ago, where there is any and no other process is at it or just was. Each
    /// process may call it as often as it likes: it costs a look at an index. Says in the log what it removed.
    ///
    /// # Errors
    /// [`CleanupError`]; [`StoreError::Closed`] where the store was closed meanwhile: the next call goes on.
    pub async fn retain(&self, days: u64) -> Result<Cleaned, CleanupError> {
        let now = self.clock.now();
        let filter = CleanupFilter {
            ended_before: before(now, Duration::from_secs(days.saturating_mul(24 * 60 * 60))),
            states: Vec::new(),
        };
        if !self.store.is_removable(filter.clone()).await?
            || !self.store.claim(RETENTION, now, after(now, RETENTION_LEASE)).await?
        {
            return Ok(Cleaned::default());
        }
        let cleaned = self.clean(&filter).await?;
        let now = self.clock.now();
        let forever = Timestamp::from_millis(i64::MAX);
        self.store
            .claim(RETENTION, forever, after(now, RETENTION_EVERY))
            .await?;
        self.store.append_logs(vec![told(&cleaned, &filter, days, now)]).await?;
        Ok(cleaned)
    }

    /// Removes the files that no task run names, and what dead processes left of theirs.
    async fn sweep(&self, cleaned: &mut Cleaned) -> Result<(), CleanupError> {
        let older_than = before(self.clock.now(), FILE_AGE_MIN);
        for some in self.artifacts.older_than(older_than)?.chunks(FILES_ASKED) {
            let named = self.store.named_files(some.to_vec()).await?;
            for digest in some.iter().filter(|digest| !named.contains(digest)) {
                if let Some(size) = self.artifacts.remove(digest, older_than)? {
                    cleaned.files += 1;
                    cleaned.file_bytes += size;
                }
            }
        }
        let mut dead = Vec::new();
        for execution in self.artifacts.attempted()? {
            let found = self.store.execution(execution).await?;
            if found.is_none_or(|found| found.row.state.is_terminal()) {
                dead.push(execution);
            }
        }
        self.artifacts.remove_attempts(&|execution| dead.contains(&execution));
        Ok(())
    }
}

/// Leaves the store to others for as long as it was taken from them.
async fn rest(since: Instant) {
    tokio::time::sleep(since.elapsed().max(REST_MIN)).await;
}

fn told(cleaned: &Cleaned, filter: &CleanupFilter, days: u64, at: Timestamp) -> LogEntry {
    let Cleaned {
        executions,
        logs,
        files,
        file_bytes,
        freed,
        unused: _,
    } = *cleaned;
    let cutoff = filter.ended_before;
    let text = format!(
        "Retention removed {executions} executions that ended before {cutoff} and {logs} log entries, as `logRetentionDays: \
         {days}` says"
    );
    // Numbers of the engine's own: there is nothing to hide in them.
    let metadata = json!({
        "deletedExecutions": executions, "deletedLogs": logs, "deletedFiles": files, "deletedFileBytes": file_bytes,
        "freedBytes": freed, "cutoff": cutoff, "logRetentionDays": days,
    });
    let message: Masked = Masker::none().mask(&text);
    LogEntry {
        execution: None,
        task: None,
        attempt: None,
        at,
        level: LogLevel::Info,
        source: LogSource::System,
        message,
        metadata: Some(Masker::none().mask_json(&metadata)),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(millis(age)))
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_add(millis(time)))
}
