//! A blocking HTTP client over `wasi:http`, for what the workflow grants.
//!
//! ```
//! # use autokestra_sdk::{http::Request, json, TaskError, Value};
//! # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
//! # let host = FakeHost::new().expect(Expected::get("https://api.example.com/items?open=true"), Reply::json(&json!([1])));
//! let items: Value = Request::get("https://api.example.com/items")
//!     .query("open", "true")
//!     .send()?
//!     .error_for_status()?
//!     .json()?;
//! # assert_eq!(items, json!([1]));
//! # Ok::<_, TaskError>(())
//! ```
//!
//! Redirects are followed (10 at most) and checked by the host like any request; `authorization`, `cookie` and
//! `proxy-authorization` are dropped where the origin changes. An [`Error`] becomes a task error by `?`, retryable where another attempt may
//! succeed. In the time of an action's own `timeout` a request ends with it.
//!
//! Outside of the sandbox nothing is sent: a [`FakeHost`](crate::testing::FakeHost) answers, and without one every request fails.

mod error;
mod redirect;
mod request;
mod response;
#[cfg(target_family = "wasm")]
mod wire;
#[cfg(not(target_family = "wasm"))]
#[path = "wire_fake.rs"]
mod wire;

pub use error::{Error, ErrorKind};
pub use request::Request;
pub use response::{Body, Response};
