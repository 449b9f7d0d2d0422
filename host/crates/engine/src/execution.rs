//! One execution: a single task that owns the graph, and turns what happens into transactions.
//!
//! Each turn takes what happened, decides what follows (`settle.rs`), commits it, and only then acts on it. So the end of
//! one task and the start of the next share a commit, and a crash between two turns loses nothing that was told.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{
    ActionName, Digest, ExecutionId, ExecutionState, InputCheck, Limits, Plan, PluginName, ReasonCode, Scope,
    TaskState, Timestamp, Workflow,
};
use autokestra_sandbox::Plugin;
use autokestra_secrets::{Masked, Secrets};
use autokestra_store::{Change, LogEntry, LogLevel, LogSource, RunKey, StoreError, fault};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::artifacts::{self, Artifact};
use crate::attempt::{self, AttemptShared, Ended, Job, Spec};
use crate::batch::Batch;
use crate::child::{self, ChildJob};
use crate::dispatch::Dispatch;
use crate::elements::Elements;
use crate::error::RunError;
use crate::event::{Outcome, RunEvent, TaskSummary};
use crate::logs::merge;
use crate::own::runs_program;
use crate::rows::Next;
use crate::runner::RunnerShared;
use crate::stop::{Stop, StopReason, asked, graver};
use crate::unit::{TaskRun, Unit};
use crate::work::Code;

/// The longest that the tasks of `finally` may take together, where they run because the execution is being stopped.
const FINALLY_TIME_MAX: Duration = Duration::from_secs(300);

/// What an execution is made from.
pub(crate) struct ExecutionParts {
    pub(crate) runner: Arc<RunnerShared>,
    pub(crate) attempts: AttemptShared,
    pub(crate) plan: Plan,
    pub(crate) plugins: HashMap<PluginName, Arc<Plugin>>,
    pub(crate) inputs: Value,
    pub(crate) secrets: Secrets,
    pub(crate) random: fastrand::Rng,
    /// What its first transaction holds: who started it, and what it keeps of another.
    pub(crate) first: Vec<Change>,
    pub(crate) started_at: Timestamp,
    pub(crate) inside: bool,
}

/// A running execution.
pub(crate) struct Execution {
    pub(crate) runner: Arc<RunnerShared>,
    pub(crate) shared: Arc<AttemptShared>,
    pub(crate) plan: Plan,
    pub(crate) plugins: HashMap<PluginName, Arc<Plugin>>,
    /// The schemas of actions whose inputs had expressions.
    pub(crate) input_checks: HashMap<ActionName, Option<InputCheck>>,
    pub(crate) scope: Scope,
    pub(crate) dispatch: Dispatch,
    pub(crate) tasks: Vec<TaskRun>,
    /// The tasks with a `forEach` that are under way.
    pub(crate) elements: HashMap<usize, Elements>,
    /// The files that tasks left, those of an element behind its number.
    pub(crate) files: HashMap<usize, Vec<Artifact>>,
    pub(crate) state: ExecutionState,
    pub(crate) started_at: Timestamp,
    /// What goes on at a time: another attempt, or the end of a sleep.
    pub(crate) timers: BTreeSet<(Instant, Unit)>,
    pub(crate) random: fastrand::Rng,
    /// The first task in time that failed and may not.
    pub(crate) failure: Option<usize>,
    pub(crate) stopping: Option<Stop>,
    /// What runs now is being stopped: nothing follows from its ends.
    pub(crate) halted: bool,
    /// The executions that attempts started, until these end.
    pub(crate) started_children: HashMap<Unit, ExecutionId>,
    /// The tasks of `finally` may run.
    pub(crate) last: bool,
    pub(crate) first: Vec<Change>,
    /// Executions that a process which died had started, to be waited for again.
    pub(crate) first_children: Vec<ChildJob>,
    /// It is a part of another execution, whose slot it runs in.
    inside: bool,
    pub(crate) stopped: watch::Receiver<Option<Stop>>,
    running: JoinSet<Result<Ended, StoreError>>,
    /// Which unit and attempt an engine task runs, so that a panic in it can be put down to them.
    running_as: HashMap<Id, (Unit, u32)>,
    deadline: Option<Instant>,
    /// How many units the log last said to wait for a slot.
    queued: usize,
    /// A slot that was waited for and is not used yet.
    spare: Option<OwnedSemaphorePermit>,
    /// Tells the attempts of this phase to stop.
    halt: watch::Sender<Option<StopReason>>,
}

/// An engine task that ended: its id and what its attempt gave, or that it panicked.
type Joined = Result<(Id, Result<Ended, StoreError>), JoinError>;

/// What ends a wait.
enum Woken {
    Ended(Vec<Joined>),
    Slot(OwnedSemaphorePermit),
    TimerDue,
    Stop(Stop),
}

impl Execution {
    pub(crate) fn new(parts: ExecutionParts, stopped: watch::Receiver<Option<Stop>>) -> Self {
        let scope = Scope::new(
            parts.inputs,
            &autokestra_model::ExecutionInfo {
                id: parts.attempts.lease.execution(),
                workflow_id: parts.attempts.workflow.clone(),
                started_at: parts.started_at,
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
            elements: HashMap::new(),
            files: HashMap::new(),
            runner: parts.runner,
            plan: parts.plan,
            plugins: parts.plugins,
            input_checks: HashMap::new(),
            scope,
            state: ExecutionState::Pending,
            started_at: parts.started_at,
            timers: BTreeSet::new(),
            random: parts.random,
            failure: None,
            stopping: None,
            halted: false,
            started_children: HashMap::new(),
            last: false,
            first: parts.first,
            first_children: Vec::new(),
            inside: parts.inside,
            stopped,
            running: JoinSet::new(),
            running_as: HashMap::new(),
            deadline: None,
            queued: 0,
            spare: None,
            halt: watch::channel(None).0,
        }
    }

    /// Runs the execution to its end.
    pub(crate) async fn run(mut self) -> Result<Outcome, RunError> {
        let slots = Arc::clone(&self.runner.workflows);
        let slot = tokio::select! {
            // Inside another execution a slot of its own could be one that is never free.
            slot = slots.acquire_owned(), if !self.inside => slot.ok(),
            () = std::future::ready(()), if self.inside => None,
            stop = asked(&mut self.stopped) => { self.stopping = Some(stop); None }
        };
        self.begin().await?;
        let mut batch = Batch {
            children: std::mem::take(&mut self.first_children),
            ..Batch::default()
        };
        // One that died while `finally` ran has stopped all else.
        if let Some(stop) = self.stopping.clone().filter(|_| !self.last) {
            self.halt(stop, &mut batch);
        }
        loop {
            if !self.halted {
                self.fill(&mut batch);
            }
            self.note_queue(&mut batch);
            self.note_waiting(&mut batch);
            if self.dispatch.is_done() {
                if self.last || !self.open_finally() {
                    break;
                }
                continue;
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

    /// The run of a unit that is under way or a task.
    pub(crate) fn run_of(&mut self, unit: Unit) -> &mut TaskRun {
        match unit.item {
            None => &mut self.tasks[unit.task],
            Some(item) => self.elements.entry(unit.task).or_default().run(item),
        }
    }

    /// How the store knows a unit.
    pub(crate) fn key(&self, unit: Unit) -> RunKey {
        RunKey {
            // A workflow has 10,000 tasks at most.
            position: u32::try_from(unit.task).unwrap_or(u32::MAX),
            item: unit.item,
            task: self.plan.task(unit.task).id.clone(),
        }
    }

    /// An entry of the scheduler about the whole execution.
    pub(crate) fn scheduler_entry(&self, level: LogLevel, message: Masked, at: Timestamp) -> Change {
        Change::Logs(vec![LogEntry {
            execution: Some(self.shared.lease.execution()),
            task: None,
            attempt: None,
            at,
            level,
            source: LogSource::Scheduler,
            message,
            metadata: None,
        }])
    }

    /// From now on the workflow's `timeoutSeconds` counts; a resumed execution has used some of it.
    pub(crate) fn start_clock(&mut self, now: Timestamp) {
        let used = now.since(self.started_at);
        if self.last {
            return;
        }
        let left = self.workflow().timeout.map(|timeout| timeout.saturating_sub(used));
        self.deadline = left.map(|left| Instant::now() + left);
    }

    /// Starts ready units, in file order, as long as there are slots.
    fn fill(&mut self, batch: &mut Batch) {
        while self.dispatch.has_ready() {
            let slot = self
                .spare
                .take()
                .or_else(|| Arc::clone(&self.runner.tasks).try_acquire_owned().ok());
            let Some(slot) = slot else { return };
            let Some(unit) = self.dispatch.pop_ready() else { return };
            // A unit that needs no attempt gives its slot back for the next.
            self.spare = self.start(unit, slot, batch);
        }
        self.spare = None;
    }

    /// Logs how many units wait for a slot, where such details are wanted.
    fn note_queue(&mut self, batch: &mut Batch) {
        let queued = self.dispatch.ready_len();
        if self.shared.log_debug && std::mem::replace(&mut self.queued, queued) != queued {
            let text = self.shared.masker.mask(&format!("Task queue size: {queued}"));
            batch
                .changes
                .push(self.scheduler_entry(LogLevel::Debug, text, self.runner.clock.now()));
        }
    }

    /// Commits, then acts.
    pub(crate) async fn carry_out(&mut self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        if !batch.changes.is_empty() {
            let changes = merge(batch.changes);
            self.runner.store.commit(&self.shared.lease, changes).await?;
        }
        fault::point("turn.committed");
        for job in batch.jobs {
            self.launch(job);
        }
        for job in batch.children {
            let key = (job.unit, job.attempt);
            let child = child::run(
                job,
                Arc::clone(&self.runner),
                Arc::clone(&self.shared),
                self.halt.subscribe(),
            );
            let handle = self.running.spawn(child);
            self.running_as.insert(handle.id(), key);
        }
        if let Some(traced) = &self.shared.traced {
            traced.take(batch.spans);
        }
        for event in batch.events {
            self.tell(event).await;
        }
        Ok(())
    }

    fn launch(&mut self, job: Job) {
        let key = (job.unit, job.spec.attempt);
        let attempt = attempt::run(job, Arc::clone(&self.shared), self.halt.subscribe());
        let handle = self.running.spawn(attempt);
        self.running_as.insert(handle.id(), key);
    }

    pub(crate) async fn tell(&self, event: RunEvent) {
        self.shared.tell(event).await;
    }

    async fn wait(&mut self) -> Woken {
        let timer = self.timers.first().map(|(at, _)| *at);
        let wants_slot = !self.halted && self.dispatch.has_ready() && self.spare.is_none();
        let deadline = self.deadline.filter(|_| self.stopping.is_none() || self.last);
        let slots = Arc::clone(&self.runner.tasks);
        tokio::select! {
            biased;
            stop = graver(&mut self.stopped, self.stopping.as_ref()) => Woken::Stop(stop),
            () = sleep_until(deadline), if deadline.is_some() => Woken::Stop(Stop::of(StopReason::TimedOut)),
            Some(first) = self.running.join_next_with_id() => {
                let mut ended = vec![first];
                while let Some(next) = self.running.try_join_next_with_id() {
                    ended.push(next);
                }
                Woken::Ended(ended)
            }
            Ok(slot) = slots.acquire_owned(), if wants_slot => Woken::Slot(slot),
            () = sleep_until(timer), if timer.is_some() => Woken::TimerDue,
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
            Woken::TimerDue => {
                let now = Instant::now();
                while let Some((_, unit)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
                    self.timers.pop_first();
                    if self.run_of(unit).sleeping {
                        self.wake(unit, batch);
                    } else {
                        self.dispatch.push_ready(unit);
                    }
                }
            }
            Woken::Stop(stop) => self.halt(stop, batch),
        }
        Ok(())
    }

    /// Stops what runs now. The first reason is the one that counts.
    fn halt(&mut self, stop: Stop, batch: &mut Batch) {
        self.halted = true;
        self.deadline = None;
        self.cancel_idle(&stop, batch);
        let (reason, message) = stop.words();
        batch.events.push(RunEvent::Stopping { reason, message });
        self.halt.send_replace(Some(stop.reason));
        self.stopping.get_or_insert(stop);
    }

    /// Lets the tasks of `finally` run in an execution that had come so far before its process died.
    pub(crate) fn reopen_finally(&mut self) {
        self.open_finally();
    }

    /// Lets the tasks of `finally` run, if there are any.
    fn open_finally(&mut self) -> bool {
        self.last = true;
        if self.plan.main_len() == self.plan.len() {
            return false;
        }
        let (next, ..) = self.verdict();
        self.scope.set_execution_state(next.to);
        self.halted = false;
        self.halt = watch::channel(None).0;
        self.deadline = self.stopping.as_ref().map(|_| Instant::now() + FINALLY_TIME_MAX);
        self.dispatch.open_finally(&self.plan);
        true
    }

    fn settle_panic(&mut self, error: &JoinError, batch: &mut Batch) {
        tracing::error!(%error, "an attempt ended by a bug of the engine");
        if let Some((unit, attempt)) = self.running_as.remove(&error.id()) {
            self.settle_lost(unit, attempt, batch);
        }
    }

    /// RUNNING where something runs or may, WAITING where all that is left is due later.
    fn note_waiting(&mut self, batch: &mut Batch) {
        let idle =
            self.running.is_empty() && batch.jobs.is_empty() && batch.children.is_empty() && !self.dispatch.has_ready();
        let waits = idle && !self.timers.is_empty();
        let now = self.runner.clock.now();
        if self.state == ExecutionState::Running && waits {
            let first = self.timers.first().map(|(_, unit)| *unit);
            let sleeps = first.is_some_and(|unit| self.run_of(unit).sleeping);
            let reason = if sleeps {
                ReasonCode::Sleeping
            } else {
                ReasonCode::RetryBackoff
            };
            self.set_state(Next::because(ExecutionState::Waiting, reason), now, batch);
        } else if self.state == ExecutionState::Waiting && !waits {
            self.set_state(Next::to(ExecutionState::Running), now, batch);
        }
    }

    pub(crate) fn summary(&mut self, unit: Unit) -> TaskSummary {
        let task = self.plan.task(unit.task).id.clone();
        let run = self.run_of(unit);
        TaskSummary {
            task,
            item: unit.item,
            state: run.state,
            reason: run.reason,
            message: run.message.clone(),
            attempts: run.attempts,
            elements: run.elements,
            duration: run
                .started_at
                .zip(run.ended_at)
                .map(|(started, ended)| ended.since(started)),
        }
    }

    /// The job of a unit's next attempt.
    pub(crate) fn job(&mut self, unit: Unit, input: Value, slot: OwnedSemaphorePermit, at: Timestamp) -> Option<Job> {
        let attempt = self.run_of(unit).attempts;
        let workflow = self.workflow();
        let definition = self.plan.task(unit.task);
        let code = if runs_program(&definition.action) {
            Code::Program
        } else {
            Code::Plugin(Arc::clone(self.plugins.get(definition.action.plugin())?))
        };
        let timeout = definition.timeout.unwrap_or(self.runner.options.default_timeout);
        let limits = definition.limits.unwrap_or(workflow.limits);
        let spec = Spec {
            run: self.key(unit),
            attempt,
            action: definition.action.clone(),
            code,
            input,
            permissions: definition.permissions.as_ref().unwrap_or(&workflow.permissions).clone(),
            limits: Limits {
                fuel: limits.fuel.or(self.runner.options.default_fuel),
                ..limits
            },
            timeout,
            reads: self.reads_of(unit.task),
        };
        Some(Job {
            unit,
            started_at: at,
            slot,
            spec,
        })
    }

    /// The files that a task's inputs name: all of a task, as a name may come of an expression.
    fn reads_of(&self, task: usize) -> Vec<(String, Digest)> {
        let named = self.plan.task(task).inputs.files_of();
        let named = named
            .into_iter()
            .filter_map(|id| Some(((0..self.plan.len()).find(|task| self.plan.task(*task).id == id)?, id)));
        named
            .flat_map(|(position, id)| {
                let files = self.files.get(&position).into_iter().flatten();
                files.map(move |file| (format!("{id}/{}", file.name), file.digest))
            })
            .collect()
    }

    /// Notes the files that a unit left.
    pub(crate) fn note_files(&mut self, unit: Unit, files: impl IntoIterator<Item = Artifact>) {
        let mut files = files.into_iter().peekable();
        if files.peek().is_none() {
            return;
        }
        self.files.entry(unit.task).or_default().extend(files.map(|mut file| {
            if let Some(item) = unit.item {
                file.name = format!("{item}/{}", file.name);
            }
            file
        }));
    }

    /// Makes a task's end known to expressions.
    pub(crate) fn tell_scope(&self, task: usize, state: TaskState, output: Option<Arc<Value>>) {
        let id = &self.plan.task(task).id;
        let files = self.files.get(&task).into_iter().flatten();
        let files = files.map(|file| (file.name.clone(), format!("{}/{id}/{}", artifacts::GUEST_IN, file.name)));
        self.scope.set_task_with_files(id, state, output, files.collect());
    }

    /// Every unit that is under way or waits to be: tasks, and elements that began.
    pub(crate) fn unended(&self) -> Vec<Unit> {
        let tasks = self.dispatch.unended();
        tasks
            .flat_map(|task| {
                let elements = self.elements.get(&task);
                let elements = elements.into_iter().flat_map(Elements::under_way);
                let elements: Vec<Unit> = elements.map(|item| Unit::element(task, item)).collect();
                elements.into_iter().chain([Unit::task(task)])
            })
            .collect()
    }

    /// Whether a unit's attempt runs in this process now.
    pub(crate) fn is_running(&mut self, unit: Unit) -> bool {
        // A task with elements runs by them.
        self.run_of(unit).state == TaskState::Running
            && (unit.item.is_some() || !self.elements.contains_key(&unit.task))
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
