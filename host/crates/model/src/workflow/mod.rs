//! A workflow: what its file says, parsed and validated.

mod actions;
mod broken;
mod document;
mod grants;
mod inputs;
pub(crate) mod parts;
mod references;
mod schema;
mod tasks;

use std::collections::BTreeMap;
use std::time::Duration;

pub use actions::{ActionInfo, CapabilityNeeds, Catalog, InputCheck, Lookup};
pub use broken::Broken;
pub use inputs::{GivenInput, InputSpec, InputType};
pub use schema::SCHEMA;

use crate::diagnostic::{Diagnostics, Lines, Source, Span};
use crate::expression::{Expression, Template};
use crate::id::{ActionName, SecretName, TaskId, WorkflowId};
use crate::permission::{NetworkPattern, Permissions};

/// Most tasks of one workflow.
pub const TASKS_MAX: usize = 10_000;

/// A workflow. Only [`Workflow::parse`] makes one, so its names are unique, its needs exist and have no cycle, and
/// every expression in it can be read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Workflow {
    /// Its id.
    pub id: WorkflowId,
    /// Its name, for people.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether triggers start it.
    pub enabled: bool,
    /// Its parameters.
    pub inputs: Vec<InputSpec>,
    /// The secrets that it may name.
    pub secrets: Vec<SecretSpec>,
    /// What its tasks may reach, where they do not say themselves.
    pub permissions: Permissions,
    /// Where those grants stand in the file.
    pub permission_places: PermissionPlaces,
    /// Limits of each attempt, where the task has none of its own.
    pub limits: Limits,
    /// The most that an execution may take.
    pub timeout: Option<Duration>,
    /// How many executions of it may run at a time; none: any.
    pub concurrency: Option<Concurrency>,
    /// Its tasks in the order of the file, those of `finally` behind the others.
    pub tasks: Vec<Task>,
    /// How many of them are not of `finally`.
    pub main_tasks: usize,
    /// What an execution gives back.
    pub outputs: Template,
    /// Where each line of the file begins.
    pub lines: Lines,
}

/// A workflow, and what is doubtful about it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Parsed {
    /// The workflow.
    pub workflow: Workflow,
    /// Warnings only.
    pub warnings: Diagnostics,
}

impl Workflow {
    /// Reads a workflow file: its shape, types, patterns, ids, needs, cycles and expressions. Whether its actions exist is
    /// asked by [`Workflow::check_actions`].
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn parse(source: &Source) -> Result<Parsed, Diagnostics> {
        document::parse(source).map_err(Broken::into_errors)
    }

    /// [`Workflow::parse`], for who wants to know what else is wrong with a workflow that is no good.
    ///
    /// # Errors
    /// What is wrong, with what could be read in spite of it.
    pub fn parse_as_far_as_it_goes(source: &Source) -> Result<Parsed, Broken> {
        document::parse(source)
    }
}

/// One step of a workflow.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What it runs.
    pub action: ActionName,
    /// The tasks that must have ended before it.
    pub needs: Vec<Need>,
    /// What the action is given.
    pub inputs: Template,
    /// Whether it runs at all.
    pub when: Option<Expression>,
    /// What follows from a failed attempt.
    pub retry: Retry,
    /// The most that an attempt may take; none: the engine's default.
    pub timeout: Option<Duration>,
    /// What it may reach; none: the workflow's.
    pub permissions: Option<Permissions>,
    /// Limits of each attempt.
    pub limits: Option<Limits>,
    /// What its failure means for the execution.
    pub on_error: OnError,
    /// Whether it runs once for each element of a list.
    pub for_each: Option<ForEach>,
    /// Whether running it twice is the same as once; none: as its action says.
    pub idempotent: Option<bool>,
    /// Places in the file.
    pub places: TaskPlaces,
}

/// A task that runs once for each element of a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ForEach {
    /// Gives the list.
    pub items: Template,
    /// The most elements that are under way at a time; none: as many as the engine runs tasks.
    pub max_parallel: Option<u32>,
}

/// How many executions of a workflow may run at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// So many.
    pub max: u32,
    /// What becomes of one more.
    pub on_limit: OnLimit,
}

/// What becomes of an execution that is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLimit {
    /// It waits, PENDING, behind those that came before it.
    Queue,
    /// It is CANCELLED at once.
    Skip,
    /// The oldest that runs is cancelled for it.
    CancelRunning,
}

/// Where parts of a task stand.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TaskPlaces {
    /// The id.
    pub id: Span,
    /// The type.
    pub action: Span,
    /// The key `inputs`, or the id where there is none.
    pub inputs: Span,
    /// Each entry of `inputs`.
    pub input: BTreeMap<String, Span>,
    /// The task's own grants; none: it has the workflow's.
    pub permissions: Option<PermissionPlaces>,
}

/// Where the entries of a `permissions` stand, each list in the order of the grants themselves.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PermissionPlaces {
    /// Each entry of `network`.
    pub network: Vec<Span>,
    /// Each entry of `filesystem.read`.
    pub read: Vec<Span>,
    /// Each entry of `filesystem.write`.
    pub write: Vec<Span>,
    /// Each entry of `env`.
    pub env: Vec<Span>,
    /// The beginning of the whole; empty where there are no permissions.
    pub whole: Span,
}

/// A secret that a workflow may name.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretSpec {
    /// Its name.
    pub name: SecretName,
    /// The hosts that its value goes to, where the tasks never see it; none: the tasks see it.
    pub only_to: Option<Vec<NetworkPattern>>,
}

/// A task that another one waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// Its id.
    pub task: TaskId,
    /// Its position in the file.
    pub index: usize,
    /// Which ends will do.
    pub on: NeedOn,
}

/// Which ends of a needed task will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedOn {
    /// Success only.
    Success,
    /// Any end.
    Always,
}

/// What a task's failure means for its execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The execution fails, and tasks that need this one are skipped.
    Fail,
    /// The execution goes on, and tasks that need this one run.
    Continue,
}

/// How the wait before another attempt grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// Not at all.
    Constant,
    /// By the first wait each time.
    Linear,
    /// Twofold each time.
    Exponential,
}

/// What follows from a failed attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Attempts after the first. Default 0.
    pub max: u32,
    /// How the wait grows. Default exponential.
    pub backoff: Backoff,
    /// The first wait. Default 1 s.
    pub initial: Duration,
    /// The longest wait. Default 60 s.
    pub longest: Duration,
    /// Whether the wait is drawn from its upper half, so that many do not come back at once. Default true.
    pub jitter: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max: 0,
            backoff: Backoff::Exponential,
            initial: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            jitter: true,
        }
    }
}

impl Retry {
    /// The wait after the failed attempt `attempt` (from 1). `random` is drawn evenly from 0 to 1; it serves the jitter.
    #[must_use]
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let step = attempt.max(1);
        let wait = match self.backoff {
            Backoff::Constant => self.initial,
            Backoff::Linear => self.initial.saturating_mul(step),
            Backoff::Exponential => self.initial.saturating_mul(2_u32.saturating_pow(step - 1)),
        };
        let wait = wait.min(self.longest);
        if self.jitter {
            wait.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
        } else {
            wait
        }
    }
}

/// Limits of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of the guest, in bytes. Default 64 MiB.
    pub memory: u64,
    /// Instructions, roughly; none: not counted. Default none.
    pub fuel: Option<u64>,
    /// The output's JSON, in bytes. Default 4 MiB.
    pub output: u64,
    /// What is kept of the log, in bytes. Default 10 MiB.
    pub log_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            fuel: None,
            output: 4 << 20,
            log_bytes: 10 << 20,
        }
    }
}
