//! `workflow plugin …`.

mod inspect;
mod list;

use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

/// Look at plugins.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
    Inspect(inspect::Arguments),
}

pub(crate) async fn run(command: Command, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let sandbox = place.sandbox()?;
    match command {
        Command::List(arguments) => list::run(&arguments, &sandbox, ui).await,
        Command::Inspect(arguments) => inspect::run(&arguments, &sandbox, ui).await,
    }
}
