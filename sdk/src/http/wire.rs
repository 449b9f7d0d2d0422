//! The client's side of `wasi:http`.

use std::io;

use super::request::Hop;
use super::response::Response;
use super::{Error, ErrorKind};
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};

/// What one write takes, by the contract of `blocking-write-and-flush`.
const WRITE_BYTES_MAX: usize = 4096;

/// A body on its way. The fields are dropped in their order, and a stream must go before its body.
#[derive(Debug)]
pub(crate) struct Incoming {
    stream: InputStream,
    _body: IncomingBody,
}

impl io::Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.blocking_read(buffer.len() as u64) {
                Ok(bytes) if bytes.is_empty() && !buffer.is_empty() => {}
                Ok(bytes) => {
                    let taken = buffer.get_mut(..bytes.len());
                    let taken = taken.ok_or_else(|| io::Error::other("the host gave more than was asked"))?;
                    taken.copy_from_slice(&bytes);
                    return Ok(bytes.len());
                }
                Err(StreamError::Closed) => return Ok(0),
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(io::Error::other(error.to_debug_string()));
                }
            }
        }
    }
}

/// Sends one request, and waits for the head of its response.
pub(super) fn send(hop: &Hop<'_>) -> Result<Response, Error> {
    let wrong = |what: &str| Error::new(ErrorKind::Request, format!("{what} of the request is not allowed"));
    let mut headers = hop.headers.to_vec();
    if !hop.body.is_empty() {
        // Without it the body would go out in chunks, which some servers do not take.
        headers.retain(|(name, _)| name != "content-length");
        headers.push(("content-length".to_owned(), hop.body.len().to_string().into_bytes()));
    }
    let headers = Fields::from_list(&headers).map_err(|error| wrong(&format!("a header ({error:?})")))?;
    let request = OutgoingRequest::new(headers);
    request
        .set_method(&method(hop.method))
        .map_err(|()| wrong("the method"))?;
    let scheme = if hop.url.scheme() == "https" {
        Scheme::Https
    } else {
        Scheme::Http
    };
    request.set_scheme(Some(&scheme)).map_err(|()| wrong("the scheme"))?;
    request
        .set_authority(Some(hop.url.authority()))
        .map_err(|()| wrong("the host"))?;
    let path = match hop.url.query() {
        Some(query) => format!("{}?{query}", hop.url.path()),
        None => hop.url.path().to_owned(),
    };
    request
        .set_path_with_query(Some(&path))
        .map_err(|()| wrong("the path"))?;
    let options = RequestOptions::new();
    if let Some(limit) = hop.timeout {
        let limit = u64::try_from(limit.as_nanos()).ok();
        // A host that keeps no such limit still has the attempt's.
        let _kept = options.set_connect_timeout(limit).is_ok()
            && options.set_first_byte_timeout(limit).is_ok()
            && options.set_between_bytes_timeout(limit).is_ok();
    }
    let body = if hop.body.is_empty() {
        None
    } else {
        Some(request.body().map_err(|()| wrong("the body"))?)
    };
    let pending = outgoing_handler::handle(request, Some(options)).map_err(|code| failed(hop, &code))?;
    // A server may answer before it has read all; then its answer counts.
    let written = body.map_or(Ok(()), |body| write(body, hop));
    pending.subscribe().block();
    let response = match pending.get() {
        Some(Ok(Ok(response))) => response,
        Some(Ok(Err(code))) => return Err(failed(hop, &code)),
        Some(Err(())) | None => return Err(Error::new(ErrorKind::Protocol, "the host gave no response")),
    };
    if !(200..300).contains(&response.status()) || written.is_ok() {
        let status = response.status();
        let headers = response.headers().entries();
        let body = response
            .consume()
            .map_err(|()| Error::new(ErrorKind::Protocol, "the host gave no body"))?;
        let stream = body
            .stream()
            .map_err(|()| Error::new(ErrorKind::Protocol, "the host gave no body"))?;
        return Ok(Response::new(status, headers, Incoming { stream, _body: body }));
    }
    Err(written
        .err()
        .unwrap_or_else(|| Error::new(ErrorKind::Connection, "the body was not sent")))
}

fn write(body: OutgoingBody, hop: &Hop<'_>) -> Result<(), Error> {
    let broke = |why: String| Error::new(ErrorKind::Connection, format!("the request's body was not sent: {why}"));
    let stream: OutputStream = body.write().map_err(|()| broke("the host takes none".to_owned()))?;
    for piece in hop.body.chunks(WRITE_BYTES_MAX) {
        stream.blocking_write_and_flush(piece).map_err(|error| match error {
            StreamError::Closed => broke("the connection was closed".to_owned()),
            StreamError::LastOperationFailed(error) => broke(error.to_debug_string()),
        })?;
    }
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|code| failed(hop, &code))
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

/// What the host says, in words.
fn failed(hop: &Hop<'_>, code: &ErrorCode) -> Error {
    let to = hop.url.authority();
    let (kind, text) = match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => (
            ErrorKind::Denied,
            format!("the workflow does not grant this request to `{to}`"),
        ),
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) => (ErrorKind::Dns, format!("`{to}` was not found")),
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => (ErrorKind::Timeout, format!("`{to}` took too long")),
        ErrorCode::ConnectionRefused => (ErrorKind::Connection, format!("`{to}` refused the connection")),
        ErrorCode::ConnectionTerminated
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::HttpResponseIncomplete
        | ErrorCode::ConnectionLimitReached => (
            ErrorKind::Connection,
            format!("the connection to `{to}` failed: {code:?}"),
        ),
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => {
            (ErrorKind::Tls, format!("`{to}` cannot be trusted: {code:?}"))
        }
        ErrorCode::HttpRequestBodySize(_) | ErrorCode::HttpResponseBodySize(_) => (
            ErrorKind::TooLarge,
            "the body is larger than an attempt may move".to_owned(),
        ),
        ErrorCode::InternalError(Some(reason)) => (ErrorKind::Connection, format!("`{to}`: {reason}")),
        other => (ErrorKind::Protocol, format!("`{to}`: {other:?}")),
    };
    Error::new(kind, text)
}
