//! Small JSON values that live across the executions of one workflow: watermarks, cursors.
//!
//! A change takes effect only if the attempt succeeds. In native tests the values live as long as the thread.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::TaskError;

/// The value of `key`, where there is one.
///
/// # Errors
/// `state` where the host cannot say; `invalid_json` where the value has another shape.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>, TaskError> {
    let value = host::get(key).map_err(failed)?;
    Ok(value.map(|value| serde_json::from_str(&value)).transpose()?)
}

/// Sets `key`.
///
/// # Errors
/// `state` where the value or the key is too large, or there are too many.
pub fn set<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<(), TaskError> {
    host::set(key, &serde_json::to_string(value)?).map_err(failed)
}

/// Removes `key`.
///
/// # Errors
/// `state` where there are too many changes.
pub fn delete(key: &str) -> Result<(), TaskError> {
    host::delete(key).map_err(failed)
}

fn failed(reason: String) -> TaskError {
    TaskError::new("state", reason)
}

#[cfg(target_family = "wasm")]
use crate::bindings::autokestra::plugin::state as host;

#[cfg(not(target_family = "wasm"))]
mod host {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    thread_local! {
        static VALUES: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(super) fn get(key: &str) -> Result<Option<String>, String> {
        Ok(VALUES.with_borrow(|values| values.get(key).cloned()))
    }

    pub(super) fn set(key: &str, value: &str) -> Result<(), String> {
        VALUES.with_borrow_mut(|values| values.insert(key.to_owned(), value.to_owned()));
        Ok(())
    }

    pub(super) fn delete(key: &str) -> Result<(), String> {
        VALUES.with_borrow_mut(|values| values.remove(key));
        Ok(())
    }
}
