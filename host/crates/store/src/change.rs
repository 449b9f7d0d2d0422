//! What may be written: changes of states with all that belongs to them, and log entries.

use std::fmt;
use std::str::FromStr;

use autokestra_model::{
    ActionName, Digest, ExecutionId, ExecutionState, IdError, PluginName, TaskId, TaskState, Timestamp, Transition,
    WorkflowId,
};
use autokestra_secrets::{Masked, MaskedJson, SealedJson};

use crate::audit::AuditEvent;

/// An execution that is to be created, as PENDING.
#[derive(Clone, Debug)]
pub struct NewExecution {
    /// Its id.
    pub id: ExecutionId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// What started it: `manual`, or a trigger's type.
    pub trigger: String,
    /// Its inputs.
    pub inputs: SealedJson,
    /// The workflow's text, by which another process can go on.
    pub source: WorkflowSource,
    /// The task run that started it, where one did.
    pub parent: Option<ParentLink>,
    /// The execution that it retries, where it does.
    pub retry_of: Option<ExecutionId>,
    /// Its tasks, in file order.
    pub tasks: Vec<NewTaskRun>,
    /// When.
    pub at: Timestamp,
}

/// The text of a workflow, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkflowSource {
    /// The file's name, for messages.
    pub name: String,
    /// The text, one string. A secret that someone wrote into it stands as a reference.
    pub text: SealedJson,
    /// The folder that relative paths start at.
    pub base: String,
}

/// The task run that an execution belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentLink {
    /// The execution.
    pub execution: ExecutionId,
    /// The task run.
    pub run: RunKey,
}

/// A task run, or that of one element of its `forEach`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunKey {
    /// The task's position in the workflow, from 0.
    pub position: u32,
    /// The element, from 0; none: the task itself.
    pub item: Option<u32>,
    /// The task.
    pub task: TaskId,
}

impl RunKey {
    /// The element as the store has it: -1 stands for none, so that the task comes before its elements.
    pub(crate) fn item_number(&self) -> i64 {
        self.item.map_or(-1, i64::from)
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            Some(item) => write!(f, "{}[{item}]", self.task),
            None => write!(f, "{}", self.task),
        }
    }
}

/// A task run that is to be created, as PENDING.
#[derive(Clone, Debug)]
pub struct NewTaskRun {
    /// The task.
    pub task: TaskId,
    /// What it runs.
    pub action: ActionName,
    /// The tasks that it needs.
    pub needs: Vec<TaskId>,
}

/// One change. Several of them are one transaction, in their order.
#[derive(Clone, Debug)]
pub enum Change {
    /// An execution changes its state.
    Execution {
        /// From where to where, and why.
        transition: Transition<ExecutionState>,
        /// When.
        at: Timestamp,
        /// More, for people.
        message: Option<Masked>,
        /// The outputs, at the end.
        outputs: Option<MaskedJson>,
    },
    /// A task run changes its state. That of an element is made by its first change.
    Task {
        /// The task run.
        run: RunKey,
        /// From where to where, and why.
        transition: Transition<TaskState>,
        /// When.
        at: Timestamp,
        /// More, for people.
        message: Option<Masked>,
        /// The inputs as templates, at the first start.
        inputs: Option<MaskedJson>,
        /// The output, at the end.
        output: Option<SealedJson>,
        /// When it goes on, where it waits for a time.
        due: Option<Timestamp>,
    },
    /// An attempt begins.
    AttemptStarted {
        /// The task run.
        run: RunKey,
        /// Its number, from 1.
        attempt: u32,
        /// When.
        at: Timestamp,
        /// The component that it runs.
        digest: Option<Digest>,
    },
    /// What an attempt runs became known after its beginning.
    AttemptLoaded {
        /// The task run.
        run: RunKey,
        /// Its number, from 1.
        attempt: u32,
        /// The component that it runs.
        digest: Digest,
    },
    /// An attempt ended.
    AttemptEnded {
        /// The task run.
        run: RunKey,
        /// Its number, from 1.
        attempt: u32,
        /// When.
        at: Timestamp,
        /// Why it failed, if it did.
        error: Option<AttemptErrorRow>,
        /// What it used.
        usage: Usage,
    },
    /// Log entries.
    Logs(Vec<LogEntry>),
    /// An event of the audit trail that belongs to no change of a state.
    Audit {
        /// The task.
        task: Option<TaskId>,
        /// When.
        at: Timestamp,
        /// What happened.
        event: AuditEvent,
    },
    /// A value that a plugin keeps for a workflow; none removes it.
    PluginState {
        /// The workflow.
        workflow: WorkflowId,
        /// The plugin.
        plugin: PluginName,
        /// The key.
        key: String,
        /// The value.
        value: Option<SealedJson>,
    },
    /// A file that a successful task run left.
    File {
        /// The task run.
        run: RunKey,
        /// Its name, with `/` between folders.
        name: String,
        /// The digest of its content, by which it is kept.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
    },
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptErrorRow {
    /// For machines.
    pub code: Masked,
    /// For people.
    pub message: Masked,
    /// Whether another attempt may succeed.
    pub retryable: bool,
    /// More.
    pub details: Option<MaskedJson>,
}

/// What an attempt used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Fuel, where it was counted.
    pub fuel: Option<u64>,
    /// The most memory at a time, in bytes.
    pub peak_memory: u64,
    /// Time on a processor, in milliseconds.
    pub cpu_ms: f64,
    /// Log that was kept, in bytes.
    pub log_bytes: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

/// How grave a log entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Detail for developers.
    Debug,
    /// How things go.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// All levels, the least grave first.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }

    pub(crate) const fn number(self) -> i64 {
        self as i64
    }

    pub(crate) fn from_number(number: i64) -> Self {
        Self::ALL
            .into_iter()
            .find(|level| level.number() == number)
            .unwrap_or(Self::Error)
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for LogLevel {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let named = Self::ALL
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(text));
        named.ok_or_else(|| IdError {
            text: text.to_owned(),
            expected: "a level: DEBUG, INFO, WARN or ERROR",
        })
    }
}

/// Who says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// The lifecycle of executions.
    Scheduler,
    /// The lifecycle of attempts.
    Worker,
    /// The engine itself.
    System,
    /// A plugin.
    Plugin {
        /// The execution.
        execution: ExecutionId,
        /// The task.
        task: TaskId,
    },
}

/// `scheduler`, `worker`, `system` or `plugin:<executionId>/<taskId>`.
impl fmt::Display for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheduler => f.write_str("scheduler"),
            Self::Worker => f.write_str("worker"),
            Self::System => f.write_str("system"),
            Self::Plugin { execution, task } => write!(f, "plugin:{execution}/{task}"),
        }
    }
}

/// One log entry.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// The execution that it belongs to.
    pub execution: Option<ExecutionId>,
    /// The task that it belongs to.
    pub task: Option<TaskId>,
    /// The attempt that it belongs to, from 1.
    pub attempt: Option<u32>,
    /// When.
    pub at: Timestamp,
    /// How grave it is.
    pub level: LogLevel,
    /// Who says it.
    pub source: LogSource,
    /// What.
    pub message: Masked,
    /// More.
    pub metadata: Option<MaskedJson>,
}
