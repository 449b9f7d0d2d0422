//! `workflow config show`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::cli::Global;
use crate::config::{Kind, Loaded, SETTINGS, Setting, SettingDefault};
use crate::error::{CliError, Exit};
use crate::place::load;
use crate::render::{Table, Tint, Ui, safe};

const EXAMPLES: &str = "\
Examples:
  workflow config show
  workflow --config /etc/autokestra.yaml config show --json";

/// Show the effective settings, and where each came from
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) fn run(arguments: &Arguments, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let settings = load(global)?;
    if arguments.json {
        let entries = settings.shown().map(|(setting, value, origin)| {
            let entry = EntryView {
                value,
                origin: origin.to_string(),
                variable: setting.variable,
            };
            (setting.key, entry)
        });
        ui.json(&ConfigView(entries.collect()), arguments.pretty)?;
    } else {
        ui.out(&table(ui, &settings))?;
    }
    for warning in &settings.warnings {
        ui.error("warning", warning)?;
    }
    Ok(Exit::Success)
}

/// The settings as a table. On a terminal that is too narrow for them it goes without the variables, whose names follow from the
/// keys.
fn table(ui: &Ui, settings: &Loaded) -> String {
    let head = ["KEY", "VALUE", "FROM", "VARIABLE"];
    let rows = settings.shown().map(|(setting, value, origin)| {
        let value = match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => safe(&text).into_owned(),
            other => other.to_string(),
        };
        let origin = safe(&origin.to_string()).into_owned();
        [setting.key.to_owned(), value, origin, setting.variable.to_owned()]
    });
    let rows: Vec<[String; 4]> = rows.collect();
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default() + 2
    };
    let terminal = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    let columns = match terminal {
        Some(width) if (0..head.len()).map(widest).sum::<usize>() > width => head.len() - 1,
        Some(_) | None => head.len(),
    };
    let mut table = Table::new(ui, head.get(..columns).unwrap_or_default());
    for [key, value, origin, variable] in rows {
        let tint = |text: String| match origin.as_str() {
            "default" => ui.tint(Tint::Faint, &text),
            _ => text,
        };
        let mut row = vec![key, tint(value), tint(origin.clone()), ui.tint(Tint::Faint, &variable)];
        row.truncate(columns);
        table.row(row);
    }
    table.to_string()
}

/// `config show`: every setting by its key.
pub(crate) struct ConfigView<'a>(Vec<(&'a str, EntryView<'a>)>);

impl Serialize for ConfigView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, entry)| (key, entry)))
    }
}

#[derive(Serialize)]
struct EntryView<'a> {
    value: Value,
    origin: String,
    variable: &'a str,
}

impl JsonSchema for ConfigView<'_> {
    fn schema_name() -> Cow<'static, str> {
        "ConfigView".into()
    }

    /// Made from the table of settings, as the output is.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let entry = |setting: &Setting| {
            json_schema!({
                "type": "object",
                "properties": {
                    "value": schema_of_value(setting),
                    "origin": {
                        "type": "string",
                        "description": "Where the value came from: `default`, `FILE:LINE` or `$VARIABLE`.",
                    },
                    "variable": { "const": setting.variable, "description": "The variable that sets it." },
                },
                "required": ["value", "origin", "variable"],
            })
        };
        let keys: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
        let properties: Map<String, Value> = SETTINGS
            .iter()
            .map(|setting| (setting.key.to_owned(), entry(setting).to_value()))
            .collect();
        json_schema!({
            "description": "`config show`: every setting by its key.",
            "type": "object",
            "properties": properties,
            "required": keys,
        })
    }
}

/// The schema of one setting's value. One without a default is null where nobody sets it.
fn schema_of_value(setting: &Setting) -> Schema {
    let mut schema = match setting.kind {
        Kind::Integer { least, most } => json_schema!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Boolean => json_schema!({ "type": "boolean" }),
        Kind::Text | Kind::Path | Kind::Proxy => json_schema!({ "type": "string" }),
        Kind::Secret => json_schema!({ "const": "***", "description": "What was set is not shown." }),
        Kind::Choice(names) => json_schema!({ "enum": names }),
        Kind::Paths | Kind::Texts => json_schema!({ "type": "array", "items": { "type": "string" } }),
        Kind::Networks => json_schema!({
            "type": "array",
            "items": {
                "anyOf": [
                    { "type": "string" },
                    {
                        "type": "object",
                        "properties": { "host": { "type": "string" }, "private": { "const": true } },
                        "required": ["host", "private"],
                    },
                ],
            },
        }),
    };
    if setting.default == SettingDefault::None {
        schema = json_schema!({ "anyOf": [schema, { "type": "null" }] });
    }
    schema
}
