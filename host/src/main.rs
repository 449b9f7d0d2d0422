//! The binary `workflow`: parses arguments, runs one command, and maps its end to an exit code.

mod cli;
mod commands;
mod config;
#[cfg(test)]
mod docs;
mod error;
mod place;
mod render;
mod telemetry;
mod trace;

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
    tell_of_panics(ui);
    if let Some(wrong) = trace::start(cli.global.verbose, cli.global.log_format, &ui) {
        // Nobody is left to be told where stderr is closed.
        drop(ui.error("warning", &wrong));
    }
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

/// A panic is a bug of ours. Its place says which; its words may hold anything, so they are not shown.
fn tell_of_panics(ui: Ui) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        // Nobody is left to be told where stderr is closed.
        drop(ui.error(
            "error",
            &format!("a bug of this program{place}; what was committed is kept"),
        ));
        drop(ui.error(
            "hint",
            "report it with the command and this place; `workflow execution resume last` goes on where it stopped",
        ));
    }));
}
