//! `workflow plugin list`.

use autokestra_engine::own_plugins;
use autokestra_sandbox::Sandbox;

use crate::error::{CliError, Exit};
use crate::render::plugin_view::PluginView;
use crate::render::{Found, Ui, plugins};

const EXAMPLES: &str = "\
Examples:
  workflow plugin list
  workflow plugin list --json | jq -r '.[] | .name'";

/// List the plugins that workflows can use
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

pub(crate) async fn run(arguments: &Arguments, sandbox: &Sandbox, ui: &Ui) -> Result<Exit, CliError> {
    let found = all(sandbox).await?;
    if arguments.json {
        ui.json(
            &found.iter().map(PluginView::new).collect::<Vec<PluginView<'_>>>(),
            arguments.pretty,
        )?;
    } else {
        ui.out(&plugins(ui, &found))?;
    }
    Ok(Exit::Success)
}

/// All that workflows can use, by name.
pub(super) async fn all(sandbox: &Sandbox) -> Result<Vec<Found>, CliError> {
    let mut found = Vec::new();
    for (name, origin) in sandbox.plugin_names().await? {
        let plugin = sandbox.plugin(&name).await?;
        found.push(Found::Component { plugin, origin });
    }
    found.extend(own_plugins().iter().map(Found::Own));
    found.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(found)
}
