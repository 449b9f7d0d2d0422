//! `workflow execution resume`.

use std::sync::Arc;

use autokestra_engine::{Environment, Given};
use autokestra_secrets::Masker;
use autokestra_store::{ExecutionDetail, ExecutionRef, Store};
use tokio::sync::mpsc;

use crate::commands::drive::{Bringing, EVENTS_QUEUED_MAX, Signals, Telling, actor, runner, to_the_end};
use crate::commands::flows::Files;
use crate::error::{CliError, Exit};
use crate::lock::Locking;
use crate::place::{Place, execution_ref};
use crate::render::Ui;

const EXAMPLES: &str = "\
Examples:
  workflow execution resume last
  workflow execution resume exec-01ke --logs

What succeeded is kept. What ran when its process died runs again, unless it is not idempotent: then it fails.";

/// Take up an execution whose process died
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Its id, the beginning of it, or `last`
    #[arg(value_name = "EXECUTION", value_parser = execution_ref)]
    execution: ExecutionRef,
    #[command(flatten)]
    bringing: Bringing,
    #[command(flatten)]
    telling: Telling,
}

pub(crate) async fn run(arguments: Arguments, place: &Place, store: Arc<dyn Store>, ui: &Ui) -> Result<Exit, CliError> {
    let id = store.find_execution(arguments.execution).await?;
    let detail = detail(&*store, id).await?;
    let place = place.with_secrets(arguments.bringing.secrets);
    let sandbox = place.sandbox()?;
    let (events, given, _) = given(&detail, &place, &sandbox, &store).await?;
    let signals = Signals::new()?;
    let runner = runner(&place, &store, sandbox);
    let handle = runner.resume(id, given).await?;
    to_the_end((&runner, handle), signals, events, &arguments.telling, (&store, ui)).await
}

/// An execution, whole.
pub(super) async fn detail(store: &dyn Store, id: autokestra_model::ExecutionId) -> Result<ExecutionDetail, CliError> {
    let found = store.execution(id).await?;
    found.ok_or_else(|| CliError::new(Exit::Failed, format!("there is no execution `{id}`")))
}

/// The receiver of what is told, and what the execution ran: its own text, not what the file holds by now.
pub(super) async fn given(
    detail: &ExecutionDetail,
    place: &Place,
    sandbox: &autokestra_sandbox::Sandbox,
    store: &Arc<dyn Store>,
) -> Result<(mpsc::Receiver<autokestra_engine::RunEvent>, Given, (String, String)), CliError> {
    let source = detail.source.clone().ok_or_else(|| {
        let id = detail.row.id;
        CliError::new(
            Exit::Failed,
            format!("`{id}` was made by a version that did not keep the workflow's text"),
        )
        .hint("run the workflow anew: workflow run FILE")
    })?;
    let files = Files {
        // It has begun, and goes on with what there is.
        locking: Locking::Told,
        place: place.clone(),
        sandbox: sandbox.clone(),
        store: Arc::clone(store),
    };
    let flow = files.reopened(&source).await?;
    let actor = actor(&Masker::new(&flow.secrets));
    let (observer, events) = mpsc::channel(EVENTS_QUEUED_MAX);
    let given = Given {
        workflow: flow.workflow,
        secrets: flow.secrets,
        base: flow.base,
        environment: Environment::of_process(),
        actor,
        observer: Some(observer),
        flows: Arc::new(files),
    };
    Ok((events, given, flow.source))
}
