//! The operator's ceiling on what workflows may grant themselves.

use std::path::{Component, Path, PathBuf};

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::id::{Digest, PluginName};
use crate::permission::{NetworkPattern, Permissions};
use crate::workflow::{PermissionPlaces, Workflow};

/// What is allowed at most of one kind, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceiling<T> {
    /// What is allowed.
    pub allowed: Vec<T>,
    /// Where it stands, for messages: `config.yaml:12`, or words for a default.
    pub origin: String,
}

impl<T> Ceiling<T> {
    /// What stands at `origin`.
    #[must_use]
    pub fn new(allowed: Vec<T>, origin: impl Into<String>) -> Self {
        Self {
            allowed,
            origin: origin.into(),
        }
    }
}

/// The folders that may be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Absolute paths, every link in them followed.
    pub listed: Ceiling<PathBuf>,
    /// Whether the folder of the workflow file may be granted as well.
    pub of_workflow: bool,
}

impl Folders {
    /// Whether `path`, absolute and without `..`, is one of them or below one. `base` is the folder of the workflow file.
    #[must_use]
    pub fn allow(&self, path: &Path, base: &Path) -> bool {
        let own = self.of_workflow.then_some(base).into_iter();
        let mut folders = self.listed.allowed.iter().map(PathBuf::as_path).chain(own);
        folders.any(|folder| path.starts_with(folder))
    }
}

/// The ceiling. What a workflow grants beyond it is refused before anything runs, and again when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Hosts and ports; none: every public host.
    pub network: Option<Ceiling<NetworkPattern>>,
    /// Folders that may be granted for reading.
    pub read: Folders,
    /// Folders that may be granted for writing.
    pub write: Folders,
    /// Variables, by name, or by their beginning and `*`.
    pub env: Ceiling<String>,
    /// Plugins, by name, `namespace/*` or digest; none: every plugin.
    pub plugins: Option<Ceiling<String>>,
}

/// The words for a ceiling that nobody set.
const BY_DEFAULT: &str = "the default policy";

impl Default for Policy {
    /// The folder of the workflow file, every public host, no variables, every plugin.
    fn default() -> Self {
        let folders = || Folders {
            listed: Ceiling::new(Vec::new(), BY_DEFAULT),
            of_workflow: true,
        };
        Self {
            network: None,
            read: folders(),
            write: folders(),
            env: Ceiling::new(Vec::new(), BY_DEFAULT),
            plugins: None,
        }
    }
}

/// Why a grant is past the ceiling.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is more than {origin} allows")]
pub struct PastCeiling {
    /// What is granted.
    pub what: String,
    /// Where the ceiling stands.
    pub origin: String,
    /// What the operator would write, and where.
    pub help: String,
}

impl Policy {
    /// Whether an entry of `permissions.network` stays below the ceiling.
    ///
    /// # Errors
    /// [`PastCeiling`] where it does not.
    pub fn check_network(&self, entry: &NetworkPattern) -> Result<(), PastCeiling> {
        let (fits, origin) = match &self.network {
            None => (!entry.reaches_private(), BY_DEFAULT),
            Some(ceiling) => (
                ceiling.allowed.iter().any(|allowed| allowed.covers(entry)),
                ceiling.origin.as_str(),
            ),
        };
        let text = entry.as_str();
        let line = if entry.is_private() {
            format!("{{ host: \"{text}\", private: true }}")
        } else {
            format!("\"{text}\"")
        };
        past(
            fits,
            format!("the network grant `{text}`"),
            origin,
            format!("policy.network: [{line}]"),
        )
    }

    /// Whether an entry of `permissions.env` does.
    ///
    /// # Errors
    /// [`PastCeiling`] where it does not.
    pub fn check_env(&self, name: &str) -> Result<(), PastCeiling> {
        let fits = self.env.allowed.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => allowed == name,
        });
        past(
            fits,
            format!("the variable `{name}`"),
            &self.env.origin,
            format!("policy.env: [{name}]"),
        )
    }

    /// Whether a granted path does. `path` is absolute, with every link in it followed where that can be done.
    ///
    /// # Errors
    /// [`PastCeiling`] where it does not.
    pub fn check_path(&self, path: &Path, base: &Path, write: bool) -> Result<(), PastCeiling> {
        let (folders, key) = if write {
            (&self.write, "write")
        } else {
            (&self.read, "read")
        };
        let what = format!("the grant to {key} {}", path.display());
        let help = format!("policy.filesystem.{key}: [\"{}\"]", path.display());
        past(folders.allow(path, base), what, &folders.listed.origin, help)
    }

    /// Whether a plugin may run.
    ///
    /// # Errors
    /// [`PastCeiling`] where it may not.
    pub fn check_plugin(&self, name: &PluginName, digest: &Digest) -> Result<(), PastCeiling> {
        let Some(ceiling) = &self.plugins else { return Ok(()) };
        let digest = digest.to_string();
        let fits = ceiling.allowed.iter().any(|allowed| match allowed.strip_suffix("/*") {
            Some(namespace) => name.as_str().split('/').next() == Some(namespace),
            None => allowed == name.as_str() || *allowed == digest,
        });
        let help = format!("plugins.allow: [{name}]   # or its digest: {digest}");
        past(fits, format!("the plugin `{name}`"), &ceiling.origin, help)
    }
}

fn past(fits: bool, what: String, origin: &str, help: String) -> Result<(), PastCeiling> {
    if fits {
        return Ok(());
    }
    Err(PastCeiling {
        what,
        origin: origin.to_owned(),
        help,
    })
}

impl Workflow {
    /// Holds every grant of the workflow and its tasks against the operator's ceiling. `base` is the folder of the workflow file,
    /// with every link in it followed; links below it are followed only when a grant is opened.
    #[must_use]
    pub fn check_policy(&self, policy: &Policy, base: &Path) -> Diagnostics {
        let mut found = Diagnostics::new();
        let mut check = |granted: &Permissions, places: &PermissionPlaces| {
            let mut say = |checked: Result<(), PastCeiling>, span: Option<&Span>| {
                if let Err(past) = checked {
                    found.push(past_ceiling(&past, span.copied().unwrap_or(places.whole)));
                }
            };
            for (index, entry) in granted.network.iter().enumerate() {
                say(policy.check_network(entry), places.network.get(index));
            }
            for (index, path) in granted.read.iter().enumerate() {
                say(
                    policy.check_path(&absolute(base, path), base, false),
                    places.read.get(index),
                );
            }
            for (index, path) in granted.write.iter().enumerate() {
                say(
                    policy.check_path(&absolute(base, path), base, true),
                    places.write.get(index),
                );
            }
            for (index, name) in granted.env.iter().enumerate() {
                say(policy.check_env(name), places.env.get(index));
            }
        };
        check(&self.permissions, &self.permission_places);
        for task in &self.tasks {
            if let (Some(granted), Some(places)) = (&task.permissions, &task.places.permissions) {
                check(granted, places);
            }
        }
        found
    }
}

/// The diagnostic of a grant past the ceiling.
#[must_use]
pub fn past_ceiling(past: &PastCeiling, span: Span) -> Diagnostic {
    let error = Diagnostic::error("past_policy", span, past.to_string());
    let label = format!("not allowed by {}", past.origin);
    error
        .label(label)
        .help(format!("the operator allows it in the configuration by\n{}", past.help))
}

/// A granted path as an absolute one, without `.`.
fn absolute(base: &Path, path: &str) -> PathBuf {
    base.join(path)
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(entries: &[(&str, bool)]) -> Policy {
        let parse = |(text, private): &(&str, bool)| NetworkPattern::parse(text, *private).expect("a good pattern");
        Policy {
            network: Some(Ceiling::new(entries.iter().map(parse).collect(), "config.yaml:3")),
            ..Policy::default()
        }
    }

    fn fits(policy: &Policy, entry: &str, private: bool) -> bool {
        let entry = NetworkPattern::parse(entry, private).expect("a good pattern");
        policy.check_network(&entry).is_ok()
    }

    #[test]
    fn by_default_every_public_host_and_nothing_else_may_be_granted() {
        let policy = Policy::default();
        for yes in ["api.example.com:443", "*.example.org", "*:*", "8.8.8.8:53"] {
            assert!(fits(&policy, yes, false), "{yes}");
        }
        for no in [
            "127.0.0.1:80",
            "localhost:80",
            "10.0.0.0/8:*",
            "[::1]:80",
            "0.0.0.0/0:*",
            "[::ffff:10.0.0.1]:80",
        ] {
            assert!(!fits(&policy, no, false), "{no}");
        }
        assert!(!fits(&policy, "db.corp:5432", true));
        assert!(policy.check_env("HOME").is_err());
        let base = Path::new("/flows");
        assert!(policy.check_path(Path::new("/flows/data"), base, true).is_ok());
        assert!(policy.check_path(Path::new("/flowsdata"), base, false).is_err());
        assert!(policy.check_path(Path::new("/etc"), base, false).is_err());
    }

    #[test]
    fn a_ceiling_covers_what_it_says() {
        let policy = network(&[
            ("*.example.com:443", false),
            ("10.0.0.0/8:*", false),
            ("db.corp:5432", true),
            ("localhost:*", false),
        ]);
        for (entry, private) in [
            ("api.example.com:443", false),
            ("10.1.0.0/16:5432", false),
            ("db.corp:5432", true),
            ("localhost:8080", false),
        ] {
            assert!(fits(&policy, entry, private), "{entry}");
        }
        for (entry, private) in [
            ("example.com:443", false),
            ("api.example.com:80", false),
            ("api.example.com:443", true),
            ("11.0.0.1:5432", false),
            ("*:*", false),
        ] {
            assert!(!fits(&policy, entry, private), "{entry}");
        }
        // A wildcard is for what is public: it lets no workflow name the machine itself.
        assert!(!fits(&network(&[("*:*", false)]), "localhost:80", false));
        assert!(!fits(&network(&[("*:*", false)]), "127.0.0.1:80", false));
        assert!(fits(&network(&[("*:*", true)]), "127.0.0.1:80", false));
    }

    #[test]
    fn plugins_are_allowed_by_name_namespace_or_digest() {
        let digest = Digest::of(b"code");
        let allows = |entry: &str| {
            let policy = Policy {
                plugins: Some(Ceiling::new(vec![entry.to_owned()], "config.yaml:9")),
                ..Policy::default()
            };
            policy
                .check_plugin(&"core/http".parse().expect("a name"), &digest)
                .is_ok()
        };
        assert!(allows("core/http") && allows("core/*") && allows(&digest.to_string()));
        assert!(!allows("core/json") && !allows("cor/*") && !allows("*"));
    }

    #[test]
    fn variables_are_allowed_by_name_or_beginning() {
        let policy = Policy {
            env: Ceiling::new(vec!["TZ".to_owned(), "LC_*".to_owned()], "config.yaml:4"),
            ..Policy::default()
        };
        assert!(policy.check_env("TZ").is_ok() && policy.check_env("LC_ALL").is_ok());
        let error = policy.check_env("TZX").expect_err("another variable");
        assert_eq!(
            error.to_string(),
            "the variable `TZX` is more than config.yaml:4 allows"
        );
    }
}
