//! `workflow plugin remove`.

use autokestra_model::diagnostic::nearest;

use crate::error::{CliError, Exit};
use crate::installed::Entry;
use crate::place::Place;
use crate::render::{Ui, safe};

const EXAMPLES: &str = "\
Examples:
  workflow plugin remove acme/report

Only the local store forgets it: files of `plugins.directories` and what is part of the program stay.";

/// Remove an installed plugin from the local store
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Its name, as `plugin list` shows it
    name: String,
}

pub(crate) fn run(arguments: &Arguments, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let store = place.local_store();
    match store.remove(&arguments.name)? {
        Some(gone) => {
            let version = gone.version.map(|version| format!(" {}", safe(&version)));
            ui.out(&format!(
                "removed {}{}\n",
                safe(&gone.name),
                version.unwrap_or_default()
            ))?;
            Ok(Exit::Success)
        }
        None => Err(unknown(&arguments.name, &store.entries()?)),
    }
}

fn unknown(name: &str, entries: &[Entry]) -> CliError {
    let message = format!("no plugin `{}` is installed", name.escape_debug());
    let near = nearest(name, entries.iter().map(|entry| entry.name.as_str()));
    CliError::new(Exit::Failed, message).hint(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`workflow plugin list` shows all, and which of them are installed".to_owned(),
    })
}
