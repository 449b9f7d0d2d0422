//! `core/flow.run`: an execution as a task of another, in the same process and linked both ways.

use std::collections::BTreeMap;
use std::sync::Arc;

use autokestra_model::{ExecutionId, ExecutionState, GivenInput, PluginName, ReasonCode, Timestamp, TraceContext};
use autokestra_sandbox::{Failure, Usage};
use autokestra_secrets::{Masked, MaskedJson, Masker};
use autokestra_store::{ParentLink, RunKey, StoreError};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::attempt::{AttemptShared, End, Ended, error_chain, stopped};
use crate::error::StartError;
use crate::event::{Outcome, RunEvent};
use crate::hidden::Hidden;
use crate::logs::LogTarget;
use crate::options::{Flow, FlowError, Given, StartRequest};
use crate::runner::{RunHandle, Runner, RunnerShared};
use crate::stop::StopReason;
use crate::unit::Unit;

/// Executions that may stand inside one another.
const DEPTH_MAX: usize = 16;

/// Events of a child that wait for the task that runs it.
const EVENTS_QUEUED_MAX: usize = 64;

/// An execution that another one started.
#[derive(Debug)]
pub(crate) struct ChildOf {
    pub(crate) parent: ParentLink,
    /// The workflows above it, the first one first.
    pub(crate) above: Vec<String>,
    /// All that is hidden above it, and so in it.
    pub(crate) hidden: Hidden,
    /// The span of the attempt that started it.
    pub(crate) trace: Option<TraceContext>,
}

/// An attempt of `core/flow.run`.
#[derive(Debug)]
pub(crate) struct ChildJob {
    pub(crate) unit: Unit,
    pub(crate) run: RunKey,
    pub(crate) plugin: PluginName,
    pub(crate) attempt: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) input: Value,
    /// The execution that it started in a process that died.
    pub(crate) existing: Option<ExecutionId>,
}

/// Runs the execution of `job` to its end, or starts it and leaves it, as the task wants. Boxed, as an execution holds its
/// children.
pub(crate) fn run(
    job: ChildJob,
    runner: Arc<RunnerShared>,
    shared: Arc<AttemptShared>,
    mut stop: watch::Receiver<Option<StopReason>>,
) -> BoxFuture<'static, Result<Ended, StoreError>> {
    Box::pin(async move {
        let runner = Runner::of(runner);
        let waits = job.input.get("wait") != Some(&Value::Bool(false));
        let watched = waits && shared.observer.is_some();
        let (observer, mut events) = mpsc::channel(EVENTS_QUEUED_MAX);
        let mut child = job.existing;
        let begun = begin(&job, &runner, &shared, watched.then_some(observer)).await;
        if let Ok(Begun::Running(handle)) = &begun {
            child = Some(handle.id());
        }
        let mut watch = Watch::default();
        let end = match begun {
            Err(error) => {
                // A fault of the machine may pass.
                let retryable = error.reason == ReasonCode::Internal;
                End::Failed(failure(error.reason, shared.masker.mask(&error.message), retryable))
            }
            Ok(Begun::Ended(end)) => end,
            Ok(Begun::Running(handle)) if !waits => End::Output(json!({ "executionId": handle.id() })),
            Ok(Begun::Running(handle)) => {
                let (id, canceller) = (handle.id(), handle.canceller());
                let mut waiting = std::pin::pin!(handle.wait());
                let mut told = None;
                let ended = loop {
                    tokio::select! {
                        ended = &mut waiting => break ended,
                        Some(event) = events.recv() => {
                            if let Some(news) = watch.take(&event, &job.run, &shared.masker) {
                                shared.tell(news).await;
                            }
                        }
                        reason = stopped(&mut stop), if told.is_none() => {
                            told = Some(reason);
                            canceller.cancel(reason);
                        }
                    }
                };
                match (ended, told) {
                    (_, Some(reason)) => End::Stopped(reason),
                    (Ok(outcome), None) => end_of(&shared.masker, &outcome),
                    (Err(error), None) => {
                        let text = format!("execution {id} could not be carried on: {}", error_chain(&error));
                        End::Failed(failure(ReasonCode::Internal, shared.masker.mask(&text), true))
                    }
                }
            }
        };
        let log = LogTarget::of_own(&shared, job.run, job.attempt, job.plugin, "run");
        Ok(Ended {
            unit: job.unit,
            attempt: job.attempt,
            started_at: job.started_at,
            ended_at: shared.clock.now(),
            end,
            usage: Usage::default(),
            state: Vec::new(),
            rows: Vec::new(),
            files: Vec::new(),
            log,
            child,
            slot: None,
        })
    })
}

enum Begun {
    Running(RunHandle),
    Ended(End),
}

/// How far a child has come, as the task that runs it tells.
#[derive(Debug, Default)]
struct Watch {
    total: u64,
    done: u64,
}

impl Watch {
    /// What an event of the child means for the task that runs it.
    fn take(&mut self, event: &RunEvent, run: &RunKey, masker: &Masker) -> Option<RunEvent> {
        let note = match event {
            RunEvent::Started { tasks, .. } => {
                self.total = tasks.len() as u64;
                self.done = tasks.iter().filter(|(_, state)| state.is_terminal()).count() as u64;
                None
            }
            RunEvent::AttemptStarted { task, .. } => Some(masker.mask(task.as_str())),
            RunEvent::TaskEnded(ended) if ended.item.is_none() => {
                self.done += 1;
                None
            }
            RunEvent::Queued { .. }
            | RunEvent::ListStarted { .. }
            | RunEvent::RetryPlanned { .. }
            | RunEvent::Sleeping { .. }
            | RunEvent::Stopping { .. }
            | RunEvent::TaskEnded(_)
            | RunEvent::Log(_)
            | RunEvent::Progress { .. } => return None,
        };
        Some(RunEvent::Progress {
            task: run.task.clone(),
            item: run.item,
            done: self.done,
            total: Some(self.total),
            note,
        })
    }
}

async fn begin(
    job: &ChildJob,
    runner: &Runner,
    shared: &AttemptShared,
    observer: Option<mpsc::Sender<RunEvent>>,
) -> Result<Begun, FlowError> {
    let traced = shared.traced.as_ref();
    let link = ParentLink {
        execution: shared.lease.execution(),
        run: job.run.clone(),
    };
    let mut child = ChildOf {
        parent: link,
        above: shared.above.clone(),
        hidden: shared.hidden.clone(),
        trace: traced.map(|traced| traced.attempt(shared.lease.execution(), &job.run, job.attempt)),
    };
    if let Some(id) = job.existing {
        return again(id, runner, shared, child, observer).await;
    }
    let name = job.input.get("workflow").and_then(Value::as_str);
    let name = name.ok_or("`workflow` must be a path or an id")?;
    let flow = shared.flows.find(&shared.base, name).await?;
    let known = &flow.source.0;
    if child.above.contains(known) {
        let chain = child.above.iter().chain([known]).map(String::as_str);
        let chain = chain.collect::<Vec<_>>().join(" -> ");
        return Err(format!("the workflows start each other in a cycle: {chain}").into());
    }
    if child.above.len() >= DEPTH_MAX {
        return Err(format!("{DEPTH_MAX} executions stand inside one another already").into());
    }
    child.above.push(known.clone());
    let given = match job.input.get("inputs") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(Value::Object(entries)) => entries
            .iter()
            .map(|(name, value)| (name.clone(), GivenInput::Json(value.clone())))
            .collect(),
        Some(_) => return Err("`inputs` must be a mapping".into()),
    };
    let inputs = flow.workflow.bind_inputs(&given).map_err(|wrong| wrong.join("\n"))?;
    let source = flow.source.clone();
    let request = StartRequest {
        given: given_of(flow, shared, observer),
        inputs,
        source,
        trigger: "flow",
        retry: None,
    };
    let started = runner.start_inside(request, Some(child)).await;
    started.map(Begun::Running).map_err(|error| FlowError {
        reason: match error {
            StartError::Plugin { .. } => ReasonCode::PluginUnusable,
            StartError::Open(_) => ReasonCode::InvalidInput,
            StartError::Random(_) | StartError::Store(_) => ReasonCode::Internal,
        },
        message: error_chain(&error),
    })
}

/// Goes on with an execution that was started before.
async fn again(
    id: ExecutionId,
    runner: &Runner,
    shared: &AttemptShared,
    mut child: ChildOf,
    observer: Option<mpsc::Sender<RunEvent>>,
) -> Result<Begun, FlowError> {
    let found = shared.store.execution(id).await.map_err(|error| error_chain(&error))?;
    let found = found.ok_or_else(|| format!("execution {id} is gone"))?;
    if found.row.state.is_terminal() {
        let outcome = (found.row.state, found.row.message, found.outputs);
        return Ok(Begun::Ended(end(&shared.masker, id, &found.row.workflow, outcome)));
    }
    let source = found
        .source
        .ok_or_else(|| format!("the workflow of {id} was not kept"))?;
    let flow = shared.flows.reopen(&source).await?;
    child.above.push(flow.source.0.clone());
    let resumed = runner
        .resume_inside(id, given_of(flow, shared, observer), Some(child))
        .await;
    resumed.map(Begun::Running).map_err(|error| error_chain(&error).into())
}

fn given_of(flow: Flow, shared: &AttemptShared, observer: Option<mpsc::Sender<RunEvent>>) -> Given {
    Given {
        workflow: flow.workflow,
        secrets: flow.secrets,
        base: flow.base,
        environment: shared.environment.clone(),
        actor: shared.masker.mask(&format!("execution {}", shared.lease.execution())),
        observer,
        flows: Arc::clone(&shared.flows),
    }
}

fn end_of(masker: &Masker, outcome: &Outcome) -> End {
    let came = (outcome.state, outcome.message.clone(), outcome.outputs.clone());
    end(masker, outcome.execution, outcome.workflow.as_str(), came)
}

/// What a task makes of an execution's end. Its outputs are taken masked: its secrets are not this one's.
fn end(
    masker: &Masker,
    id: ExecutionId,
    workflow: &str,
    (state, message, outputs): (ExecutionState, Option<Masked>, Option<MaskedJson>),
) -> End {
    if state == ExecutionState::Success {
        return End::Output(outputs.map_or(Value::Null, |outputs| outputs.value().clone()));
    }
    let mut text = format!("execution {id} of `{workflow}` ended {state}");
    if let Some(message) = message {
        text.push_str(": ");
        text.push_str(message.as_str());
    }
    End::Failed(failure(ReasonCode::ChildFailed, masker.mask(&text), true))
}

fn failure(reason: ReasonCode, message: Masked, retryable: bool) -> Failure {
    Failure {
        reason,
        code: reason.as_str().to_owned(),
        message,
        retryable,
        retry_after: None,
        details: None,
    }
}
