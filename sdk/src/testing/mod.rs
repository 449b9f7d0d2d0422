//! The host's side for native tests: an action is an ordinary function, and [`FakeHost`] gives it a context, a state, files and answers to its
//! requests, and keeps what it said.
//!
//! ```
//! use autokestra_sdk::http::Request;
//! use autokestra_sdk::prelude::*;
//! use autokestra_sdk::testing::{Expected, FakeHost, Reply};
//! use autokestra_sdk::{progress, state};
//!
//! /// Fetches what is new.
//! #[action]
//! fn fetch(context: &Context) -> Result<Vec<u64>, TaskError> {
//!     let seen: u64 = state::get("seen")?.unwrap_or(0);
//!     let items: Vec<u64> = Request::get("https://api.example.com/items").query("after", seen.to_string()).send()?.error_for_status()?.json()?;
//!     log::info!("fetched", items = items.len(), attempt = context.attempt);
//!     progress::report(items.len() as u64, None, None);
//!     if let Some(last) = items.last() {
//!         state::set("seen", last)?;
//!     }
//!     Ok(items)
//! }
//!
//! # fn main() {
//! // In a #[test]:
//! let host = FakeHost::new()
//!     .attempt(2)
//!     .state("seen", &41)
//!     .expect(Expected::get("https://api.example.com/items?after=41"), Reply::json(&json!([42, 43])));
//!
//! assert_eq!(fetch(&host.context()).unwrap(), [42, 43]);
//! assert_eq!(host.kept::<u64>("seen"), Some(43));
//! assert_eq!(host.logs()[0].message, "fetched");
//! assert_eq!(host.logs()[0].field("items"), Some("2"));
//! assert_eq!(host.progress()[0].done, 2);
//! # }
//! ```
//!
//! What the sandbox itself does (permissions, limits, schemas) is what `workflow plugin test` is for.

mod exchange;
mod folder;
mod host;
mod said;
mod shared;
pub(crate) mod state;

pub use exchange::{Asked, Expected, Reply};
pub use host::FakeHost;
pub use said::{LogEntry, ProgressReport};
pub(crate) use shared::{answered, folder, logged, reported};
