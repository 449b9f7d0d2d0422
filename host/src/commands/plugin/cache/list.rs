//! `workflow plugin cache list`.

use autokestra_model::Digest;

use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::plugin_view::CacheView;
use crate::render::{Ui, cache};

const EXAMPLES: &str = "\
Examples:
  workflow plugin cache list
  workflow plugin cache list --json | jq .total

The plugins of the program were compiled with it, and are kept here only where fuel is counted.
Past `plugins.cacheMaxMebibytes` what was used longest ago is removed, and before it what another \
version of the program made.";

/// List the compiled code that is kept, last used first
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

pub(crate) fn run(arguments: &Arguments, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let mut list = place.cache().list()?;
    for code in list.code.iter_mut().filter(|code| code.plugin.is_none()) {
        let embedded = autokestra_builtin::PLUGINS.iter();
        let found = embedded
            .copied()
            .find(|plugin| Digest::of(plugin.component) == code.digest);
        code.plugin = found.and_then(|plugin| plugin.name.parse().ok());
    }
    if arguments.json {
        ui.json(&CacheView::new(&list), arguments.pretty)?;
    } else {
        ui.out(&cache(ui, &list))?;
    }
    Ok(Exit::Success)
}
