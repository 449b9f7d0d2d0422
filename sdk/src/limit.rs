//! The time that an action gives itself: `#[action(timeout = "30s")]`.
//!
//! The contract has no word for it, and the host stops an attempt by the workflow's own `timeoutSeconds`. So it is kept here: what waits asks how
//! much is left, and a request that would take longer fails.

use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The limit of an action that runs. The one around it, if any, holds again where it ends.
#[derive(Debug)]
pub struct Limit(Option<Instant>);

/// Limits what runs until the guard is dropped. An earlier deadline stands.
#[must_use]
pub fn limit(millis: u64) -> Limit {
    let before = DEADLINE.get();
    let own = now().checked_add(Duration::from_millis(millis));
    DEADLINE.set(earlier(before, own));
    Limit(before)
}

impl Drop for Limit {
    fn drop(&mut self) {
        DEADLINE.set(self.0);
    }
}

/// When the running action's own time is over.
pub(crate) fn deadline() -> Option<Instant> {
    DEADLINE.get()
}

/// What is left of it.
pub(crate) fn left() -> Option<Duration> {
    deadline().map(|deadline| deadline.saturating_duration_since(now()))
}

/// Whether it is over.
pub(crate) fn is_over() -> bool {
    left() == Some(Duration::ZERO)
}

pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the deadline is one of this process's own clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_limit_holds_and_the_outer_one_returns() {
        assert_eq!(left(), None);
        let outer = limit(1000);
        let first = deadline();
        {
            let _inner = limit(60_000);
            assert_eq!(deadline(), first);
            let _innermost = limit(0);
            assert!(is_over());
        }
        assert_eq!(deadline(), first);
        drop(outer);
        assert_eq!(left(), None);
    }
}
