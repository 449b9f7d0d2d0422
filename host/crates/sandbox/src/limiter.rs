//! The memory of one attempt: its memories and tables, summed.

use wasmtime::ResourceLimiter;

/// Most elements of all tables together.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// What one element of a table takes, in bytes: a pointer.
const ELEMENT_BYTES: usize = size_of::<usize>();

/// Counts what a guest holds, and refuses what is past its limit.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    held: usize,
    elements: usize,
    pub(crate) peak: usize,
    /// Whether something was refused: a guest that fails after it failed for it.
    pub(crate) refused: bool,
}

impl Limiter {
    pub(crate) fn new(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            limit,
            held: 0,
            elements: 0,
            peak: 0,
            refused: false,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let after = self.held.saturating_add(desired.saturating_sub(current));
        if after > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.held = after;
        self.peak = self.peak.max(after);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let after = self.elements.saturating_add(desired.saturating_sub(current));
        if after > TABLE_ELEMENTS_MAX {
            self.refused = true;
            return Ok(false);
        }
        let bytes = desired.saturating_sub(current).saturating_mul(ELEMENT_BYTES);
        let held = self.held.saturating_add(bytes);
        if held > self.limit {
            self.refused = true;
            return Ok(false);
        }
        (self.elements, self.held) = (after, held);
        self.peak = self.peak.max(held);
        Ok(true)
    }
}
