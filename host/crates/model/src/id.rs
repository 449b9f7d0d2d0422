//! Ids as types, each with its parser: a raw string id does not cross a crate.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

/// Longest workflow or task id, in bytes: 63, so that an id fits one DNS label or file name part.
pub const NAME_BYTES_MAX: usize = 63;

/// Why a text is not the id it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct IdError {
    /// What was given.
    pub text: String,
    /// What would have been right, as a phrase that follows "is not".
    pub expected: &'static str,
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= NAME_BYTES_MAX
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn is_segment(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_secret_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= NAME_BYTES_MAX
        && bytes
            .first()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// An id that is a checked text: the type, its parser, and its text forms.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:path, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if $check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError { text: text.to_owned(), expected: $expected })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id!(
    /// The id of a workflow, as its file names it.
    WorkflowId,
    is_name,
    "a workflow id: a letter or digit, then up to 62 letters, digits, `_` or `-`"
);
text_id!(
    /// The id of a task, unique in its workflow.
    TaskId,
    is_name,
    "a task id: a letter or digit, then up to 62 letters, digits, `_` or `-`"
);
text_id!(
    /// The name of a secret, in the form of an environment variable's name.
    SecretName,
    is_secret_name,
    "a secret's name: a letter or `_`, then up to 62 letters, digits or `_`"
);

/// The name of a plugin: `namespace/plugin`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginName(Arc<str>);

impl PluginName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PluginName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once('/') {
            Some((namespace, plugin)) if is_segment(namespace) && is_segment(plugin) => Ok(Self(text.into())),
            _ => Err(IdError {
                text: text.to_owned(),
                expected: "a plugin name: `namespace/plugin`, each of lower-case letters, digits or `-`",
            }),
        }
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an action, which is what a task's `type` says: `namespace/plugin.action`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionName {
    plugin: PluginName,
    action: Arc<str>,
}

/// Actions whose component is a plugin of its own, because it is not made as the others are: what a workflow names, and that plugin.
const APART: &[(&str, &str, &str)] = &[("core/script", "python", "core/script-python")];

impl ActionName {
    /// The name of an action of a plugin, as a workflow writes it.
    #[must_use]
    pub fn of(plugin: &PluginName, action: &str) -> Self {
        Self {
            plugin: plugin.clone(),
            action: action.into(),
        }
    }

    /// The actions that go by a plugin's name, and have a plugin of their own.
    pub fn apart(family: &PluginName) -> impl Iterator<Item = &'static str> {
        let of_it = APART.iter().filter(move |(name, ..)| *name == family.as_str());
        of_it.map(|(_, action, _)| *action)
    }

    /// The plugin that offers the action.
    #[must_use]
    pub fn plugin(&self) -> &PluginName {
        &self.plugin
    }

    /// The action's own name, without the plugin's.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }
}

impl FromStr for ActionName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parsed = text.rsplit_once('.').and_then(|(plugin, action)| {
            let apart = APART
                .iter()
                .find(|(family, own, _)| (*family, *own) == (plugin, action));
            let plugin = apart.map_or(plugin, |(_, _, plugin)| plugin).parse().ok()?;
            is_segment(action).then(|| Self {
                plugin,
                action: action.into(),
            })
        });
        parsed.ok_or_else(|| IdError {
            text: text.to_owned(),
            expected: "a task type: `namespace/plugin.action`, each of lower-case letters, digits or `-`",
        })
    }
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apart = APART
            .iter()
            .find(|(_, action, plugin)| (*action, *plugin) == (&*self.action, self.plugin.as_str()));
        let plugin = apart.map_or(self.plugin.as_str(), |(family, ..)| family);
        write!(f, "{plugin}.{}", self.action)
    }
}

impl fmt::Debug for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The id of one execution: `exec-` and a ULID in lower case, so that ids sort by the time they were made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecutionId(Ulid);

impl ExecutionId {
    /// What every execution id starts with.
    pub const PREFIX: &'static str = "exec-";

    /// Makes an id from a time and 80 random bits (the rest of `random` is dropped).
    #[must_use]
    pub fn new(at: crate::Timestamp, random: u128) -> Self {
        Self(Ulid::from_parts(u64::try_from(at.as_millis()).unwrap_or(0), random))
    }

    /// Its 16 bytes: the time, then what is random.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }
}

impl FromStr for ExecutionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError {
            text: text.to_owned(),
            expected: "an execution id: `exec-` and 26 letters or digits",
        };
        let ulid = text.strip_prefix(Self::PREFIX).ok_or_else(error)?;
        if ulid.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(error());
        }
        Ulid::from_string(&ulid.to_ascii_uppercase())
            .map(Self)
            .map_err(|_| error())
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0.to_string().to_ascii_lowercase())
    }
}

impl fmt::Debug for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ExecutionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The blake3 digest of a component's bytes, by which it is addressed once loaded. Text form: 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The digest that `bytes` are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        blake3::Hash::from_hex(text)
            .map(|hash| Self(*hash.as_bytes()))
            .map_err(|_| IdError {
                text: text.to_owned(),
                expected: "a digest: 64 hex digits",
            })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_pattern() {
        for good in ["a", "A9", "daily_sync", "x-1", &"a".repeat(63)] {
            assert_eq!(good.parse::<TaskId>().map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "_a", "a b", "é", "a.b", &"a".repeat(64)] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn action_names_split_at_plugin_and_action() {
        let name: ActionName = "core/http.get".parse().expect("a good name");
        assert_eq!((name.plugin().as_str(), name.action()), ("core/http", "get"));
        // An action whose component is a plugin of its own goes by the name of its family, however it was written.
        for text in ["core/script.python", "core/script-python.python"] {
            let name: ActionName = text.parse().expect("a good name");
            assert_eq!(
                (name.plugin().as_str(), name.action()),
                ("core/script-python", "python")
            );
            assert_eq!(name.to_string(), "core/script.python");
            assert_eq!(name, ActionName::of(name.plugin(), "python"));
        }
        for bad in [
            "http.get",
            "core/http",
            "Core/http.get",
            "core/http.",
            "core/.get",
            "a/b/c.d",
            "core/http.get.x",
        ] {
            assert!(bad.parse::<ActionName>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn execution_ids_sort_by_time_and_read_back() {
        let early = ExecutionId::new(crate::Timestamp::from_millis(1_000), u128::MAX);
        let late = ExecutionId::new(crate::Timestamp::from_millis(1_001), 0);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(late.to_string().parse(), Ok(late));
        assert!("exec-123".parse::<ExecutionId>().is_err());
        assert!(late.to_string().to_uppercase().parse::<ExecutionId>().is_err());
    }
}
