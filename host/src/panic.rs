//! A panic is a bug of ours: it is told of as one, and the process ends as by any fault of the machine.

use std::backtrace::Backtrace;
use std::panic::PanicHookInfo;

use crate::docs::ISSUES;
use crate::error::CliError;
use crate::render::Ui;

/// The variable by which the standard library is asked for a backtrace.
const BACKTRACE: &str = "RUST_BACKTRACE";

/// Tells of panics by `ui`. Its place says which it is; its words may hold anything, so they are not shown.
pub(crate) fn tell(ui: Ui) {
    std::panic::set_hook(Box::new(move |panic| {
        // Nobody is left to be told where stderr is closed.
        drop(tell_one(&ui, panic));
    }));
}

fn tell_one(ui: &Ui, panic: &PanicHookInfo<'_>) -> Result<(), CliError> {
    let place = panic
        .location()
        .map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
    let version = env!("CARGO_PKG_VERSION");
    ui.error(
        "error",
        &format!("this is a bug of workflow {version}{place}; what was committed is kept"),
    )?;
    let asked = std::env::var_os(BACKTRACE).is_some_and(|value| !value.is_empty() && value != "0");
    if asked {
        ui.note(&Backtrace::force_capture().to_string())?;
    }
    let more = if asked {
        String::new()
    } else {
        format!("\n{BACKTRACE}=1 shows the way to it")
    };
    ui.error(
        "hint",
        &format!(
            "report it with the command and that line: {ISSUES}\n\
             `workflow execution resume last` goes on where an execution stopped{more}"
        ),
    )
}
