//! What an attempt is given, what it says while it runs, and what is left of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{ExecutionId, Limits, ReasonCode, TaskId, TraceContext, WorkflowId};
use autokestra_secrets::{BoundSecret, Masked, MaskedJson, Masker};
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::grants::Grants;
use crate::pinned::Pinned;
use crate::plugin::Plugin;
use crate::program::{Program, ProgramCall};

/// One attempt that is to be run.
#[derive(Debug)]
pub struct Attempt {
    /// What is run.
    pub work: Work,
    /// Where and as what it runs.
    pub context: Context,
    /// What it may reach.
    pub grants: Grants,
    /// What it may use.
    pub limits: Limits,
    /// Masks all that it says.
    pub masker: Masker,
    /// The secrets that it has placeholders of.
    pub bound: Arc<[BoundSecret]>,
    /// The time and the randomness that it sees; none: the machine's.
    pub pinned: Option<Pinned>,
    /// The span that it is traced by: the HTTP requests that it makes say so. None: they say nothing.
    pub trace: Option<TraceContext>,
    /// Takes what it says. A full channel makes the guest wait.
    pub events: mpsc::Sender<GuestEvent>,
    /// The values that it kept before.
    pub state: Arc<dyn StateSource>,
}

/// What an attempt runs.
#[derive(Debug)]
pub enum Work {
    /// An action of a plugin.
    Action {
        /// The plugin.
        plugin: Arc<Plugin>,
        /// The action's name, without the plugin's.
        action: String,
        /// The input.
        input: Value,
    },
    /// A program.
    Program {
        /// It.
        program: Arc<Program>,
        /// What it is called with.
        call: ProgramCall,
    },
}

/// Where and as what an attempt runs.
#[derive(Clone, Debug)]
pub struct Context {
    /// The execution.
    pub execution: ExecutionId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The task.
    pub task: TaskId,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// The position in a `forEach`, from 0.
    pub index: Option<u32>,
    /// After so long it is stopped, in whatever it is doing.
    pub timeout: Duration,
    /// The same for all attempts of one task run.
    pub idempotency_key: String,
}

/// Reads the values that a plugin kept for a workflow.
pub trait StateSource: Send + Sync + fmt::Debug {
    /// The JSON text under `key`.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, String>>;

    /// The first `most` keys that begin with `prefix`, in order of their bytes.
    fn keys<'a>(&'a self, prefix: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<String>, String>>;
}

/// Where a log line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// It was printed.
    Stdout,
    /// It was printed as an error.
    Stderr,
    /// It was logged by the contract's `log`.
    Log,
}

impl Stream {
    /// Its name in a log entry's metadata.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Log => "log",
        }
    }
}

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What a capability opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Connections.
    Network,
    /// Files.
    Filesystem,
    /// A secret, sent where it is not for.
    Secret,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "network",
            Self::Filesystem => "filesystem",
            Self::Secret => "secret",
        })
    }
}

/// Something that a guest asked for and was not granted.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    /// What kind of thing.
    pub capability: Capability,
    /// Which.
    pub target: Masked,
    /// In a sentence.
    pub message: Masked,
    /// The lines of YAML that would grant it.
    pub yaml: Masked,
}

/// What a guest says while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum GuestEvent {
    /// A line of its log.
    Log {
        /// Where it came from.
        stream: Stream,
        /// How grave it is.
        level: LogLevel,
        /// What it says.
        message: Masked,
        /// More, by the contract's `log` only.
        fields: Vec<(Masked, Masked)>,
    },
    /// How far it has come.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all, where known.
        total: Option<u64>,
        /// A few words.
        note: Option<Masked>,
    },
    /// Something was denied.
    Denied(Denial),
    /// Its log reached its limit. Comes once, at the end.
    LogTruncated {
        /// What was counted and not kept, in bytes.
        bytes: u64,
    },
}

/// What is left of an attempt.
#[derive(Debug)]
pub struct Report {
    /// The output, not masked; or why there is none.
    pub result: Result<Value, Box<Failure>>,
    /// What it used.
    pub usage: Usage,
    /// The values that it wants kept, in order; none removes one. Empty unless it succeeded.
    pub state: Vec<(String, Option<Value>)>,
}

/// What an attempt used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Fuel, where it was counted.
    pub fuel: Option<u64>,
    /// The most memory at a time, in bytes.
    pub peak_memory: u64,
    /// Time on a processor.
    pub cpu: Duration,
    /// Log that was kept, in bytes.
    pub log_bytes: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The engine's reason.
    pub reason: ReasonCode,
    /// The plugin's own code, or the reason's name.
    pub code: String,
    /// What failed, and what to do.
    pub message: Masked,
    /// Whether another attempt may succeed.
    pub retryable: bool,
    /// The least wait before it.
    pub retry_after: Option<Duration>,
    /// More.
    pub details: Option<MaskedJson>,
}
