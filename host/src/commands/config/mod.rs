//! `workflow config …`.

mod check;
mod show;

pub(super) use show::ConfigView;

use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::render::Ui;

/// Look at the configuration.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Show(show::Arguments),
    Check(check::Arguments),
}

pub(crate) fn run(command: &Command, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    match command {
        Command::Show(arguments) => show::run(arguments, global, ui),
        Command::Check(arguments) => check::run(arguments, global, ui),
    }
}
