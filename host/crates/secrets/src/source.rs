//! Where the values of secrets come from, before the secret store is asked: a file of the command, the environment, the
//! file of the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use autokestra_model::yaml::{self, FILE_BYTES_MAX, Node, NodeKind};
use autokestra_model::{SecretName, Source};
use zeroize::Zeroize as _;

use crate::private::{self, PrivateError};
use crate::value::{SecretValue, Secrets};
use crate::vault::SECRET_BYTES_MAX;

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
    /// One is longer than a secret may be.
    #[error("the value of `{name}` is longer than {SECRET_BYTES_MAX} bytes (64 KiB)")]
    TooLong {
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

/// Whether a value can be a secret's: long enough to be masked, and short enough to be looked for in all output.
///
/// # Errors
/// [`SecretsError::TooShort`], [`SecretsError::TooLong`].
pub fn check(name: &SecretName, value: &SecretValue) -> Result<(), SecretsError> {
    let value = value.expose();
    if value.chars().count() < SECRET_CHARS_MIN {
        return Err(SecretsError::TooShort { name: name.clone() });
    }
    if value.len() > SECRET_BYTES_MAX {
        return Err(SecretsError::TooLong { name: name.clone() });
    }
    Ok(())
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

/// The places that are looked into first, in their order.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The file that a command names: a YAML mapping of names to values, which only its owner may read.
    pub given: Option<&'a Path>,
    /// Reads a variable of the environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The file that the configuration names.
    pub configured: Option<&'a Path>,
}

impl std::fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("given", &self.given)
            .field("configured", &self.configured)
            .finish_non_exhaustive()
    }
}

impl Sources<'_> {
    /// The values of `names` that are in these places. A file is not read where nothing is missing any more.
    ///
    /// # Errors
    /// [`SecretsError`] where a file cannot be used.
    pub fn gather(&self, names: &[SecretName]) -> Result<Gathered, SecretsError> {
        let mut gathered = Gathered {
            found: Vec::new(),
            missing: names.to_vec(),
            file: self.given.or(self.configured).map(Path::to_path_buf),
        };
        gathered.add_file(self.given)?;
        gathered.add(|name| (self.environment)(&format!("{VARIABLE_PREFIX}{name}")).map(SecretValue::new))?;
        gathered.add_file(self.configured)?;
        Ok(gathered)
    }
}

/// Values that were found, and the names that are still without one.
#[derive(Debug)]
pub struct Gathered {
    found: Vec<(SecretName, SecretValue)>,
    missing: Vec<SecretName>,
    file: Option<PathBuf>,
}

impl Gathered {
    /// The names that have no value yet.
    #[must_use]
    pub fn missing(&self) -> &[SecretName] {
        &self.missing
    }

    /// Takes the values of those that have none yet, where `value` has one.
    ///
    /// # Errors
    /// As [`check`].
    pub fn add(&mut self, mut value: impl FnMut(&SecretName) -> Option<SecretValue>) -> Result<(), SecretsError> {
        let mut missing = Vec::new();
        for name in std::mem::take(&mut self.missing) {
            match value(&name) {
                Some(value) => {
                    check(&name, &value)?;
                    self.found.push((name, value));
                }
                None => missing.push(name),
            }
        }
        self.missing = missing;
        Ok(())
    }

    fn add_file(&mut self, path: Option<&Path>) -> Result<(), SecretsError> {
        match path {
            Some(path) if !self.missing.is_empty() => {
                let mut values = read_file(path)?;
                self.add(|name| values.remove(name.as_str()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// All values.
    ///
    /// # Errors
    /// [`SecretsError::Missing`], with every name that has none.
    pub fn finish(self) -> Result<Secrets, SecretsError> {
        if self.missing.is_empty() {
            Ok(self.found.into_iter().collect())
        } else {
            Err(SecretsError::Missing {
                names: self.missing,
                file: self.file,
            })
        }
    }
}

/// The names that a file of secrets has values for. What is no secret's name is left out: no workflow can name it.
///
/// # Errors
/// [`SecretsError`] where the file cannot be used.
pub fn names_in_file(path: &Path) -> Result<Vec<SecretName>, SecretsError> {
    let values = read_file(path)?;
    Ok(values.keys().filter_map(|name| name.parse().ok()).collect())
}

fn read_file(path: &Path) -> Result<BTreeMap<String, SecretValue>, SecretsError> {
    let text = private::read(path, FILE_BYTES_MAX).map_err(|error| match error {
        PrivateError::Exposed(mode) => SecretsError::Exposed {
            path: path.to_path_buf(),
            mode,
        },
        PrivateError::Unreadable(source) => SecretsError::Unreadable {
            path: path.to_path_buf(),
            source,
        },
    })?;
    let source = Source::new(path.display().to_string(), text.as_str());
    drop(text);
    let values = parse(&source);
    // No copy of it is left but the values.
    let mut text = source.into_text();
    if let Some(text) = Arc::get_mut(&mut text) {
        text.zeroize();
    }
    values
}

fn parse(source: &Source) -> Result<BTreeMap<String, SecretValue>, SecretsError> {
    let mut root = yaml::parse(source).map_err(|errors| {
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
    let values = take_values(&mut root, source);
    wipe(&mut root);
    values
}

/// Moves the values out of their tree.
fn take_values(root: &mut Node, source: &Source) -> Result<BTreeMap<String, SecretValue>, SecretsError> {
    let malformed = |start: usize, what: &str| {
        let (line, column) = source.line_column(start);
        SecretsError::Malformed {
            text: format!("{}:{line}:{column}: {what}", source.name()),
        }
    };
    let NodeKind::Mapping(entries) = &mut root.kind else {
        return Err(malformed(root.span.start, "a mapping of names to values is expected"));
    };
    let mut found = BTreeMap::new();
    for (key, node) in entries {
        let value = match &mut node.kind {
            NodeKind::String(text) => std::mem::take(text),
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

/// Overwrites every text of a tree that was not taken.
fn wipe(node: &mut Node) {
    match &mut node.kind {
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_) => {}
        NodeKind::String(text) => text.zeroize(),
        NodeKind::Sequence(items) => items.iter_mut().for_each(wipe),
        NodeKind::Mapping(entries) => {
            for (key, node) in entries {
                key.text.zeroize();
                wipe(node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(folder: &tempfile::TempDir, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it is written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("it is set");
        path
    }

    fn names(names: &[&str]) -> Vec<SecretName> {
        names.iter().map(|name| name.parse().expect("a good name")).collect()
    }

    #[test]
    fn the_given_file_wins_over_the_environment_and_that_over_the_configured_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let given = file(&folder, "given.yaml", "A: of-given\n", 0o600);
        let configured = file(
            &folder,
            "configured.yaml",
            "A: of-file\nB: of-file\nC: of-file\n9X: left-out\n",
            0o400,
        );
        let sources = Sources {
            given: Some(&given),
            environment: &|name| {
                (name == "WORKFLOW_SECRET_A" || name == "WORKFLOW_SECRET_B").then(|| "of-env".to_owned())
            },
            configured: Some(&configured),
        };
        let mut gathered = sources
            .gather(&names(&["A", "B", "C", "D"]))
            .expect("the files are good");
        assert_eq!(gathered.missing(), names(&["D"]));
        gathered
            .add(|name| Some(SecretValue::new(format!("stored-{name}"))))
            .expect("long enough");
        let secrets = gathered.finish().expect("none is missing");
        let found: Vec<&str> = secrets.iter().map(|(_, value)| value.expose()).collect();
        assert_eq!(found, ["of-given", "of-env", "of-file", "stored-D"]);
        assert_eq!(names_in_file(&configured).expect("it is good"), names(&["A", "B", "C"]));
    }

    #[test]
    fn what_is_missing_short_exposed_or_malformed_is_told_without_a_value() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let gather = |path: &Path| {
            let sources = Sources {
                given: None,
                environment: &|_| None,
                configured: Some(path),
            };
            let told = sources
                .gather(&names(&["A", "B"]))
                .and_then(Gathered::finish)
                .expect_err("something is wrong")
                .to_string();
            told.replace(&folder.path().display().to_string(), "<folder>")
        };
        let told = [
            gather(&file(&folder, "missing.yaml", "C: hidden-word", 0o600)),
            gather(&file(&folder, "short.yaml", "A: pin", 0o600)),
            gather(&file(&folder, "exposed.yaml", "A: hidden-word", 0o640)),
            gather(&file(&folder, "number.yaml", "A: 12345678", 0o600)),
            gather(&file(&folder, "list.yaml", "- hidden-word", 0o600)),
            gather(&file(&folder, "broken.yaml", "A: \"hidden-word", 0o600)),
            gather(&folder.path().join("nowhere.yaml")),
        ];
        insta::assert_snapshot!(told.join("\n"), @r"
        no value for the secrets `A`, `B`
        the secret `A` is shorter than 4 characters, so it cannot be masked
        <folder>/exposed.yaml may be read by others than its owner (mode 640)
        <folder>/number.yaml:1:4: a secret's value must be a string: put it in quotes
        <folder>/list.yaml:1:1: a mapping of names to values is expected
        <folder>/broken.yaml:1:4: it is no YAML mapping of names to values
        read the secrets of <folder>/nowhere.yaml
        ");
    }

    #[test]
    fn a_file_that_is_not_needed_is_not_read() {
        let sources = Sources {
            given: Some(Path::new("/nowhere")),
            environment: &|_| Some("of-env".to_owned()),
            configured: Some(Path::new("/nowhere")),
        };
        assert!(sources.gather(&[]).is_ok_and(|gathered| gathered.finish().is_ok()));
        assert!(sources.gather(&names(&["A"])).is_err(), "the given file comes first");
        let sources = Sources { given: None, ..sources };
        assert!(sources.gather(&names(&["A"])).is_ok());
    }
}
