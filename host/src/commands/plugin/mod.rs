//! `workflow plugin …`.

mod cache;
mod inspect;
mod install;
mod list;
mod lock;
mod remove;

use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

/// Look at plugins, install and pin them.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
    Inspect(inspect::Arguments),
    Install(install::Arguments),
    Remove(remove::Arguments),
    Lock(lock::Arguments),
    /// Look at the compiled code that is kept
    #[command(subcommand)]
    Cache(cache::Command),
}

pub(crate) async fn run(command: Command, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    match command {
        Command::List(arguments) => list::run(&arguments, &place.sandbox()?, ui).await,
        Command::Inspect(arguments) => inspect::run(&arguments, &place.sandbox()?, ui).await,
        Command::Install(arguments) => install::run(&arguments, place, ui).await,
        Command::Remove(arguments) => remove::run(&arguments, place, ui),
        Command::Lock(arguments) => lock::run(&arguments, place, ui).await,
        Command::Cache(command) => cache::run(&command, place, ui),
    }
}
