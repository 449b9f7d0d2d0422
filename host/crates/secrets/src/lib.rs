//! Secret values, and the masking of everything that could hold one.
//!
//! A secret is a [`SecretValue`], which nothing prints. Text from a plugin or an error goes through the [`Masker`] and comes
//! out as [`Masked`]; the store and the views take nothing else. Values that are kept are sealed by the keys of [`vault`].

mod bound;
mod forms;
mod json;
mod lines;
mod masked;
mod masker;
pub mod private;
mod sealed;
pub mod source;
mod value;
pub mod vault;

pub use bound::BoundSecret;
pub use json::MaskedJson;
pub use lines::{LINE_BYTES_MAX, LogStream};
pub use masked::Masked;
pub use masker::{MASK, MaskStream, Masker};
pub use sealed::{OpenError, SealedJson};
pub use value::{SecretValue, Secrets};
