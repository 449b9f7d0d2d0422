//! Defaults, then the file, then the environment: each setting with where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use autokestra_model::diagnostic::nearest;
use autokestra_model::reader::{self, Fields};
use autokestra_model::yaml::{self, Node, NodeKind};
use autokestra_model::{Diagnostic, Diagnostics, NetworkPattern, Source};
use autokestra_secrets::source::VARIABLE_PREFIX as SECRET_PREFIX;
use autokestra_secrets::vault::KEY_VARIABLE;
use serde_json::Value;

use super::setting::{Kind, SETTINGS, Setting};

/// The file that is read where none is named.
const FILE: &str = "config.yaml";

/// What our variables begin with.
const VARIABLE_PREFIX: &str = "WORKFLOW_";

/// The variable of `--log-format`.
const LOG_FORMAT_VARIABLE: &str = "WORKFLOW_LOG_FORMAT";

/// Where a setting's value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody said.
    Default,
    /// The file, at this line.
    File(PathBuf, usize),
    /// This variable.
    Environment(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(variable) => write!(f, "${variable}"),
        }
    }
}

/// Every setting's value and origin, by key.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    values: BTreeMap<&'static str, (Value, Origin)>,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// What is doubtful.
    pub(crate) warnings: Vec<String>,
}

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// The file is wrong.
    File(Source, Diagnostics),
    /// Variables are wrong: one message each.
    Environment(Vec<String>),
}

/// Reads the configuration: `file`, or `./config.yaml` if there is one, and `variables`.
pub(crate) fn load(
    file: Option<&Path>,
    variables: &mut dyn Iterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let defaults = SETTINGS
        .iter()
        .map(|setting| (setting.key, (setting.default.to_value(), Origin::Default)));
    let mut loaded = Loaded {
        values: defaults.collect(),
        file: None,
        warnings: Vec::new(),
    };
    let path = match file {
        Some(path) => Some(path.to_path_buf()),
        None => Some(PathBuf::from(FILE)).filter(|path| path.exists()),
    };
    if let Some(path) = path {
        let text = std::fs::read_to_string(&path).map_err(|error| ConfigError::Unreadable(path.clone(), error))?;
        let source = Source::new(path.display().to_string(), text);
        let read = read_file(&source, &path, &mut loaded);
        read.map_err(|errors| ConfigError::File(source, errors))?;
        loaded.file = Some(path);
    }
    read_variables(variables, &mut loaded)?;
    Ok(loaded)
}

impl Loaded {
    /// All settings with their values and origins. A secret one is masked.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&'static Setting, Value, &Origin)> {
        SETTINGS.iter().filter_map(|setting| {
            let (value, origin) = self.values.get(setting.key)?;
            let value = match (setting.kind, value) {
                (Kind::Secret, Value::String(_)) => "***".into(),
                (_, value) => value.clone(),
            };
            Some((setting, value, origin))
        })
    }

    fn value(&self, key: &str) -> &Value {
        let (value, _) = self.values.get(key).expect("every key of the table is loaded");
        value
    }

    /// A number; the table says which keys are.
    pub(crate) fn number(&self, key: &str) -> u64 {
        self.value(key).as_u64().expect("the table says that it is a number")
    }

    /// Whether it is so.
    pub(crate) fn is(&self, key: &str) -> bool {
        self.value(key).as_bool().expect("the table says that it is a boolean")
    }

    /// A text, where it is set.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.value(key).as_str()
    }

    /// Texts.
    pub(crate) fn texts(&self, key: &str) -> Vec<&str> {
        let items = self.value(key).as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).collect()
    }

    /// Network patterns, where they are set.
    pub(crate) fn networks(&self, key: &str) -> Option<Vec<NetworkPattern>> {
        let items = self.value(key).as_array()?;
        let pattern = |item: &Value| match item {
            Value::String(text) => NetworkPattern::parse(text, false).ok(),
            _ => NetworkPattern::parse(item.get("host")?.as_str()?, true).ok(),
        };
        Some(items.iter().filter_map(pattern).collect())
    }

    /// Whether a setting is more than its default, and where it stands.
    pub(crate) fn origin(&self, key: &str) -> Option<String> {
        match self.values.get(key) {
            None | Some((_, Origin::Default)) => None,
            Some((_, origin)) => Some(origin.to_string()),
        }
    }

    fn set(&mut self, setting: &'static Setting, value: Value, origin: Origin) {
        self.values.insert(setting.key, (value, origin));
    }
}

fn read_file(source: &Source, path: &Path, loaded: &mut Loaded) -> Result<(), Diagnostics> {
    let root = match yaml::parse(source) {
        Ok(root) => root,
        // A file of comments alone says nothing, which is allowed.
        Err(errors) if errors.iter().all(|error| error.code == "empty") => return Ok(()),
        Err(errors) => return Err(errors),
    };
    if matches!(root.kind, NodeKind::Null) {
        return Ok(());
    }
    let mut errors = Diagnostics::new();
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut take = |setting: &'static Setting, node: &Node, errors: &mut Diagnostics| {
        if let Some(value) = read_node(setting, node, folder, errors) {
            let (line, _) = source.line_column(node.span.start);
            loaded.set(setting, value, Origin::File(path.to_path_buf(), line));
        }
    };
    read_section(&root, "", &mut take, &mut errors);
    if errors.has_errors() { Err(errors) } else { Ok(()) }
}

/// Reads the section whose keys begin with `prefix`, a text such as `storage.`, and those within it.
fn read_section(
    node: &Node,
    prefix: &'static str,
    take: &mut dyn FnMut(&'static Setting, &Node, &mut Diagnostics),
    errors: &mut Diagnostics,
) {
    let known = known_below(prefix);
    let what = if prefix.is_empty() {
        "the configuration"
    } else {
        prefix.trim_end_matches('.')
    };
    let Some(fields) = Fields::read(node, what, &known, errors) else {
        return;
    };
    for name in known {
        let Some(node) = fields.get(name) else { continue };
        let below = |setting: &&Setting| setting.key.strip_prefix(prefix).is_some_and(|rest| rest == name);
        if let Some(setting) = SETTINGS.iter().find(below) {
            take(setting, node, errors);
        } else if !matches!(node.kind, NodeKind::Null) {
            // A section whose keys are all commented out is null.
            let within = SETTINGS.iter().find_map(|setting| {
                let length = prefix.len() + name.len() + 1;
                let start = setting.key.get(..length)?;
                (start.strip_prefix(prefix)?.strip_suffix('.')? == name).then_some(start)
            });
            if let Some(within) = within {
                read_section(node, within, take, errors);
            }
        }
    }
}

/// The keys that may stand below a prefix.
fn known_below(prefix: &str) -> Vec<&'static str> {
    let mut known = Vec::new();
    for setting in SETTINGS {
        let Some(rest) = setting.key.strip_prefix(prefix) else {
            continue;
        };
        let key = rest.split('.').next().unwrap_or(rest);
        if !known.contains(&key) {
            known.push(key);
        }
    }
    known
}

fn read_node(setting: &'static Setting, node: &Node, folder: &Path, errors: &mut Diagnostics) -> Option<Value> {
    let what = setting.key;
    match setting.kind {
        Kind::Integer { least, most } => reader::integer(node, what, (least, most), errors).map(Value::from),
        Kind::Boolean => reader::boolean(node, what, errors).map(Value::from),
        Kind::Text | Kind::Secret => reader::string(node, what, errors).map(Value::from),
        Kind::Path => reader::string(node, what, errors).map(|text| placed(folder, text)),
        Kind::Paths => {
            let items = reader::list(node, what, errors);
            let paths = items
                .iter()
                .filter_map(|item| reader::string(item, what, errors).map(|text| placed(folder, text)));
            Some(Value::Array(paths.collect()))
        }
        Kind::Texts => {
            let items = reader::list(node, what, errors).iter();
            let texts = items.filter_map(|item| reader::string(item, what, errors).map(Value::from));
            Some(Value::Array(texts.collect()))
        }
        Kind::Networks => {
            let items = reader::list(node, what, errors).iter();
            let patterns = items.filter_map(|item| NetworkPattern::read(item, errors));
            Some(Value::Array(patterns.map(|pattern| network_value(&pattern)).collect()))
        }
        Kind::Proxy => {
            let text = reader::string(node, what, errors)?;
            if proxy(text).is_none() {
                let error = Diagnostic::error("invalid_value", node.span, format!("`{what}` cannot be `{text}`"));
                errors.push(error.label(format!("expected {PROXY_EXPECTED}")));
            }
            Some(text.into())
        }
        Kind::Choice(names) => {
            let text = reader::string(node, what, errors)?;
            if names.contains(&text) {
                return Some(text.into());
            }
            let error = Diagnostic::error("invalid_value", node.span, format!("`{what}` cannot be `{text}`"));
            let error = error.label(format!("expected {}", reader::one_of(names)));
            errors.push(error.did_you_mean(text, names.iter().copied()));
            None
        }
    }
}

/// A path as the file that names it means it.
fn placed(folder: &Path, text: &str) -> Value {
    if folder.as_os_str().is_empty() || Path::new(text).is_absolute() {
        return text.into();
    }
    folder.join(text).display().to_string().into()
}

fn read_variables(
    variables: &mut dyn Iterator<Item = (String, String)>,
    loaded: &mut Loaded,
) -> Result<(), ConfigError> {
    let mut wrong = Vec::new();
    // Secrets, and the key to them, are no settings; nor is what the command line reads before there are any.
    let others = [KEY_VARIABLE, LOG_FORMAT_VARIABLE];
    let ours = variables.filter(|(name, _)| {
        name.starts_with(VARIABLE_PREFIX) && !name.starts_with(SECRET_PREFIX) && !others.contains(&name.as_str())
    });
    let mut ours: Vec<_> = ours.collect();
    ours.sort();
    for (name, text) in ours {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.variable == name) else {
            let known = SETTINGS.iter().map(|setting| setting.variable);
            let near = nearest(&name, known.chain(others));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            loaded
                .warnings
                .push(format!("the environment variable `{name}` is not known{near}"));
            continue;
        };
        match read_text(setting, &text) {
            Ok(value) => loaded.set(setting, value, Origin::Environment(setting.variable)),
            Err(expected) => {
                let shown = if setting.kind == Kind::Secret { "***" } else { &text };
                wrong.push(format!(
                    "the environment variable `{name}` cannot be `{shown}`: expected {expected}"
                ));
            }
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(ConfigError::Environment(wrong))
    }
}

/// The value of a variable, or what was expected instead.
fn read_text(setting: &Setting, text: &str) -> Result<Value, String> {
    match setting.kind {
        Kind::Integer { least, most } => {
            let number = text
                .trim()
                .parse::<u64>()
                .ok()
                .filter(|number| (least..=most).contains(number));
            number
                .map(Value::from)
                .ok_or_else(|| format!("a whole number from {least} to {most}"))
        }
        Kind::Boolean => match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => Err("`true` or `false`".to_owned()),
        },
        Kind::Choice(names) if !names.contains(&text) => Err(reader::one_of(names)),
        Kind::Text | Kind::Secret | Kind::Choice(_) => Ok(text.into()),
        Kind::Path if text.is_empty() => Err("a path".to_owned()),
        Kind::Path => Ok(text.into()),
        Kind::Paths | Kind::Texts => Ok(Value::Array(items_of(text).map(Value::from).collect())),
        Kind::Networks => {
            let patterns = items_of(text).map(|item| {
                let (host, private) = match item.strip_suffix(" private") {
                    Some(host) => (host.trim(), true),
                    None => (item, false),
                };
                let pattern = NetworkPattern::parse(host, private).map_err(|error| error.to_string())?;
                Ok(network_value(&pattern))
            });
            patterns.collect::<Result<_, String>>().map(Value::Array)
        }
        Kind::Proxy => match proxy(text) {
            Some(_) => Ok(text.into()),
            None => Err(PROXY_EXPECTED.to_owned()),
        },
    }
}

fn items_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// A network pattern as a setting keeps it: as it is written in YAML.
fn network_value(pattern: &NetworkPattern) -> Value {
    if pattern.is_private() {
        serde_json::json!({ "host": pattern.as_str(), "private": true })
    } else {
        pattern.as_str().into()
    }
}

/// What a proxy's address looks like.
const PROXY_EXPECTED: &str = "the address of an HTTP proxy, as in http://proxy.example.com:3128";

/// The address of a proxy. One with a password in it is none: it would be shown with the settings.
pub(super) fn proxy(text: &str) -> Option<http::Uri> {
    let uri: http::Uri = text.parse().ok()?;
    let plain = uri.scheme_str() == Some("http") && uri.host().is_some() && matches!(uri.path(), "" | "/");
    (plain && !text.contains('@')).then_some(uri)
}
