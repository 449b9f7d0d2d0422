//! A secret as a type that nothing prints.

use std::collections::BTreeMap;
use std::fmt;

use autokestra_model::SecretName;
use zeroize::Zeroizing;

/// The value of a secret. It is overwritten when dropped, and has neither `Display` nor `Serialize`.
#[derive(Clone)]
pub struct SecretValue(Zeroizing<String>);

impl SecretValue {
    /// Takes `value` as a secret.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value. Each use of this is a place where a secret can get out.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The secrets of one execution, by name.
#[derive(Clone, Debug, Default)]
pub struct Secrets(BTreeMap<SecretName, SecretValue>);

impl Secrets {
    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &SecretName) -> Option<&SecretValue> {
        self.0.get(name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&SecretName, &SecretValue)> {
        self.0.iter()
    }

    /// These and `more`.
    #[must_use]
    pub fn and(&self, more: &Self) -> Self {
        let pairs = self.0.iter().chain(&more.0);
        pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(SecretName, SecretValue)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (SecretName, SecretValue)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}
