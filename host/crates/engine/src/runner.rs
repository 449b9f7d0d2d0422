//! The engine's public face: starts executions, and lets them be waited for and stopped.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use autokestra_model::{Clock, ExecutionId, Plan, PluginName, TaskId, Timestamp, Workflow};
use autokestra_sandbox::{LoadError, Plugin, Sandbox};
use autokestra_secrets::{Masked, Masker};
use autokestra_store::{AcquireError, AuditEvent, Change, Lease, NewExecution, Store, WorkflowSource};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::attempt::AttemptShared;
use crate::child::ChildOf;
use crate::error::{RandomError, ResumeError, RunError, StartError};
use crate::event::Outcome;
use crate::execution::{Execution, ExecutionParts};
use crate::hidden::Hidden;
use crate::keeper::Keeper;
use crate::options::{Given, RunnerOptions, StartRequest};
use crate::own::own_plugin;
use crate::restore;
use crate::span::{Origin, Traced, Tracer};
use crate::stop::{Stop, StopReason};

/// Starts executions on one store and one sandbox. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Runner {
    shared: Arc<RunnerShared>,
}

/// What all executions of a runner share.
#[derive(Debug)]
pub(crate) struct RunnerShared {
    pub(crate) options: RunnerOptions,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: u64,
    /// How many executions were begun: two of one moment need two ids.
    pub(crate) begun: AtomicU64,
    pub(crate) workflows: Arc<Semaphore>,
    pub(crate) tasks: Arc<Semaphore>,
    pub(crate) keeper: Keeper,
    pub(crate) tracer: Option<Arc<dyn Tracer>>,
}

impl Runner {
    /// A runner that takes time from `clock` and derives all its randomness (ids, jitter) from `seed`.
    #[must_use]
    pub fn new(
        options: RunnerOptions,
        store: Arc<dyn Store>,
        sandbox: Sandbox,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Self {
        let slots = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        let (workflows, tasks) = (
            slots(options.max_concurrent_workflows),
            slots(options.max_concurrent_tasks),
        );
        Self {
            shared: Arc::new(RunnerShared {
                options,
                store,
                sandbox,
                clock,
                seed,
                begun: AtomicU64::new(0),
                workflows,
                tasks,
                keeper: Keeper::default(),
                tracer: None,
            }),
        }
    }

    /// This runner, which tells `tracer` of the spans of its executions. To be called before it starts any.
    #[must_use]
    pub fn traced(mut self, tracer: Arc<dyn Tracer>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.tracer = Some(tracer);
        }
        self
    }

    /// Lets the tracer send what it has, where there is one; what could not be sent, in a sentence.
    pub async fn close_tracer(&self) -> Option<String> {
        let tracer = self.shared.tracer.as_ref()?;
        tracer.close().await
    }

    /// Loads the workflow's plugins, stores the execution as PENDING, and runs it in the background.
    ///
    /// # Errors
    /// [`StartError`] where a plugin cannot be loaded or the store fails; then nothing runs.
    pub async fn start(&self, request: StartRequest) -> Result<RunHandle, StartError> {
        self.start_inside(request, None).await
    }

    /// Starts an execution, as a part of another where there is one.
    pub(crate) async fn start_inside(
        &self,
        request: StartRequest,
        child: Option<ChildOf>,
    ) -> Result<RunHandle, StartError> {
        let shared = Arc::clone(&self.shared);
        let StartRequest {
            given,
            inputs,
            source,
            trigger,
            retry,
        } = request;
        let plugins = self.load_plugins(&given.workflow).await;
        let plugins = plugins.map_err(|(plugin, source)| StartError::Plugin { plugin, source })?;
        let hidden = Hidden::new(
            &given.workflow,
            &given.secrets,
            child.as_ref().map(|child| &child.hidden),
        );
        let hidden = hidden.map_err(RandomError)?;
        let masker = hidden.masker();
        let at = shared.clock.now();
        let number = shared.begun.fetch_add(1, Ordering::Relaxed);
        let seed = shared.seed ^ at.as_millis().cast_unsigned();
        // An odd factor gives each number a place of its own, and far from its neighbours.
        let mut random = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let id = ExecutionId::new(at, random.u128(..));
        let inputs = Value::Object(inputs);
        let plan = Plan::new(Arc::clone(&given.workflow));
        let above = above(child.as_ref(), &source.0);
        let kept = retry
            .as_ref()
            .map(|retried| restore::kept(&plan, retried, &self.shared.options.artifacts, self.shared.clock.now()));
        let retried = retry.as_ref().map(|retried| retried.detail.row.id);
        let new = NewExecution {
            id,
            workflow: given.workflow.id.clone(),
            trigger: trigger.to_owned(),
            inputs: masker.seal(&inputs),
            source: WorkflowSource {
                name: source.0,
                text: masker.seal(&Value::String(source.1)),
                base: given.base.display().to_string(),
            },
            parent: child.as_ref().map(|child| child.parent.clone()),
            retry_of: retried,
            tasks: new_tasks(&given.workflow),
            at,
        };
        let lease = shared.store.create_execution(new, shared.lease_end(at)).await?;
        let actor = AuditEvent::TriggeredBy {
            actor: given.actor.clone(),
        };
        let triggered = Change::Audit {
            task: None,
            at,
            event: actor,
        };
        let origin = Origin {
            attempt: child.as_ref().and_then(|child| child.trace),
            retried,
            trigger: Some(trigger.to_owned()),
        };
        let inside = Inside {
            hidden,
            above,
            inside: child.is_some(),
            traced: shared.tracer.as_ref().map(|tracer| Traced::new(tracer, id, origin)),
        };
        tracing::debug!(execution = %id, workflow = %given.workflow.id, trigger, "execution created");
        let masking = (masker, inside);
        let parts = self.parts(given, masking, plugins, lease, (inputs, at), (vec![triggered], random));
        let (stop, stopped) = watch::channel(None);
        let mut execution = Execution::new(parts, stopped);
        if let Some(kept) = kept {
            execution.keep(kept, at)?;
        }
        Ok(self.run(execution, stop))
    }

    /// Takes an execution up that nobody drives any more: what succeeded is kept, what was under way runs again.
    ///
    /// # Errors
    /// [`ResumeError`], which says who drives it where somebody does.
    pub async fn resume(&self, id: ExecutionId, given: Given) -> Result<RunHandle, ResumeError> {
        self.resume_inside(id, given, None).await
    }

    /// Takes an execution up, as a part of another where there is one.
    pub(crate) async fn resume_inside(
        &self,
        id: ExecutionId,
        given: Given,
        child: Option<ChildOf>,
    ) -> Result<RunHandle, ResumeError> {
        let shared = Arc::clone(&self.shared);
        let plugins = self.load_plugins(&given.workflow).await;
        let plugins = plugins.map_err(|(plugin, source)| ResumeError::Plugin { plugin, source })?;
        let hidden = Hidden::new(
            &given.workflow,
            &given.secrets,
            child.as_ref().map(|child| &child.hidden),
        );
        let hidden = hidden.map_err(RandomError)?;
        let masker = hidden.masker();
        let at = shared.clock.now();
        let random = fastrand::Rng::with_seed(shared.seed ^ at.as_millis().cast_unsigned());
        let lease = shared.store.acquire(id, at, shared.lease_end(at)).await?;
        let detail = shared.store.execution(id).await?;
        let detail = detail.ok_or(AcquireError::NotFound { id })?;
        let inputs = masker.open(&detail.sealed_inputs)?;
        let resumed = Change::Audit {
            task: None,
            at,
            event: AuditEvent::Resumed {
                actor: given.actor.clone(),
            },
        };
        let started_at = detail.row.started_at.unwrap_or(at);
        let origin = Origin {
            attempt: child.as_ref().and_then(|child| child.trace),
            retried: detail.retry_of,
            trigger: None,
        };
        let name = detail.source.as_ref().map_or("", |source| &source.name);
        let inside = Inside {
            hidden,
            above: above(child.as_ref(), name),
            inside: child.is_some(),
            traced: shared.tracer.as_ref().map(|tracer| Traced::new(tracer, id, origin)),
        };
        tracing::debug!(execution = %id, "execution taken up");
        let masking = (masker, inside);
        let parts = self.parts(
            given,
            masking,
            plugins,
            lease,
            (inputs, started_at),
            (vec![resumed], random),
        );
        let (stop, stopped) = watch::channel(None);
        let mut execution = Execution::new(parts, stopped);
        // What its dead process was writing belongs to nobody.
        self.shared.options.artifacts.remove_attempts(&|owner| owner == id);
        execution.restore(&detail, at)?;
        Ok(self.run(execution, stop))
    }

    /// A runner of what others share already.
    pub(crate) const fn of(shared: Arc<RunnerShared>) -> Self {
        Self { shared }
    }

    /// Waits until no execution runs: one that was started without waiting may outlive the one that started it.
    pub async fn idle(&self) {
        self.shared.keeper.idle().await;
    }

    fn parts(
        &self,
        given: Given,
        (masker, inside): (Masker, Inside),
        plugins: HashMap<PluginName, Arc<Plugin>>,
        lease: Lease,
        (inputs, started_at): (Value, Timestamp),
        (first, random): (Vec<Change>, fastrand::Rng),
    ) -> ExecutionParts {
        let shared = Arc::clone(&self.shared);
        let shown = inside.hidden.shown(&given.workflow, &given.secrets);
        let attempts = AttemptShared {
            store: Arc::clone(&shared.store),
            sandbox: shared.sandbox.clone(),
            clock: Arc::clone(&shared.clock),
            masker,
            lease,
            workflow: given.workflow.id.clone(),
            base: given.base,
            environment: given.environment,
            observer: given.observer,
            flows: given.flows,
            hidden: inside.hidden,
            above: inside.above,
            artifacts: shared.options.artifacts.clone(),
            log_buffer: shared.options.log_buffer.max(1),
            log_flush: shared.options.log_flush,
            traced: inside.traced,
            log_debug: shared.options.log_debug,
        };
        ExecutionParts {
            runner: shared,
            attempts,
            plan: Plan::new(given.workflow),
            plugins,
            inputs,
            secrets: shown,
            random,
            first,
            started_at,
            inside: inside.inside,
        }
    }

    fn run(&self, execution: Execution, stop: watch::Sender<Option<Stop>>) -> RunHandle {
        let id = execution.shared.lease.execution();
        let canceller = Canceller { stop };
        let driving = self.shared.drive(id, canceller.clone());
        let join = tokio::spawn(async move {
            let outcome = execution.run().await;
            drop(driving);
            outcome
        });
        RunHandle { id, canceller, join }
    }

    async fn load_plugins(
        &self,
        workflow: &Workflow,
    ) -> Result<HashMap<PluginName, Arc<Plugin>>, (PluginName, LoadError)> {
        let mut plugins = HashMap::new();
        for task in &workflow.tasks {
            let name = task.action.plugin();
            if !plugins.contains_key(name) && own_plugin(name).is_none() {
                let plugin = self.shared.sandbox.plugin(name).await;
                let plugin = plugin.map_err(|source| (name.clone(), source))?;
                plugins.insert(name.clone(), plugin);
            }
        }
        Ok(plugins)
    }
}

/// How an execution stands to those above it.
struct Inside {
    hidden: Hidden,
    above: Vec<String>,
    inside: bool,
    traced: Option<Traced>,
}

/// The workflows above an execution and its own.
fn above(child: Option<&ChildOf>, name: &str) -> Vec<String> {
    child.map_or_else(|| vec![name.to_owned()], |child| child.above.clone())
}

fn new_tasks(workflow: &Workflow) -> Vec<autokestra_store::NewTaskRun> {
    let row = |task: &autokestra_model::Task| autokestra_store::NewTaskRun {
        task: task.id.clone(),
        action: task.action.clone(),
        needs: task.needs.iter().map(|need| need.task.clone()).collect::<Vec<TaskId>>(),
    };
    workflow.tasks.iter().map(row).collect()
}

/// A running execution.
#[derive(Debug)]
pub struct RunHandle {
    id: ExecutionId,
    canceller: Canceller,
    join: JoinHandle<Result<Outcome, RunError>>,
}

impl RunHandle {
    /// The execution's id.
    #[must_use]
    pub fn id(&self) -> ExecutionId {
        self.id
    }

    /// What stops it.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`RunError`] where the store failed underway; a failed task is an [`Outcome`], not an error.
    pub async fn wait(self) -> Result<Outcome, RunError> {
        self.join.await.map_err(|_| RunError::Scheduler)?
    }
}

/// Stops an execution. Cheap to clone; asking twice changes nothing but a graver reason.
#[derive(Clone, Debug)]
pub struct Canceller {
    stop: watch::Sender<Option<Stop>>,
}

impl Canceller {
    /// Asks for the end. Running attempts are dropped at once, the rest is not started, `finally` runs, and all of it is
    /// stored.
    pub fn cancel(&self, reason: StopReason) {
        self.ask(Stop::of(reason));
    }

    /// Asks for the end, and says who does.
    pub fn cancel_by(&self, reason: StopReason, actor: Masked) {
        self.ask(Stop {
            reason,
            actor: Some(actor),
        });
    }

    fn ask(&self, stop: Stop) {
        self.stop.send_if_modified(|current| {
            let graver = current.as_ref().is_none_or(|current| current.reason < stop.reason);
            if graver {
                *current = Some(stop);
            }
            graver
        });
    }
}
