//! The binary `workflow`: parses arguments, runs one command, and maps its end to an exit code.

mod cases;
mod cli;
#[cfg(test)]
mod command_pages;
mod commands;
mod config;
mod docs;
mod error;
mod installed;
mod lock;
mod panic;
mod place;
mod render;
mod telemetry;
mod trace;
mod usage;
mod web;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use autokestra_store::fault;

use crate::error::Exit;
use crate::render::{ColorChoice, Ui};
use crate::usage::Asked;

fn main() -> ExitCode {
    let cli = match usage::parse() {
        Ok(Asked::Command(cli)) => *cli,
        Ok(Asked::Schema(schema)) => {
            let ui = Ui::new(ColorChoice::Auto);
            return match ui.json(&schema, true) {
                Ok(()) => Exit::Success.into(),
                Err(error) => error.report(&ui).into(),
            };
        }
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Input } else { Exit::Success };
            // A closed pipe is no error, and nothing else can be said.
            drop(error.print());
            return exit.into();
        }
    };
    let ui = Ui::new(cli.global.color);
    panic::tell(ui);
    if let Some(wrong) = trace::start(cli.global.verbose, cli.global.log_format, &ui) {
        // Nobody is left to be told where stderr is closed.
        drop(ui.error("warning", &wrong));
    }
    let runtime = match cli::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return error.report(&ui).into(),
    };
    let ended = catch_unwind(AssertUnwindSafe(|| {
        fault::bug("command.begun");
        runtime.block_on(commands::run(cli, ui))
    }));
    // What is left are threads that wait; nobody waits for them.
    runtime.shutdown_background();
    match ended {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(error)) => error.report(&ui).into(),
        // It was told of already.
        Err(_) => Exit::Machine.into(),
    }
}
