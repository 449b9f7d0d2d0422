//! `workflow execution cancel`.

use std::sync::Arc;
use std::time::Duration;

use autokestra_engine::StopReason;
use autokestra_secrets::Masker;
use autokestra_store::{AcquireError, CancelAnswer, ExecutionRef, Store};

use super::resume::{detail, given};
use crate::commands::drive::{Bringing, actor, runner};
use crate::error::{CliError, Exit};
use crate::place::{Place, execution_ref, now};
use crate::render::Ui;

/// How often the end is looked for: the two processes do not tell each other.
const LOOKS_EVERY: Duration = Duration::from_millis(50);

const EXAMPLES: &str = "\
Examples:
  workflow execution cancel last
  workflow execution cancel exec-01ke --no-wait

Running tasks stop at once, the rest is not started, and `finally` runs. An execution whose process died is taken up for it.";

/// End an execution, whichever process runs it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Its id, the beginning of it, or `last`
    #[arg(value_name = "EXECUTION", value_parser = execution_ref)]
    execution: ExecutionRef,
    /// Ask, and do not wait for the end
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    bringing: Bringing,
}

pub(crate) async fn run(arguments: Arguments, place: &Place, store: Arc<dyn Store>, ui: &Ui) -> Result<Exit, CliError> {
    let id = store.find_execution(arguments.execution).await?;
    let asked_by = actor(&Masker::none());
    if let CancelAnswer::Ended(state) = store.request_cancel(id, asked_by.clone(), now()).await? {
        let error = CliError::new(Exit::Failed, format!("`{id}` has ended {state}"));
        return Err(error.hint("there is nothing to cancel"));
    }
    // Where nobody drives it, nobody hears: then this process takes it up, and ends it.
    if store.orphans(now()).await?.contains(&id) {
        let found = detail(&*store, id).await?;
        let place = place.with_secrets(arguments.bringing.secrets);
        let sandbox = place.sandbox()?;
        let (mut events, given, _) = given(&found, &place, &sandbox, &store).await?;
        let runner = runner(&place, &store, sandbox);
        match runner.resume(id, given).await {
            Ok(handle) => {
                handle.canceller().cancel_by(StopReason::User, asked_by);
                while events.recv().await.is_some() {}
                handle.wait().await?;
                if let Some(lost) = runner.close_tracer().await {
                    ui.error("warning", &lost)?;
                }
            }
            // Somebody else was faster, and has heard.
            Err(autokestra_engine::ResumeError::Acquire(AcquireError::Owned { .. } | AcquireError::Ended { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if arguments.no_wait {
        ui.out(&format!("asked for the end of {id}\n"))?;
        return Ok(Exit::Success);
    }
    loop {
        let found = detail(&*store, id).await?;
        if found.row.state.is_terminal() {
            ui.out(&format!("{}: {id}\n", found.row.state))?;
            store.close().await?;
            return Ok(Exit::Success);
        }
        tokio::time::sleep(LOOKS_EVERY).await;
    }
}
