//! Why nothing could be proved by following calls.

/// Why a component's calls could not be followed. Then its imports bound what it could do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unproved {
    /// It cannot be read.
    #[error("it cannot be read at byte {offset}")]
    Malformed {
        /// How far it could be read.
        offset: usize,
    },
    /// An index or a name leads to nothing.
    #[error("{what} leads to nothing")]
    Dangling {
        /// What leads there.
        what: &'static str,
    },
    /// It is built in a way whose calls are not followed.
    #[error("it {what}")]
    Unfollowed {
        /// What it does.
        what: &'static str,
    },
    /// Following it would take too long.
    #[error("it is too large to be followed")]
    TooLarge,
}

impl From<wasmparser::Error> for Unproved {
    fn from(error: wasmparser::Error) -> Self {
        Self::Malformed { offset: error.offset() }
    }
}
