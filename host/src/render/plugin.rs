//! Plugins for people and for scripts.

use autokestra_sandbox::{Origin, Plugin, Proof};
use serde_json::{Value, json};

use super::{Table, Tint, Ui, bytes, safe};

/// A plugin, and where it was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) plugin: std::sync::Arc<Plugin>,
    pub(crate) origin: Origin,
}

impl Found {
    fn origin(&self) -> String {
        match &self.origin {
            Origin::Embedded => "embedded".to_owned(),
            Origin::File(path) => path.display().to_string(),
        }
    }

    /// The short form of `plugin list --json`.
    pub(crate) fn summary(&self) -> Value {
        let plugin = &self.plugin;
        json!({
            "name": plugin.name.as_str(),
            "version": plugin.version,
            "description": plugin.description,
            "actions": plugin.actions.iter().map(|action| action.name.as_str()).collect::<Vec<_>>(),
            "origin": self.origin(),
            "size": plugin.size_bytes,
            "digest": plugin.digest.to_string(),
        })
    }

    /// The whole of `plugin inspect --json`.
    pub(crate) fn whole(&self) -> Value {
        let plugin = &self.plugin;
        let actions: Vec<Value> = plugin
            .actions
            .iter()
            .map(|action| {
                json!({
                    "name": action.name,
                    "type": format!("{}.{}", plugin.name, action.name),
                    "title": action.title,
                    "description": action.description,
                    "idempotent": action.idempotent,
                    "inputSchema": action.input_schema,
                    "outputSchema": action.output_schema,
                })
            })
            .collect();
        let mut whole = self.summary();
        whole["actions"] = actions.into();
        whole["capabilities"] = plugin.capabilities.statements().into();
        whole["proof"] = match &plugin.proof {
            Proof::CallGraph => json!({ "by": "callGraph" }),
            Proof::Imports { reason } => json!({ "by": "imports", "reason": reason }),
        };
        whole["imports"] = plugin.imports.clone().into();
        whole["unreachable"] = plugin.unreachable().collect::<Vec<_>>().into();
        whole
    }
}

/// `plugin list`.
pub(crate) fn plugins(ui: &Ui, found: &[Found]) -> String {
    let mut table = Table::new(ui, &["PLUGIN", "VERSION", "SIZE", "ORIGIN", "ACTIONS"]);
    for entry in found {
        let plugin = &entry.plugin;
        let actions: Vec<&str> = plugin.actions.iter().map(|action| action.name.as_str()).collect();
        table.row(vec![
            plugin.name.to_string(),
            safe(&plugin.version).into_owned(),
            bytes(plugin.size_bytes as u64),
            safe(&entry.origin()).into_owned(),
            actions.join(" "),
        ]);
    }
    table.to_string()
}

/// `plugin inspect`.
pub(crate) fn plugin(ui: &Ui, found: &Found) -> String {
    let plugin = &found.plugin;
    let name = ui.tint(Tint::Head, plugin.name.as_str());
    let mut text = format!(
        "{name} {}\n{}\n\n",
        safe(&plugin.version),
        safe(plugin.description.trim())
    );
    for (label, value) in [
        ("origin", found.origin()),
        ("size", bytes(plugin.size_bytes as u64)),
        ("digest", plugin.digest.to_string()),
    ] {
        text.extend([format!(
            "  {} {}\n",
            ui.tint(Tint::Faint, &format!("{label:<8}")),
            safe(&value)
        )]);
    }
    text += &bounds(ui, plugin);
    for action in &plugin.actions {
        let full = format!("{}.{}", plugin.name, action.name);
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

/// What a plugin could do at most, and how that is known.
fn bounds(ui: &Ui, plugin: &Plugin) -> String {
    let proved = format!("proved {}", safe(&plugin.proof.to_string()));
    let mut text = format!(
        "\n{}  {}\n",
        ui.tint(Tint::Head, "What it could do at most"),
        ui.tint(Tint::Faint, &proved)
    );
    for statement in plugin.capabilities.statements() {
        text.extend([format!("  {statement}\n")]);
    }
    let unreachable: Vec<&str> = plugin.unreachable().collect();
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
