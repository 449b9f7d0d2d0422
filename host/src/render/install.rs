//! `plugin install`, for people and for scripts.

use schemars::JsonSchema;
use serde::Serialize;

use crate::installed::{Entry, EntryKind};

use super::{Tint, Ui, bytes, safe};

/// What was installed.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstalledView<'a> {
    /// What is installed now.
    #[serde(flatten)]
    entry: &'a Entry,
    /// What it could do at most, in sentences.
    capabilities: &'a [String],
    /// The digest of what had the name before; null where nothing had it, or the same.
    replaced: Option<&'a str>,
}

impl<'a> InstalledView<'a> {
    pub(crate) fn new(entry: &'a Entry, replaced: Option<&'a Entry>, capabilities: &'a [String]) -> Self {
        Self {
            entry,
            capabilities,
            replaced: replaced.map(|replaced| replaced.digest.as_str()),
        }
    }
}

/// What was installed, what it could do at most, and how to use it.
pub(crate) fn installed(ui: &Ui, entry: &Entry, replaced: Option<&Entry>, capabilities: &[String]) -> String {
    let version = |entry: &Entry| entry.version.as_ref().map(|version| format!(" {}", safe(version)));
    let mut text = format!(
        "{} {}{}, {}\n  digest  {}\n",
        ui.tint(Tint::Good, "installed"),
        safe(&entry.name),
        version(entry).unwrap_or_default(),
        bytes(entry.size),
        entry.digest
    );
    if let Some(replaced) = replaced {
        let version = version(replaced).unwrap_or_default();
        text.extend([format!("  instead of{version} {}\n", replaced.digest)]);
    }
    for statement in capabilities {
        text.extend([format!("  {statement}\n")]);
    }
    let next = match entry.kind {
        EntryKind::Plugin => format!("workflow plugin inspect {}", safe(&entry.name)),
        EntryKind::Program => format!(
            "its task: {{ type: core/wasm.run, inputs: {{ module: {} }} }}",
            safe(&entry.name)
        ),
    };
    text + &ui.tint(Tint::Faint, &format!("  {next}\n"))
}
