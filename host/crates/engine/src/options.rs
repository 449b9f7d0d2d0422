//! What a runner and an execution are made from.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use autokestra_model::Workflow;
use autokestra_secrets::{Masked, Secrets};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

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
    /// Log entries of one attempt that are held before they are written.
    pub log_buffer: usize,
    /// The longest that a log entry is held.
    pub log_flush: Duration,
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

    /// The environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
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

/// One execution that is to be started.
#[derive(Debug)]
pub struct StartRequest {
    /// The workflow, validated against the catalog of the same sandbox.
    pub workflow: Arc<Workflow>,
    /// Its inputs, bound by `Workflow::bind_inputs`.
    pub inputs: Map<String, Value>,
    /// The values of the secrets that it names.
    pub secrets: Secrets,
    /// The folder that relative paths of permissions start at: that of the workflow file.
    pub base: PathBuf,
    /// The environment that `permissions.env` reads.
    pub environment: Environment,
    /// What started it, for the audit trail: `manual`, later a trigger's type.
    pub trigger: &'static str,
    /// Who started it, for the audit trail.
    pub actor: Masked,
    /// Where its events go. A full channel makes the execution wait.
    pub observer: Option<mpsc::Sender<RunEvent>>,
}
