//! Why and by whom an execution is stopped before its end.

use autokestra_model::{ExecutionState, ReasonCode};
use autokestra_secrets::Masked;
use tokio::sync::watch;

/// Why an execution is stopped before its end. The later one is the graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopReason {
    /// It took longer than the workflow's `timeoutSeconds`.
    TimedOut,
    /// As many executions of the workflow run as its `concurrency` allows.
    Limit,
    /// A newer execution takes its place, by the workflow's `concurrency`.
    Superseded,
    /// A person asked for it.
    User,
    /// The process is going down.
    Shutdown,
}

impl StopReason {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::TimedOut,
        Self::Limit,
        Self::Superseded,
        Self::User,
        Self::Shutdown,
    ];
}

/// A reason, and who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) reason: StopReason,
    pub(crate) actor: Option<Masked>,
}

impl Stop {
    pub(crate) const fn of(reason: StopReason) -> Self {
        Self { reason, actor: None }
    }

    /// The state that it ends the execution in.
    pub(crate) fn state(&self) -> ExecutionState {
        if self.reason == StopReason::TimedOut {
            ExecutionState::Failed
        } else {
            ExecutionState::Cancelled
        }
    }

    /// The reason's code, and words that say who asked.
    pub(crate) fn words(&self) -> (ReasonCode, Masked) {
        let by = |plain: &'static str, with: &'static str| match &self.actor {
            Some(actor) => Masked::joined(&Masked::literal(with), " ", actor),
            None => Masked::literal(plain),
        };
        match self.reason {
            StopReason::TimedOut => (
                ReasonCode::Timeout,
                Masked::literal("the execution took longer than the workflow's `timeoutSeconds`"),
            ),
            StopReason::Limit => (
                ReasonCode::ConcurrencyLimit,
                Masked::literal("as many executions of this workflow run as its `concurrency` allows"),
            ),
            StopReason::Superseded => (
                ReasonCode::Superseded,
                by("a newer execution took its place", "cancelled by"),
            ),
            StopReason::User => (ReasonCode::CancelledByUser, by("cancelled by the user", "cancelled by")),
            StopReason::Shutdown => (
                ReasonCode::Shutdown,
                Masked::literal("stopped because the process goes down"),
            ),
        }
    }
}

/// Waits until a stop is asked for. Where nobody can ask any more, it waits for ever.
pub(crate) async fn asked(stop: &mut watch::Receiver<Option<Stop>>) -> Stop {
    graver(stop, None).await
}

/// Waits until a graver stop is asked for than the one that is known.
pub(crate) async fn graver(stop: &mut watch::Receiver<Option<Stop>>, known: Option<&Stop>) -> Stop {
    let graver = |new: &Option<Stop>| {
        new.as_ref()
            .is_some_and(|new| known.is_none_or(|known| known.reason < new.reason))
    };
    match stop.wait_for(graver).await.map(|stop| stop.clone()) {
        Ok(Some(stop)) => stop,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}
