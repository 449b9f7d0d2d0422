//! `core/script`: runs JavaScript that stands in a workflow, or in a file that it grants.

mod console;
mod engine;
mod failure;
mod host;
mod jobs;

use autokestra_sdk::prelude::*;

use crate::engine::Script;

/// What is run.
#[derive(Input)]
struct Js {
    /// The script: the body of an async function. What it returns is the output. Either this or `file`.
    code: Option<String>,
    /// A file with the script, which the workflow grants. Either this or `code`.
    file: Option<String>,
    /// Any value; the script has it as `input`. What comes of other tasks belongs here, not into `code`.
    #[serde(default)]
    input: Value,
}

/// Runs JavaScript and gives what it returns.
///
/// The script has `input`, `ctx`, `console`, `fetch`, `readFile`, `writeFile`, `appendFile`, `listFiles`, timers, `URL`, `TextEncoder` and
/// `TaskError`; `await` works everywhere. What it prints is the log; an exception is the error `script_error` with the line that threw it.
#[action(title = "Run JavaScript")]
fn js(ctx: &Context, input: Js) -> Result<Value, TaskError> {
    let script = match (input.code, input.file) {
        (Some(code), None) => Script {
            name: "script".to_owned(),
            code,
        },
        (None, Some(file)) => {
            let code = std::fs::read_to_string(&file).map_err(|error| TaskError::from(error).context(&file))?;
            Script { name: file, code }
        }
        _ => return Err(TaskError::new("invalid_input", "give either `code` or `file`")),
    };
    engine::run(&script, ctx, &input.input)
}

plugin! {
    name: "core/script",
    actions: [js],
}
