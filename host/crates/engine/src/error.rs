//! What can go wrong that is not a task's own failure.

use autokestra_model::PluginName;
use autokestra_sandbox::LoadError;
use autokestra_store::StoreError;

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
    /// The store did not take the execution.
    #[error("create the execution")]
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
