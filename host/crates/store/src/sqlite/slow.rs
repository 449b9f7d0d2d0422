//! Entries of the log about queries and commits that took too long.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use autokestra_model::ExecutionId;
use autokestra_secrets::{Masked, Masker};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::change::{LogEntry, LogLevel, LogSource};
use crate::sqlite::connection::SlowQueries;
use crate::sqlite::writer::Work;

/// The least time between two entries: a disk that is slow for long is told of now and then.
const ENTRY_EVERY: Duration = Duration::from_secs(10);

/// Knows what is slow, and when it was last told of.
#[derive(Clone, Debug)]
pub(super) struct Slow {
    options: SlowQueries,
    told: Arc<Mutex<Told>>,
}

#[derive(Debug, Default)]
struct Told {
    at: Option<Instant>,
    /// Those since then that were not told of.
    unsaid: u64,
}

impl Slow {
    pub(super) fn new(options: SlowQueries) -> Self {
        Self {
            options,
            told: Arc::default(),
        }
    }

    pub(super) fn is_slow(&self, took: Duration) -> bool {
        took >= self.options.from
    }

    /// The entry of a query, where it was slow and another was not just told of.
    pub(super) fn read(&self, what: &'static str, took: Duration) -> Option<LogEntry> {
        if !self.is_slow(took) {
            return None;
        }
        let unsaid = self.unsaid()?;
        let millis = millis(took);
        let text = format!("Slow database query detected: reading ({what}) took {millis} ms");
        let metadata = json!({ "statement": what, "kind": "read", "duration": millis, "unsaid": unsaid });
        Some(self.entry(None, &text, &metadata))
    }

    /// The entry of a commit, as that of a query.
    pub(super) fn commit(&self, works: &[&Work], took: Duration, waited: Duration) -> Option<LogEntry> {
        let unsaid = self.unsaid()?;
        let (took, waited) = (millis(took), millis(waited));
        let mut kinds: Vec<&'static str> = works.iter().map(|work| kind(work)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let kinds = kinds.join(", ");
        let text = format!(
            "Slow database query detected: a commit ({kinds}) took {took} ms, {waited} ms of them until other writers let it begin"
        );
        let metadata = json!({
            "statement": kinds, "kind": "commit", "duration": took, "waited": waited, "work": works.len(), "unsaid": unsaid
        });
        let mut executions = works.iter().map(|work| execution(work));
        let first = executions.next().flatten();
        let execution = first.filter(|first| executions.all(|other| other == Some(*first)));
        Some(self.entry(execution, &text, &metadata))
    }

    /// How many were not told of, where one may be told of now.
    fn unsaid(&self) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.at.is_some_and(|at| at.elapsed() < ENTRY_EVERY) {
            told.unsaid += 1;
            return None;
        }
        told.at = Some(Instant::now());
        Some(std::mem::take(&mut told.unsaid))
    }

    fn entry(&self, execution: Option<ExecutionId>, text: &str, metadata: &Value) -> LogEntry {
        // Numbers and words of this program's own: there is nothing to hide in it.
        let masker = Masker::none();
        let message: Masked = masker.mask(text);
        LogEntry {
            execution,
            task: None,
            attempt: None,
            at: self.options.clock.now(),
            level: LogLevel::Warn,
            source: LogSource::System,
            message,
            metadata: Some(masker.mask_json(metadata)),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn kind(work: &Work) -> &'static str {
    match work {
        Work::Create(..) => "create",
        Work::Changes(..) => "changes",
        Work::Admit(..) => "begin",
        Work::Acquire(..) | Work::Renew(_) => "lease",
        Work::Cancel(..) => "cancel",
        Work::Logs(_) => "logs",
        Work::Remove(_) | Work::Claim(..) | Work::Upkeep(_) => "cleanup",
        Work::Secrets(_) => "secrets",
    }
}

fn execution(work: &Work) -> Option<ExecutionId> {
    match work {
        Work::Create(new, _) => Some(new.id),
        Work::Changes(lease, _) | Work::Admit(lease, ..) => Some(lease.execution()),
        Work::Acquire(id, ..) | Work::Cancel(id, ..) => Some(*id),
        Work::Logs(entries) => entries.first().and_then(|entry| entry.execution),
        Work::Renew(_) | Work::Remove(_) | Work::Claim(..) | Work::Secrets(_) | Work::Upkeep(_) => None,
    }
}
