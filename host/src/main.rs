//! The binary `workflow`: parses arguments, runs one command, and maps its end to an exit code.

mod cli;
mod commands;
mod config;
mod error;
mod place;
mod render;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::error::Exit;
use crate::render::Ui;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Input } else { Exit::Success };
            // A closed pipe is no error, and nothing else can be said.
            drop(error.print());
            return exit.into();
        }
    };
    let ui = Ui::new(cli.global.color);
    cli::trace(cli.global.verbose, &ui);
    let runtime = match cli::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return error.report(&ui).into(),
    };
    let ended = runtime.block_on(commands::run(cli, ui));
    // What is left are threads that wait; nobody waits for them.
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => error.report(&ui).into(),
    }
}
