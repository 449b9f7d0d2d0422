//! The engine's public face: starts executions, and lets them be waited for and stopped.

use std::collections::HashMap;
use std::sync::Arc;

use autokestra_model::{Clock, ExecutionId, Plan, PluginName, TaskId, Workflow};
use autokestra_sandbox::{Plugin, Sandbox};
use autokestra_secrets::Masker;
use autokestra_store::{AuditEvent, Change, NewExecution, Store};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::attempt::AttemptShared;
use crate::error::{RunError, StartError};
use crate::event::Outcome;
use crate::execution::{Execution, ExecutionParts};
use crate::options::{RunnerOptions, StartRequest};

/// Why an execution is stopped before its end. The later one is the graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopReason {
    /// It took longer than the workflow's `timeoutSeconds`.
    TimedOut,
    /// A person asked for it.
    User,
    /// The process is going down.
    Shutdown,
}

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
    pub(crate) workflows: Arc<Semaphore>,
    pub(crate) tasks: Arc<Semaphore>,
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
                workflows,
                tasks,
            }),
        }
    }

    /// Loads the workflow's plugins, stores the execution as PENDING, and runs it in the background.
    ///
    /// # Errors
    /// [`StartError`] where a plugin cannot be loaded or the store fails; then nothing runs.
    pub async fn start(&self, request: StartRequest) -> Result<RunHandle, StartError> {
        let shared = Arc::clone(&self.shared);
        let plugins = self.load_plugins(&request.workflow).await?;
        let masker = Masker::new(&request.secrets);
        let at = shared.clock.now();
        let mut random = fastrand::Rng::with_seed(shared.seed ^ at.as_millis().cast_unsigned());
        let id = ExecutionId::new(at, random.u128(..));
        let plan = Plan::new(Arc::clone(&request.workflow));
        let inputs = Value::Object(request.inputs);
        let new = NewExecution {
            id,
            workflow: request.workflow.id.clone(),
            trigger: request.trigger.to_owned(),
            inputs: masker.mask_json(&inputs),
            tasks: new_tasks(&request.workflow),
            at,
        };
        shared.store.create_execution(new).await?;
        let actor = AuditEvent::TriggeredBy { actor: request.actor };
        let triggered = Change::Audit {
            execution: id,
            task: None,
            at,
            event: actor,
        };
        let (stop, stopped) = watch::channel(None);
        let attempts = AttemptShared {
            store: Arc::clone(&shared.store),
            sandbox: shared.sandbox.clone(),
            clock: Arc::clone(&shared.clock),
            masker,
            execution: id,
            workflow: request.workflow.id.clone(),
            base: request.base,
            environment: request.environment,
            observer: request.observer,
            log_buffer: shared.options.log_buffer.max(1),
            log_flush: shared.options.log_flush,
        };
        let parts = ExecutionParts {
            runner: shared,
            attempts,
            plan,
            plugins,
            inputs,
            secrets: request.secrets,
            random,
            triggered,
        };
        let execution = Execution::new(parts, stop.clone(), stopped);
        let join = tokio::spawn(execution.run());
        Ok(RunHandle {
            id,
            canceller: Canceller { stop },
            join,
        })
    }

    async fn load_plugins(&self, workflow: &Workflow) -> Result<HashMap<PluginName, Arc<Plugin>>, StartError> {
        let mut plugins = HashMap::new();
        for task in &workflow.tasks {
            let name = task.action.plugin();
            if !plugins.contains_key(name) {
                let plugin = self.shared.sandbox.plugin(name).await;
                let plugin = plugin.map_err(|source| StartError::Plugin {
                    plugin: name.clone(),
                    source,
                })?;
                plugins.insert(name.clone(), plugin);
            }
        }
        Ok(plugins)
    }
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
    stop: watch::Sender<Option<StopReason>>,
}

impl Canceller {
    /// Asks for the end. Running attempts are dropped at once, the rest is not started, and all of it is stored.
    pub fn cancel(&self, reason: StopReason) {
        self.stop.send_if_modified(|current| {
            let graver = current.is_none_or(|current| current < reason);
            if graver {
                *current = Some(reason);
            }
            graver
        });
    }
}
