//! A blocking HTTP client over `wasi:http`, for what the workflow grants.
//!
//! ```no_run
//! # use autokestra_sdk::{http::Request, TaskError, Value};
//! # fn items() -> Result<Value, TaskError> {
//! let items: Value = Request::get("https://api.example.com/items").query("open", "true").send()?.json()?;
//! # Ok(items) }
//! ```
//!
//! Redirects are followed (10 at most) and checked by the host like any request; `authorization`, `cookie` and
//! `proxy-authorization` are dropped where the origin changes. Outside of the sandbox every request fails.

mod error;
mod request;
mod response;
#[cfg(target_family = "wasm")]
mod wire;

pub use error::{Error, ErrorKind};
pub use request::Request;
pub use response::{Body, Response};

/// Nothing leaves a native test.
#[cfg(not(target_family = "wasm"))]
mod wire {
    use std::io;

    use super::{Error, ErrorKind, Response};
    use crate::http::request::Hop;

    #[derive(Debug)]
    pub(crate) enum Incoming {}

    impl io::Read for Incoming {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            match *self {}
        }
    }

    pub(super) fn send(_: &Hop<'_>) -> Result<Response, Error> {
        Err(Error::new(
            ErrorKind::Unavailable,
            "requests leave only from inside of the sandbox",
        ))
    }
}
