//! The one gate to the network: what is granted, to which addresses it may lead, and how many connections there are at a time.
//!
//! HTTP (`crate::http`) and sockets (`wasi:sockets`, below) both go through it, so both follow the same rules.

#[cfg(test)]
mod fuzz;
mod gate;
mod resolver;
mod sockets;
mod stream;
mod target;

pub(crate) use gate::{Gate, Refusal, Refused};
pub use resolver::Resolver;
pub(crate) use resolver::SystemResolver;
pub(crate) use sockets::{Sockets, link};
pub(crate) use target::Target;

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that crossed the border, TLS and all.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Traffic {
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
