//! `config.yaml` and `WORKFLOW_*`: settings with the origin of each, and from them the options of the parts below.

mod load;
mod setting;

use std::path::{Path, PathBuf};
use std::time::Duration;

use autokestra_engine::{Artifacts, RunnerOptions};
use autokestra_sandbox::{CacheOptions, EmbeddedPlugin, SandboxOptions};
use autokestra_store::{SqliteOptions, Synchronous};

pub(crate) use load::{ConfigError, Loaded, load};

/// The configuration's hand-overs: each part below gets its own options, and knows nothing of files and variables.
impl Loaded {
    /// The database of the embedded storage.
    pub(crate) fn sqlite_options(&self) -> SqliteOptions {
        SqliteOptions {
            path: self.storage_path(),
            synchronous: match self.text("storage.synchronous") {
                Some("normal") => Synchronous::Normal,
                _ => Synchronous::Full,
            },
            size_max: Some(self.number("storage.maxSizeMebibytes") << 20).filter(|size| *size > 0),
        }
    }

    /// The file of the database.
    pub(crate) fn storage_path(&self) -> PathBuf {
        PathBuf::from(self.text("storage.path").unwrap_or_default())
    }

    /// The files that tasks left: beside the database.
    pub(crate) fn artifacts(&self) -> Artifacts {
        Artifacts::new(self.storage_path().with_file_name("artifacts"))
    }

    /// The engine's limits.
    pub(crate) fn runner_options(&self) -> RunnerOptions {
        RunnerOptions {
            max_concurrent_workflows: self.count("execution.maxConcurrentWorkflows"),
            max_concurrent_tasks: self.count("execution.maxConcurrentTasks"),
            default_timeout: Duration::from_secs(self.number("execution.defaultTimeoutSeconds")),
            log_buffer: self.count("logging.maxBufferSize"),
            log_flush: Duration::from_millis(self.number("logging.flushIntervalMs")),
            artifacts: self.artifacts(),
            lease: Duration::from_secs(self.number("execution.leaseSeconds")),
        }
    }

    /// The plugins, and where their compiled code is kept.
    pub(crate) fn sandbox_options(&self) -> SandboxOptions {
        let embedded = autokestra_builtin::PLUGINS.iter().map(|plugin| EmbeddedPlugin {
            name: plugin.name.parse().expect("the folders of plugins/ are good names"),
            component: plugin.component,
            precompiled: plugin.precompiled,
        });
        SandboxOptions {
            embedded: embedded.collect(),
            directories: self
                .texts("plugins.directories")
                .into_iter()
                .map(PathBuf::from)
                .collect(),
            cache: self.cache_options(),
            max_attempts: self.count("execution.maxConcurrentTasks"),
        }
    }

    /// The compiled code of plugins: beside the database.
    pub(crate) fn cache_options(&self) -> CacheOptions {
        CacheOptions {
            folder: self.storage_path().with_file_name("cache"),
            bytes_max: self.number("plugins.cacheMaxMebibytes") << 20,
        }
    }

    /// The file of secrets.
    pub(crate) fn secrets_file(&self) -> Option<&Path> {
        self.text("secrets.file").map(Path::new)
    }

    fn count(&self, key: &str) -> usize {
        usize::try_from(self.number(key)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
