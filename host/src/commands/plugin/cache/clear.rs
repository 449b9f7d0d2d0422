//! `workflow plugin cache clear`.

use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::plugin_view::ClearedView;
use crate::render::{Ui, bytes};

const EXAMPLES: &str = "\
Examples:
  workflow plugin cache clear
  workflow plugin cache clear --json";

/// Remove all compiled code that is kept; it is made again when it is needed
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
    let cleared = place.cache().clear()?;
    if arguments.json {
        ui.json(&ClearedView::new(cleared), arguments.pretty)?;
    } else {
        let s = if cleared.code == 1 { "y" } else { "ies" };
        ui.out(&format!("removed {} entr{s}, {}\n", cleared.code, bytes(cleared.bytes)))?;
    }
    Ok(Exit::Success)
}
