//! Small JSON values that live across the executions of one workflow: watermarks, cursors.
//!
//! A change takes effect only if the attempt succeeds. Outside of the sandbox the values live as long as the thread, or the
//! [`FakeHost`](crate::testing::FakeHost) of a test. A key has 1 to 256 bytes and holds no secret, a value 64 KiB of JSON; an attempt changes 100 keys
//! at most.
//!
//! ```
//! use autokestra_sdk::prelude::*;
//! use autokestra_sdk::state;
//!
//! /// Numbers of which some are known.
//! #[derive(Input)]
//! struct Numbers {
//!     numbers: Vec<u64>,
//! }
//!
//! /// Gives the numbers that are new.
//! #[action]
//! fn fresh(input: Numbers) -> Result<Vec<u64>, TaskError> {
//!     let seen: u64 = state::get("seen")?.unwrap_or(0);
//!     let new: Vec<u64> = input.numbers.into_iter().filter(|number| *number > seen).collect();
//!     if let Some(last) = new.iter().max() {
//!         state::set("seen", last)?;
//!     }
//!     Ok(new)
//! }
//! # let host = autokestra_sdk::testing::FakeHost::new().state("seen", &2);
//! # assert_eq!(fresh(Numbers { numbers: vec![1, 2, 3, 4] }).unwrap(), [3, 4]);
//! # assert_eq!(host.kept::<u64>("seen"), Some(4));
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::TaskError;

/// The value of `key`, where there is one.
///
/// ```
/// # use autokestra_sdk::{TaskError, state};
/// let cursor: Option<String> = state::get("cursor")?;
/// # assert_eq!(cursor, None);
/// # Ok::<_, TaskError>(())
/// ```
///
/// # Errors
/// `state` where the host cannot say; `invalid_json` where the value has another shape.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>, TaskError> {
    let value = host::get(key).map_err(failed)?;
    let read = |value: String| {
        serde_json::from_str(&value).map_err(|error| TaskError::from(error).context(format!("the value of `{key}`")))
    };
    value.map(read).transpose()
}

/// Sets `key`.
///
/// ```
/// # use autokestra_sdk::{TaskError, state};
/// state::set("cursor", "2026-11-26")?;
/// # assert_eq!(state::get("cursor")?, Some("2026-11-26".to_owned()));
/// # Ok::<_, TaskError>(())
/// ```
///
/// # Errors
/// `state` where the value or the key is too large, or there are too many.
pub fn set<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<(), TaskError> {
    host::set(key, &serde_json::to_string(value)?).map_err(failed)
}

/// Removes `key`.
///
/// ```
/// # use autokestra_sdk::{TaskError, state};
/// state::delete("cursor")?;
/// # Ok::<_, TaskError>(())
/// ```
///
/// # Errors
/// `state` where there are too many changes.
pub fn delete(key: &str) -> Result<(), TaskError> {
    host::delete(key).map_err(failed)
}

/// The keys that begin with `prefix`, in order. With the feature `v1_1`: a plugin that uses it asks for a host of version 1.1 or later.
///
/// ```
/// # use autokestra_sdk::{TaskError, state};
/// state::set("feed:a", &1)?;
/// state::set("feed:b", &2)?;
/// // What is followed no longer is forgotten.
/// for key in state::keys("feed:")? {
///     if key != "feed:a" {
///         state::delete(&key)?;
///     }
/// }
/// # assert_eq!(state::keys("feed:")?, ["feed:a"]);
/// # Ok::<_, TaskError>(())
/// ```
///
/// # Errors
/// `state` where they are more than 10,000.
#[cfg(feature = "v1_1")]
#[cfg_attr(docsrs, doc(cfg(feature = "v1_1")))]
pub fn keys(prefix: &str) -> Result<Vec<String>, TaskError> {
    host::keys(prefix).map_err(failed)
}

fn failed(reason: String) -> TaskError {
    TaskError::new("state", reason)
}

#[cfg(target_family = "wasm")]
use crate::bindings::autokestra::plugin::state as host;

#[cfg(not(target_family = "wasm"))]
use crate::testing::state as host;
