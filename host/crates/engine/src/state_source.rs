//! The `state` interface of plugins, read from the store.

use std::fmt;
use std::sync::Arc;

use autokestra_model::{PluginName, WorkflowId};
use autokestra_sandbox::StateSource;
use autokestra_secrets::Masker;
use autokestra_store::Store;
use futures::future::BoxFuture;

/// Values that one plugin kept for one workflow.
pub(crate) struct StoredState {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) workflow: WorkflowId,
    pub(crate) plugin: PluginName,
    pub(crate) masker: Masker,
}

impl StateSource for StoredState {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, String>> {
        Box::pin(async move {
            let found = self.store.state_value(&self.workflow, &self.plugin, key).await;
            let found = found.map_err(|error| format!("read the plugin's state: {error}"))?;
            let opened = found.map(|sealed| self.masker.open(&sealed)).transpose();
            let opened = opened.map_err(|error| format!("open the plugin's state: {error}"))?;
            Ok(opened.map(|value| value.to_string()))
        })
    }

    fn keys<'a>(&'a self, prefix: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<String>, String>> {
        Box::pin(async move {
            let found = self.store.state_keys(&self.workflow, &self.plugin, prefix, most).await;
            found.map_err(|error| format!("read the plugin's state: {error}"))
        })
    }
}

impl fmt::Debug for StoredState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredState")
            .field("workflow", &self.workflow)
            .field("plugin", &self.plugin)
            .finish()
    }
}
