//! One file per command, named as it is typed.

mod children;
pub(crate) mod config;
mod drive;
pub(crate) mod execution;
mod flows;
pub(crate) mod plugin;
mod programs;
pub(crate) mod run;
pub(crate) mod validate;
mod workflow;

use crate::cli::{Cli, Command};
use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

/// Runs the command that was asked for.
pub(crate) async fn run(cli: Cli, ui: Ui) -> Result<Exit, CliError> {
    // `config` shows what is wrong with a configuration, so it loads it itself.
    if let Command::Config(command) = cli.command {
        return config::run(&command, &cli.global, &ui);
    }
    let place = Place::load(&cli.global, &ui)?;
    match cli.command {
        Command::Run(arguments) => run::run(arguments, &place, ui).await,
        Command::Validate(arguments) => validate::run(&arguments, &place, &ui).await,
        Command::Execution(command) => execution::run(command, &place, &ui).await,
        Command::Plugin(command) => plugin::run(command, &place, &ui).await,
        Command::Config(_) => Ok(Exit::Success),
    }
}
