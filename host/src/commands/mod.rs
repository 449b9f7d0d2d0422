//! One file per command, named as it is typed.

pub(crate) mod audit;
mod children;
pub(crate) mod completions;
pub(crate) mod config;
mod drive;
pub(crate) mod execution;
mod flows;
pub(crate) mod graph;
pub(crate) mod json_schema;
pub(crate) mod man;
pub(crate) mod plugin;
mod programs;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod secret;
mod tell;
pub(crate) mod validate;
mod workflow;

use crate::cli::{Cli, Command};
use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

/// Runs the command that was asked for.
pub(crate) async fn run(cli: Cli, ui: Ui) -> Result<Exit, CliError> {
    // Some need no configuration, and `config` shows what is wrong with one, so it loads it itself.
    match &cli.command {
        Command::Config(command) => return config::run(command, &cli.global, &ui),
        Command::Schema(_) => return schema::run(&ui),
        Command::Graph(arguments) => return graph::run(arguments, &ui),
        Command::Completions(arguments) => return completions::run(arguments, &ui),
        Command::Man(arguments) => return man::run(arguments, &ui),
        Command::Run(_)
        | Command::Validate(_)
        | Command::Execution(_)
        | Command::Audit(_)
        | Command::Plugin(_)
        | Command::Secret(_) => {}
    }
    let place = Place::load(&cli.global, &ui)?;
    match cli.command {
        Command::Run(arguments) => run::run(arguments, &place, ui).await,
        Command::Validate(arguments) => validate::run(&arguments, &place, &ui).await,
        Command::Execution(command) => execution::run(command, &place, &ui).await,
        Command::Audit(command) => audit::run(command, &place, &ui).await,
        Command::Plugin(command) => plugin::run(command, &place, &ui).await,
        Command::Config(_) | Command::Graph(_) | Command::Schema(_) | Command::Completions(_) | Command::Man(_) => {
            Ok(Exit::Success)
        }
        Command::Secret(command) => secret::run(command, &place, &ui).await,
    }
}
