use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// How an action fails: a code for machines, a message for people, and whether another attempt may succeed.
///
/// Made from a text, its code is `failed`. Common errors turn into one by `?`; an enum of your own does by the derive of the same name.
///
/// ```
/// use autokestra_sdk::TaskError;
///
/// fn halve(number: &str) -> Result<u64, TaskError> {
///     // `invalid_number`, where it is none.
///     let number: u64 = number.trim().parse()?;
///     if number % 2 == 1 {
///         return Err(TaskError::new("odd", format!("{number} is odd")));
///     }
///     Ok(number / 2)
/// }
/// # assert_eq!(halve("7").unwrap_err().code(), "odd");
/// # assert_eq!(halve("seven").unwrap_err().code(), "invalid_number");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskError(Box<Parts>);

/// Boxed, so that a `Result` is small where all goes well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) retryable: bool,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) details: Option<Value>,
}

impl TaskError {
    /// A failure that another attempt would only repeat. `code` is lower case with underscores, e.g. `not_found`.
    ///
    /// ```
    /// # use autokestra_sdk::TaskError;
    /// let error = TaskError::new("not_found", "there is no invoice 4711");
    /// assert!(!error.is_retryable());
    /// ```
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code: code.into(),
            message: message.into(),
            retryable: false,
            retry_after: None,
            details: None,
        }))
    }

    /// A failure that may pass: the workflow's `retry` applies.
    ///
    /// ```
    /// # use autokestra_sdk::TaskError;
    /// let error = TaskError::retryable("busy", "the service is busy");
    /// assert!(error.is_retryable());
    /// ```
    #[must_use]
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(code, message);
        error.0.retryable = true;
        error
    }

    /// Sets the least wait before another attempt.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use autokestra_sdk::TaskError;
    /// let error = TaskError::retryable("busy", "the service is busy").retry_after(Duration::from_secs(7));
    /// # assert_eq!(error.wait(), Some(Duration::from_secs(7)));
    /// ```
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds more for machines.
    ///
    /// ```
    /// # use autokestra_sdk::{TaskError, json};
    /// let error = TaskError::new("rejected", "two rows are wrong").details(json!({ "rows": [3, 9] }));
    /// # assert_eq!(error.more().unwrap()["rows"][1], 9);
    /// ```
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// Puts words before the message: what was being done.
    ///
    /// ```
    /// # use autokestra_sdk::TaskError;
    /// let failed = "x".parse::<u32>().map_err(|error| TaskError::from(error).context("read the port"));
    /// # let error = failed.unwrap_err();
    /// assert!(error.message().starts_with("read the port: "));
    /// ```
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Puts words behind the message: what else is worth knowing.
    pub(crate) fn and(mut self, what: &str) -> Self {
        self.0.message = format!("{}; {what}", self.0.message);
        self
    }

    /// What crosses the border.
    #[cfg(target_family = "wasm")]
    pub(crate) fn into_parts(self) -> Parts {
        *self.0
    }

    /// The code for machines.
    ///
    /// ```
    /// # use autokestra_sdk::TaskError;
    /// assert_eq!(TaskError::from("no luck").code(), "failed");
    /// ```
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The message for people.
    ///
    /// ```
    /// # use autokestra_sdk::TaskError;
    /// assert_eq!(TaskError::from("no luck").message(), "no luck");
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether another attempt may succeed.
    ///
    /// ```
    /// # use autokestra_sdk::TaskError;
    /// assert!(!TaskError::from("no luck").is_retryable());
    /// ```
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The least wait before another attempt, where one is asked for.
    ///
    /// ```
    /// # use autokestra_sdk::TaskError;
    /// assert_eq!(TaskError::retryable("busy", "the service is busy").wait(), None);
    /// ```
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// More for machines, where there is any.
    ///
    /// ```
    /// # use autokestra_sdk::{TaskError, json};
    /// let error = TaskError::new("rejected", "a row is wrong").details(json!({ "row": 3 }));
    /// assert_eq!(error.more(), Some(&json!({ "row": 3 })));
    /// ```
    #[must_use]
    pub fn more(&self) -> Option<&Value> {
        self.0.details.as_ref()
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.message, self.0.code)
    }
}

impl std::error::Error for TaskError {}
