//! One attempt: a plugin's run and its log, side by side, until it ends or is stopped.

use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{Clock, Limits, Permissions, ReasonCode, Timestamp, WorkflowId};
use autokestra_sandbox::{Attempt, Context, Failure, Grants, GuestEvent, Plugin, Sandbox, Usage};
use autokestra_secrets::{Masker, Secrets};
use autokestra_store::{Change, Lease, RunKey, Store, StoreError};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::event::RunEvent;
use crate::logs::{self, GUEST_EVENTS_QUEUED_MAX, LogTarget};
use crate::options::{Environment, Flows};
use crate::state_source::StoredState;
use crate::stop::StopReason;
use crate::unit::Unit;

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
    /// All that is masked in it: its own, and those of the executions above it.
    pub(crate) secrets: Secrets,
    /// The workflows above it and itself.
    pub(crate) above: Vec<String>,
    pub(crate) log_buffer: usize,
    pub(crate) log_flush: Duration,
}

/// One attempt that is to be run. It holds its slot until it ended.
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
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) action: String,
    pub(crate) input: Value,
    pub(crate) permissions: Permissions,
    pub(crate) limits: Limits,
    pub(crate) timeout: Duration,
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
    pub(crate) log: LogTarget,
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
        job.spec.plugin.name.clone(),
        &job.spec.action,
    );
    let Job {
        unit,
        started_at,
        slot,
        spec,
    } = job;
    let attempt = spec.attempt;
    let (sender, events) = mpsc::channel(GUEST_EVENTS_QUEUED_MAX);
    let prepared = prepare(spec, &shared, sender);
    let guest = async {
        let attempt = match prepared {
            Ok(attempt) => attempt,
            Err(failure) => return Ok((End::Failed(*failure), Usage::default(), Vec::new())),
        };
        let run = Box::pin(shared.sandbox.run(attempt));
        // Dropping the run is what stops it: nothing of the guest goes on behind it.
        Ok(tokio::select! {
            biased;
            reason = stopped(&mut stop) => (End::Stopped(reason), Usage::default(), Vec::new()),
            report = run => match report.result {
                Ok(output) => (End::Output(output), report.usage, report.state),
                Err(failure) => (End::Failed(*failure), report.usage, Vec::new()),
            },
        })
    };
    let ((end, usage, state), rows) = tokio::try_join!(guest, logs::collect(&log, events))?;
    drop(slot);
    let ended_at = shared.clock.now();
    Ok(Ended {
        unit,
        attempt,
        started_at,
        ended_at,
        end,
        usage,
        state,
        rows,
        log,
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
fn prepare(spec: Spec, shared: &AttemptShared, events: mpsc::Sender<GuestEvent>) -> Result<Attempt, Box<Failure>> {
    let read = |name: &str| shared.environment.read(name);
    let grants = Grants::resolve(&spec.permissions, &shared.base, &read).map_err(|error| {
        let chain = error_chain(&error);
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
    })?;
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
        plugin: spec.plugin.name.clone(),
        masker: shared.masker.clone(),
    };
    Ok(Attempt {
        plugin: spec.plugin,
        action: spec.action,
        context,
        input: spec.input,
        grants,
        limits: spec.limits,
        masker: shared.masker.clone(),
        events,
        state: Arc::new(state),
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
