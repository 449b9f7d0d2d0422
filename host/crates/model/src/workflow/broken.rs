//! A workflow that is no good, as far as it can be read: whoever wrote it is told of all mistakes at once.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostics, Severity, Span};
use crate::id::ActionName;
use crate::workflow::{Catalog, Workflow};

/// What is wrong with a workflow's text, and what of it could be read. It never becomes a [`Workflow`].
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    errors: Diagnostics,
    /// Its ids may not be unique, its needs may be missing, and tasks that cannot be read are left out.
    read: Option<Box<Workflow>>,
}

impl Broken {
    pub(super) fn new(errors: Diagnostics, read: Option<Workflow>) -> Self {
        Self {
            errors,
            read: read.map(Box::new),
        }
    }

    pub(super) fn errors_mut(&mut self) -> &mut Diagnostics {
        &mut self.errors
    }

    /// What is wrong.
    #[must_use]
    pub fn into_errors(self) -> Diagnostics {
        self.errors
    }

    /// The actions of the tasks that could be read.
    pub fn actions(&self) -> impl Iterator<Item = &ActionName> {
        self.read.iter().flat_map(|read| &read.tasks).map(|task| &task.action)
    }

    /// What is wrong, with what `catalog` says of the tasks that could be read. Warnings wait until the errors are gone: a
    /// task that could not be read may be what they miss.
    #[must_use]
    pub fn check_actions(self, catalog: &dyn Catalog) -> Diagnostics {
        let more = self.read.map(|read| read.check_actions(catalog)).unwrap_or_default();
        // One place is told of once: the first mistake is usually why there is a second.
        let known: BTreeSet<Span> = self.errors.iter().map(|found| found.span).collect();
        let fresh = more
            .into_iter()
            .filter(|found| found.severity == Severity::Error && !known.contains(&found.span));
        let mut all = self.errors;
        all.extend(fresh.collect());
        all
    }
}
