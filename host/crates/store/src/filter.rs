//! What is asked for.

use std::fmt;
use std::str::FromStr;

use autokestra_model::{ExecutionId, ExecutionState, IdError, TaskId, Timestamp, WorkflowId};
use regex::Regex;

use crate::change::LogLevel;

/// An execution as a person names it: its id, the beginning of it, or `last`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecutionRef {
    /// The newest.
    Last,
    /// The one whose id begins so.
    Prefix(String),
}

impl FromStr for ExecutionRef {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == "last" {
            return Ok(Self::Last);
        }
        let digits = text.strip_prefix(ExecutionId::PREFIX).unwrap_or(text);
        if digits.is_empty() || digits.len() > 26 || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let expected = "an execution: its id, the beginning of it, or `last`";
            return Err(IdError {
                text: text.to_owned(),
                expected,
            });
        }
        Ok(Self::Prefix(format!(
            "{}{}",
            ExecutionId::PREFIX,
            digits.to_ascii_lowercase()
        )))
    }
}

impl fmt::Display for ExecutionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last => f.write_str("last"),
            Self::Prefix(prefix) => f.write_str(prefix),
        }
    }
}

/// Which executions to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    /// Of this workflow.
    pub workflow: Option<WorkflowId>,
    /// In one of these states; empty: any.
    pub states: Vec<ExecutionState>,
    /// At most so many.
    pub limit: u64,
    /// After so many.
    pub offset: u64,
}

/// Which executions to remove, and with them their task runs, attempts, logs and files.
#[derive(Clone, Debug)]
pub struct CleanupFilter {
    /// Those that ended before.
    pub ended_before: Timestamp,
    /// In one of these states; empty: any that is an end, and the logs of no execution's own from that time too.
    pub states: Vec<ExecutionState>,
}

/// Whose entries to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceFilter {
    /// This source exactly.
    Exact(String),
    /// Any plugin.
    AnyPlugin,
}

impl From<&str> for SourceFilter {
    fn from(text: &str) -> Self {
        if text == "plugin" {
            Self::AnyPlugin
        } else {
            Self::Exact(text.to_owned())
        }
    }
}

/// Which log entries to read. All conditions hold at once.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Of this execution.
    pub execution: Option<ExecutionId>,
    /// Of one of these levels; empty: any.
    pub levels: Vec<LogLevel>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Of this task.
    pub task: Option<TaskId>,
    /// Of this source.
    pub source: Option<SourceFilter>,
    /// With a message that this matches.
    pub grep: Option<Regex>,
    /// At most so many.
    pub limit: Option<u64>,
    /// After so many.
    pub offset: u64,
    /// Whether to wait for more until the execution ends; without an execution, until nobody takes them.
    pub follow: bool,
}
