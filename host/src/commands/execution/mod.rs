//! `workflow execution …`.

mod cancel;
mod cleanup;
mod files;
mod inspect;
mod list;
mod logs;
mod resume;
mod retry;

pub(crate) use logs::since;

use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

/// Look at executions.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
    Inspect(inspect::Arguments),
    Logs(logs::Arguments),
    Files(files::Arguments),
    Cleanup(cleanup::Arguments),
    Cancel(cancel::Arguments),
    Resume(resume::Arguments),
    Retry(retry::Arguments),
}

pub(crate) async fn run(command: Command, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let store = place.store()?;
    match command {
        Command::List(arguments) => list::run(arguments, &*store, ui).await,
        Command::Inspect(arguments) => inspect::run(arguments, &*store, ui).await,
        Command::Logs(arguments) => logs::run(arguments, &*store, ui).await,
        Command::Files(arguments) => files::run(arguments, place, &*store, ui).await,
        Command::Cleanup(arguments) => cleanup::run(arguments, place, &store, ui).await,
        Command::Cancel(arguments) => cancel::run(arguments, place, store, ui).await,
        Command::Resume(arguments) => resume::run(arguments, place, store, ui).await,
        Command::Retry(arguments) => retry::run(arguments, place, store, ui).await,
    }
}
