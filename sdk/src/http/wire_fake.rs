//! The client's side outside of the sandbox: a fake host answers, and nothing leaves.

use std::io::Cursor;

use super::request::Hop;
use super::{Error, ErrorKind, Response};
use crate::testing::{self, Asked};

pub(crate) type Incoming = Cursor<Vec<u8>>;

pub(super) fn send(hop: &Hop<'_>) -> Result<Response, Error> {
    let asked = Asked::new(hop.method, hop.url.as_str(), hop.headers, hop.body);
    testing::answered(asked).unwrap_or_else(|| {
        Err(Error::new(
            ErrorKind::Unavailable,
            "requests leave only from inside of the sandbox; in a test, make a `FakeHost` that answers",
        ))
    })
}
