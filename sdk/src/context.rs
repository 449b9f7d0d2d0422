use std::time::{Duration, Instant};

/// Where and as what an action runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Context {
    /// The id of the execution.
    pub execution_id: String,
    /// The id of the workflow.
    pub workflow_id: String,
    /// The id of the task.
    pub task_id: String,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The position in a `forEach`, from 0.
    pub index: Option<u32>,
    /// The same for all attempts of one task run: give it to services that take one.
    pub idempotency_key: String,
    /// When the attempt is stopped.
    pub(crate) deadline: Option<Instant>,
}

impl Context {
    /// A context for tests: the first attempt of `task` in `execution`, without a deadline.
    #[must_use]
    pub fn for_tests() -> Self {
        Self {
            execution_id: "exec-00000000000000000000000000".to_owned(),
            workflow_id: "workflow".to_owned(),
            task_id: "task".to_owned(),
            attempt: 1,
            index: None,
            idempotency_key: "key".to_owned(),
            deadline: None,
        }
    }

    /// What is left until the attempt is stopped, where there is a limit.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the deadline is one of this process's own clock"
    )]
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}
