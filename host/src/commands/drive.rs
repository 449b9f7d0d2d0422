//! What `run`, `resume`, `retry` and `cancel` share: an execution that this process drives, told about until its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use autokestra_engine::{Canceller, Outcome, RunEvent, RunHandle, Runner, StopReason, SystemClock};
use autokestra_model::{Clock as _, ExecutionState, SecretName, Workflow};
use autokestra_sandbox::Sandbox;
use autokestra_secrets::source::{Gathered, SecretsError, Sources};
use autokestra_secrets::{Masked, Masker, Secrets};
use autokestra_store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::tell::tell;
use crate::docs::Codes;
use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::view::DetailView;
use crate::render::{Failure, Ui, failure, outcome, summary};
use crate::telemetry::Exporter;

/// Events that wait for the screen; a full channel makes the execution wait for it.
pub(super) const EVENTS_QUEUED_MAX: usize = 1024;

/// Log entries of the task that failed that are shown.
const LOGS_SHOWN_MAX: u64 = 10;

/// The longest that a second Ctrl-C waits for a clean terminal.
const CLEARING_TIME_MAX: Duration = Duration::from_millis(200);

/// How an execution is told about.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Telling {
    /// Show log entries as they come, on stderr
    #[arg(long)]
    pub(super) logs: bool,
    /// Print the execution as JSON, as `execution inspect` does
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
    /// Tell how it goes in plain lines, as off a terminal
    #[arg(long)]
    pub(super) no_progress: bool,
}

/// Secrets that a command brings with it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Bringing {
    /// A YAML file of secrets, NAME: value, that only its owner may read; it wins over all other places
    #[arg(long, value_name = "FILE")]
    pub(super) secrets: Option<PathBuf>,
}

/// A runner on a store and a sandbox.
pub(super) fn runner(place: &Place, store: &Arc<dyn Store>, sandbox: Sandbox) -> Runner {
    let seed = SystemClock.now().as_millis().cast_unsigned() ^ u64::from(std::process::id()).rotate_left(32);
    let runner = Runner::new(
        place.settings.runner_options(),
        Arc::clone(store),
        sandbox,
        Arc::new(SystemClock),
        seed,
    );
    match &place.telemetry {
        Some(telemetry) => runner.traced(Arc::new(Exporter::start(telemetry))),
        None => runner,
    }
}

/// The values of a workflow's secrets: from the command's file, the environment, the configured file, then the secret store.
pub(super) async fn secrets(workflow: &Workflow, place: &Place, store: &Arc<dyn Store>) -> Result<Secrets, CliError> {
    let mut gathered = gathered(workflow, place)?;
    place.secret_store(store).complete(&mut gathered).await?;
    let secrets = gathered.finish()?;
    crate::trace::hide(&secrets);
    Ok(secrets)
}

/// Those that are in a file or in the environment.
fn gathered(workflow: &Workflow, place: &Place) -> Result<Gathered, SecretsError> {
    let sources = Sources {
        given: place.secrets.as_deref(),
        environment: &|name| std::env::var(name).ok(),
        configured: place.settings.secrets_file(),
    };
    sources.gather(&secret_names(workflow))
}

/// The secrets that a workflow names.
fn secret_names(workflow: &Workflow) -> Vec<SecretName> {
    workflow.secrets.iter().map(|secret| secret.name.clone()).collect()
}

/// Who asks for it, for the audit trail: the name that the environment gives, and the user that the system knows.
pub(super) fn actor(masker: &Masker) -> Masked {
    let uid = rustix::process::getuid().as_raw();
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    masker.mask(&match name {
        Ok(name) if !name.is_empty() => format!("user:{name} (uid {uid})"),
        _ => format!("user:uid {uid}"),
    })
}

/// Tells about an execution until its end, ends it where a signal says so, and prints what came of it.
pub(super) async fn to_the_end(
    (runner, handle): (&Runner, RunHandle),
    signals: Signals,
    events: mpsc::Receiver<RunEvent>,
    telling: &Telling,
    (store, ui): (&Arc<dyn Store>, &Ui),
) -> Result<Exit, CliError> {
    let watcher = tokio::spawn(signals.watch(handle.canceller(), *ui));
    let told = tell(events, *ui, telling).await;
    let ended = handle.wait().await;
    // What it started without waiting for it is not cut off.
    runner.idle().await;
    if let Some(lost) = runner.close_tracer().await {
        ui.error("warning", &lost)?;
    }
    // One that has heard a signal ends without another wait, so this does not cut it off.
    watcher.abort();
    let signal = watcher.await.ok();
    let ended = ended?;
    let shown = match told {
        Ok(()) => show(&ended, telling, store, ui).await,
        Err(error) => Err(error),
    };
    let shown = match shown {
        Ok(()) if !telling.json => ui.pages(&Codes::of_outcome(&ended)),
        other => other,
    };
    store.close().await?;
    match shown {
        // Whoever read went away; the execution ended as it did all the same.
        Err(error) if error.exit() != Exit::Success => Err(error),
        Ok(()) | Err(_) => Ok(exit(&ended, signal)),
    }
}

/// The signals that end a run.
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, CliError> {
        let listen =
            |kind| signal(kind).map_err(|error| CliError::new(Exit::Machine, format!("listen to signals: {error}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Cancels at the first signal; a second Ctrl-C ends the process at once, and the store keeps what was committed.
    async fn watch(mut self, canceller: Canceller, ui: Ui) -> StopReason {
        let reason = tokio::select! {
            _ = self.interrupt.recv() => StopReason::User,
            _ = self.terminate.recv() => StopReason::Shutdown,
        };
        canceller.cancel(reason);
        tokio::spawn(async move {
            if self.interrupt.recv().await.is_some() {
                if let Some(screen) = ui.screen() {
                    // A terminal that is not read holds up whoever writes to it; the process ends all the same.
                    let clearing = tokio::task::spawn_blocking(move || screen.clear());
                    drop(tokio::time::timeout(CLEARING_TIME_MAX, clearing).await);
                }
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

/// Prints the end.
async fn show(ended: &Outcome, telling: &Telling, store: &Arc<dyn Store>, ui: &Ui) -> Result<(), CliError> {
    if ui.screen().is_some() && !telling.no_progress {
        ui.note(summary(ui, ended).trim_end())?;
    }
    if telling.json {
        let detail = store.execution(ended.execution).await?;
        let detail = detail.ok_or_else(|| CliError::new(Exit::Machine, "the execution is gone from the store"))?;
        return ui.json(&DetailView::new(&detail, |_| true), telling.pretty);
    }
    ui.out(&outcome(ui, ended))?;
    if ended.state == ExecutionState::Success {
        return Ok(());
    }
    let logs = match &ended.failed {
        Some(task) => {
            let task = Some(task.clone());
            store.last_logs(ended.execution, task, LOGS_SHOWN_MAX).await?
        }
        None => Vec::new(),
    };
    failure(ui, &Failure { outcome: ended, logs })
}

fn exit(ended: &Outcome, signal: Option<StopReason>) -> Exit {
    match ended.state {
        ExecutionState::Success => Exit::Success,
        // `execution cancel` of another process is no Ctrl-C.
        ExecutionState::Cancelled if signal == Some(StopReason::User) => Exit::Interrupted,
        ExecutionState::Cancelled => Exit::Cancelled,
        ExecutionState::Failed | ExecutionState::Pending | ExecutionState::Running | ExecutionState::Waiting => {
            Exit::Failed
        }
    }
}
