//! Secrets at rest: each value sealed by a data key, and the data key by a master key that is kept elsewhere.
//!
//! Who keeps what is sealed gets bytes and gives them back, and knows no key. What is sealed is bound to its name and its
//! key, so a row that is put in the place of another does not open.

mod cipher;
mod data_key;
mod error;
mod key_file;
mod keyring;
mod master_key;
mod sources;

pub use data_key::{DataKey, DataKeyId, SECRET_BYTES_MAX};
pub use error::VaultError;
pub use master_key::{Fingerprint, KeyPlace, MasterKey};
pub use sources::{KEY_VARIABLE, KeySources};
