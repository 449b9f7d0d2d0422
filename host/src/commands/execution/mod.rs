//! `workflow execution …`.

mod inspect;
mod list;
mod logs;

use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

/// Look at executions.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
    Inspect(inspect::Arguments),
    Logs(logs::Arguments),
}

pub(crate) async fn run(command: Command, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let store = place.store()?;
    match command {
        Command::List(arguments) => list::run(arguments, &*store, ui).await,
        Command::Inspect(arguments) => inspect::run(arguments, &*store, ui).await,
        Command::Logs(arguments) => logs::run(arguments, &*store, ui).await,
    }
}
