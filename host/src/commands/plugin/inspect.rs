//! `workflow plugin inspect`.

use std::path::Path;

use autokestra_engine::{own_plugin, own_plugins};
use autokestra_model::PluginName;
use autokestra_model::diagnostic::nearest;
use autokestra_sandbox::{LoadError, Origin, Program, Sandbox};

use crate::error::{CliError, Exit};
use crate::place::plugin_name;
use crate::render::plugin_view::InspectedView;
use crate::render::{Found, Ui, plugin, program};

const EXAMPLES: &str = "\
Examples:
  workflow plugin inspect core/http
  workflow plugin inspect ./my_plugin.wasm --json --pretty
  workflow plugin inspect ./any_wasi_program.wasm";

/// Show a plugin: its actions with their inputs, its digest, and what it could do at most
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The name of a plugin, or the path of a component or a program
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
    let found = match file(&arguments.plugin) {
        Some(path) => match loaded(path, sandbox).await {
            Ok(found) => found,
            Err(LoadError::Program { .. }) => {
                let program = sandbox.program_file(path).await?;
                return show_program(&program, path, arguments, ui);
            }
            Err(error) => return Err(error.into()),
        },
        None => named(&arguments.plugin, sandbox).await?,
    };
    if arguments.json {
        ui.json(&InspectedView::plugin(&found), arguments.pretty)?;
    } else {
        ui.out(&plugin(ui, &found))?;
    }
    Ok(Exit::Success)
}

/// The plugin of a name, or of a file.
pub(super) async fn find(plugin: &str, sandbox: &Sandbox) -> Result<Found, CliError> {
    match file(plugin) {
        Some(path) => Ok(loaded(path, sandbox).await?),
        None => named(plugin, sandbox).await,
    }
}

/// The path that a text is, where it is no name.
fn file(text: &str) -> Option<&Path> {
    let path = Path::new(text);
    let is_file = path.extension().is_some_and(|extension| extension == "wasm") || path.is_file();
    is_file.then_some(path)
}

async fn loaded(path: &Path, sandbox: &Sandbox) -> Result<Found, LoadError> {
    let plugin = sandbox.load_file(path).await?;
    Ok(Found::Component {
        plugin,
        origin: Origin::File(path.to_path_buf()),
    })
}

async fn named(name: &str, sandbox: &Sandbox) -> Result<Found, CliError> {
    let name = plugin_name(name)?;
    if let Some(own) = own_plugin(&name) {
        return Ok(Found::Own(own));
    }
    let plugin = match sandbox.plugin(&name).await {
        Err(unknown @ LoadError::Unknown { .. }) => return Err(unknown_plugin(&name, unknown, sandbox).await),
        found => found?,
    };
    let origins = sandbox.plugin_names().await?;
    let origin = origins.into_iter().find(|(known, _)| *known == name);
    Ok(Found::Component {
        plugin,
        origin: origin.map_or(Origin::Embedded, |(_, origin)| origin),
    })
}

/// That a plugin is not there, and which one may have been meant.
async fn unknown_plugin(name: &PluginName, unknown: LoadError, sandbox: &Sandbox) -> CliError {
    let known = sandbox.plugin_names().await.unwrap_or_default();
    let names = known.iter().map(|(name, _)| name.as_str());
    let names = names.chain(own_plugins().iter().map(|own| own.name.as_str()));
    let near = nearest(name.as_str(), names).map(str::to_owned);
    let error = CliError::from(unknown);
    match near {
        Some(near) => error.hint(format!("did you mean `{near}`? `workflow plugin list` shows all")),
        None => error,
    }
}

fn show_program(found: &Program, path: &Path, arguments: &Arguments, ui: &Ui) -> Result<Exit, CliError> {
    if arguments.json {
        ui.json(&InspectedView::program(found, path), arguments.pretty)?;
    } else {
        ui.out(&program(ui, found, path))?;
    }
    Ok(Exit::Success)
}
