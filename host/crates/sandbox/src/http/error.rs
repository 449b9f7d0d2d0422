//! What goes wrong on the way out, in the words of `wasi:http`.

use std::error::Error as StdError;
use std::io;

use wasmtime_wasi_http::Error;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// The name leads to addresses that are not public.
    #[error("the address is not public")]
    PrivateAddress,
    /// The name leads nowhere.
    #[error("resolve the name")]
    Name(#[source] io::Error),
    /// Nobody answers, or nobody wants to.
    #[error("connect")]
    Io(#[source] io::Error),
    /// It took too long.
    #[error("the connection took too long")]
    Timeout,
    /// The attempt has as many as it may.
    #[error("too many connections")]
    TooMany,
}

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Failure {
    /// The address is not public.
    Denied,
    /// Anything else.
    Other(Error),
}

impl Failure {
    pub(super) fn is_denial(&self) -> bool {
        matches!(self, Self::Denied)
    }

    pub(super) fn into_wasi(self) -> Error {
        match self {
            Self::Denied => Error::DestinationIpProhibited,
            Self::Other(error) => error,
        }
    }

    /// TLS cannot be set up on this machine.
    pub(super) fn no_tls(reason: &str) -> Self {
        Self::Other(Error::InternalError(Some(format!("set up TLS: {reason}"))))
    }

    /// What a client's error means: its own types tell little, the chain of its sources tells all.
    pub(super) fn of(error: &hyper_util::client::legacy::Error) -> Self {
        let mut next: Option<&(dyn StdError + 'static)> = Some(error);
        let mut found = None;
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<ConnectError>() {
                return Self::of_connect(error);
            }
            if let Some(error) = error.downcast_ref::<Error>() {
                found = Some(of_body(error));
            }
            if let Some(error) = error.downcast_ref::<rustls::Error>() {
                return Self::Other(of_tls(error));
            }
            if let Some(error) = error.downcast_ref::<io::Error>() {
                if let Some(tls) = tls_within(error) {
                    return Self::Other(of_tls(tls));
                }
                found = found.or_else(|| Some(of_io(error)));
            }
            if let Some(error) = error.downcast_ref::<hyper::Error>() {
                let of = if error.is_parse() {
                    Some(Error::HttpProtocolError)
                } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
                    Some(Error::ConnectionTerminated)
                } else {
                    None
                };
                found = found.or(of);
            }
            next = error.source();
        }
        Self::Other(found.unwrap_or(Error::ConnectionTerminated))
    }

    fn of_connect(error: &ConnectError) -> Self {
        match error {
            ConnectError::PrivateAddress => Self::Denied,
            ConnectError::Name(_) => Self::Other(Error::DnsError {
                rcode: None,
                info_code: None,
            }),
            ConnectError::Io(error) => Self::Other(of_io(error)),
            ConnectError::Timeout => Self::Other(Error::ConnectionTimeout),
            ConnectError::TooMany => Self::Other(Error::ConnectionLimitReached),
        }
    }
}

/// TLS puts its errors into those of input and output, which name the source of what they hold and not what they hold.
fn tls_within(error: &io::Error) -> Option<&rustls::Error> {
    let inner: &(dyn StdError + 'static) = error.get_ref()?;
    match inner.downcast_ref::<rustls::Error>() {
        Some(tls) => Some(tls),
        None => tls_within(inner.downcast_ref()?),
    }
}

fn of_io(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
        _ => Error::ConnectionTerminated,
    }
}

fn of_tls(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Error::TlsCertificateError,
        _ => Error::TlsProtocolError,
    }
}

/// An error of our own body, which came back through the client.
fn of_body(error: &Error) -> Error {
    match error {
        Error::HttpRequestBodySize(size) => Error::HttpRequestBodySize(*size),
        _ => Error::ConnectionTerminated,
    }
}
