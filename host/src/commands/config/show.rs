//! `workflow config show`.

use serde_json::{Map, Value, json};

use crate::cli::Global;
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
            let entry = json!({ "value": value, "origin": origin.to_string(), "variable": setting.variable });
            (setting.key.to_owned(), entry)
        });
        ui.json(&entries.collect::<Map<String, Value>>(), arguments.pretty)?;
    } else {
        let mut table = Table::new(ui, &["KEY", "VALUE", "FROM", "VARIABLE"]);
        for (setting, value, origin) in settings.shown() {
            let shown = match &value {
                Value::Null => ui.tint(Tint::Faint, "-"),
                Value::String(text) => safe(text).into_owned(),
                other => other.to_string(),
            };
            table.row(vec![
                setting.key.to_owned(),
                shown,
                origin.to_string(),
                setting.variable.to_owned(),
            ]);
        }
        ui.out(&table.to_string())?;
    }
    for warning in &settings.warnings {
        ui.error("warning", warning)?;
    }
    Ok(Exit::Success)
}
