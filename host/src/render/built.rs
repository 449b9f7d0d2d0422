//! What a build made, for people and for scripts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use autokestra_sandbox::Plugin;
use schemars::JsonSchema;
use serde::Serialize;

use super::plugin::facts;
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
    let proved = format!("proved {}", safe(&plugin.proof.to_string()));
    text.extend([format!(
        "\n{}  {}\n",
        ui.tint(Tint::Head, "What it could do at most"),
        ui.tint(Tint::Faint, &proved)
    )]);
    let statements = plugin.capabilities.statements();
    for (word, tint) in [("can", Tint::Doubtful), ("cannot", Tint::Good)] {
        let start = format!("{word} ");
        let abilities: Vec<&str> = statements.iter().filter_map(|said| said.strip_prefix(&start)).collect();
        text += &wrapped(ui, (word, tint), &abilities);
    }
    text.extend([format!("\n{} {}\n", ui.tint(Tint::Faint, "next:"), safe(&built.next()))]);
    text
}

/// A list behind its label, over as many lines as it takes.
fn wrapped(ui: &Ui, (label, tint): (&str, Tint), words: &[&str]) -> String {
    const INDENT: usize = 11;
    let Some((last, first)) = words.split_last() else {
        return String::new();
    };
    let width = ui.width().saturating_sub(INDENT).max(20);
    let mut lines = vec![String::new()];
    let ended = first.iter().map(|word| format!("{word};")).chain([(*last).to_owned()]);
    for word in ended {
        match lines.last_mut() {
            Some(line) if line.is_empty() => *line = word,
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => line.extend([" ", &word]),
            Some(_) | None => lines.push(word),
        }
    }
    let label = ui.tint(tint, &format!("{label:<8}"));
    format!("  {label} {}\n", lines.join(&format!("\n{:INDENT$}", "")))
}

/// The JSON of `plugin build`: a promise, as those of `view`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BuiltView<'a> {
    /// The plugin's name, as workflows write it.
    name: &'a str,
    /// Its version.
    version: &'a str,
    /// What it is written in, as `--lang` names it.
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
