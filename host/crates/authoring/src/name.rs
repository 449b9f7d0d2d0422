//! What a new project may be called.

use std::fmt;
use std::str::FromStr;

/// The namespace of plugins that are named without one.
const LOCAL: &str = "local";

/// The namespaces of the program's own plugins.
const OURS: &[&str] = &["core"];

/// Longest part of a name. It becomes a folder, a file and a crate.
const PART_LENGTH_MAX: usize = 50;

/// The name of a project: `namespace/plugin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectName {
    namespace: String,
    plugin: String,
}

/// Why a text is no name of a project.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is made of other characters, or of more parts.
    #[error(
        "`{text}` is no name of a plugin: it is `plugin` or `namespace/plugin`, each of lower-case letters, digits and single `-`, \
         with a letter first"
    )]
    Malformed {
        /// The text.
        text: String,
    },
    /// It would not fit where it is written.
    #[error("`{part}` is too long for a name: {PART_LENGTH_MAX} characters are the most")]
    Long {
        /// The part.
        part: String,
    },
    /// The namespace is taken.
    #[error("the namespace `{namespace}` is that of the plugins in the program itself")]
    Ours {
        /// The namespace.
        namespace: String,
    },
}

impl ProjectName {
    /// The part before the `/`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The part behind the `/`: the name of the project's folder and of its component.
    #[must_use]
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// A name for package managers, which know no `/`. With the namespace before it, it is no keyword of any language.
    #[must_use]
    pub fn package(&self) -> String {
        format!("{}-{}", self.namespace, self.plugin)
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.plugin)
    }
}

impl FromStr for ProjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (namespace, plugin) = text.split_once('/').unwrap_or((LOCAL, text));
        for part in [namespace, plugin] {
            if !is_part(part) {
                return Err(NameError::Malformed { text: text.to_owned() });
            }
            if part.len() > PART_LENGTH_MAX {
                return Err(NameError::Long { part: part.to_owned() });
            }
        }
        if OURS.contains(&namespace) {
            return Err(NameError::Ours {
                namespace: namespace.to_owned(),
            });
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            plugin: plugin.to_owned(),
        })
    }
}

/// Whether a text is a name for a folder, a crate, a package of npm and one of PyPI alike.
fn is_part(text: &str) -> bool {
    let fits = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.split('-').all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_or_two_plain_parts() {
        for (text, whole, package) in [
            ("hello", "local/hello", "local-hello"),
            ("acme/report", "acme/report", "acme-report"),
            ("a1/b-2-c", "a1/b-2-c", "a1-b-2-c"),
            ("fn", "local/fn", "local-fn"),
        ] {
            let name: ProjectName = text.parse().expect(text);
            assert_eq!((name.to_string().as_str(), name.package().as_str()), (whole, package));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = "a".repeat(PART_LENGTH_MAX + 1);
        for text in [
            "", "/", "a/", "/a", "a/b/c", "..", "../a", "./a", "a/..", "/etc/x", "A", "a b", "a_b", "a.b", "-a", "a-",
            "a--b", "1a", "é", "a\n", "a\0", "--lang", "core/x", "a\\b", "~", "a:b", "@a/b", &long,
        ] {
            assert!(text.parse::<ProjectName>().is_err(), "{text:?}");
        }
    }
}
