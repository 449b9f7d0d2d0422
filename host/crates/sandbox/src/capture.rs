//! What a guest prints, on its way to the log: masked, split into lines, counted, and held back where the log is slow.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use autokestra_secrets::{LogStream, Masked, Masker};
use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::attempt::{GuestEvent, LogLevel, Stream};

/// What a guest may write before its lines must have been taken, in bytes.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// The last lines of a stream that are kept for the words of a failure.
const LAST_LINES_MAX: usize = 5;

/// How much of an attempt's log is kept, over all its streams.
#[derive(Debug)]
pub(crate) struct LogBudget {
    left: u64,
    pub(crate) kept: u64,
    pub(crate) dropped: u64,
}

impl LogBudget {
    pub(crate) fn new(limit: u64) -> SharedBudget {
        Arc::new(Mutex::new(Self {
            left: limit,
            kept: 0,
            dropped: 0,
        }))
    }

    /// Whether a line of `bytes` is kept. It counts as one byte more than it has, so that empty lines count too.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(1);
        if bytes > self.left {
            self.dropped = self.dropped.saturating_add(bytes);
            // What comes after a hole would be read as if it followed.
            self.left = 0;
            return false;
        }
        self.left -= bytes;
        self.kept += bytes;
        true
    }
}

pub(crate) type SharedBudget = Arc<Mutex<LogBudget>>;

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One stream of a guest. Clones are handles to the same stream.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    shared: Arc<Mutex<Shared>>,
    events: mpsc::Sender<GuestEvent>,
}

#[derive(Debug)]
struct Shared {
    stream: Stream,
    lines: LogStream,
    pending: VecDeque<GuestEvent>,
    budget: SharedBudget,
    /// The last line that tells of a panic, for the failure's message.
    panic: Option<Masked>,
    /// The last lines that say something.
    last: VecDeque<Masked>,
    /// The bytes as they came, where they are the output as well.
    kept: Option<Kept>,
}

/// The bytes of a stream, up to a limit.
#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    limit: u64,
    over: bool,
}

impl Kept {
    /// Keeps more bytes. False where they are too many: then the guest ends.
    fn take(&mut self, bytes: &[u8]) -> bool {
        self.over |= (self.bytes.len() + bytes.len()) as u64 > self.limit;
        if !self.over {
            self.bytes.extend_from_slice(bytes);
        }
        !self.over
    }
}

impl Shared {
    fn keep(&mut self, lines: Vec<Masked>) {
        let level = if self.stream == Stream::Stderr {
            LogLevel::Warn
        } else {
            LogLevel::Info
        };
        for message in lines {
            if message.as_str().contains("panicked at")
                || self.panic.as_ref().is_some_and(|line| line.as_str().ends_with(':'))
            {
                // The standard library puts the words of a panic on the line after its place.
                self.panic = Some(match self.panic.take().filter(|line| line.as_str().ends_with(':')) {
                    Some(place) => Masked::joined(&place, " ", &message),
                    None => message.clone(),
                });
            }
            if self.stream == Stream::Stderr && !message.as_str().trim().is_empty() {
                self.last.push_back(message.clone());
                if self.last.len() > LAST_LINES_MAX {
                    self.last.pop_front();
                }
            }
            if locked(&self.budget).take(message.as_str().len()) {
                let stream = self.stream;
                self.pending.push_back(GuestEvent::Log {
                    stream,
                    level,
                    message,
                    fields: Vec::new(),
                });
            }
        }
    }
}

impl Capture {
    pub(crate) fn new(stream: Stream, masker: &Masker, events: mpsc::Sender<GuestEvent>, budget: SharedBudget) -> Self {
        let lines = LogStream::new(masker);
        let shared = Shared {
            stream,
            lines,
            pending: VecDeque::new(),
            budget,
            panic: None,
            last: VecDeque::new(),
            kept: None,
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            events,
        }
    }

    /// Keeps the stream's bytes besides, up to `limit` of them.
    pub(crate) fn keep(&self, limit: u64) {
        locked(&self.shared).kept = Some(Kept {
            bytes: Vec::new(),
            limit,
            over: false,
        });
    }

    /// The bytes that were kept; none where there were more than may be.
    pub(crate) fn take_kept(&self) -> Option<Vec<u8>> {
        let kept = locked(&self.shared).kept.take();
        kept.map_or(Some(Vec::new()), |kept| (!kept.over).then_some(kept.bytes))
    }

    /// The last lines that say something, once the stream has ended.
    pub(crate) fn last_lines(&self) -> Vec<Masked> {
        locked(&self.shared).last.iter().cloned().collect()
    }

    /// Takes more of the stream. False where it is too much to be kept.
    fn push(&self, bytes: &[u8]) -> bool {
        let mut shared = locked(&self.shared);
        let lines = shared.lines.push(bytes);
        shared.keep(lines);
        shared.kept.as_mut().is_none_or(|kept| kept.take(bytes))
    }

    /// Hands over what is pending; waits where the log is slow.
    async fn drain(&self) {
        loop {
            let next = locked(&self.shared).pending.pop_front();
            let Some(event) = next else { return };
            if self.events.send(event).await.is_err() {
                return;
            }
        }
    }

    /// Ends the stream: its last line needs no line end.
    pub(crate) async fn finish(&self) -> Option<Masked> {
        {
            let mut shared = locked(&self.shared);
            let lines = shared.lines.finish();
            shared.keep(lines);
        }
        self.drain().await;
        locked(&self.shared).panic.clone()
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {
        self.drain().await;
    }
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_BYTES_MAX {
            return Err(StreamError::trap("a write was longer than its permit"));
        }
        if self.push(&bytes) {
            Ok(())
        } else {
            Err(StreamError::trap("the output is over its limit"))
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(if locked(&self.shared).pending.is_empty() {
            WRITE_BYTES_MAX
        } else {
            0
        })
    }
}

/// The same stream where WASI asks for tokio's trait. Lines wait in memory until the next p2 write or the end.
impl AsyncWrite for Capture {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let piece = bytes.get(..bytes.len().min(WRITE_BYTES_MAX)).unwrap_or_default();
        Poll::Ready(if self.push(piece) {
            Ok(piece.len())
        } else {
            Err(std::io::Error::other("the output is over its limit"))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
