//! What a command works with, opened as it is asked for: configuration, store, plugins.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use autokestra_engine::{SecretStore, SystemClock};
use autokestra_model::{Clock as _, PluginName, Timestamp};
use autokestra_sandbox::{Cache, Compiling, Sandbox};
use autokestra_store::{ExecutionRef, SqliteStore, Store};

use crate::cli::Global;
use crate::config::{self, Loaded};
use crate::error::CliError;
use crate::installed::LocalStore;
use crate::render::{Ui, bytes, safe};
use crate::telemetry::Telemetry;

/// The configuration, and the way to what it names.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) settings: Loaded,
    /// The file of secrets that the command names.
    pub(crate) secrets: Option<PathBuf>,
    /// Where traces of executions go, if anywhere.
    pub(crate) telemetry: Option<Telemetry>,
    ui: Ui,
}

impl Place {
    /// Reads the configuration, and warns of what is doubtful in it.
    pub(crate) fn load(global: &Global, ui: &Ui) -> Result<Self, CliError> {
        let settings = load(global)?;
        for warning in &settings.warnings {
            ui.error("warning", warning)?;
        }
        let (telemetry, wrong) = Telemetry::read(&|name| std::env::var(name).ok());
        for warning in &wrong {
            ui.error("warning", warning)?;
        }
        Ok(Self {
            settings,
            secrets: None,
            telemetry,
            ui: *ui,
        })
    }

    /// Opens the store.
    pub(crate) fn store(&self) -> Result<Arc<dyn Store>, CliError> {
        if self.settings.text("storage.type") == Some("postgresql") {
            let place = self.settings.origin("storage.type").unwrap_or_default();
            let error = CliError::input(format!("{place}: this build knows no `storage.type: postgresql`"));
            return Err(error.hint("use `storage.type: sqlite`, which needs `storage.path` alone"));
        }
        Ok(Arc::new(SqliteStore::open(&self.settings.sqlite_options())?))
    }

    /// This place, with a file of secrets that wins over all others.
    pub(crate) fn with_secrets(&self, file: Option<PathBuf>) -> Self {
        Self {
            secrets: file,
            ..self.clone()
        }
    }

    /// The secret store in a store.
    pub(crate) fn secret_store(&self, store: &Arc<dyn Store>) -> SecretStore {
        SecretStore::new(Arc::clone(store), self.settings.key_sources(), Arc::new(SystemClock))
    }

    /// Sets up the sandbox.
    pub(crate) fn sandbox(&self) -> Result<Sandbox, CliError> {
        let mut options = self.settings.sandbox_options();
        options.hidden.extend(self.secrets.clone());
        options.installed = self.local_store().installed()?;
        let ui = self.ui;
        options.compiling = Some(Compiling(Arc::new(move |from, size| {
            // Where stderr is closed, nobody is left to be told.
            drop(ui.note(&compiling(from, size)));
        })));
        Ok(Sandbox::new(options)?)
    }

    /// The plugins that were installed.
    pub(crate) fn local_store(&self) -> LocalStore {
        LocalStore::new(self.settings.plugin_store())
    }

    /// The compiled code of plugins.
    pub(crate) fn cache(&self) -> Cache {
        Cache::new(self.settings.cache_options())
    }
}

/// What takes so long before anything runs.
fn compiling(from: &str, size: usize) -> String {
    let size = bytes(u64::try_from(size).unwrap_or(u64::MAX));
    format!("compiling {} ({size}), once: its code is kept", safe(from))
}

/// Reads the configuration.
pub(crate) fn load(global: &Global) -> Result<Loaded, CliError> {
    // A variable that is no UTF-8 is none of ours.
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut variables = variables;
    Ok(config::load(global.config.as_deref(), &mut variables)?)
}

/// Parses an execution's name from the command line.
pub(crate) fn execution_ref(text: &str) -> Result<ExecutionRef, String> {
    text.parse()
        .map_err(|error: autokestra_model::IdError| error.to_string())
}

/// Parses a number of things from the command line, in words that say what is expected.
pub(crate) fn count<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| "expected a whole number, 0 or more".to_owned())
}

/// Parses a plugin's name from the command line.
pub(crate) fn plugin_name(text: &str) -> Result<PluginName, CliError> {
    text.parse().map_err(|error: autokestra_model::IdError| {
        CliError::input(error.to_string()).hint("`workflow plugin list` shows their names, such as core/http")
    })
}

/// The time now.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}
