//! Secrets as they are kept: sealed bytes, which a store does not open.

use autokestra_model::{SecretName, Timestamp};
use autokestra_secrets::vault::DataKeyId;

use crate::change::LogEntry;

/// The key that all values are sealed by, itself sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKeyRow {
    /// Its name.
    pub id: DataKeyId,
    /// The key, sealed.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// Its name.
    pub name: SecretName,
    /// The key that its value is sealed by.
    pub key: DataKeyId,
    /// Its value, sealed.
    pub sealed: Vec<u8>,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// All secrets at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretRows {
    /// Goes up with every change. A change is made only by who saw the newest.
    pub revision: u64,
    /// The key that all of them are sealed by. Without a secret there may be one or none.
    pub key: Option<DataKeyRow>,
    /// The secrets, by name.
    pub secrets: Vec<SecretRow>,
}

/// What is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretChange {
    /// A value, new or in the place of the one that the name had.
    Set {
        /// The secret.
        name: SecretName,
        /// Its value, sealed by the key that there is, or by the new one.
        sealed: Vec<u8>,
        /// A new key, where no secret is left that another has sealed.
        key: Option<DataKeyRow>,
    },
    /// A secret goes.
    Delete {
        /// The secret.
        name: SecretName,
    },
    /// Another key, and all values sealed by it.
    Rotate {
        /// The key.
        key: DataKeyRow,
        /// Every secret there is, with its value.
        sealed: Vec<(SecretName, Vec<u8>)>,
    },
}

/// A change, by whom it was made, and what it starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretUpdate {
    /// The revision that was seen.
    pub seen: u64,
    /// The change.
    pub change: SecretChange,
    /// What the log says of it, written in the same transaction. Its time is that of the change.
    pub entry: LogEntry,
}
