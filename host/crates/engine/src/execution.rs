//! One execution: a single task that owns the graph, and turns what happens into transactions.
//!
//! Each turn takes what happened, decides what follows (`settle.rs`), commits it, and only then acts on it. So the end of
//! one task and the start of the next share a commit, and a crash between two turns loses nothing that was told.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{ExecutionState, Plan, PluginName, ReasonCode, Scope, TaskState, Timestamp, Workflow};
use autokestra_sandbox::Plugin;
use autokestra_secrets::{Masked, Secrets};
use autokestra_store::{Change, LogEntry, LogLevel, LogSource, StoreError};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::attempt::{self, AttemptShared, Ended, Job, Spec};
use crate::batch::Batch;
use crate::dispatch::Dispatch;
use crate::error::RunError;
use crate::event::{Outcome, RunEvent, TaskSummary};
use crate::logs::merge;
use crate::rows::Next;
use crate::runner::{RunnerShared, StopReason};

/// What an execution is made from.
pub(crate) struct ExecutionParts {
    pub(crate) runner: Arc<RunnerShared>,
    pub(crate) attempts: AttemptShared,
    pub(crate) plan: Plan,
    pub(crate) plugins: HashMap<PluginName, Arc<Plugin>>,
    pub(crate) inputs: Value,
    pub(crate) secrets: Secrets,
    pub(crate) random: fastrand::Rng,
    pub(crate) triggered: Change,
}

/// What is known of one task run beyond its state.
#[derive(Debug, Default)]
pub(crate) struct TaskRun {
    pub(crate) attempts: u32,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) reason: Option<ReasonCode>,
    pub(crate) message: Option<Masked>,
}

/// A running execution.
pub(crate) struct Execution {
    pub(crate) runner: Arc<RunnerShared>,
    pub(crate) shared: Arc<AttemptShared>,
    pub(crate) plan: Plan,
    pub(crate) plugins: HashMap<PluginName, Arc<Plugin>>,
    pub(crate) scope: Scope,
    pub(crate) dispatch: Dispatch,
    pub(crate) tasks: Vec<TaskRun>,
    pub(crate) state: ExecutionState,
    pub(crate) started_at: Timestamp,
    pub(crate) retries: BTreeSet<(Instant, usize)>,
    pub(crate) random: fastrand::Rng,
    /// The first task in time that failed and may not.
    pub(crate) failure: Option<usize>,
    pub(crate) stopping: Option<StopReason>,
    triggered: Option<Change>,
    running: JoinSet<Result<Ended, StoreError>>,
    /// Which task and attempt an engine task runs, so that a panic in it can be put down to them.
    running_as: HashMap<Id, (usize, u32)>,
    deadline: Option<Instant>,
    /// A slot that was waited for and is not used yet.
    spare: Option<OwnedSemaphorePermit>,
    stop: watch::Sender<Option<StopReason>>,
    stopped: watch::Receiver<Option<StopReason>>,
}

/// An engine task that ended: its id and what its attempt gave, or that it panicked.
type Joined = Result<(Id, Result<Ended, StoreError>), JoinError>;

/// What ends a wait.
enum Woken {
    Ended(Vec<Joined>),
    Slot(OwnedSemaphorePermit),
    RetryDue,
    Stop(StopReason),
}

impl Execution {
    pub(crate) fn new(
        parts: ExecutionParts,
        stop: watch::Sender<Option<StopReason>>,
        stopped: watch::Receiver<Option<StopReason>>,
    ) -> Self {
        let now = parts.runner.clock.now();
        let scope = Scope::new(
            parts.inputs,
            &autokestra_model::ExecutionInfo {
                id: parts.attempts.execution,
                workflow_id: parts.attempts.workflow.clone(),
                started_at: now,
            },
        );
        scope.set_secrets(
            parts
                .secrets
                .iter()
                .map(|(name, value)| (name.clone(), value.expose().to_owned())),
        );
        Self {
            shared: Arc::new(parts.attempts),
            dispatch: Dispatch::new(&parts.plan),
            tasks: (0..parts.plan.len()).map(|_| TaskRun::default()).collect(),
            runner: parts.runner,
            plan: parts.plan,
            plugins: parts.plugins,
            scope,
            state: ExecutionState::Pending,
            started_at: now,
            retries: BTreeSet::new(),
            random: parts.random,
            failure: None,
            stopping: None,
            triggered: Some(parts.triggered),
            running: JoinSet::new(),
            running_as: HashMap::new(),
            deadline: None,
            spare: None,
            stop,
            stopped,
        }
    }

    /// Runs the execution to its end.
    pub(crate) async fn run(mut self) -> Result<Outcome, RunError> {
        let slots = Arc::clone(&self.runner.workflows);
        let slot = tokio::select! {
            slot = slots.acquire_owned() => slot.ok(),
            reason = attempt::stopped(&mut self.stopped) => { self.stopping = Some(reason); None }
        };
        let mut batch = Batch::default();
        self.begin(&mut batch);
        loop {
            if let Some(reason) = self.stopping {
                self.cancel_idle(reason, &mut batch);
            } else {
                self.fill(&mut batch);
            }
            self.note_waiting(&mut batch);
            if self.dispatch.is_done() {
                break;
            }
            self.carry_out(std::mem::take(&mut batch)).await?;
            let woken = self.wait().await;
            self.take(woken, &mut batch)?;
        }
        let outcome = self.finish(&mut batch);
        self.carry_out(batch).await?;
        drop(slot);
        Ok(outcome)
    }

    pub(crate) fn workflow(&self) -> &Arc<Workflow> {
        self.plan.workflow()
    }

    /// An entry of the scheduler about the whole execution.
    pub(crate) fn scheduler_entry(&self, level: LogLevel, message: Masked, at: Timestamp) -> Change {
        Change::Logs(vec![LogEntry {
            execution: Some(self.shared.execution),
            task: None,
            attempt: None,
            at,
            level,
            source: LogSource::Scheduler,
            message,
            metadata: None,
        }])
    }

    fn begin(&mut self, batch: &mut Batch) {
        let now = self.runner.clock.now();
        self.started_at = now;
        batch.changes.extend(self.triggered.take());
        if self.stopping.is_some() {
            return;
        }
        self.deadline = self.workflow().timeout.map(|timeout| Instant::now() + timeout);
        self.set_state(
            Next {
                to: ExecutionState::Running,
                reason: None,
            },
            now,
            batch,
        );
        let started = self.scheduler_entry(LogLevel::Info, Masked::literal("Execution started"), now);
        batch.changes.push(started);
        batch.events.push(RunEvent::Started {
            execution: self.shared.execution,
        });
    }

    /// Starts ready tasks, in file order, as long as there are slots.
    fn fill(&mut self, batch: &mut Batch) {
        while self.dispatch.has_ready() {
            let slot = self
                .spare
                .take()
                .or_else(|| Arc::clone(&self.runner.tasks).try_acquire_owned().ok());
            let Some(slot) = slot else { return };
            let Some(task) = self.dispatch.pop_ready() else { return };
            // A task that ends without an attempt gives its slot back for the next.
            self.spare = self.start(task, slot, batch);
        }
        self.spare = None;
    }

    /// Commits, then acts.
    async fn carry_out(&mut self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        if !batch.changes.is_empty() {
            self.runner.store.commit(merge(batch.changes)).await?;
        }
        for job in batch.jobs {
            self.launch(job);
        }
        for event in batch.events {
            self.tell(event).await;
        }
        Ok(())
    }

    fn launch(&mut self, job: Job) {
        let key = (job.index, job.spec.attempt);
        let handle = self
            .running
            .spawn(attempt::run(job, Arc::clone(&self.shared), self.stopped.clone()));
        self.running_as.insert(handle.id(), key);
    }

    async fn tell(&self, event: RunEvent) {
        if let Some(observer) = &self.shared.observer {
            // An observer that went away is no reason to stop the work.
            drop(observer.send(event).await);
        }
    }

    async fn wait(&mut self) -> Woken {
        let retry_at = self.retries.first().map(|(at, _)| *at);
        let wants_slot = self.stopping.is_none() && self.dispatch.has_ready() && self.spare.is_none();
        let deadline = self.deadline.filter(|_| self.stopping.is_none());
        let slots = Arc::clone(&self.runner.tasks);
        tokio::select! {
            biased;
            reason = attempt::stopped(&mut self.stopped), if self.stopping.is_none() => Woken::Stop(reason),
            () = sleep_until(deadline), if deadline.is_some() => Woken::Stop(StopReason::TimedOut),
            Some(first) = self.running.join_next_with_id() => {
                let mut ended = vec![first];
                while let Some(next) = self.running.try_join_next_with_id() {
                    ended.push(next);
                }
                Woken::Ended(ended)
            }
            Ok(slot) = slots.acquire_owned(), if wants_slot => Woken::Slot(slot),
            () = sleep_until(retry_at), if retry_at.is_some() => Woken::RetryDue,
        }
    }

    fn take(&mut self, woken: Woken, batch: &mut Batch) -> Result<(), RunError> {
        match woken {
            Woken::Ended(ended) => {
                for joined in ended {
                    match joined {
                        Ok((id, ended)) => {
                            self.running_as.remove(&id);
                            self.settle(ended?, batch);
                        }
                        Err(error) => self.settle_panic(&error, batch),
                    }
                }
            }
            Woken::Slot(slot) => self.spare = Some(slot),
            Woken::RetryDue => {
                let now = Instant::now();
                while let Some((_, task)) = self.retries.first().copied().filter(|(at, _)| *at <= now) {
                    self.retries.pop_first();
                    self.dispatch.push_ready(task);
                }
            }
            Woken::Stop(reason) => {
                self.stopping = Some(reason);
                // Tells the attempts, whoever asked.
                self.stop.send_if_modified(|current| {
                    current.is_none() && {
                        *current = Some(reason);
                        true
                    }
                });
            }
        }
        Ok(())
    }

    fn settle_panic(&mut self, error: &JoinError, batch: &mut Batch) {
        tracing::error!(%error, "an attempt ended by a bug of the engine");
        if let Some((task, attempt)) = self.running_as.remove(&error.id()) {
            self.settle_lost(task, attempt, batch);
        }
    }

    /// RUNNING where something runs or may, WAITING where all that is left is due later.
    fn note_waiting(&mut self, batch: &mut Batch) {
        let idle = self.running.is_empty() && batch.jobs.is_empty() && !self.dispatch.has_ready();
        let now = self.runner.clock.now();
        if self.state == ExecutionState::Running && idle && !self.retries.is_empty() {
            self.set_state(
                Next {
                    to: ExecutionState::Waiting,
                    reason: Some(ReasonCode::RetryBackoff),
                },
                now,
                batch,
            );
        } else if self.state == ExecutionState::Waiting && !batch.jobs.is_empty() {
            self.set_state(
                Next {
                    to: ExecutionState::Running,
                    reason: None,
                },
                now,
                batch,
            );
        }
    }

    pub(crate) fn summary(&self, task: usize, state: TaskState) -> TaskSummary {
        let run = &self.tasks[task];
        TaskSummary {
            task: self.plan.task(task).id.clone(),
            state,
            reason: run.reason,
            message: run.message.clone(),
            attempts: run.attempts,
            duration: run
                .started_at
                .zip(run.ended_at)
                .map(|(started, ended)| ended.since(started)),
        }
    }

    /// The job of a task's next attempt.
    pub(crate) fn job(&self, task: usize, input: Value, slot: OwnedSemaphorePermit, at: Timestamp) -> Option<Job> {
        let workflow = self.workflow();
        let definition = self.plan.task(task);
        let plugin = Arc::clone(self.plugins.get(definition.action.plugin())?);
        let timeout = definition.timeout.unwrap_or(self.runner.options.default_timeout);
        let spec = Spec {
            task: definition.id.clone(),
            attempt: self.tasks[task].attempts,
            plugin,
            action: definition.action.action().to_owned(),
            input,
            permissions: definition.permissions.as_ref().unwrap_or(&workflow.permissions).clone(),
            limits: definition.limits.unwrap_or(workflow.limits),
            timeout,
        };
        Some(Job {
            index: task,
            started_at: at,
            slot,
            spec,
        })
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A duration in the words of a person: milliseconds below a second, else seconds with one digit.
pub(crate) fn duration_text(time: Duration) -> String {
    if time.as_millis() < 1000 {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}
