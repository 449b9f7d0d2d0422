//! Write plugins for Autokestra: functions with typed input and output, each run in a sandbox of its own.
//!
//! ```
//! use autokestra_sdk::prelude::*;
//!
//! /// Who is greeted.
//! #[derive(Input)]
//! struct Greet {
//!     /// A name.
//!     name: String,
//! }
//!
//! /// Greets somebody.
//! #[action(idempotent)]
//! fn greet(input: Greet) -> Result<String, TaskError> {
//!     log::info!("greeting", name = input.name);
//!     Ok(format!("Hello, {}!", input.name))
//! }
//!
//! plugin! {
//!     name: "acme/hello",
//!     actions: [greet],
//! }
//! # fn main() { assert_eq!(greet(Greet { name: "Ada".into() }).unwrap(), "Hello, Ada!"); }
//! ```
//!
//! The crate is a `cdylib` that depends on this one alone. Doc comments become the descriptions of actions and fields, types the
//! JSON Schemas; fields are `camelCase` in YAML unless serde's attributes say otherwise, and unknown ones are refused.
//!
//! - [`log`] writes entries with fields, [`progress`] tells how far it is, [`state`] keeps small values across executions, [`files`] leaves files
//!   for other tasks, [`http`] asks the web for what the workflow grants. `std::fs`, `std::env` and sockets work as well, where granted.
//! - [`TaskError`](struct@TaskError) is how an action fails; common errors turn into one by `?`, an enum of your own does by its derive.
//! - [`testing`] is for native tests of your actions.
//!
//! # The contract
//! A plugin speaks version 1.0 of the contract, which every host serves. The feature `v1_1` adds what came with 1.1 (`state::keys`); a plugin that
//! turns it on is refused by a host that serves 1.0 alone, with both versions in the message.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod action;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
mod common;
mod context;
mod error;
pub mod files;
pub mod http;
mod limit;
pub mod log;
pub mod progress;
pub mod state;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

/// ```
/// use autokestra_sdk::prelude::*;
///
/// /// What is rendered.
/// #[derive(Input)]
/// struct Render {
///     title: String,
/// }
///
/// /// Renders a page.
/// #[action(idempotent, timeout = "30s", title = "Render a page")]
/// fn render_page(context: &Context, input: Render) -> Result<String, TaskError> {
///     log::info!("rendering", attempt = context.attempt);
///     Ok(format!("<h1>{}</h1>", input.title))
/// }
/// # assert_eq!(render_page(&Context::for_tests(), Render { title: "A".into() }).unwrap(), "<h1>A</h1>");
/// ```
pub use autokestra_sdk_macros::action;

/// ```
/// use autokestra_sdk::prelude::*;
///
/// /// One row.
/// #[derive(Data)]
/// struct Row {
///     /// Who it is about.
///     name: String,
///     count: Option<u32>,
/// }
///
/// #[derive(Input)]
/// struct Rows {
///     rows: Vec<Row>,
/// }
///
/// /// Drops rows without a count.
/// #[action(idempotent)]
/// fn counted(input: Rows) -> Result<Vec<Row>, TaskError> {
///     Ok(input.rows.into_iter().filter(|row| row.count.is_some()).collect())
/// }
/// # let rows = vec![Row { name: "a".into(), count: None }, Row { name: "b".into(), count: Some(1) }];
/// # assert_eq!(counted(Rows { rows }).unwrap()[0].name, "b");
/// ```
pub use autokestra_sdk_macros::Data;

/// ```
/// use autokestra_sdk::prelude::*;
///
/// /// How a page is rendered.
/// #[derive(Input)]
/// struct Render {
///     /// Title on top of the page: `pageTitle` in YAML.
///     page_title: String,
///     /// None, unless the workflow says one.
///     style: Option<Style>,
///     #[serde(default)]
///     rows: Vec<String>,
/// }
///
/// #[derive(Input)]
/// enum Style {
///     Plain,
///     /// `style: { inColor: { atNight: true } }`
///     InColor { at_night: bool },
/// }
/// # let render = Render { page_title: String::new(), style: Some(Style::InColor { at_night: true }), rows: vec![] };
/// # assert!(matches!(render.style, Some(Style::InColor { at_night: true })));
/// ```
pub use autokestra_sdk_macros::Input;

/// ```
/// use autokestra_sdk::prelude::*;
///
/// /// What was rendered.
/// #[derive(Output)]
/// struct Page {
///     /// The page itself.
///     html: String,
///     /// `rowCount` in the output.
///     row_count: usize,
/// }
/// # let page = Page { html: String::new(), row_count: 1 };
/// # assert_eq!(page.row_count, 1);
/// ```
pub use autokestra_sdk_macros::Output;

/// ```
/// use autokestra_sdk::http;
/// use autokestra_sdk::prelude::*;
///
/// #[derive(TaskError)]
/// enum Fault {
///     /// The code is `no_invoice`.
///     #[fails("there is no invoice {id}")]
///     NoInvoice { id: u32 },
///     #[fails("the books are closed until {0}", code = "closed", retry_after = "1h")]
///     Closed(String),
///     /// By `?`, with what it says itself.
///     #[fails(transparent)]
///     Http(http::Error),
/// }
///
/// fn invoice(id: u32) -> Result<String, Fault> {
///     match id {
///         0 => Err(Fault::NoInvoice { id }),
///         1 => Err(Fault::Closed("Monday".to_owned())),
///         _ => Ok(http::Request::get(format!("https://example.com/{id}")).send()?.text()?),
///     }
/// }
///
/// let error: TaskError = invoice(0).unwrap_err().into();
/// assert_eq!((error.code(), error.message()), ("no_invoice", "there is no invoice 0"));
/// # let error: TaskError = invoice(1).unwrap_err().into();
/// # assert_eq!((error.code(), error.is_retryable()), ("closed", true));
/// # assert_eq!(error.message(), "the books are closed until Monday");
/// # let error: TaskError = invoice(2).unwrap_err().into();
/// # assert_eq!(error.code(), "no_network");
/// ```
pub use autokestra_sdk_macros::TaskError;

/// ```
/// use autokestra_sdk::prelude::*;
///
/// /// Greets the world.
/// #[action]
/// fn greet() -> Result<String, TaskError> {
///     Ok("Hello, world!".to_owned())
/// }
///
/// plugin! {
///     name: "acme/hello",
///     description: "Is polite.",
///     actions: [greet],
/// }
/// # fn main() {}
/// ```
pub use autokestra_sdk_macros::plugin;

pub use context::Context;
pub use error::TaskError;
pub use serde_json::{Value, json};

/// What most plugins need.
///
/// ```
/// use autokestra_sdk::prelude::*;
/// ```
pub mod prelude {
    pub use crate::{Context, Data, Input, Output, TaskError, Value, action, json, log, plugin};
}

/// What the macros call. No part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::action::{ActionEntry, NoInput, Takes, call, input_schema, names_differ, output_schema};
    #[cfg(target_family = "wasm")]
    pub use crate::action::{manifest, run};
    #[cfg(target_family = "wasm")]
    pub use crate::bindings;
    pub use crate::limit::limit;
    pub use schemars;
    pub use serde;
}
