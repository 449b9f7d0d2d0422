//! What can go wrong that is not a task's own failure.

use autokestra_model::PluginName;
use autokestra_sandbox::LoadError;
use autokestra_secrets::OpenError;
use autokestra_store::{AcquireError, StoreError};

/// The system gave no random bytes for the placeholders of secrets.
#[derive(Debug, thiserror::Error)]
#[error("make the placeholders of secrets with `onlyTo`")]
pub struct RandomError(#[source] pub std::io::Error);

/// Why an execution was not started. Nothing ran, and nothing was stored but where the store itself failed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A plugin of the workflow cannot be loaded.
    #[error("load plugin `{plugin}`")]
    Plugin {
        /// The plugin that a task names.
        plugin: PluginName,
        /// Why.
        #[source]
        source: LoadError,
    },
    /// What a retry keeps cannot be opened.
    #[error("restore the values of the execution that is retried")]
    Open(#[from] OpenError),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The store did not take the execution.
    #[error("create the execution")]
    Store(#[from] StoreError),
}

/// Why an execution was not taken up.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// It is not to be had.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    /// A plugin of the workflow cannot be loaded.
    #[error("load plugin `{plugin}`")]
    Plugin {
        /// The plugin that a task names.
        plugin: PluginName,
        /// Why.
        #[source]
        source: LoadError,
    },
    /// What it needs cannot be opened again.
    #[error("restore the values of the execution")]
    Open(#[from] OpenError),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// Its workflow is not the one that it was started with.
    #[error("the tasks of the execution are not those of its workflow")]
    OtherWorkflow,
    /// The store failed.
    #[error("read the execution")]
    Store(#[from] StoreError),
}

/// Why a running execution could not be carried on. What was committed stands.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store did not take a change.
    #[error("store the execution's progress")]
    Store(#[from] StoreError),
    /// The execution's own task ended by a panic: a bug of ours.
    #[error("the scheduler stopped by a bug; the execution is left as the store has it")]
    Scheduler,
}
