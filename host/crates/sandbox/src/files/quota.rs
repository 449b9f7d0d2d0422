//! How much a guest may write into folders of the engine's own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that one attempt may write there: as many as may be kept of it.
pub(super) const WRITTEN_BYTES_MAX: u64 = 1 << 30;

/// What is left to be written. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Quota(Arc<AtomicU64>);

impl Default for Quota {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(WRITTEN_BYTES_MAX)))
    }
}

impl Quota {
    /// Takes `bytes` from what is left; none of it where it is not enough.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        if taken.is_err() {
            // What is not enough once stays so: a guest that goes on by single bytes is told the same.
            self.0.store(0, Ordering::Relaxed);
        }
        taken.is_ok()
    }

    /// Whether it was not enough for something.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// A file's stream under a quota.
pub(super) struct Counted {
    inner: DynOutputStream,
    quota: Quota,
}

impl Counted {
    pub(super) fn new(inner: DynOutputStream, quota: Quota) -> Self {
        Self { inner, quota }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Counted {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if !self.quota.take(bytes.len() as u64) {
            let error = io::Error::from(io::ErrorKind::QuotaExceeded);
            return Err(StreamError::LastOperationFailed(error.into()));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_enough_once_stays_so() {
        let quota = Quota::default();
        assert!(quota.take(WRITTEN_BYTES_MAX - 10) && !quota.is_spent());
        assert!(!quota.take(11));
        assert!(!quota.take(1) && quota.is_spent());
    }
}
