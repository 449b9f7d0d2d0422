use std::fmt;
use std::time::Duration;

use serde_json::json;

use crate::TaskError;

/// What kind of failure it is.
///
/// ```
/// # use autokestra_sdk::http::{ErrorKind, Request};
/// let error = Request::get("no URL").send().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Request);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The URL, a header or the method is wrong.
    Request,
    /// The workflow does not grant it.
    Denied,
    /// The name leads nowhere.
    Dns,
    /// No connection, or one that broke.
    Connection,
    /// The certificate or the handshake is wrong.
    Tls,
    /// It took too long.
    Timeout,
    /// The other side does not speak HTTP, or not well.
    Protocol,
    /// More redirects than allowed.
    Redirects,
    /// A body is larger than allowed.
    TooLarge,
    /// The body is not what it was taken for.
    Body,
    /// The status says that it failed: see [`Error::status`].
    Status,
    /// There is no network here at all.
    Unavailable,
}

/// Why a request has no response, or not the one that was wanted. By `?` it becomes a [`TaskError`](struct@TaskError).
///
/// ```
/// # use autokestra_sdk::http::{ErrorKind, Request};
/// # use autokestra_sdk::TaskError;
/// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
/// # let host = FakeHost::new().expect(Expected::any(), Reply::fails(ErrorKind::Connection));
/// # fn page() -> Result<Option<String>, TaskError> {
/// match Request::get("https://example.com/maybe").send() {
///     Ok(response) => Ok(Some(response.text()?)),
///     Err(error) if error.kind() == ErrorKind::Denied => Ok(None),
///     // Retryable, as another attempt may find a connection.
///     Err(error) => Err(error.into()),
/// }
/// # }
/// # assert!(page().unwrap_err().is_retryable());
/// ```
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    status: Option<u16>,
    retry_after: Option<Duration>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            status: None,
            retry_after: None,
        }
    }

    /// A status that says that it failed.
    pub(crate) fn of_status(status: u16, retry_after: Option<Duration>, message: String) -> Self {
        Self {
            kind: ErrorKind::Status,
            message,
            status: Some(status),
            retry_after,
        }
    }

    /// The status of the response, where there was one.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(404));
    /// let error = Request::get("https://example.com/a").send().unwrap().error_for_status().unwrap_err();
    /// assert_eq!(error.status(), Some(404));
    /// ```
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// What kind of failure it is.
    ///
    /// ```
    /// # use autokestra_sdk::http::{ErrorKind, Request};
    /// let error = Request::get("ftp://example.com").send().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Request);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether another attempt may succeed: after failed connections and timeouts, and where the status is 408, 425, 429 or 5xx.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(503));
    /// let error = Request::get("https://example.com/a").send().unwrap().error_for_status().unwrap_err();
    /// assert!(error.is_retryable());
    /// ```
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.kind {
            ErrorKind::Dns | ErrorKind::Connection | ErrorKind::Timeout => true,
            ErrorKind::Status => matches!(self.status, Some(408 | 425 | 429 | 500..)),
            ErrorKind::Request
            | ErrorKind::Denied
            | ErrorKind::Tls
            | ErrorKind::Protocol
            | ErrorKind::Redirects
            | ErrorKind::TooLarge
            | ErrorKind::Body
            | ErrorKind::Unavailable => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for TaskError {
    fn from(error: Error) -> Self {
        let code = match error.kind {
            ErrorKind::Request => "http_request",
            ErrorKind::Denied => "permission_denied",
            ErrorKind::Dns => "dns",
            ErrorKind::Connection => "connection",
            ErrorKind::Tls => "tls",
            ErrorKind::Timeout => "http_timeout",
            ErrorKind::Protocol => "http_protocol",
            ErrorKind::Redirects => "too_many_redirects",
            ErrorKind::TooLarge => "body_too_large",
            ErrorKind::Body => "http_body",
            ErrorKind::Status => "http_status",
            ErrorKind::Unavailable => "no_network",
        };
        let mut made = if error.is_retryable() {
            Self::retryable(code, error.message)
        } else {
            Self::new(code, error.message)
        };
        if let Some(wait) = error.retry_after {
            made = made.retry_after(wait);
        }
        match error.status {
            Some(status) => made.details(json!({ "status": status })),
            None => made,
        }
    }
}
