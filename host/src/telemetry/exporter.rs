//! The queue of spans, and the task that sends them a few at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use autokestra_engine::{Span, Tracer};
use autokestra_model::TraceContext;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::client::Collector;
use super::{Telemetry, otlp};

/// Spans that wait to be sent; further ones are lost, and counted.
const SPANS_QUEUED_MAX: usize = 8192;

/// Spans of one request.
const SPANS_SENT_MAX: usize = 512;

/// How long spans are gathered for one request.
const GATHER_TIME: Duration = Duration::from_millis(500);

/// How long the end of the process waits for the collector.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);

/// Sends spans to a collector.
#[derive(Debug)]
pub(crate) struct Exporter {
    parent: Option<TraceContext>,
    endpoint: String,
    queue: Mutex<Option<mpsc::Sender<Span>>>,
    sending: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<Counts>,
}

/// What became of the spans.
#[derive(Debug, Default)]
struct Counts {
    taken: AtomicU64,
    sent: AtomicU64,
    /// What the collector said, or the network, the first time.
    why: Mutex<Option<String>>,
}

impl Exporter {
    /// Starts the task that sends. Nothing is connected before there is a span.
    pub(crate) fn start(telemetry: &Telemetry) -> Self {
        let (queue, spans) = mpsc::channel(SPANS_QUEUED_MAX);
        let counts = Arc::<Counts>::default();
        let sending = tokio::spawn(send_all(telemetry.clone(), spans, Arc::clone(&counts)));
        Self {
            parent: telemetry.parent,
            endpoint: telemetry.shown_endpoint(),
            queue: Mutex::new(Some(queue)),
            sending: Mutex::new(Some(sending)),
            counts,
        }
    }

    /// What was lost, in a sentence.
    fn lost(&self) -> Option<String> {
        let taken = self.counts.taken.load(Ordering::Relaxed);
        let lost = taken.saturating_sub(self.counts.sent.load(Ordering::Relaxed));
        if lost == 0 {
            return None;
        }
        let why = self.counts.why.lock().unwrap_or_else(PoisonError::into_inner).take();
        let why = why.unwrap_or_else(|| "the collector was too slow".to_owned());
        Some(format!(
            "{lost} of {taken} spans were not exported to {}: {why}",
            self.endpoint
        ))
    }
}

impl Tracer for Exporter {
    fn parent(&self) -> Option<TraceContext> {
        self.parent
    }

    fn take(&self, span: Span) {
        self.counts.taken.fetch_add(1, Ordering::Relaxed);
        if let Some(queue) = &*self.queue.lock().unwrap_or_else(PoisonError::into_inner) {
            // A full queue loses it; the count tells.
            drop(queue.try_send(span));
        }
    }

    fn close(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async move {
            drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
            let sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(mut sending) = sending
                && tokio::time::timeout(CLOSE_TIME_MAX, &mut sending).await.is_err()
            {
                sending.abort();
            }
            self.lost()
        })
    }
}

async fn send_all(telemetry: Telemetry, mut spans: mpsc::Receiver<Span>, counts: Arc<Counts>) {
    let Telemetry {
        endpoint,
        headers,
        timeout,
        resource,
        ..
    } = telemetry;
    let note = |why: String| {
        let mut first = counts.why.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(why);
    };
    let mut some = Vec::with_capacity(SPANS_SENT_MAX);
    let mut collector = None;
    while gather(&mut spans, &mut some).await {
        let made = match collector.take() {
            Some(made) => Ok(made),
            None => Collector::new(endpoint.clone(), headers.clone(), timeout).await,
        };
        let sent = match made {
            Ok(made) => {
                let body = otlp::request(&some, &resource).to_string();
                let sent = made.send(body.into()).await;
                collector = Some(made);
                sent
            }
            Err(why) => Err(why),
        };
        match sent {
            Ok(()) => drop(counts.sent.fetch_add(some.len() as u64, Ordering::Relaxed)),
            Err(why) => note(why),
        }
        some.clear();
    }
}

/// Takes the spans of one request: as many as there are within a short time. Says no once there are no more.
async fn gather(spans: &mut mpsc::Receiver<Span>, some: &mut Vec<Span>) -> bool {
    if spans.recv_many(some, SPANS_SENT_MAX).await == 0 {
        return false;
    }
    let rest = async {
        while some.len() < SPANS_SENT_MAX {
            let left = SPANS_SENT_MAX - some.len();
            if spans.recv_many(some, left).await == 0 {
                break;
            }
        }
    };
    // What came until the time is over is kept all the same.
    drop(tokio::time::timeout(GATHER_TIME, rest).await);
    true
}
