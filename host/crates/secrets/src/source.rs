//! Where the values of secrets come from: the environment, and a file that only its owner may read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use autokestra_model::yaml::{self, NodeKind};
use autokestra_model::{SecretName, Source};

use crate::value::{SecretValue, Secrets};

/// What the name of a secret's variable begins with.
pub const VARIABLE_PREFIX: &str = "WORKFLOW_SECRET_";

/// Shortest secret, in characters. A shorter one could not be masked without masking half of every log.
pub const SECRET_CHARS_MIN: usize = 4;

/// Why the secrets of a workflow cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// Some have no value.
    #[error("no value for {}", list(.names))]
    Missing {
        /// Those without one.
        names: Vec<SecretName>,
        /// The file that was looked into, if any.
        file: Option<PathBuf>,
    },
    /// One is too short to be masked.
    #[error("the secret `{name}` is shorter than {SECRET_CHARS_MIN} characters, so it cannot be masked")]
    TooShort {
        /// Which.
        name: SecretName,
    },
    /// The file cannot be read.
    #[error("read the secrets of {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others than its owner may read the file.
    #[error("{} may be read by others than its owner (mode {mode:03o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not what it should be. The text shows places, never values.
    #[error("{text}")]
    Malformed {
        /// What is wrong, and where.
        text: String,
    },
}

fn list(names: &[SecretName]) -> String {
    let mut text = if names.len() == 1 {
        "the secret "
    } else {
        "the secrets "
    }
    .to_owned();
    for (index, name) in names.iter().enumerate() {
        text.push_str(if index > 0 { ", `" } else { "`" });
        text.push_str(name.as_str());
        text.push('`');
    }
    text
}

/// Reads the values of `names`. The environment (`WORKFLOW_SECRET_<NAME>`) wins over `file`, a YAML mapping of names to values.
///
/// # Errors
/// [`SecretsError`], with every name that has no value.
pub fn load(
    names: &[SecretName],
    environment: &dyn Fn(&str) -> Option<String>,
    file: Option<&Path>,
) -> Result<Secrets, SecretsError> {
    if names.is_empty() {
        return Ok(Secrets::default());
    }
    let in_file = file.map(read_file).transpose()?.unwrap_or_default();
    let mut missing = Vec::new();
    let mut found = Vec::new();
    for name in names {
        let value = environment(&format!("{VARIABLE_PREFIX}{name}"));
        match value.or_else(|| in_file.get(name.as_str()).map(|value| value.expose().to_owned())) {
            Some(value) if value.chars().count() < SECRET_CHARS_MIN => {
                return Err(SecretsError::TooShort { name: name.clone() });
            }
            Some(value) => found.push((name.clone(), SecretValue::new(value))),
            None => missing.push(name.clone()),
        }
    }
    if missing.is_empty() {
        Ok(found.into_iter().collect())
    } else {
        Err(SecretsError::Missing {
            names: missing,
            file: file.map(Path::to_path_buf),
        })
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, SecretValue>, SecretsError> {
    let unreadable = |source| SecretsError::Unreadable {
        path: path.to_path_buf(),
        source,
    };
    check_mode(path)?;
    let source = Source::new(
        path.display().to_string(),
        std::fs::read_to_string(path).map_err(unreadable)?,
    );
    let root = yaml::parse(&source).map_err(|errors| {
        // The lines of this file hold secrets, so only places and messages are shown.
        let text = errors.iter().map(|error| {
            let (line, column) = source.line_column(error.span.start);
            format!(
                "{}:{line}:{column}: it is no YAML mapping of names to values",
                source.name()
            )
        });
        SecretsError::Malformed {
            text: text.collect::<Vec<_>>().join("\n"),
        }
    })?;
    let malformed = |start: usize, what: &str| {
        let (line, column) = source.line_column(start);
        SecretsError::Malformed {
            text: format!("{}:{line}:{column}: {what}", source.name()),
        }
    };
    let NodeKind::Mapping(entries) = &root.kind else {
        return Err(malformed(root.span.start, "a mapping of names to values is expected"));
    };
    let mut found = BTreeMap::new();
    for (key, node) in entries {
        let value = match &node.kind {
            NodeKind::String(text) => text.clone(),
            NodeKind::Number(_) | NodeKind::Bool(_) => {
                return Err(malformed(
                    node.span.start,
                    "a secret's value must be a string: put it in quotes",
                ));
            }
            NodeKind::Null | NodeKind::Sequence(_) | NodeKind::Mapping(_) => {
                return Err(malformed(node.span.start, "a secret's value must be a string"));
            }
        };
        found.insert(key.text.clone(), SecretValue::new(value));
    }
    Ok(found)
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), SecretsError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path);
    let metadata = metadata.map_err(|source| SecretsError::Unreadable {
        path: path.to_path_buf(),
        source,
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(SecretsError::Exposed {
            path: path.to_path_buf(),
            mode,
        })
    }
}

#[cfg(not(unix))]
fn check_mode(_path: &Path) -> Result<(), SecretsError> {
    Ok(())
}
