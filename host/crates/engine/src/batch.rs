//! What one turn of the scheduler decided: first stored, then acted on.

use autokestra_store::Change;

use crate::attempt::Job;
use crate::child::ChildJob;
use crate::event::RunEvent;
use crate::span::Span;

/// Changes of one transaction, and what may be done once it stands.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) changes: Vec<Change>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) children: Vec<ChildJob>,
    pub(crate) events: Vec<RunEvent>,
    pub(crate) spans: Vec<Span>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.jobs.is_empty()
            && self.children.is_empty()
            && self.events.is_empty()
            && self.spans.is_empty()
    }
}
