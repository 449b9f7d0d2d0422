//! Errors that turn into a `TaskError` by `?`.

use crate::TaskError;

/// The number of `EPERM` in WASI's C library.
const NOT_PERMITTED: i32 = 63;

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
