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

mod action;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
mod context;
mod error;
pub mod http;
pub mod log;
pub mod progress;
pub mod state;

pub use autokestra_sdk_macros::{Data, Input, Output, action, plugin};
pub use context::Context;
pub use error::TaskError;
pub use serde_json::{Value, json};

/// What most plugins need.
pub mod prelude {
    pub use crate::{Context, Data, Input, Output, TaskError, Value, action, json, log, plugin};
}

/// What the macros call. No part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::action::{ActionEntry, NoInput, call, input_schema, output_schema};
    #[cfg(target_family = "wasm")]
    pub use crate::action::{manifest, run};
    #[cfg(target_family = "wasm")]
    pub use crate::bindings;
    pub use schemars;
    pub use serde;
}
