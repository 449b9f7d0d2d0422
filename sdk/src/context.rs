use std::time::{Duration, Instant};

use crate::{TaskError, limit};

/// Where and as what an action runs. An action that wants it takes a `&Context` as its first parameter.
///
/// ```
/// use autokestra_sdk::prelude::*;
///
/// /// What was ordered.
/// #[derive(Input)]
/// struct Order {
///     what: String,
/// }
///
/// /// Books what was ordered.
/// #[action]
/// fn book(context: &Context, order: Order) -> Result<String, TaskError> {
///     if context.attempt > 1 {
///         log::info!("another try", attempt = context.attempt);
///     }
///     Ok(format!("{} by {}", order.what, context.idempotency_key))
/// }
/// # use autokestra_sdk::testing::FakeHost;
/// # let host = FakeHost::new().idempotency_key("key").attempt(2);
/// # assert_eq!(book(&host.context(), Order { what: "tea".into() }).unwrap(), "tea by key");
/// # assert_eq!(host.logs()[0].field("attempt"), Some("2"));
/// ```
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
    /// A context for tests: the first attempt of `task` in `workflow`, without a deadline. A [`FakeHost`](crate::testing::FakeHost) makes others.
    ///
    /// ```
    /// # use autokestra_sdk::Context;
    /// assert_eq!(Context::for_tests().attempt, 1);
    /// ```
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

    /// What is left until the attempt is stopped, or the action's own `timeout` is over, where there is a limit.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let host = autokestra_sdk::testing::FakeHost::new().deadline(Duration::from_secs(30));
    /// # let context = host.context();
    /// if context.time_left().is_some_and(|left| left < Duration::from_secs(60)) {
    ///     // Not enough for all of it.
    /// }
    /// # assert!(context.time_left().unwrap() > Duration::ZERO);
    /// ```
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        limit::earlier(self.deadline, limit::deadline())
            .map(|deadline| deadline.saturating_duration_since(limit::now()))
    }

    /// Fails where no time is left. For loops that compute: nothing stops them at the action's own `timeout` otherwise.
    ///
    /// ```
    /// use autokestra_sdk::prelude::*;
    ///
    /// /// What is added up.
    /// #[derive(Input)]
    /// struct Sum {
    ///     numbers: Vec<u64>,
    /// }
    ///
    /// /// Adds up numbers.
    /// #[action(timeout = "5s")]
    /// fn sum(context: &Context, input: Sum) -> Result<u64, TaskError> {
    ///     let mut sum = 0;
    ///     for number in input.numbers {
    ///         context.check_time()?;
    ///         sum += number;
    ///     }
    ///     Ok(sum)
    /// }
    /// # assert_eq!(sum(&Context::for_tests(), Sum { numbers: vec![1, 2] }).unwrap(), 3);
    /// ```
    ///
    /// # Errors
    /// `timeout`, which another attempt may not meet.
    pub fn check_time(&self) -> Result<(), TaskError> {
        if self.time_left() == Some(Duration::ZERO) {
            Err(TaskError::retryable("timeout", "the time of the action is over"))
        } else {
            Ok(())
        }
    }
}
