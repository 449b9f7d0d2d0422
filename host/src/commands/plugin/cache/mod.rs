//! `workflow plugin cache …`.

mod clear;
mod list;

use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

/// Look at the compiled code that is kept.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
    Clear(clear::Arguments),
}

pub(crate) fn run(command: &Command, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    match command {
        Command::List(arguments) => list::run(arguments, place, ui),
        Command::Clear(arguments) => clear::run(arguments, place, ui),
    }
}
