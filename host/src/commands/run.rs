//! `workflow run`: one workflow file, from text to its end, in this process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use autokestra_engine::{Environment, Outcome, RunEvent, Runner, RunnerOptions, StartRequest, StopReason, SystemClock};
use autokestra_model::{ExecutionState, GivenInput, Workflow};
use autokestra_secrets::{Masker, Secrets, source};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::commands::validate::read_and_check;
use crate::context::Context;
use crate::error::{Error, ExitCode};
use crate::render::run::RunView;
use crate::views::run_result;

/// Events that wait for the terminal; past it the execution waits for whoever reads it.
const EVENTS_QUEUED_MAX: usize = 1024;

/// Runs a workflow to its end in this process.
///
/// Everything that can be checked is checked before anything runs; see `workflow validate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  workflow run flow.yaml\n  workflow run flow.yaml --input since=2026-01-01 --input dry=true\n  \
                        workflow run flow.yaml --inputs inputs.json --json | jq .outputs")]
pub(crate) struct RunArgs {
    /// The workflow file.
    file: PathBuf,
    /// An input, as NAME=VALUE; the value is read as the type that the workflow declares. May be given several times.
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = parse_input)]
    input: Vec<(String, String)>,
    /// A JSON file with an object of inputs; `--input` wins over it.
    #[arg(long, value_name = "FILE.json")]
    inputs: Option<PathBuf>,
    /// Show log entries as they come.
    #[arg(long)]
    logs: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Indent the JSON.
    #[arg(long, requires = "json")]
    pretty: bool,
    /// Do not show progress.
    #[arg(long)]
    no_progress: bool,
}

fn parse_input(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("an input has the form NAME=VALUE".to_owned()),
    }
}

/// Runs `args.file`.
pub(crate) async fn run(args: RunArgs, context: &Context) -> Result<ExitCode, Error> {
    let sandbox = context.sandbox()?;
    let workflow = Arc::new(read_and_check(&args.file, &sandbox, context).await?);
    let inputs = bind_inputs(&workflow, &args)?;
    let secrets = load_secrets(&workflow, context)?;
    let masker = Masker::new(&secrets);
    let settings = &context.settings;
    let options = RunnerOptions {
        max_concurrent_workflows: settings.max_concurrent_workflows(),
        max_concurrent_tasks: settings.max_concurrent_tasks(),
        default_timeout: settings.default_timeout(),
        log_buffer: settings.log_buffer(),
        log_flush: settings.log_flush(),
    };
    let store = context.store()?;
    let runner = Runner::new(options, Arc::clone(&store), sandbox, Arc::new(SystemClock), fastrand::u64(..));
    let (observer, events) = mpsc::channel(EVENTS_QUEUED_MAX);
    let request = StartRequest {
        workflow: Arc::clone(&workflow),
        inputs,
        secrets,
        base: base_of(&args.file),
        environment: Environment::of_process(),
        trigger: "manual",
        actor: masker.mask(&actor()),
        observer: Some(observer),
    };
    let handle = runner.start(request).await?;
    let interrupted = stop_on_ctrl_c(handle.canceller());
    let view = RunView::new(context.ui(), &workflow, args.logs, !args.no_progress);
    let (outcome, view) = tokio::join!(handle.wait(), show(view, events));
    let closed = store.close().await;
    let outcome = outcome?;
    closed?;
    view?.end(&outcome)?;
    print(&outcome, &workflow, &args, context)?;
    let interrupted = *interrupted.borrow();
    Ok(match outcome.state {
        ExecutionState::Success => ExitCode::Success,
        ExecutionState::Cancelled if interrupted => ExitCode::Interrupted,
        ExecutionState::Cancelled => ExitCode::Cancelled,
        ExecutionState::Failed | ExecutionState::Pending | ExecutionState::Running | ExecutionState::Waiting => {
            ExitCode::Failed
        }
    })
}
