use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// The number of `EPERM` in WASI's C library.
const NOT_PERMITTED: i32 = 63;

/// How an action fails: a code for machines, a message for people, and whether another attempt may succeed.
///
/// Made from a text, its code is `failed`. Common errors turn into one by `?`.
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
    #[must_use]
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(code, message);
        error.0.retryable = true;
        error
    }

    /// Sets the least wait before another attempt.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds more for machines.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// Puts words before the message: what was being done.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// What crosses the border.
    #[cfg(target_family = "wasm")]
    pub(crate) fn into_parts(self) -> Parts {
        *self.0
    }

    /// The code for machines.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The message for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.message, self.0.code)
    }
}

impl std::error::Error for TaskError {}

impl From<String> for TaskError {
    fn from(message: String) -> Self {
        Self::new("failed", message)
    }
}

impl From<&str> for TaskError {
    fn from(message: &str) -> Self {
        Self::new("failed", message)
    }
}

impl From<std::io::Error> for TaskError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound => Self::new("not_found", error.to_string()),
            ErrorKind::PermissionDenied => {
                // What the engine denies and what the machine denies have two codes in WASI: `not-permitted` and `access`.
                let ours = cfg!(target_family = "wasm") && error.raw_os_error() == Some(NOT_PERMITTED);
                if ours {
                    Self::new("permission_denied", "the workflow does not grant it")
                } else {
                    Self::new("permission_denied", error.to_string())
                }
            }
            ErrorKind::TimedOut | ErrorKind::Interrupted => Self::retryable("io", error.to_string()),
            _ => Self::new("io", error.to_string()),
        }
    }
}

impl From<serde_json::Error> for TaskError {
    fn from(error: serde_json::Error) -> Self {
        Self::new("invalid_json", error.to_string())
    }
}

impl From<std::str::Utf8Error> for TaskError {
    fn from(error: std::str::Utf8Error) -> Self {
        Self::new("invalid_utf8", error.to_string())
    }
}

impl From<std::string::FromUtf8Error> for TaskError {
    fn from(error: std::string::FromUtf8Error) -> Self {
        Self::new("invalid_utf8", error.to_string())
    }
}

impl From<std::num::ParseIntError> for TaskError {
    fn from(error: std::num::ParseIntError) -> Self {
        Self::new("invalid_number", error.to_string())
    }
}

impl From<std::num::ParseFloatError> for TaskError {
    fn from(error: std::num::ParseFloatError) -> Self {
        Self::new("invalid_number", error.to_string())
    }
}
