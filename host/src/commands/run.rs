//! `workflow run`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use autokestra_engine::{Canceller, Environment, Outcome, RunEvent, Runner, StartRequest, StopReason, SystemClock};
use autokestra_model::{Clock as _, ExecutionState, GivenInput, ReasonCode, TaskState, Workflow};
use autokestra_secrets::{Masked, Masker, Secrets};
use autokestra_store::Store;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::workflow::{base, check};
use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::view::DetailView;
use crate::render::{Tint, Ui, human, log_line, outcome, safe};

/// Events that wait for the screen; a full channel makes the execution wait for it.
const EVENTS_QUEUED_MAX: usize = 1024;

const EXAMPLES: &str = "\
Examples:
  workflow run flow.yaml
  workflow run flow.yaml --input since=2026-01-01 --logs
  workflow run flow.yaml --json | jq .outputs

A secret NAME of the workflow comes from $WORKFLOW_SECRET_NAME, or from the file that `secrets.file` names.";

/// Run a workflow to its end
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The workflow file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// An input, read by its declared type; may stand several times
    #[arg(long = "input", short, value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// A JSON file with inputs; `--input` wins
    #[arg(long = "inputs", value_name = "FILE")]
    inputs_file: Option<PathBuf>,
    /// Show log entries as they come, on stderr
    #[arg(long)]
    logs: bool,
    /// Print the execution as JSON, as `execution inspect` does
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
    /// Do not tell how it goes
    #[arg(long)]
    no_progress: bool,
}

pub(crate) async fn run(arguments: Arguments, place: &Place, ui: Ui) -> Result<Exit, CliError> {
    let sandbox = place.sandbox()?;
    let checked = check(&arguments.file, &sandbox).await?;
    if !checked.warnings.is_empty() {
        ui.diagnostics(&checked.source, &checked.warnings)?;
    }
    let workflow = checked.workflow;
    let given = given(&arguments)?;
    let inputs = workflow
        .bind_inputs(&given)
        .map_err(|wrong| wrong_inputs(&wrong, &workflow))?;
    let secrets = secrets(&workflow, place)?;
    let masker = Masker::new(&secrets);
    let store = place.store()?;
    // Before anything runs: a signal that comes early is not lost.
    let signals = Signals::new()?;
    let seed = SystemClock.now().as_millis().cast_unsigned() ^ u64::from(std::process::id()).rotate_left(32);
    let runner = Runner::new(
        place.settings.runner_options(),
        Arc::clone(&store),
        sandbox,
        Arc::new(SystemClock),
        seed,
    );
    let (observer, events) = mpsc::channel(EVENTS_QUEUED_MAX);
    let request = StartRequest {
        workflow: Arc::new(workflow),
        inputs,
        secrets,
        base: base(&arguments.file)?,
        environment: Environment::of_process(),
        trigger: "manual",
        actor: actor(&masker),
        observer: Some(observer),
    };
    let handle = runner.start(request).await?;
    let watcher = tokio::spawn(signals.watch(handle.canceller()));
    let told = tell(events, ui, arguments.logs, !arguments.no_progress).await;
    let ended = handle.wait().await;
    let signal = if watcher.is_finished() {
        watcher.await.ok()
    } else {
        None
    };
    let ended = ended?;
    let shown = match told {
        Ok(()) => show(&ended, &arguments, &store, &ui).await,
        Err(error) => Err(error),
    };
    store.close().await?;
    shown?;
    Ok(exit(&ended, signal))
}

/// The values that were given, by name. `--input` wins over the file.
fn given(arguments: &Arguments) -> Result<BTreeMap<String, GivenInput>, CliError> {
    let mut given = BTreeMap::new();
    if let Some(path) = &arguments.inputs_file {
        let wrong = |why: String| CliError::input(format!("read the inputs {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let Value::Object(entries) = value else {
            return Err(wrong("it must hold one JSON object".to_owned()));
        };
        given.extend(entries.into_iter().map(|(name, value)| (name, GivenInput::Json(value))));
    }
    for input in &arguments.inputs {
        let Some((name, value)) = input.split_once('=') else {
            return Err(CliError::input(format!("`--input {input}` has no `=`")).hint("write `--input name=value`"));
        };
        given.insert(name.trim().to_owned(), GivenInput::Text(value.to_owned()));
    }
    Ok(given)
}

fn wrong_inputs(wrong: &[String], workflow: &Workflow) -> CliError {
    let known: Vec<String> = workflow
        .inputs
        .iter()
        .map(|input| format!("{} ({})", input.id, input.kind.as_str()))
        .collect();
    let error = CliError::input(wrong.join("\n"));
    if known.is_empty() {
        error.hint("this workflow takes no inputs")
    } else {
        error.hint(format!("inputs of this workflow: {}", known.join(", ")))
    }
}

fn secrets(workflow: &Workflow, place: &Place) -> Result<Secrets, CliError> {
    let read = |name: &str| std::env::var(name).ok();
    Ok(autokestra_secrets::source::load(
        &workflow.secrets,
        &read,
        place.settings.secrets_file(),
    )?)
}

/// Who runs it, for the audit trail: the name that the environment gives, and the user that the system knows.
fn actor(masker: &Masker) -> Masked {
    let uid = rustix::process::getuid().as_raw();
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    masker.mask(&match name {
        Ok(name) if !name.is_empty() => format!("user:{name} (uid {uid})"),
        _ => format!("user:uid {uid}"),
    })
}

/// The signals that end a run.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, CliError> {
        let listen =
            |kind| signal(kind).map_err(|error| CliError::new(Exit::Machine, format!("listen to signals: {error}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Cancels at the first signal; a second Ctrl-C ends the process at once, and the store keeps what was committed.
    async fn watch(mut self, canceller: Canceller) -> StopReason {
        let reason = tokio::select! {
            _ = self.interrupt.recv() => StopReason::User,
            _ = self.terminate.recv() => StopReason::Shutdown,
        };
        canceller.cancel(reason);
        tokio::spawn(async move {
            if self.interrupt.recv().await.is_some() {
                end_at_once();
            }
        });
        reason
    }
}

#[expect(clippy::exit, reason = "a second Ctrl-C stops at once, by its promise")]
fn end_at_once() {
    std::process::exit(Exit::Interrupted as i32);
}

/// Tells how it goes, until the execution ends.
async fn tell(mut events: mpsc::Receiver<RunEvent>, ui: Ui, logs: bool, progress: bool) -> Result<(), CliError> {
    let mut result = Ok(());
    while let Some(event) = events.recv().await {
        // Whoever watched may be gone; the execution goes on, and its events must still be taken.
        if result.is_ok() {
            result = tell_one(&event, &ui, logs, progress);
        }
    }
    result
}

fn tell_one(event: &RunEvent, ui: &Ui, logs: bool, progress: bool) -> Result<(), CliError> {
    match event {
        RunEvent::Started { execution } if progress => {
            ui.note(&format!("{} {execution}", ui.tint_note(Tint::Going, "started")))
        }
        RunEvent::RetryPlanned {
            task,
            attempt,
            wait,
            message,
        } if progress => {
            let mark = ui.tint_note(Tint::Doubtful, "retry");
            let next = human(*wait);
            ui.note(&format!(
                "  {mark}  {task}  attempt {attempt} failed, the next in {next}: {}",
                indented(message.as_str())
            ))
        }
        RunEvent::TaskEnded(ended) if progress => {
            let (tint, mark) = match ended.state {
                TaskState::Success => (Tint::Good, "ok"),
                TaskState::Skipped => (Tint::Faint, "skipped"),
                TaskState::Cancelled => (Tint::Doubtful, "cancelled"),
                TaskState::Failed | TaskState::Pending | TaskState::Running | TaskState::Waiting => {
                    (Tint::Bad, "failed")
                }
            };
            let mut line = format!("  {}  {}", ui.tint_note(tint, mark), ended.task);
            if let Some(duration) = ended.duration {
                line.extend([format!("  {}", ui.tint_note(Tint::Faint, &human(duration)))]);
            }
            if let Some(reason) = ended.reason {
                line.extend([format!("  {reason}")]);
            }
            if let Some(message) = &ended.message
                && ended.state != TaskState::Success
            {
                line.extend([format!(": {}", indented(message.as_str()))]);
            }
            ui.note(&line)
        }
        RunEvent::Log(entry) if logs => {
            let source = entry.source.to_string();
            ui.note(&log_line(
                entry.at,
                entry.level,
                &source,
                entry.message.as_str(),
                |tint, text| ui.tint_note(tint, text),
            ))
        }
        RunEvent::Started { .. }
        | RunEvent::AttemptStarted { .. }
        | RunEvent::RetryPlanned { .. }
        | RunEvent::TaskEnded(_)
        | RunEvent::Log(_)
        | RunEvent::Progress { .. } => Ok(()),
    }
}

fn indented(text: &str) -> String {
    safe(text).trim_end().replace('\n', "\n      ")
}

/// Prints the end.
async fn show(ended: &Outcome, arguments: &Arguments, store: &Arc<dyn Store>, ui: &Ui) -> Result<(), CliError> {
    if arguments.json {
        let detail = store.execution(ended.execution).await?;
        let detail = detail.ok_or_else(|| CliError::new(Exit::Machine, "the execution is gone from the store"))?;
        return ui.json(&DetailView::new(&detail, |_| true), arguments.pretty);
    }
    ui.out(&outcome(ui, ended))?;
    if ended.state != ExecutionState::Success {
        let hint = format!("workflow execution inspect {} --with-logs", ended.execution);
        ui.error("hint", &hint)?;
    }
    Ok(())
}

fn exit(ended: &Outcome, signal: Option<StopReason>) -> Exit {
    match ended.state {
        ExecutionState::Success => Exit::Success,
        ExecutionState::Cancelled
            if signal == Some(StopReason::User) || ended.reason == Some(ReasonCode::CancelledByUser) =>
        {
            Exit::Interrupted
        }
        ExecutionState::Cancelled => Exit::Cancelled,
        ExecutionState::Failed | ExecutionState::Pending | ExecutionState::Running | ExecutionState::Waiting => {
            Exit::Failed
        }
    }
}
