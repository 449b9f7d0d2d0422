//! `console`: each call is one entry of the log, at its level.

use autokestra_sdk::log::{Level, emit};
use boa_engine::{Context, JsResult};
use boa_gc::{Finalize, Trace};
use boa_runtime::{ConsoleState, Logger};

/// Writes to the log of the task.
#[derive(Debug, Trace, Finalize)]
pub(crate) struct Log;

fn write(level: Level, message: &str, state: &ConsoleState) -> JsResult<()> {
    let indent = " ".repeat(state.indent());
    emit(level, &format!("{indent}{message}"), &[]);
    Ok(())
}

impl Logger for Log {
    fn debug(&self, message: String, state: &ConsoleState, _: &mut Context) -> JsResult<()> {
        write(Level::Debug, &message, state)
    }

    fn log(&self, message: String, state: &ConsoleState, _: &mut Context) -> JsResult<()> {
        write(Level::Info, &message, state)
    }

    fn info(&self, message: String, state: &ConsoleState, _: &mut Context) -> JsResult<()> {
        write(Level::Info, &message, state)
    }

    fn warn(&self, message: String, state: &ConsoleState, _: &mut Context) -> JsResult<()> {
        write(Level::Warn, &message, state)
    }

    fn error(&self, message: String, state: &ConsoleState, _: &mut Context) -> JsResult<()> {
        write(Level::Error, &message, state)
    }
}
