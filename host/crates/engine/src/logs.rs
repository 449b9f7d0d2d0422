//! From what a guest says to rows of the log: batched by count and by time, the last ones left for the attempt's end.

use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{Clock, PluginName};
use autokestra_sandbox::{Denial, GuestEvent, Stream};
use autokestra_secrets::{Masked, MaskedJson, Masker};
use autokestra_store::{AuditEvent, Change, Lease, LogEntry, LogLevel, LogSource, RunKey, Store, StoreError, fault};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::attempt::AttemptShared;
use crate::event::RunEvent;

/// Events of one attempt that wait for the log; past it the guest's next write waits.
pub(crate) const GUEST_EVENTS_QUEUED_MAX: usize = 256;

/// Whose log it is, and how it is kept.
pub(crate) struct LogTarget {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Option<mpsc::Sender<RunEvent>>,
    pub(crate) masker: Masker,
    pub(crate) lease: Lease,
    pub(crate) run: RunKey,
    pub(crate) attempt: u32,
    pub(crate) plugin: PluginName,
    pub(crate) action: String,
    pub(crate) buffer: usize,
    pub(crate) flush: Duration,
    pub(crate) debug: bool,
}

impl LogTarget {
    /// The log of an attempt that the engine carries out itself.
    pub(crate) fn of_own(shared: &AttemptShared, run: RunKey, attempt: u32, plugin: PluginName, action: &str) -> Self {
        Self {
            store: Arc::clone(&shared.store),
            clock: Arc::clone(&shared.clock),
            observer: shared.observer.clone(),
            masker: shared.masker.clone(),
            lease: shared.lease.clone(),
            run,
            attempt,
            plugin,
            action: action.to_owned(),
            buffer: shared.log_buffer,
            flush: shared.log_flush,
            debug: shared.log_debug,
        }
    }

    /// An entry about the attempt, by the engine.
    pub(crate) fn worker(&self, level: LogLevel, message: Masked, metadata: Option<MaskedJson>) -> LogEntry {
        self.entry(LogSource::Worker, level, message, metadata)
    }

    /// An entry of the engine about how it keeps the attempt's log.
    fn system(&self, level: LogLevel, text: &str, mut metadata: Map<String, Value>) -> LogEntry {
        metadata.insert("task".into(), self.run.task.as_str().into());
        if let Some(item) = self.run.item {
            metadata.insert("index".into(), item.into());
        }
        let metadata = self.masker.mask_json(&Value::Object(metadata));
        self.entry(LogSource::System, level, self.masker.mask(text), Some(metadata))
    }

    /// What tells of a buffer that was full before its time.
    fn overflow(&self, entries: usize, waited: Duration) -> LogEntry {
        let waited = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        let text = format!(
            "Buffer overflow: flushing early. {entries} entries of `{}` filled its log buffer within {waited} ms; raise \
             `logging.maxBufferSize`, or log less. It is told once for each attempt",
            self.run
        );
        let metadata = Map::from_iter([
            ("entries".to_owned(), Value::from(entries)),
            ("maxBufferSize".to_owned(), Value::from(self.buffer)),
            ("filledMs".to_owned(), Value::from(waited)),
        ]);
        self.system(LogLevel::Warn, &text, metadata)
    }

    /// An entry of the plugin itself. `stream` is where it came from.
    pub(crate) fn plugin(
        &self,
        level: LogLevel,
        message: Masked,
        stream: Option<Stream>,
        fields: Map<String, Value>,
    ) -> LogEntry {
        let mut metadata = Map::new();
        if let Some(stream) = stream {
            metadata.insert("stream".into(), stream.as_str().into());
        }
        metadata.insert("plugin".into(), self.plugin.as_str().into());
        metadata.insert("action".into(), self.action.as_str().into());
        if let Some(item) = self.run.item {
            metadata.insert("index".into(), item.into());
        }
        for (key, value) in fields {
            // The engine's own keys stand: a plugin cannot pose as another.
            metadata.entry(key).or_insert(value);
        }
        let source = LogSource::Plugin {
            execution: self.lease.execution(),
            task: self.run.task.clone(),
        };
        self.entry(
            source,
            level,
            message,
            Some(self.masker.mask_json(&Value::Object(metadata))),
        )
    }

    fn entry(&self, source: LogSource, level: LogLevel, message: Masked, metadata: Option<MaskedJson>) -> LogEntry {
        LogEntry {
            execution: Some(self.lease.execution()),
            task: Some(self.run.task.clone()),
            attempt: Some(self.attempt),
            at: self.clock.now(),
            level,
            source,
            message,
            metadata,
        }
    }

    /// The rows that one event of the guest makes.
    async fn rows(&self, event: GuestEvent) -> Vec<Change> {
        match event {
            GuestEvent::Log {
                stream,
                level,
                message,
                fields,
            } => {
                let fields = fields
                    .into_iter()
                    .map(|(key, value)| (key.into_string(), Value::from(value.into_string())));
                let entry = self.plugin(log_level(level), message, Some(stream), fields.collect());
                vec![self.told(entry).await]
            }
            GuestEvent::Progress { done, total, note } => {
                self.tell(RunEvent::Progress {
                    task: self.run.task.clone(),
                    item: self.run.item,
                    done,
                    total,
                    note,
                })
                .await;
                Vec::new()
            }
            GuestEvent::Denied(denial) => self.denied(denial).await,
            GuestEvent::LogTruncated { bytes } => {
                let text = format!(
                    "the log of `{}` reached its limit: {bytes} bytes more were counted and not kept; \
                     raise `limits.logBytes` to keep them",
                    self.run
                );
                let entry = self.worker(LogLevel::Warn, self.masker.mask(&text), None);
                vec![self.told(entry).await]
            }
        }
    }

    async fn denied(&self, denial: Denial) -> Vec<Change> {
        let mut text = denial.message.to_string();
        // Some of it nothing grants.
        if !denial.yaml.as_str().is_empty() {
            text.extend([
                "\nto allow it, add to the task or the workflow:\n",
                denial.yaml.as_str(),
            ]);
        }
        let entry = self.worker(LogLevel::Warn, self.masker.mask(&text), None);
        let audit = Change::Audit {
            task: Some(self.run.task.clone()),
            at: entry.at,
            event: AuditEvent::PermissionDenied {
                capability: denial.capability.to_string(),
                target: denial.target,
            },
        };
        vec![self.told(entry).await, audit]
    }

    /// Shows an entry to the observer and makes it a row.
    async fn told(&self, entry: LogEntry) -> Change {
        if self.observer.is_some() {
            self.tell(RunEvent::Log(entry.clone())).await;
        }
        Change::Logs(vec![entry])
    }

    async fn tell(&self, event: RunEvent) {
        if let Some(observer) = &self.observer {
            // An observer that went away is no reason to stop the work.
            drop(observer.send(event).await);
        }
    }
}

/// The sandbox's level as the store's: the two crates do not know each other.
fn log_level(level: autokestra_sandbox::LogLevel) -> LogLevel {
    match level {
        autokestra_sandbox::LogLevel::Debug => LogLevel::Debug,
        autokestra_sandbox::LogLevel::Info => LogLevel::Info,
        autokestra_sandbox::LogLevel::Warn => LogLevel::Warn,
        autokestra_sandbox::LogLevel::Error => LogLevel::Error,
    }
}

/// Reads a guest's events until the guest is gone. Rows go to the store in batches, `first` with the first of them; the last
/// batch is returned, so that it can share a transaction with the attempt's end.
///
/// # Errors
/// What the store says.
pub(crate) async fn collect(
    target: &LogTarget,
    mut events: mpsc::Receiver<GuestEvent>,
    first: Vec<Change>,
) -> Result<Vec<Change>, StoreError> {
    let mut rows = first;
    let mut due = (!rows.is_empty()).then(|| Instant::now() + target.flush);
    let mut overflowed = false;
    loop {
        let flush_at = due.unwrap_or_else(Instant::now);
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => rows.extend(target.rows(event).await),
                None => return Ok(rows),
            },
            () = tokio::time::sleep_until(flush_at), if due.is_some() => {
                flush(target, &mut rows).await?;
            }
        }
        if rows.len() >= target.buffer {
            // A buffer of one is meant to write each entry as it comes.
            if !overflowed && target.buffer > 1 {
                overflowed = true;
                let left = due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
                let entry = target.overflow(rows.len(), target.flush.saturating_sub(left));
                rows.push(target.told(entry).await);
            }
            flush(target, &mut rows).await?;
        }
        due = if rows.is_empty() {
            None
        } else {
            due.or_else(|| Some(Instant::now() + target.flush))
        };
    }
}

/// Writes rows before their attempt has ended.
async fn flush(target: &LogTarget, rows: &mut Vec<Change>) -> Result<(), StoreError> {
    fault::point("logs.flushing");
    if target.debug {
        let text = format!("Buffer flushed with {} entries", rows.len());
        let metadata = Map::from_iter([("entries".to_owned(), Value::from(rows.len()))]);
        rows.push(target.told(target.system(LogLevel::Debug, &text, metadata)).await);
    }
    target.store.commit(&target.lease, merge(std::mem::take(rows))).await?;
    fault::point("logs.flushed");
    Ok(())
}

/// Joins runs of log entries, so that the store gets few changes.
pub(crate) fn merge(rows: Vec<Change>) -> Vec<Change> {
    let mut merged: Vec<Change> = Vec::with_capacity(rows.len().min(8));
    for row in rows {
        match (merged.last_mut(), row) {
            (Some(Change::Logs(entries)), Change::Logs(more)) => entries.extend(more),
            (_, row) => merged.push(row),
        }
    }
    merged
}
