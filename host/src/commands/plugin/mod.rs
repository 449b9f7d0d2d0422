//! `workflow plugin …`.

mod cache;
mod inspect;
mod list;
mod test;
mod watch;

use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

/// Look at plugins.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
    Inspect(inspect::Arguments),
    Test(test::Arguments),
    /// Look at the compiled code that is kept
    #[command(subcommand)]
    Cache(cache::Command),
}

pub(crate) async fn run(command: Command, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    match command {
        Command::List(arguments) => list::run(&arguments, &place.sandbox()?, ui).await,
        Command::Inspect(arguments) => inspect::run(&arguments, &place.sandbox()?, ui).await,
        Command::Test(arguments) => Box::pin(test::run(&arguments, place, ui)).await,
        Command::Cache(command) => cache::run(&command, place, ui),
    }
}
