//! What a runner and an execution are made from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{ReasonCode, TaskId, Workflow, is_reserved_variable};
use autokestra_sandbox::Program;
use autokestra_secrets::{Masked, Secrets};
use autokestra_store::{ExecutionDetail, WorkflowSource};
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::artifacts::Artifacts;
use crate::event::RunEvent;

/// The limits of a runner.
#[derive(Clone, Debug)]
pub struct RunnerOptions {
    /// Executions that run at a time; the others wait as PENDING.
    pub max_concurrent_workflows: usize,
    /// Attempts that run at a time, over all executions.
    pub max_concurrent_tasks: usize,
    /// An attempt's time limit where the task names none.
    pub default_timeout: Duration,
    /// An attempt's fuel where the workflow names none; none: fuel is not counted, and code runs faster.
    pub default_fuel: Option<u64>,
    /// Log entries of one attempt that are held before they are written.
    pub log_buffer: usize,
    /// Whether the engine logs its own details too, as DEBUG.
    pub log_debug: bool,
    /// The longest that a log entry is held.
    pub log_flush: Duration,
    /// The folder of the files that tasks leave for others.
    pub artifacts: Artifacts,
    /// How long a process owns its executions after its last sign of life; it gives one three times as often.
    pub lease: Duration,
}

/// Gives a variable's value.
type ReadVariable = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Reads a variable of the environment that workflows may be granted.
#[derive(Clone)]
pub struct Environment(Arc<ReadVariable>);

impl Environment {
    /// An environment that asks `read` for each variable.
    pub fn new(read: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The environment of this process, without the engine's own secrets.
    #[must_use]
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok().filter(|_| !is_reserved_variable(name)))
    }

    /// The value of `name`, if it is set and is UTF-8.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

/// What an execution runs, and in which surroundings.
#[derive(Debug)]
pub struct Given {
    /// The workflow, validated against the catalog of the same sandbox.
    pub workflow: Arc<Workflow>,
    /// The values of the secrets that it names.
    pub secrets: Secrets,
    /// The folder that relative paths of permissions start at: that of the workflow file.
    pub base: PathBuf,
    /// The environment that `permissions.env` reads.
    pub environment: Environment,
    /// Who asks for it, for the audit trail.
    pub actor: Masked,
    /// Where its events go. A full channel makes the execution wait.
    pub observer: Option<mpsc::Sender<RunEvent>>,
    /// Finds the workflows that `core/flow.run` names.
    pub flows: Arc<dyn Flows>,
}

/// A workflow that was found and validated.
#[derive(Debug)]
pub struct Flow {
    /// It.
    pub workflow: Arc<Workflow>,
    /// The values of the secrets that it names.
    pub secrets: Secrets,
    /// The folder that its relative paths start at.
    pub base: PathBuf,
    /// Its file's name, by which it is known among those that started it, and its text.
    pub source: (String, String),
}

/// Why a workflow that a task names does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowError {
    /// For machines.
    pub reason: ReasonCode,
    /// For people.
    pub message: String,
}

/// What a task asked for is wrong, unless somebody says otherwise.
impl<T: Into<String>> From<T> for FlowError {
    fn from(message: T) -> Self {
        Self {
            reason: ReasonCode::InvalidInput,
            message: message.into(),
        }
    }
}

/// Finds the workflows that `core/flow.run` names, and says which programs `core/wasm.run` may take.
pub trait Flows: Send + Sync + fmt::Debug {
    /// The workflow of a path below `base`, or of an id that a file beside it has as its name.
    fn find<'a>(&'a self, base: &'a Path, name: &'a str) -> BoxFuture<'a, Result<Flow, FlowError>>;

    /// The workflow of an execution that was started before, as its text was then.
    fn reopen<'a>(&'a self, source: &'a WorkflowSource) -> BoxFuture<'a, Result<Flow, FlowError>>;

    /// Whether a workflow in the folder `base` may run the program that `name` stands for by now. Its name may come of an
    /// expression, so it is asked just before it runs.
    ///
    /// # Errors
    /// Why not, and what to do.
    fn check_program(&self, base: &Path, name: &str, program: &Program) -> Result<(), String>;
}

/// One execution that is to be started.
#[derive(Debug)]
pub struct StartRequest {
    /// What it runs.
    pub given: Given,
    /// Its inputs, bound by `Workflow::bind_inputs`.
    pub inputs: Map<String, Value>,
    /// The workflow's text and its name, by which another process can go on.
    pub source: (String, String),
    /// What started it, for the audit trail: `manual`, later a trigger's type.
    pub trigger: &'static str,
    /// The execution that it retries, and from where.
    pub retry: Option<Retried>,
}

/// An execution that is retried.
#[derive(Debug)]
pub struct Retried {
    /// It, as the store has it.
    pub detail: Box<ExecutionDetail>,
    /// The task from which everything runs again, whatever came of it; none: what did not succeed.
    pub from: Option<TaskId>,
}
