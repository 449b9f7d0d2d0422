//! The key that values are sealed by, and a value as it is kept.

use std::fmt;
use std::str::FromStr;

use autokestra_model::{IdError, SecretName};
use zeroize::{Zeroize as _, Zeroizing};

use super::cipher::{self, Key};
use super::error::VaultError;
use crate::value::SecretValue;

/// Longest value, in bytes: 64 KiB. A longer one is a file, not a secret; every form of it is looked for in all output.
pub const SECRET_BYTES_MAX: usize = 64 << 10;

/// What the length of a sealed value is a multiple of, so that it tells little of the value's.
const BLOCK_BYTES: usize = 64;

/// Bytes that tell a value's length.
const LENGTH_BYTES: usize = 4;

const ID_BYTES: usize = 16;

/// Names a data key: every value tells which one it is sealed by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataKeyId([u8; ID_BYTES]);

/// 32 hex digits.
impl fmt::Display for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DataKeyId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError {
            text: text.to_owned(),
            expected: "a data key's id: 32 hex digits",
        };
        let digits = text.len() == 2 * ID_BYTES && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| digits);
        Ok(Self(number.ok_or_else(wrong)?.to_be_bytes()))
    }
}

/// A key that values are sealed by.
pub struct DataKey {
    id: DataKeyId,
    key: Key,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.id)
    }
}

impl DataKey {
    /// A new one.
    ///
    /// # Errors
    /// [`VaultError::Random`]
    pub fn random() -> Result<Self, VaultError> {
        let mut id = [0; ID_BYTES];
        cipher::random(&mut id)?;
        Ok(Self {
            id: DataKeyId(id),
            key: cipher::random_key()?,
        })
    }

    pub(super) fn of(id: DataKeyId, key: Key) -> Self {
        Self { id, key }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> DataKeyId {
        self.id
    }

    /// Seals the value of `name`.
    ///
    /// # Errors
    /// [`VaultError::Random`]
    pub fn seal(&self, name: &SecretName, value: &SecretValue) -> Result<Vec<u8>, VaultError> {
        let value = value.expose().as_bytes();
        let length = u32::try_from(value.len()).expect("a value has 64 KiB at most");
        let padded = (LENGTH_BYTES + value.len()).next_multiple_of(BLOCK_BYTES);
        let mut plain = Zeroizing::new(Vec::with_capacity(padded));
        plain.extend_from_slice(&length.to_le_bytes());
        plain.extend_from_slice(value);
        plain.resize(padded, 0);
        cipher::seal(&self.key, &self.bound_to(name), &plain)
    }

    /// Opens the value of `name`.
    ///
    /// # Errors
    /// [`VaultError::DamagedValue`] where it is not what this key sealed for that name.
    pub fn open(&self, name: &SecretName, sealed: &[u8]) -> Result<SecretValue, VaultError> {
        let damaged = || VaultError::DamagedValue { name: name.clone() };
        let plain = cipher::open(&self.key, &self.bound_to(name), sealed).ok_or_else(damaged)?;
        let (length, rest) = plain.split_first_chunk::<LENGTH_BYTES>().ok_or_else(damaged)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| damaged())?;
        let value = rest.get(..length).ok_or_else(damaged)?;
        let value = String::from_utf8(value.to_vec()).map_err(|error| {
            error.into_bytes().zeroize();
            damaged()
        })?;
        Ok(SecretValue::new(value))
    }

    /// What a value is bound to: its name and this key.
    fn bound_to(&self, name: &SecretName) -> Vec<u8> {
        [b"autokestra secret 1\0", self.id.0.as_slice(), name.as_str().as_bytes()].concat()
    }
}

impl DataKeyId {
    /// What a sealed key is bound to, with what the master key adds.
    pub(super) fn bound_to(self, master: &[u8]) -> Vec<u8> {
        [b"autokestra data key 1\0", self.0.as_slice(), master].concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> SecretName {
        text.parse().expect("a good name")
    }

    #[test]
    fn a_value_in_the_place_of_another_does_not_open() {
        let (first, second) = (DataKey::random().expect("a key"), DataKey::random().expect("a key"));
        let sealed = first
            .seal(&name("A"), &SecretValue::new("hidden-word".to_owned()))
            .expect("it is sealed");
        assert_eq!(
            first.open(&name("A"), &sealed).expect("it opens").expose(),
            "hidden-word"
        );
        for (key, at) in [(&first, "B"), (&first, "AA"), (&second, "A")] {
            let opened = key.open(&name(at), &sealed);
            assert!(matches!(opened, Err(VaultError::DamagedValue { .. })), "{opened:?}");
        }
        // The very key, by another name.
        let renamed = DataKey::of(second.id, first.key);
        assert!(renamed.open(&name("A"), &sealed).is_err());
    }

    #[test]
    fn the_length_of_a_value_is_hidden() {
        let key = DataKey::random().expect("a key");
        let length = |value: &str| {
            let value = SecretValue::new(value.to_owned());
            key.seal(&name("A"), &value).expect("it is sealed").len()
        };
        assert_eq!(length("four"), length(&"x".repeat(60)));
        assert_eq!(length("four") + BLOCK_BYTES, length(&"x".repeat(61)));
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = DataKey::random().expect("a key").id();
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "+0000000000000000000000000000000", "0", &id.to_string().repeat(2)] {
            assert!(wrong.parse::<DataKeyId>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_as_it_was(value in "\\PC{0,200}", name in "[A-Za-z_][A-Za-z0-9_]{0,62}") {
            let key = DataKey::random().expect("a key");
            let name: SecretName = name.parse().expect("a good name");
            let sealed = key.seal(&name, &SecretValue::new(value.clone())).expect("it is sealed");
            let opened = key.open(&name, &sealed).expect("it opens");
            prop_assert_eq!(opened.expose(), value);
        }
    }
}
