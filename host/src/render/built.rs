//! What a build made, for people and for scripts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use autokestra_sandbox::Plugin;
use schemars::JsonSchema;
use serde::Serialize;

use super::plugin::{bounds, facts};
use super::{Tint, Ui, bytes, human, safe};

/// A component that was built, taken by the sandbox and put into its project.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) plugin: Arc<Plugin>,
    /// Where it was put.
    pub(crate) file: PathBuf,
    /// The project, as it was named.
    pub(crate) folder: PathBuf,
    pub(crate) language: &'static str,
    pub(crate) took: Duration,
}

impl Built {
    /// The names of its actions, as workflows write them.
    fn actions(&self) -> Vec<String> {
        let plugin = &self.plugin;
        plugin
            .actions
            .iter()
            .map(|action| format!("{}.{}", plugin.name, action.name))
            .collect()
    }

    /// The command that comes next.
    fn next(&self) -> String {
        let folder = self.folder.display().to_string();
        match folder.as_str() {
            "." => "workflow plugin test".to_owned(),
            folder => format!("workflow plugin test {folder}"),
        }
    }
}

/// `plugin build`.
pub(crate) fn built(ui: &Ui, built: &Built) -> String {
    let plugin = &built.plugin;
    let mut text = format!(
        "{} {}\n",
        ui.tint(Tint::Head, plugin.name.as_str()),
        safe(&plugin.version)
    );
    text += &facts(
        ui,
        &[
            ("file", built.file.display().to_string()),
            ("size", bytes(plugin.size_bytes as u64)),
            ("digest", plugin.digest.to_string()),
            ("actions", built.actions().join(" ")),
            ("built in", human(built.took)),
        ],
    );
    text += &bounds(ui, &plugin.capabilities, &plugin.proof, &[]);
    text.extend([format!("\n{} {}\n", ui.tint(Tint::Faint, "next:"), safe(&built.next()))]);
    text
}

/// The JSON of `plugin build`: a promise, as those of `view`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuiltView<'a> {
    /// The plugin's name, as workflows write it.
    name: &'a str,
    /// Its version.
    version: &'a str,
    /// What it is written in: `rust` or `c`.
    language: &'a str,
    /// Its actions, as workflows write them.
    actions: Vec<String>,
    /// Where its component was put.
    file: String,
    /// The size of its component in bytes.
    size: usize,
    /// The BLAKE3 digest of its component.
    digest: String,
    /// What it could do at most, in sentences.
    capabilities: Vec<String>,
    /// How long it took, in milliseconds.
    duration: u64,
    /// The command that comes next.
    next: String,
}

impl<'a> BuiltView<'a> {
    pub(crate) fn new(built: &'a Built) -> Self {
        let plugin = &built.plugin;
        Self {
            name: plugin.name.as_str(),
            version: &plugin.version,
            language: built.language,
            actions: built.actions(),
            file: built.file.display().to_string(),
            size: plugin.size_bytes,
            digest: plugin.digest.to_string(),
            capabilities: plugin.capabilities.statements(),
            duration: u64::try_from(built.took.as_millis()).unwrap_or(u64::MAX),
            next: built.next(),
        }
    }
}
