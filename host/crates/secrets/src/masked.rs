//! Text that has been through the masker.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

/// Text that may be stored, shown or sent: the [`Masker`](the Masker) made it, or it stood in our source.
///
/// There is no way from a `String` to this type but through a masker, so what takes a `Masked` cannot be given a secret.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Masked(Cow<'static, str>);

impl Masked {
    /// Text of our own source, which holds no secret.
    #[must_use]
    pub const fn literal(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// What the masker made. Only this crate calls it.
    pub(crate) const fn from_masker(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    /// Text read back from the store, which takes nothing that is not masked.
    #[must_use]
    pub const fn from_store(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    /// Two masked texts with words of our own source between them.
    #[must_use]
    pub fn joined(first: &Self, between: &'static str, second: &Self) -> Self {
        Self(Cow::Owned(format!("{first}{between}{second}")))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its beginning, of at most `bytes` bytes and whole characters.
    #[must_use]
    pub fn cut(mut self, bytes: usize) -> Self {
        if self.0.len() > bytes {
            let end = self.0.floor_char_boundary(bytes);
            self.0.to_mut().truncate(end);
        }
        self
    }

    /// The text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Masked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
