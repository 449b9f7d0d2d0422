//! What can be wrong with keys and with what they sealed.

use std::path::PathBuf;

use autokestra_model::SecretName;

use super::master_key::{Fingerprint, KeyPlace};

/// Why a secret store does not open, or cannot be written. No text of it holds a key or a value.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There are secrets, and no key to open them.
    #[error("the secret store is sealed with the master key {expected}, and there is none in {}", places(.looked_into))]
    NoKey {
        /// The one that is needed.
        expected: Fingerprint,
        /// Where it was looked for.
        looked_into: Vec<KeyPlace>,
    },
    /// The key is not the one.
    #[error("the secret store is sealed with the master key {expected}, and {place} holds {found}")]
    WrongKey {
        /// Where the wrong one was found.
        place: KeyPlace,
        /// The wrong one.
        found: Fingerprint,
        /// The one that is needed.
        expected: Fingerprint,
    },
    /// What should be a key is none.
    #[error("{place} does not hold a master key: 64 hex digits, or 44 characters of base64, are expected")]
    MalformedKey {
        /// Where it was found.
        place: KeyPlace,
    },
    /// Others than its owner may read the file of the key.
    #[error("the master key in {} may be read by others than its owner (mode {mode:03o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file of the key cannot be read.
    #[error("read the master key in {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file of the key cannot be made.
    #[error("write a master key to {}", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The keyring does not answer, or does not open.
    #[error("ask the keyring for the master key: {reason}")]
    Keyring {
        /// What it says.
        reason: String,
    },
    /// The sealed data key was changed.
    #[error("the data key of the secret store is damaged, or was sealed in another place")]
    DamagedKey,
    /// A sealed value was changed.
    #[error("the stored value of `{name}` is damaged, or was sealed in another place")]
    DamagedValue {
        /// The secret.
        name: SecretName,
    },
    /// The system has no randomness to give.
    #[error("get random bytes from the system")]
    Random {
        /// Why.
        #[source]
        source: getrandom::Error,
    },
}

fn places(places: &[KeyPlace]) -> String {
    let places: Vec<String> = places.iter().map(ToString::to_string).collect();
    match places.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => "any place".to_owned(),
    }
}
