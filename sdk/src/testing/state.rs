//! The `state` interface outside of the sandbox, with the host's own limits.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::shared;

/// The host's limits, so that a test meets them.
const KEY_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 64 << 10;

pub(crate) type Values = BTreeMap<String, String>;

thread_local! {
    /// What is kept where there is no fake host.
    static VALUES: RefCell<Values> = const { RefCell::new(BTreeMap::new()) };
}

fn with<T>(what: impl FnOnce(&mut Values) -> T) -> T {
    match shared::current() {
        Some(host) => what(&mut host.borrow_mut().values),
        None => VALUES.with_borrow_mut(what),
    }
}

pub(crate) fn get(key: &str) -> Result<Option<String>, String> {
    check(key.len() <= KEY_BYTES_MAX)?;
    Ok(with(|values| values.get(key).cloned()))
}

pub(crate) fn set(key: &str, value: &str) -> Result<(), String> {
    check(!key.is_empty() && key.len() <= KEY_BYTES_MAX)?;
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!(
            "the value has {} bytes; {VALUE_BYTES_MAX} is the most",
            value.len()
        ));
    }
    with(|values| values.insert(key.to_owned(), value.to_owned()));
    Ok(())
}

pub(crate) fn delete(key: &str) -> Result<(), String> {
    check(!key.is_empty() && key.len() <= KEY_BYTES_MAX)?;
    with(|values| values.remove(key));
    Ok(())
}

#[cfg(feature = "v1_1")]
pub(crate) fn keys(prefix: &str) -> Result<Vec<String>, String> {
    check(prefix.len() <= KEY_BYTES_MAX)?;
    Ok(with(|values| {
        values.keys().filter(|key| key.starts_with(prefix)).cloned().collect()
    }))
}

fn check(fits: bool) -> Result<(), String> {
    if fits {
        Ok(())
    } else {
        Err(format!("a key has 1 to {KEY_BYTES_MAX} bytes"))
    }
}
