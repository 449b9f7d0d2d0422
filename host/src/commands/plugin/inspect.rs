//! `workflow plugin inspect`.

use std::path::Path;

use autokestra_sandbox::{Origin, Sandbox};

use crate::error::{CliError, Exit};
use crate::place::plugin_name;
use crate::render::{Found, Ui, plugin};

const EXAMPLES: &str = "\
Examples:
  workflow plugin inspect core/http
  workflow plugin inspect ./my_plugin.wasm --json --pretty";

/// Show a plugin: its actions with their inputs, its digest, and what it could do at most
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The name of a plugin, or the path of a component
    #[arg(value_name = "NAME|FILE")]
    plugin: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) async fn run(arguments: &Arguments, sandbox: &Sandbox, ui: &Ui) -> Result<Exit, CliError> {
    let path = Path::new(&arguments.plugin);
    let is_file = path.extension().is_some_and(|extension| extension == "wasm") || path.is_file();
    let found = if is_file {
        Found {
            plugin: sandbox.load_file(path).await?,
            origin: Origin::File(path.to_path_buf()),
        }
    } else {
        let name = plugin_name(&arguments.plugin)?;
        let plugin = sandbox.plugin(&name).await?;
        let origins = sandbox.plugin_names().await?;
        let origin = origins.into_iter().find(|(known, _)| *known == name);
        Found {
            plugin,
            origin: origin.map_or(Origin::Embedded, |(_, origin)| origin),
        }
    };
    if arguments.json {
        ui.json(&found.whole(), arguments.pretty)?;
    } else {
        ui.out(&plugin(ui, &found))?;
    }
    Ok(Exit::Success)
}
