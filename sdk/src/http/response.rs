use std::io::{self, Read};

use serde::de::DeserializeOwned;

use super::{Error, ErrorKind, wire};

/// The largest body that is read at once, in bytes: more than a guest's memory could hold.
const BODY_BYTES_MAX: u64 = 64 << 20;

/// The head of a response; its body is still to be read.
#[derive(Debug)]
pub struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Body,
}

/// The body of a response, read as it comes.
#[derive(Debug)]
pub struct Body(pub(super) wire::Incoming);

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Response {
    /// The status, e.g. 200.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers in the order in which they came, their names in lower case.
    #[must_use]
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// The first header of a name, where it is text. `name` is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The body, to be read as it comes.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The whole body.
    ///
    /// # Errors
    /// Where it breaks off, or is larger than 64 MiB.
    pub fn bytes(self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = self.body.take(BODY_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|error| Error::new(ErrorKind::Connection, format!("the body broke off: {error}")))?;
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
    /// # Errors
    /// As [`Response::bytes`], or where it is no UTF-8.
    pub fn text(self) -> Result<String, Error> {
        String::from_utf8(self.bytes()?).map_err(|_| Error::new(ErrorKind::Body, "the body is no UTF-8"))
    }

    /// The whole body, read as JSON.
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
