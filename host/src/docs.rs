//! The pages about errors: one for each code.

use autokestra_engine::Outcome;
use autokestra_model::{Diagnostics, ExecutionState, ReasonCode, Severity, TaskState};
use autokestra_store::ExecutionDetail;

/// Where the pages are.
const PAGES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/errors/");

/// Where bugs are told of.
pub(crate) const ISSUES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/issues");

/// Addresses that one command prints at most.
const SHOWN_MAX: usize = 3;

/// The address of the page on a reason code or on the code of a diagnostic.
pub(crate) fn page(code: &str) -> String {
    format!("{PAGES}{code}.md")
}

/// Codes whose pages are worth a look: each once, in their order, and not too many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codes(Vec<&'static str>);

impl Codes {
    /// Adds one.
    pub(crate) fn push(&mut self, code: &'static str) {
        if self.0.len() < SHOWN_MAX && !self.0.contains(&code) {
            self.0.push(code);
        }
    }

    /// Adds those of others.
    pub(crate) fn extend(&mut self, others: &Self) {
        others.0.iter().for_each(|code| self.push(code));
    }

    /// The addresses of the pages.
    pub(crate) fn pages(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|code| page(code))
    }

    /// Those of what is wrong with a text.
    pub(crate) fn of_diagnostics(found: &Diagnostics) -> Self {
        let errors = found.iter().filter(|found| found.severity == Severity::Error);
        errors.map(|found| found.code).collect()
    }

    /// Those of an execution that ended now.
    pub(crate) fn of_outcome(outcome: &Outcome) -> Self {
        let tasks = outcome.tasks.iter().map(|task| (task.state, task.reason));
        Self::of_states(outcome.state, outcome.reason, tasks)
    }

    /// Those of an execution that is looked at.
    pub(crate) fn of_detail(detail: &ExecutionDetail) -> Self {
        let tasks = detail.tasks.iter().map(|task| (task.state, task.reason));
        Self::of_states(detail.row.state, detail.row.reason, tasks)
    }

    /// Why an execution failed: that its tasks failed says less than why they did.
    fn of_states(
        state: ExecutionState,
        reason: Option<ReasonCode>,
        tasks: impl Iterator<Item = (TaskState, Option<ReasonCode>)>,
    ) -> Self {
        if state != ExecutionState::Failed {
            return Self::default();
        }
        let of_tasks: Self = tasks
            .filter(|(state, _)| *state == TaskState::Failed)
            .filter_map(|(_, reason)| reason.filter(|reason| *reason != ReasonCode::ElementFailed))
            .map(ReasonCode::as_str)
            .collect();
        match reason {
            Some(ReasonCode::TaskFailed) if !of_tasks.0.is_empty() => of_tasks,
            Some(reason) => std::iter::once(reason.as_str()).chain(of_tasks.0).collect(),
            None => of_tasks,
        }
    }
}

impl FromIterator<&'static str> for Codes {
    fn from_iter<I: IntoIterator<Item = &'static str>>(codes: I) -> Self {
        let mut all = Self::default();
        codes.into_iter().for_each(|code| all.push(code));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_once_and_three_are_enough() {
        let codes: Codes = ["cycle", "unknown_key", "cycle", "empty", "syntax"]
            .into_iter()
            .collect();
        let pages: Vec<String> = codes.pages().collect();
        let expected = ["cycle", "unknown_key", "empty"].map(|code| format!("{PAGES}{code}.md"));
        assert_eq!(pages, expected);
    }

    #[test]
    fn the_failed_task_says_more_than_the_failed_execution() {
        let of = |reason, task| {
            let tasks = [(TaskState::Success, None), (TaskState::Failed, task)].into_iter();
            Codes::of_states(ExecutionState::Failed, reason, tasks).0
        };
        assert_eq!(of(Some(ReasonCode::TaskFailed), Some(ReasonCode::Timeout)), ["timeout"]);
        assert_eq!(of(Some(ReasonCode::TaskFailed), None), ["task_failed"]);
        assert_eq!(
            of(Some(ReasonCode::Timeout), Some(ReasonCode::Trap)),
            ["timeout", "trap"]
        );
    }
}
