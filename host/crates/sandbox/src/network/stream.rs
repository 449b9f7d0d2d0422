//! The two halves of a socket's connection, counted, and held against the placeholders of secrets that are not for it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};

use super::Traffic;
use crate::bound::Watch;

/// What comes in by a socket.
pub(super) struct Incoming {
    inner: DynInputStream,
    traffic: Arc<Traffic>,
}

/// What goes out by a socket.
pub(super) struct Outgoing {
    inner: DynOutputStream,
    traffic: Arc<Traffic>,
    watch: Option<Watch>,
}

impl Incoming {
    pub(super) fn new(inner: DynInputStream, traffic: Arc<Traffic>) -> Self {
        Self { inner, traffic }
    }
}

impl Outgoing {
    pub(super) fn new(inner: DynOutputStream, traffic: Arc<Traffic>, watch: Option<Watch>) -> Self {
        Self { inner, traffic, watch }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Incoming {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Incoming {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let bytes = self.inner.read(size)?;
        self.traffic.count_received(bytes.len());
        Ok(bytes)
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Outgoing {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

/// A placeholder was about to be sent where its secret does not go.
#[derive(Clone, Copy, Debug)]
struct NotForThis;

impl fmt::Display for NotForThis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret's placeholder was about to be sent by a socket")
    }
}

impl std::error::Error for NotForThis {}

#[wasmtime_wasi::async_trait]
impl OutputStream for Outgoing {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if let Some(watch) = &mut self.watch
            && watch.sees(&bytes)
        {
            return Err(StreamError::LastOperationFailed(NotForThis.into()));
        }
        let size = bytes.len();
        self.inner.write(bytes)?;
        self.traffic.count_sent(size);
        Ok(())
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
