//! The states of executions and task runs, and the one table of the ways between them.
//!
//! ```
//! use autokestra_model::state::{ExecutionState, ReasonCode};
//!
//! let end = ExecutionState::Running.to(ExecutionState::Failed, Some(ReasonCode::Timeout)).expect("in the table");
//! assert_eq!((end.from(), end.to()), (ExecutionState::Running, ExecutionState::Failed));
//! assert!(ExecutionState::Failed.to(ExecutionState::Running, None).is_err(), "a terminal state never changes");
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::id::IdError;

/// A closed set of names: the enum, its text forms, and the list of all of them.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $expected:literal, { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name as the store, the JSON and the command line have it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|name| name.as_str() == text)
                    .ok_or_else(|| IdError { text: text.to_owned(), expected: $expected })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

named!(
    /// The state of an execution.
    ExecutionState,
    "an execution state: PENDING, RUNNING, WAITING, SUCCESS, FAILED or CANCELLED",
    {
        /// Created, not begun.
        Pending = "PENDING",
        /// Its tasks are being run.
        Running = "RUNNING",
        /// Nothing runs, and something is due later.
        Waiting = "WAITING",
        /// Ended: every task ended as the workflow allows.
        Success = "SUCCESS",
        /// Ended: a task failed, or the whole took too long.
        Failed = "FAILED",
        /// Ended: somebody asked for it.
        Cancelled = "CANCELLED",
    }
);

named!(
    /// The state of a task run.
    TaskState,
    "a task state: PENDING, RUNNING, WAITING, SUCCESS, FAILED, CANCELLED or SKIPPED",
    {
        /// Its needs have not ended, or no slot is free.
        Pending = "PENDING",
        /// An attempt runs.
        Running = "RUNNING",
        /// Between two attempts.
        Waiting = "WAITING",
        /// Ended with an output.
        Success = "SUCCESS",
        /// Ended without one.
        Failed = "FAILED",
        /// Stopped before its end.
        Cancelled = "CANCELLED",
        /// Never ran, and never will.
        Skipped = "SKIPPED",
    }
);

named!(
    /// Why a state was entered, for machines. Stored and printed; a code, once released, keeps its meaning.
    ReasonCode,
    "a reason code",
    {
        /// A task that this one needs did not succeed.
        DependencyFailed = "dependency_failed",
        /// A task of the execution failed.
        TaskFailed = "task_failed",
        /// It took longer than its time limit.
        Timeout = "timeout",
        /// The attempt failed; another follows after a wait.
        RetryBackoff = "retry_backoff",
        /// A person asked for the end, by Ctrl-C or `execution cancel`.
        CancelledByUser = "cancelled_by_user",
        /// The engine was told to stop.
        Shutdown = "shutdown",
        /// The plugin asked for something that it was not granted, and failed for it.
        PermissionDenied = "permission_denied",
        /// The plugin trapped: a panic, an unreachable instruction, a wrong memory access.
        Trap = "trap",
        /// The plugin's recursion used up its stack.
        LimitStack = "limit_stack",
        /// The plugin asked for more memory than its limit.
        LimitMemory = "limit_memory",
        /// The plugin used up its fuel.
        LimitFuel = "limit_fuel",
        /// The plugin's output was larger than its limit.
        LimitOutput = "limit_output",
        /// The body of a request or a response was longer than its limit.
        LimitBody = "limit_body",
        /// The plugin opened more files, or more connections, than its limit.
        LimitHandles = "limit_handles",
        /// The task left more files, or larger ones, than it may.
        LimitFiles = "limit_files",
        /// The plugin returned an error of its own.
        PluginError = "plugin_error",
        /// The plugin ended its process with a code instead of returning.
        ExitNonzero = "exit_nonzero",
        /// The plugin returned something that is not JSON.
        InvalidOutput = "invalid_output",
        /// The inputs do not fit the action's schema.
        InvalidInput = "invalid_input",
        /// An expression could not be rendered.
        ExpressionFailed = "expression_failed",
        /// The plugin could not be loaded, or is none of ours.
        PluginUnusable = "plugin_unusable",
        /// A granted folder or file cannot be opened.
        GrantUnusable = "grant_unusable",
        /// The operator's policy does not allow what the workflow grants, or its plugin.
        PolicyDenied = "policy_denied",
        /// A secret that the workflow names has no value.
        SecretMissing = "secret_missing",
        /// The process that ran it died.
        Interrupted = "interrupted",
        /// The task's `when` was false.
        ConditionFalse = "condition_false",
        /// A task that this one needs was skipped.
        DependencySkipped = "dependency_skipped",
        /// An element of the task's `forEach` failed.
        ElementFailed = "element_failed",
        /// The task waits for a time, without an instance.
        Sleeping = "sleeping",
        /// The execution that the task started did not succeed.
        ChildFailed = "child_failed",
        /// The result was taken over from the execution that this one retries.
        Kept = "kept",
        /// `core/flow.assert` found its condition false, or `core/flow.fail` was reached.
        FlowFailed = "flow_failed",
        /// As many executions of the workflow run as its `concurrency` allows.
        ConcurrencyLimit = "concurrency_limit",
        /// A newer execution of the workflow took its place.
        Superseded = "superseded",
        /// A fault of the engine or the machine, not of the workflow.
        Internal = "internal",
    }
);

/// A state that knows its ways out.
pub trait State: Copy + Eq + fmt::Display + 'static {
    /// The states that may follow this one.
    fn next(self) -> &'static [Self];

    /// Whether it is an end.
    fn is_terminal(self) -> bool {
        self.next().is_empty()
    }

    /// The way from here to `to`.
    ///
    /// # Errors
    /// [`IllegalTransition`] where the table has no such way; from a terminal state there is none.
    fn transition(self, to: Self, reason: Option<ReasonCode>) -> Result<Transition<Self>, IllegalTransition> {
        if self.next().contains(&to) {
            Ok(Transition { from: self, to, reason })
        } else {
            Err(IllegalTransition {
                from: self.to_string(),
                to: to.to_string(),
            })
        }
    }
}

impl State for ExecutionState {
    fn next(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Running, Self::Failed, Self::Cancelled],
            Self::Running => &[Self::Waiting, Self::Success, Self::Failed, Self::Cancelled],
            Self::Waiting => &[Self::Running, Self::Failed, Self::Cancelled],
            Self::Success | Self::Failed | Self::Cancelled => &[],
        }
    }
}

impl State for TaskState {
    fn next(self) -> &'static [Self] {
        match self {
            // At once to SUCCESS goes what a retry keeps.
            Self::Pending => &[
                Self::Running,
                Self::Success,
                Self::Failed,
                Self::Cancelled,
                Self::Skipped,
            ],
            Self::Running => &[Self::Waiting, Self::Success, Self::Failed, Self::Cancelled],
            // At once to SUCCESS goes what was parked: a sleep, or a child that ended.
            Self::Waiting => &[Self::Running, Self::Success, Self::Failed, Self::Cancelled],
            Self::Success | Self::Failed | Self::Cancelled | Self::Skipped => &[],
        }
    }
}

impl ExecutionState {
    /// [`State::transition`], callable without the trait.
    ///
    /// # Errors
    /// [`IllegalTransition`] where the table has no such way.
    pub fn to(self, to: Self, reason: Option<ReasonCode>) -> Result<Transition<Self>, IllegalTransition> {
        self.transition(to, reason)
    }

    /// Whether it is an end.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        State::is_terminal(self)
    }
}

impl TaskState {
    /// [`State::transition`], callable without the trait.
    ///
    /// # Errors
    /// [`IllegalTransition`] where the table has no such way.
    pub fn to(self, to: Self, reason: Option<ReasonCode>) -> Result<Transition<Self>, IllegalTransition> {
        self.transition(to, reason)
    }

    /// Whether it is an end.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        State::is_terminal(self)
    }
}

/// A change of state that the table allows. Only the table makes one, so a store that takes it need not check again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition<S> {
    from: S,
    to: S,
    reason: Option<ReasonCode>,
}

impl<S: Copy> Transition<S> {
    /// The state before.
    pub fn from(&self) -> S {
        self.from
    }

    /// The state after.
    pub fn to(&self) -> S {
        self.to
    }

    /// Why.
    pub fn reason(&self) -> Option<ReasonCode> {
        self.reason
    }
}

/// A change of state that the table has not. It is a bug of the engine, or a second end of something that ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no transition leads from {from} to {to}")]
pub struct IllegalTransition {
    from: String,
    to: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for state in ExecutionState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
        for code in ReasonCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
    }

    #[test]
    fn terminal_states_never_change() {
        for from in TaskState::ALL.iter().filter(|state| state.is_terminal()) {
            for to in TaskState::ALL {
                assert!(from.to(*to, None).is_err(), "{from} -> {to}");
            }
        }
    }

    #[test]
    fn every_state_that_is_no_end_can_reach_one() {
        for from in ExecutionState::ALL.iter().filter(|state| !state.is_terminal()) {
            assert!(from.next().iter().any(|to| to.is_terminal()), "{from} is a dead end");
        }
    }
}
