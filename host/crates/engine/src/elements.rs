//! The elements of one `forEach`: which have begun, which have ended, and the list that comes of them.
//!
//! Elements begin one after the other, so a long list costs memory for what is under way and for what came of the rest.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::unit::TaskRun;

/// The elements of a task that is under way.
#[derive(Debug, Default)]
pub(crate) struct Elements {
    pub(crate) items: Vec<Value>,
    /// What came of each element, in order; null where nothing did.
    results: Vec<Value>,
    /// The next one to begin.
    next: u32,
    /// The most that are under way at a time.
    limit: usize,
    under_way: BTreeMap<u32, TaskRun>,
    /// Elements behind `next` that ended in an earlier process.
    ended: BTreeSet<u32>,
    /// The next one stands in the queue.
    queued: bool,
    failures: u32,
    pub(crate) first_failure: Option<u32>,
    /// None begins any more.
    pub(crate) closed: bool,
    /// What is kept of an earlier list, until this one is known.
    kept: BTreeMap<u32, Value>,
}

impl Elements {
    pub(crate) fn new(items: Vec<Value>, limit: usize) -> Self {
        Self {
            results: vec![Value::Null; items.len()],
            items,
            limit: limit.max(1),
            ..Self::default()
        }
    }

    /// Takes over what came of an element in the execution that this one retries.
    pub(crate) fn keep(&mut self, item: u32, output: Value) {
        self.under_way.remove(&item);
        self.kept.insert(item, output);
    }

    /// What is kept, by element.
    pub(crate) fn take_kept(&mut self) -> BTreeMap<u32, Value> {
        std::mem::take(&mut self.kept)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.items.len()).unwrap_or(u32::MAX)
    }

    /// How many ended in an earlier process, or in the execution that this one retries; to be asked before one begins.
    pub(crate) fn ended_early(&self) -> u32 {
        u32::try_from(self.ended.len()).unwrap_or(u32::MAX)
    }

    /// How many failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The run of one that began.
    pub(crate) fn run(&mut self, item: u32) -> &mut TaskRun {
        self.under_way.entry(item).or_default()
    }

    /// Those that began and have not ended.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = u32> {
        self.under_way.keys().copied()
    }

    /// The next element to queue, if there is one and it may begin. It counts as queued from then on.
    pub(crate) fn queue_next(&mut self) -> Option<u32> {
        while self.ended.remove(&self.next) || self.under_way.contains_key(&self.next) {
            self.next += 1;
        }
        let may = !self.queued && !self.closed && self.next < self.len() && self.under_way.len() < self.limit;
        self.queued |= may;
        may.then_some(self.next)
    }

    /// Notes that an element begins. Another attempt of one that began is none.
    pub(crate) fn begin(&mut self, item: u32) {
        if item == self.next {
            self.next += 1;
            self.queued = false;
        }
        self.under_way.entry(item).or_default();
    }

    /// Forgets what is queued: the whole is being stopped.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.queued = false;
    }

    /// Notes the end of an element.
    pub(crate) fn end(&mut self, item: u32, output: Option<Value>, failed: bool) {
        self.under_way.remove(&item);
        if item >= self.next {
            self.ended.insert(item);
        }
        if let Some(place) = self.results.get_mut(item as usize) {
            *place = output.unwrap_or_default();
        }
        if failed {
            self.failures += 1;
            self.first_failure.get_or_insert(item);
        }
    }

    /// Whether none is under way and none begins any more.
    pub(crate) fn is_done(&self) -> bool {
        self.under_way.is_empty()
            && (self.closed || self.next + u32::try_from(self.ended.len()).unwrap_or(0) >= self.len())
    }

    /// What came of all of them.
    pub(crate) fn into_results(self) -> Vec<Value> {
        self.results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(count: usize, limit: usize) -> Elements {
        Elements::new(vec![Value::Null; count], limit)
    }

    /// Queues and begins what may begin.
    fn begin_all(elements: &mut Elements) -> Vec<u32> {
        let mut begun = Vec::new();
        while let Some(item) = elements.queue_next() {
            elements.begin(item);
            begun.push(item);
        }
        begun
    }

    #[test]
    fn as_many_begin_as_may_and_results_stand_in_order() {
        let mut three = elements(3, 2);
        assert_eq!(begin_all(&mut three), [0, 1]);
        three.end(1, Some(Value::from("b")), false);
        assert_eq!(begin_all(&mut three), [2]);
        three.end(2, Some(Value::from("c")), false);
        assert!(!three.is_done());
        three.end(0, Some(Value::from("a")), false);
        assert!(three.is_done());
        assert_eq!(three.into_results(), ["a", "b", "c"]);
    }

    #[test]
    fn elements_that_ended_before_are_not_begun_again() {
        let mut five = elements(5, 10);
        five.end(0, None, false);
        five.end(3, None, true);
        five.begin(1);
        assert_eq!(begin_all(&mut five), [2, 4]);
        for item in [1, 2, 4] {
            assert!(!five.is_done());
            five.end(item, None, false);
        }
        assert!(five.is_done());
        assert_eq!((five.failures(), five.first_failure), (1, Some(3)));
    }

    #[test]
    fn a_closed_list_is_done_once_nothing_is_under_way() {
        let mut many = elements(100, 3);
        begin_all(&mut many);
        many.close();
        assert_eq!(many.queue_next(), None);
        for item in 0..3 {
            assert!(!many.is_done());
            many.end(item, None, true);
        }
        assert!(many.is_done());
    }
}
