use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use super::{Error, ErrorKind, wire};
use crate::limit;

/// The largest body that is read at once, in bytes: more than a guest's memory could hold.
const BODY_BYTES_MAX: u64 = 64 << 20;

/// What is said of a body that tells why a request failed, in bytes.
const SAID_BYTES_MAX: u64 = 300;

/// The head of a response; its body is still to be read.
///
/// ```
/// # use autokestra_sdk::http::Request;
/// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
/// # let host = FakeHost::new().expect(Expected::any(), Reply::text("hello"));
/// let response = Request::get("https://example.com").send()?;
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.text()?, "hello");
/// # Ok::<_, autokestra_sdk::TaskError>(())
/// ```
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Body,
}

/// The body of a response, read as it comes.
///
/// ```
/// # use autokestra_sdk::{files, http::Request};
/// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
/// # let host = FakeHost::new().expect(Expected::any(), Reply::text("large"));
/// // What is larger than the memory goes into a file, piece by piece.
/// let mut body = Request::get("https://example.com/archive").send()?.error_for_status()?.into_body();
/// std::io::copy(&mut body, &mut files::create("archive")?)?;
/// # assert_eq!(host.artifact("archive").unwrap(), b"large");
/// # Ok::<_, autokestra_sdk::TaskError>(())
/// ```
#[derive(Debug)]
pub struct Body(wire::Incoming);

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if limit::is_over() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the time of the action is over",
            ));
        }
        self.0.read(buffer)
    }
}

impl Response {
    pub(crate) fn new(status: u16, headers: Vec<(String, Vec<u8>)>, body: wire::Incoming) -> Self {
        Self {
            status,
            headers,
            body: Body(body),
        }
    }

    /// This response, unless its status says that the request failed (4xx and 5xx).
    ///
    /// ```
    /// # use autokestra_sdk::{TaskError, http::Request};
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(429).header("retry-after", "7"));
    /// # fn page() -> Result<String, TaskError> {
    /// let page = Request::get("https://example.com").send()?.error_for_status()?.text()?;
    /// # Ok(page) }
    /// # let error = page().unwrap_err();
    /// // A 429 of a server that asks for some patience:
    /// assert_eq!((error.code(), error.is_retryable()), ("http_status", true));
    /// assert_eq!(error.wait(), Some(std::time::Duration::from_secs(7)));
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Status`] with the beginning of the body. `Retry-After`, in seconds or as a date, is honoured.
    pub fn error_for_status(self) -> Result<Self, Error> {
        let status = self.status;
        if status < 400 {
            return Ok(self);
        }
        let wait = self.retry_after();
        let mut said = Vec::new();
        // What cannot be read says nothing; the status does.
        drop(self.body.take(SAID_BYTES_MAX).read_to_end(&mut said));
        let said = String::from_utf8_lossy(&said);
        let mut message = format!("the server answered with status {status}");
        if !said.trim().is_empty() {
            message = format!("{message}: {}", said.trim());
        }
        Err(Error::of_status(status, wait, message))
    }

    /// How long the server asks to wait, by `Retry-After`: in seconds or as a date. A date that is over asks for no wait.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(503).header("retry-after", "7"));
    /// let response = Request::get("https://example.com").send()?;
    /// assert_eq!(response.retry_after(), Some(std::time::Duration::from_secs(7)));
    /// # Ok::<_, autokestra_sdk::TaskError>(())
    /// ```
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        Some(until(httpdate::parse_http_date(value).ok()?))
    }

    /// The status, e.g. 200.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(204));
    /// let response = Request::get("https://example.com").send()?;
    /// assert_eq!(response.status(), 204);
    /// # Ok::<_, autokestra_sdk::TaskError>(())
    /// ```
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers in the order in which they came, their names in lower case.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::text("a"));
    /// let response = Request::get("https://example.com").send()?;
    /// for (name, value) in response.headers() {
    ///     # assert_eq!(name, "content-type");
    ///     println!("{name}: {}", String::from_utf8_lossy(value));
    /// }
    /// # Ok::<_, autokestra_sdk::TaskError>(())
    /// ```
    #[must_use]
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// The first header of a name, where it is text. `name` is in lower case.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::text("a"));
    /// let response = Request::get("https://example.com").send()?;
    /// assert_eq!(response.header("content-type"), Some("text/plain"));
    /// # Ok::<_, autokestra_sdk::TaskError>(())
    /// ```
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The body, to be read as it comes.
    ///
    /// ```
    /// use std::io::Read as _;
    ///
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::text("a long text"));
    /// let response = Request::get("https://example.com").send()?;
    /// let mut first = [0; 6];
    /// response.into_body().read_exact(&mut first)?;
    /// assert_eq!(&first, b"a long");
    /// # Ok::<_, autokestra_sdk::TaskError>(())
    /// ```
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The whole body.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200).body([1, 2]));
    /// let response = Request::get("https://example.com").send()?;
    /// assert_eq!(response.bytes()?, [1, 2]);
    /// # Ok::<_, autokestra_sdk::TaskError>(())
    /// ```
    ///
    /// # Errors
    /// Where it breaks off, or is larger than 64 MiB.
    pub fn bytes(self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = self.body.take(BODY_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::TimedOut => ErrorKind::Timeout,
                _ => ErrorKind::Connection,
            };
            Error::new(kind, format!("the body broke off: {error}"))
        })?;
        if bytes.len() as u64 > BODY_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "the body is larger than 64 MiB; read it in pieces",
            ));
        }
        Ok(bytes)
    }

    /// The whole body as text.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::text("hello"));
    /// let response = Request::get("https://example.com").send()?;
    /// assert_eq!(response.text()?, "hello");
    /// # Ok::<_, autokestra_sdk::TaskError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Response::bytes`], or where it is no UTF-8.
    pub fn text(self) -> Result<String, Error> {
        String::from_utf8(self.bytes()?).map_err(|_| Error::new(ErrorKind::Body, "the body is no UTF-8"))
    }

    /// The whole body, read as JSON.
    ///
    /// ```
    /// # use autokestra_sdk::json;
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::json(&json!([1, 2])));
    /// let response = Request::get("https://example.com").send()?;
    /// let numbers: Vec<u64> = response.json()?;
    /// # assert_eq!(numbers, [1, 2]);
    /// # Ok::<_, autokestra_sdk::TaskError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Response::bytes`], or where it is no JSON of this shape.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let bytes = self.bytes()?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(
                ErrorKind::Body,
                format!("the body is not the JSON that was expected: {error}"),
            )
        })
    }
}

/// How long it is until then; nothing where it is over.
#[expect(
    clippy::disallowed_methods,
    reason = "a guest has one clock, which the host lends it"
)]
fn until(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::now()).unwrap_or_default()
}
