//! Errors of secrets, of the store that keeps them, and of the keys to it.

use autokestra_engine::SecretStoreError;
use autokestra_model::{ReasonCode, SecretName};
use autokestra_secrets::source::{SecretsError, VARIABLE_PREFIX};
use autokestra_secrets::vault::{KEY_VARIABLE, KeyPlace, VaultError};

use super::{CliError, Exit};

/// What is left to do where the master key is gone.
const LOST: &str =
    "where that key is lost, so are the values: `workflow secret delete NAME` each of them, and set them anew";

impl From<SecretsError> for CliError {
    fn from(error: SecretsError) -> Self {
        let shown = Self::of(Exit::Input, &error);
        match &error {
            SecretsError::Missing { names, file } => {
                let file = match file {
                    Some(path) => format!("add it to {}", path.display()),
                    None => "name a YAML file of NAME: value by `--secrets FILE` or `secrets.file`".to_owned(),
                };
                let ways = names.iter().map(advice).collect::<Vec<_>>().join("\n");
                shown.hint(format!("{ways}\nor {file}")).page(ReasonCode::SecretMissing)
            }
            SecretsError::Exposed { path, .. } => shown.hint(format!("chmod 600 {}", path.display())),
            SecretsError::TooLong { .. } => shown.hint("what is longer is a file: grant the task one by `permissions`"),
            SecretsError::Unreadable { .. } | SecretsError::Malformed { .. } => {
                shown.hint("a file of secrets is YAML: `NAME: value`, a line each, which only its owner may read")
            }
            SecretsError::TooShort { .. } => shown,
        }
    }
}

/// How a secret gets a value.
fn advice(name: &SecretName) -> String {
    format!("workflow secret set {name}, or set {VARIABLE_PREFIX}{name}")
}

impl From<VaultError> for CliError {
    fn from(error: VaultError) -> Self {
        let exit = match error {
            VaultError::NoKey { .. }
            | VaultError::WrongKey { .. }
            | VaultError::MalformedKey { .. }
            | VaultError::Exposed { .. }
            | VaultError::Unreadable { .. } => Exit::Input,
            VaultError::NotWritten { .. }
            | VaultError::Keyring { .. }
            | VaultError::DamagedKey
            | VaultError::DamagedValue { .. }
            | VaultError::Random { .. } => Exit::Machine,
        };
        let shown = Self::of(exit, &error);
        match &error {
            VaultError::NoKey { .. } => shown.hint(format!(
                "put the key back where it was, name its file by `secrets.keyFile`, or set {KEY_VARIABLE}\n{LOST}"
            )),
            VaultError::WrongKey { place, expected, .. } => {
                let other = match place {
                    KeyPlace::Environment => format!("set {KEY_VARIABLE} to the right key, or unset it"),
                    KeyPlace::File(_) | KeyPlace::Keyring => {
                        format!("name the file of the right key by `secrets.keyFile`; its first line tells {expected}")
                    }
                };
                shown.hint(format!("{other}\n{LOST}"))
            }
            VaultError::MalformedKey { place } => shown.hint(match place {
                KeyPlace::Environment => format!("set {KEY_VARIABLE} to the last line of a key file, or unset it"),
                KeyPlace::File(_) | KeyPlace::Keyring => {
                    "put the right key back; where no secret was set yet, remove it, and a new one is made".to_owned()
                }
            }),
            VaultError::Exposed { path, .. } => shown.hint(format!("chmod 600 {}", path.display())),
            VaultError::Unreadable { .. } => shown.hint("check its owner and its permissions"),
            VaultError::NotWritten { .. } => {
                shown.hint("check the folder and its permissions, or name another file by `secrets.keyFile`")
            }
            VaultError::Keyring { .. } => shown.hint(
                "install `secret-tool` (of libsecret, in Debian libsecret-tools), and unlock the keyring of your session\n\
                 `secrets.keyring: false` uses a key file instead",
            ),
            VaultError::DamagedKey => shown.hint(format!("restore the database from a backup\n{LOST}")),
            VaultError::DamagedValue { name } => {
                shown.hint(format!("set it anew: workflow secret set {name}\nor restore the database from a backup"))
            }
            VaultError::Random { .. } => shown,
        }
    }
}

impl From<SecretStoreError> for CliError {
    fn from(error: SecretStoreError) -> Self {
        match error {
            SecretStoreError::Vault(source) => source.into(),
            SecretStoreError::Value(source) => source.into(),
            SecretStoreError::Store(source) => source.into(),
            SecretStoreError::Empty => {
                Self::of(Exit::Failed, &error).hint("`workflow secret set NAME` sets the first secret")
            }
            SecretStoreError::SameKey { ref path } => Self::of(Exit::Input, &error).hint(format!(
                "use it by `secrets.keyFile: {}`; for yet another key, name another file",
                path.display()
            )),
            SecretStoreError::Contended => Self::of(Exit::Machine, &error).hint("try again"),
            SecretStoreError::Ending => Self::of(Exit::Machine, &error),
        }
    }
}
