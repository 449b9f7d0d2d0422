//! `config.yaml` and `WORKFLOW_*`: settings with the origin of each, and from them the options of the parts below.

mod load;
mod setting;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use autokestra_engine::{Artifacts, RunnerOptions, SystemClock};
use autokestra_model::{Ceiling, Folders, Policy};
use autokestra_sandbox::{CacheOptions, EmbeddedPlugin, SandboxOptions};
use autokestra_secrets::vault::{KEY_VARIABLE, KeySources};
use autokestra_store::{SlowQueries, SqliteOptions, Synchronous};

use crate::installed::LIST;
use zeroize::Zeroizing;

pub(crate) use load::{ConfigError, Loaded, load};
pub(crate) use setting::{Default as SettingDefault, Kind, SETTINGS, Setting};

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
            slow_queries: Some(self.number("storage.slowQueryMs"))
                .filter(|millis| *millis > 0)
                .map(|millis| SlowQueries {
                    from: Duration::from_millis(millis),
                    clock: Arc::new(SystemClock),
                }),
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
            default_fuel: Some(self.number("execution.defaultFuel")).filter(|fuel| *fuel > 0),
            log_buffer: self.count("logging.maxBufferSize"),
            log_debug: self.text("logging.level") == Some("DEBUG"),
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
            reachable: plugin.reachable,
        });
        SandboxOptions {
            embedded: embedded.collect(),
            directories: self
                .texts("plugins.directories")
                .into_iter()
                .map(PathBuf::from)
                .collect(),
            installed: Vec::new(),
            cache: self.cache_options(),
            hidden: self.private_files(),
            max_attempts: self.count("execution.maxConcurrentTasks"),
            policy: self.policy(),
            proxy: self.text("network.proxy").and_then(load::proxy),
            resolver: None,
            compiling: None,
        }
    }

    /// The operator's ceiling on what workflows grant.
    pub(crate) fn policy(&self) -> Policy {
        let default = Policy::default();
        let folders = |key: &str, by_default: Folders| match self.origin(key) {
            Some(origin) => Folders {
                listed: Ceiling::new(self.texts(key).into_iter().map(real).collect(), origin),
                of_workflow: false,
            },
            // Beside the workflow's own folder the one that the command runs in.
            None => Folders {
                listed: Ceiling::new(vec![real(".")], by_default.listed.origin),
                ..by_default
            },
        };
        let texts = |key: &str| self.texts(key).into_iter().map(str::to_owned).collect();
        Policy {
            network: self
                .networks("policy.network")
                .zip(self.origin("policy.network"))
                .map(|(allowed, origin)| Ceiling::new(allowed, origin)),
            read: folders("policy.filesystem.read", default.read),
            write: folders("policy.filesystem.write", default.write),
            env: match self.origin("policy.env") {
                Some(origin) => Ceiling::new(texts("policy.env"), origin),
                None => default.env,
            },
            plugins: self
                .origin("plugins.allow")
                .map(|origin| Ceiling::new(texts("plugins.allow"), origin)),
        }
    }

    /// The compiled code of plugins: beside the database.
    pub(crate) fn cache_options(&self) -> CacheOptions {
        CacheOptions {
            folder: self.storage_path().with_file_name("cache"),
            bytes_max: self.number("plugins.cacheMaxMebibytes") << 20,
        }
    }

    /// The plugins that were installed: beside the database.
    pub(crate) fn plugin_store(&self) -> PathBuf {
        self.storage_path().with_file_name("plugins")
    }

    /// The file of secrets.
    pub(crate) fn secrets_file(&self) -> Option<&Path> {
        self.text("secrets.file").map(Path::new)
    }

    /// The files that hold keys and secrets.
    fn private_files(&self) -> Vec<PathBuf> {
        let storage = self.storage_path();
        let beside = |end: &str| {
            let mut name = storage.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        };
        // Who has the cache's key forges code that runs outside of every sandbox; who writes the database forges executions,
        // and with the key of the audit trail unseen; who writes the list of plugins chooses what runs under a name.
        let mut files = vec![
            self.key_file(),
            self.cache_options().folder.join("key"),
            self.sqlite_options().audit_key(),
            self.plugin_store().join(LIST),
            beside("-wal"),
            beside("-shm"),
            storage,
        ];
        files.extend(self.secrets_file().map(Path::to_path_buf));
        files
    }

    /// The file of the master key: beside the database where none is named.
    fn key_file(&self) -> PathBuf {
        let beside = || self.storage_path().with_file_name("secrets.key");
        self.text("secrets.keyFile").map_or_else(beside, PathBuf::from)
    }

    /// Where the master key of the secret store may be.
    pub(crate) fn key_sources(&self) -> KeySources {
        KeySources {
            // One that is no UTF-8 is no key, and is told as such.
            environment: std::env::var_os(KEY_VARIABLE)
                .map(|text| Zeroizing::new(text.into_string().unwrap_or_default())),
            file: self.key_file(),
            keyring: self.is("secrets.keyring"),
        }
    }

    fn count(&self, key: &str) -> usize {
        usize::try_from(self.number(key)).unwrap_or(usize::MAX)
    }
}

/// A folder with every link in it followed, so that granted paths can be held against it.
fn real(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    path.canonicalize().unwrap_or(absolute)
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
