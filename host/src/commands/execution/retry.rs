//! `workflow execution retry`.

use std::sync::Arc;

use autokestra_engine::{Retried, StartRequest};
use autokestra_model::{ExecutionState, TaskId};
use autokestra_secrets::Masker;
use autokestra_store::{ExecutionRef, Store};
use serde_json::Value;

use super::resume::{detail, given};
use crate::commands::drive::{Bringing, Signals, Telling, runner, to_the_end};
use crate::error::{CliError, Exit};
use crate::place::{Place, execution_ref};
use crate::render::Ui;

const EXAMPLES: &str = "\
Examples:
  workflow execution retry last
  workflow execution retry exec-01ke --from publish

The new execution keeps what succeeded in the old one, and runs the rest again by the workflow as it was.";

/// Run again what did not succeed, as a new execution
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Its id, the beginning of it, or `last`
    #[arg(value_name = "EXECUTION", value_parser = execution_ref)]
    execution: ExecutionRef,
    /// Run this task and all behind it again, even where they succeeded
    #[arg(long, value_name = "TASK")]
    from: Option<TaskId>,
    #[command(flatten)]
    bringing: Bringing,
    #[command(flatten)]
    telling: Telling,
}

pub(crate) async fn run(arguments: Arguments, place: &Place, store: Arc<dyn Store>, ui: &Ui) -> Result<Exit, CliError> {
    let id = store.find_execution(arguments.execution).await?;
    let detail = detail(&*store, id).await?;
    let state = detail.row.state;
    if !state.is_terminal() {
        let error = CliError::input(format!("`{id}` has not ended: it is {state}"));
        return Err(error.hint(format!(
            "workflow execution resume {id}, or workflow execution cancel {id}"
        )));
    }
    if state == ExecutionState::Success && arguments.from.is_none() {
        let error = CliError::input(format!("`{id}` succeeded: nothing of it is left to be retried"));
        return Err(error.hint("name the task to begin from by --from TASK"));
    }
    if let Some(from) = &arguments.from
        && !detail.tasks.iter().any(|task| task.task == *from)
    {
        let mut known: Vec<&str> = detail.tasks.iter().map(|task| task.task.as_str()).collect();
        known.dedup();
        let error = CliError::input(format!("`{id}` has no task `{from}`"));
        return Err(error.hint(format!("its tasks: {}", known.join(", "))));
    }
    let place = place.with_secrets(arguments.bringing.secrets);
    let sandbox = place.sandbox()?;
    let (events, given, source) = given(&detail, &place, &sandbox, &store).await?;
    let inputs = Masker::new(&given.secrets).open(&detail.sealed_inputs);
    let inputs = match inputs.map_err(|error| CliError::input(error.to_string()))? {
        Value::Object(inputs) => inputs,
        _ => serde_json::Map::new(),
    };
    let signals = Signals::new()?;
    let runner = runner(&place, &store, sandbox);
    let request = StartRequest {
        given,
        inputs,
        source,
        trigger: "retry",
        retry: Some(Retried {
            detail: Box::new(detail),
            from: arguments.from,
        }),
    };
    let handle = runner.start(request).await?;
    to_the_end((&runner, handle), signals, events, &arguments.telling, (&store, ui)).await
}
