use std::fmt;

use crate::TaskError;

/// What kind of failure it is.
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
    /// There is no network here at all.
    Unavailable,
}

/// Why a request has no response.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.kind {
            ErrorKind::Dns | ErrorKind::Connection | ErrorKind::Timeout => true,
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
            ErrorKind::Unavailable => "no_network",
        };
        if error.is_retryable() {
            Self::retryable(code, error.message)
        } else {
            Self::new(code, error.message)
        }
    }
}
