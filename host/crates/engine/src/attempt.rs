//! One attempt: a plugin's run and its log, side by side, until it ends or is stopped.

use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{
    ActionName, Clock, Digest, ExecutionId, Limits, PastCeiling, Permissions, ReasonCode, Timestamp, WorkflowId,
};
use autokestra_sandbox::{Attempt, Context, Failure, GrantError, Grants, GuestEvent, Sandbox, Usage, Work};
use autokestra_secrets::Masker;
use autokestra_store::{Change, Lease, RunKey, Store, StoreError};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::artifacts::{self, Artifact, Artifacts, AttemptFolder};
use crate::event::RunEvent;
use crate::hidden::Hidden;
use crate::logs::{self, GUEST_EVENTS_QUEUED_MAX, LogTarget};
use crate::options::{Environment, Flows};
use crate::span::Traced;
use crate::state_source::StoredState;
use crate::stop::StopReason;
use crate::unit::Unit;
use crate::work::{self, Code, Loaded};

/// What all attempts of one execution share.
#[derive(Debug)]
pub(crate) struct AttemptShared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) masker: Masker,
    pub(crate) lease: Lease,
    pub(crate) workflow: WorkflowId,
    pub(crate) base: std::path::PathBuf,
    pub(crate) environment: Environment,
    pub(crate) observer: Option<mpsc::Sender<RunEvent>>,
    pub(crate) flows: Arc<dyn Flows>,
    /// All that is hidden in it: its own, and what is of the executions above it.
    pub(crate) hidden: Hidden,
    /// The workflows above it and itself.
    pub(crate) above: Vec<String>,
    pub(crate) artifacts: Artifacts,
    pub(crate) log_buffer: usize,
    pub(crate) log_debug: bool,
    pub(crate) log_flush: Duration,
    /// How it is traced, where it is.
    pub(crate) traced: Option<Traced>,
}

impl AttemptShared {
    /// Tells the observer, where there is one.
    pub(crate) async fn tell(&self, event: RunEvent) {
        if let Some(observer) = &self.observer {
            // An observer that went away is no reason to stop the work.
            drop(observer.send(event).await);
        }
    }
}

/// One attempt that is to be run. It holds its slot until its end is taken.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) unit: Unit,
    pub(crate) started_at: Timestamp,
    pub(crate) slot: OwnedSemaphorePermit,
    pub(crate) spec: Spec,
}

/// What an attempt runs, and under which grants and limits.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) run: RunKey,
    pub(crate) attempt: u32,
    pub(crate) action: ActionName,
    pub(crate) code: Code,
    pub(crate) input: Value,
    pub(crate) permissions: Permissions,
    pub(crate) limits: Limits,
    pub(crate) timeout: Duration,
    /// The files that it reads, by their path below the folder where a guest finds them.
    pub(crate) reads: Vec<(String, Digest)>,
}

/// How the plugin's run ended.
#[derive(Debug)]
pub(crate) enum End {
    /// It gave an output.
    Output(Value),
    /// It failed.
    Failed(Failure),
    /// It was stopped from outside.
    Stopped(StopReason),
}

/// An attempt that ended, with the rows that belong to its end.
pub(crate) struct Ended {
    pub(crate) unit: Unit,
    pub(crate) attempt: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
    pub(crate) end: End,
    pub(crate) usage: Usage,
    pub(crate) state: Vec<(String, Option<Value>)>,
    pub(crate) rows: Vec<Change>,
    /// The files that it left.
    pub(crate) files: Vec<Artifact>,
    pub(crate) log: LogTarget,
    /// The execution that it started.
    pub(crate) child: Option<ExecutionId>,
    /// Its slot, which is free once its end is taken: so no more attempts are RUNNING in the store than may.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
}

/// Runs `job` to its end, or until `stop` says otherwise.
///
/// # Errors
/// What the store says of the attempt's log. The plugin's own failures are in [`Ended`].
pub(crate) async fn run(
    job: Job,
    shared: Arc<AttemptShared>,
    mut stop: watch::Receiver<Option<StopReason>>,
) -> Result<Ended, StoreError> {
    let log = LogTarget::of_own(
        &shared,
        job.spec.run.clone(),
        job.spec.attempt,
        job.spec.action.plugin().clone(),
        job.spec.action.action(),
    );
    let Job {
        unit,
        started_at,
        slot,
        mut spec,
    } = job;
    let attempt = spec.attempt;
    let (sender, events) = mpsc::channel(GUEST_EVENTS_QUEUED_MAX);
    let loaded = tokio::select! {
        biased;
        reason = stopped(&mut stop) => Err(End::Stopped(reason)),
        loaded = work::load(&mut spec, &shared) => loaded.map_err(|failure| End::Failed(*failure)),
    };
    let (loaded, first) = match loaded {
        Ok(Loaded { work, files, rows }) => (Ok((work, files)), rows),
        Err(end) => (Err(end), Vec::new()),
    };
    let guest = async {
        let (work, files) = match loaded {
            Ok(loaded) => loaded,
            Err(end) => return Ok(GuestEnd::without_usage(end)),
        };
        let (attempt, folder) = match prepare(spec, (work, files), &shared, sender) {
            Ok(prepared) => prepared,
            Err(failure) => return Ok(GuestEnd::without_usage(End::Failed(*failure))),
        };
        let run = Box::pin(shared.sandbox.run(attempt));
        // Dropping the run is what stops it: nothing of the guest goes on behind it.
        let report = tokio::select! {
            biased;
            reason = stopped(&mut stop) => return Ok(GuestEnd::without_usage(End::Stopped(reason))),
            report = run => report,
        };
        let kept = match &report.result {
            Ok(_) => keep(folder, &shared).await,
            Err(_) => Ok(Vec::new()),
        };
        Ok(match (report.result, kept) {
            (Ok(output), Ok(files)) => GuestEnd {
                end: End::Output(output),
                usage: report.usage,
                state: report.state,
                files,
            },
            (Err(failure), _) | (Ok(_), Err(failure)) => GuestEnd {
                usage: report.usage,
                ..GuestEnd::without_usage(End::Failed(*failure))
            },
        })
    };
    let (guest, rows) = tokio::try_join!(guest, logs::collect(&log, events, first))?;
    let ended_at = shared.clock.now();
    Ok(Ended {
        unit,
        attempt,
        started_at,
        ended_at,
        end: guest.end,
        usage: guest.usage,
        state: guest.state,
        rows,
        files: guest.files,
        log,
        child: None,
        slot: Some(slot),
    })
}

/// What came of a plugin's run.
struct GuestEnd {
    end: End,
    usage: Usage,
    state: Vec<(String, Option<Value>)>,
    files: Vec<Artifact>,
}

impl GuestEnd {
    fn without_usage(end: End) -> Self {
        Self {
            end,
            usage: Usage::default(),
            state: Vec::new(),
            files: Vec::new(),
        }
    }
}

/// Keeps the files that a successful attempt left.
async fn keep(folder: Option<AttemptFolder>, shared: &AttemptShared) -> Result<Vec<Artifact>, Box<Failure>> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let (masker, now) = (shared.masker.clone(), shared.clock.now());
    let keeping = tokio::task::spawn_blocking(move || folder.keep(&masker, now));
    let kept = keeping
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error).into()));
    kept.map_err(|error| {
        let reason = error.reason();
        Box::new(Failure {
            reason,
            code: reason.as_str().into(),
            message: shared.masker.mask(&error.to_string()),
            retryable: reason == ReasonCode::Internal,
            retry_after: None,
            details: None,
        })
    })
}

/// Waits until the attempts are told to stop. Where nobody can tell them any more, it waits for ever.
pub(crate) async fn stopped(stop: &mut watch::Receiver<Option<StopReason>>) -> StopReason {
    match stop.wait_for(Option::is_some).await.map(|reason| *reason) {
        Ok(Some(reason)) => reason,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

/// Opens what the attempt is granted and puts its parts together.
fn prepare(
    spec: Spec,
    (work, files): (Work, bool),
    shared: &AttemptShared,
    events: mpsc::Sender<GuestEvent>,
) -> Result<(Attempt, Option<AttemptFolder>), Box<Failure>> {
    let read = |name: &str| shared.environment.read(name);
    let unusable = |error: &dyn std::error::Error| {
        let chain = error_chain(error);
        Box::new(Failure {
            reason: ReasonCode::GrantUnusable,
            code: ReasonCode::GrantUnusable.as_str().into(),
            message: shared
                .masker
                .mask(&format!("failed to open what `{}` is granted: {chain}", spec.run)),
            retryable: false,
            retry_after: None,
            details: None,
        })
    };
    let policy = shared.sandbox.policy();
    let (name, digest) = match &work {
        Work::Action { plugin, .. } => (&plugin.name, plugin.digest),
        Work::Program { program, .. } => (spec.action.plugin(), program.digest),
    };
    if let Err(past) = policy.check_plugin(name, &digest) {
        return Err(past_policy(&past, shared));
    }
    let granted = Grants::resolve(&spec.permissions, &shared.base, &read, policy);
    if let Err(GrantError::PastPolicy(past)) = &granted {
        return Err(past_policy(past, shared));
    }
    let mut grants = granted.map_err(|error| unusable(&error))?;
    let folder = if files {
        let execution = shared.lease.execution();
        let made = shared
            .artifacts
            .attempt(execution, (&spec.run, spec.attempt), &spec.reads);
        let made = made.map_err(|error| unusable(&error))?;
        if !spec.reads.is_empty() {
            grants.add_folder(made.reads(), artifacts::GUEST_IN, false);
        }
        // A folder of the workflow's own at that place is the workflow's: nothing of it is collected.
        grants
            .add_folder(made.out(), artifacts::GUEST_OUT, true)
            .then_some(made)
    } else {
        None
    };
    let traced = shared.traced.as_ref();
    let trace = traced.map(|traced| traced.attempt(shared.lease.execution(), &spec.run, spec.attempt));
    let context = Context {
        execution: shared.lease.execution(),
        workflow: shared.workflow.clone(),
        idempotency_key: format!("{}/{}", shared.lease.execution(), spec.run),
        task: spec.run.task,
        attempt: spec.attempt,
        index: spec.run.item,
        timeout: spec.timeout,
    };
    let state = StoredState {
        store: Arc::clone(&shared.store),
        workflow: shared.workflow.clone(),
        plugin: spec.action.plugin().clone(),
        masker: shared.masker.clone(),
    };
    let attempt = Attempt {
        work,
        context,
        grants,
        limits: spec.limits,
        masker: shared.masker.clone(),
        bound: Arc::clone(&shared.hidden.bound),
        pinned: None,
        trace,
        events,
        state: Arc::new(state),
    };
    Ok((attempt, folder))
}

/// The failure of an attempt that the operator's policy does not let begin.
fn past_policy(past: &PastCeiling, shared: &AttemptShared) -> Box<Failure> {
    let text = format!("{past}; the operator allows it in the configuration by `{}`", past.help);
    Box::new(Failure {
        reason: ReasonCode::PolicyDenied,
        code: ReasonCode::PolicyDenied.as_str().into(),
        message: shared.masker.mask(&text),
        retryable: false,
        retry_after: None,
        details: None,
    })
}

/// An error and what caused it, in one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
