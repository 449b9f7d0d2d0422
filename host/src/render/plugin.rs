//! Plugins for people and for scripts.

use std::sync::Arc;

use autokestra_engine::OwnPlugin;
use autokestra_model::{ActionInfo, ActionName};
use autokestra_sandbox::{Capabilities, Origin, Plugin, Proof};
use serde_json::Value;

use super::{Table, Tint, Ui, bytes, safe};

/// A plugin, and where it was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// One that a component offers.
    Component { plugin: Arc<Plugin>, origin: Origin },
    /// One of the engine's own.
    Own(&'static OwnPlugin),
}

impl Found {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Component { plugin, .. } => plugin.name.as_str(),
            Self::Own(own) => own.name.as_str(),
        }
    }

    pub(super) fn version(&self) -> &str {
        self.component()
            .map_or(env!("CARGO_PKG_VERSION"), |plugin| &plugin.version)
    }

    pub(super) fn description(&self) -> &str {
        match self {
            Self::Component { plugin, .. } => &plugin.description,
            Self::Own(own) => own.description,
        }
    }

    pub(super) fn actions(&self) -> &[Arc<ActionInfo>] {
        match self {
            Self::Component { plugin, .. } => &plugin.actions,
            Self::Own(own) => &own.actions,
        }
    }

    pub(super) fn component(&self) -> Option<&Plugin> {
        match self {
            Self::Component { plugin, .. } => Some(plugin),
            Self::Own(_) => None,
        }
    }

    pub(super) fn origin(&self) -> String {
        match self {
            Self::Component { origin, .. } => match origin {
                Origin::Embedded => "embedded".to_owned(),
                Origin::Installed => "installed".to_owned(),
                Origin::File(path) => path.display().to_string(),
            },
            Self::Own(_) => "engine".to_owned(),
        }
    }
}

/// `plugin list`.
pub(crate) fn plugins(ui: &Ui, found: &[Found]) -> String {
    let mut table = Table::new(ui, &["PLUGIN", "VERSION", "SIZE", "ORIGIN", "ACTIONS"]);
    for entry in found {
        let actions: Vec<&str> = entry.actions().iter().map(|action| action.name.as_str()).collect();
        let size = entry.component().map(|plugin| bytes(plugin.size_bytes as u64));
        table.row(vec![
            entry.name().to_owned(),
            safe(entry.version()).into_owned(),
            size.unwrap_or_else(|| "-".to_owned()),
            safe(&entry.origin()).into_owned(),
            actions.join(" "),
        ]);
    }
    table.to_string()
}

/// `plugin inspect`.
pub(crate) fn plugin(ui: &Ui, found: &Found) -> String {
    let name = ui.tint(Tint::Head, found.name());
    let mut text = format!(
        "{name} {}\n{}\n\n",
        safe(found.version()),
        safe(found.description().trim())
    );
    text += &facts(ui, &[("origin", found.origin())]);
    if let Some(component) = found.component() {
        let (size, digest) = (bytes(component.size_bytes as u64), component.digest.to_string());
        text += &facts(ui, &[("size", size), ("digest", digest)]);
        let unreachable: Vec<&str> = component.unreachable().collect();
        text += &bounds(ui, &component.capabilities, &component.proof, &unreachable);
    }
    for action in found.actions() {
        let full = ActionName::of(&action.plugin, &action.name).to_string();
        let again = if action.idempotent { "  (idempotent)" } else { "" };
        text.extend([format!("\n{}{again}\n", ui.tint(Tint::Head, &full))]);
        text.extend([format!("  {}\n", safe(&action.title))]);
        for line in action.description.lines().filter(|line| **line != *action.title) {
            text.extend([format!("  {}\n", safe(line))]);
        }
        text += &fields(ui, &action.input_schema);
        text.extend([format!(
            "  {} {}\n",
            ui.tint(Tint::Faint, "gives"),
            type_of(&action.output_schema)
        )]);
    }
    text
}

/// Labelled facts, one line each.
pub(super) fn facts(ui: &Ui, facts: &[(&str, String)]) -> String {
    let lines = facts.iter().map(|(label, value)| {
        let label = ui.tint(Tint::Faint, &format!("{label:<8}"));
        format!("  {label} {}\n", safe(value))
    });
    lines.collect()
}

/// What a component could do at most, and how that is known.
pub(super) fn bounds(ui: &Ui, capabilities: &Capabilities, proof: &Proof, unreachable: &[&str]) -> String {
    let proved = format!("proved {}", safe(&proof.to_string()));
    let mut text = format!(
        "\n{}  {}\n",
        ui.tint(Tint::Head, "What it could do at most"),
        ui.tint(Tint::Faint, &proved)
    );
    for statement in capabilities.statements() {
        text.extend([format!("  {statement}\n")]);
    }
    if !unreachable.is_empty() {
        text.extend([format!(
            "\n{}\n",
            ui.tint(Tint::Head, "What it imports and cannot reach")
        )]);
    }
    for function in unreachable {
        text.extend([format!("  {}\n", safe(function))]);
    }
    text
}

/// The inputs of a schema, one line each.
fn fields(ui: &Ui, schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object() else {
        return String::new();
    };
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let width = properties
        .keys()
        .map(|key| key.chars().count() + 1)
        .max()
        .unwrap_or_default();
    let mut text = String::new();
    for (key, property) in properties {
        let mark = if required.contains(&key.as_str()) { "" } else { "?" };
        let shown = ui.tint(Tint::Going, &format!("{:<width$}", format!("{}{mark}", safe(key))));
        let words = property["description"].as_str().unwrap_or_default().replace('\n', " ");
        text.extend([format!("    {shown}  {}  {}\n", type_of(property), safe(&words))]);
    }
    text
}

/// A schema's type in a word or two.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or(name);
        return safe(name).into_owned();
    }
    let of = |kind: &str| match kind {
        "array" => format!("list of {}", type_of(&schema["items"])),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(kind) => safe(&of(kind)).into_owned(),
        Value::Array(kinds) => {
            let kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            safe(&kinds.map(of).collect::<Vec<_>>().join(" or ")).into_owned()
        }
        _ => match schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
            Some(choices) => {
                let mut names: Vec<String> = choices
                    .iter()
                    .map(|choice| match &choice["const"] {
                        Value::String(name) => format!("`{}`", safe(name)),
                        _ => type_of(choice),
                    })
                    .filter(|name| name != "null")
                    .collect();
                names.dedup();
                names.join(" or ")
            }
            None => "any".to_owned(),
        },
    }
}
