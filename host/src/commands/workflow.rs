//! What `run` and `validate` share: a file becomes a workflow that has been held against the plugins there are.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use autokestra_engine::{own_plugin, own_plugins};
use autokestra_model::{
    ActionInfo, ActionName, Catalog, Diagnostics, Lookup, PluginName, Policy, Source, Workflow, past_ceiling,
};
use autokestra_sandbox::{LoadError, Plugin, Sandbox};

use super::children::Children;
use crate::error::{CliError, Exit};

/// A workflow that can run, and what is doubtful about it.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) source: Source,
    pub(crate) workflow: Workflow,
    pub(crate) warnings: Diagnostics,
}

/// Reads and validates a workflow file.
pub(crate) async fn check(path: &Path, sandbox: &Sandbox) -> Result<Checked, CliError> {
    let text = read(path)?;
    let mut checked = check_text(Source::new(path.display().to_string(), text), &base(path)?, sandbox).await?;
    // One that cannot be named any more cannot name others either: then it fails where it runs them.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let found = Children::new(sandbox).check(&checked.workflow, path).await;
    checked.warnings.extend(found);
    if checked.warnings.has_errors() {
        return Err(CliError::diagnostics(checked.source, checked.warnings));
    }
    Ok(checked)
}

/// Reads the text of a workflow file.
pub(crate) fn read(path: &Path) -> Result<String, CliError> {
    let text = std::fs::read(path).map_err(|error| {
        let shown = CliError::input(format!("read {}: {error}", path.display()));
        match error.kind() {
            std::io::ErrorKind::NotFound => shown.hint("give the path of a workflow file"),
            _ => shown,
        }
    })?;
    String::from_utf8(text)
        .map_err(|error| CliError::input(format!("read {}: it is no UTF-8: {error}", path.display())))
}

/// Validates a workflow's text. Its relative paths start at `base`.
pub(crate) async fn check_text(source: Source, base: &Path, sandbox: &Sandbox) -> Result<Checked, CliError> {
    let parsed = match Workflow::parse(&source) {
        Ok(parsed) => parsed,
        Err(errors) => return Err(CliError::diagnostics(source, errors)),
    };
    let catalog = Known::load(&parsed.workflow, sandbox).await?;
    let mut found = parsed.warnings;
    found.extend(parsed.workflow.check_actions(&catalog));
    found.extend(parsed.workflow.check_policy(sandbox.policy(), base));
    found.extend(catalog.check_policy(&parsed.workflow, sandbox.policy()));
    if found.has_errors() {
        return Err(CliError::diagnostics(source, found));
    }
    Ok(Checked {
        source,
        workflow: parsed.workflow,
        warnings: found,
    })
}

/// The plugins that a workflow names, loaded.
struct Known {
    plugins: HashMap<PluginName, Result<Arc<Plugin>, LoadError>>,
    names: Vec<String>,
    /// Installed programs, which are no plugins.
    programs: Vec<String>,
}

impl Known {
    async fn load(workflow: &Workflow, sandbox: &Sandbox) -> Result<Self, CliError> {
        let mut plugins = HashMap::new();
        let mut names = Vec::new();
        let mut programs = Vec::new();
        for task in &workflow.tasks {
            let name = task.action.plugin();
            if plugins.contains_key(name) || own_plugin(name).is_some() {
                continue;
            }
            let plugin = sandbox.plugin(name).await;
            if let Err(LoadError::Unknown { .. }) = plugin
                && names.is_empty()
            {
                let found = sandbox.plugin_names().await?;
                names = found.into_iter().map(|(name, _)| name.to_string()).collect();
                names.extend(own_plugins().iter().map(|own| own.name.to_string()));
                programs = sandbox.installed_programs();
            }
            plugins.insert(name.clone(), plugin);
        }
        Ok(Self {
            plugins,
            names,
            programs,
        })
    }
}

impl Known {
    /// The installed program that a plugin's name may mean.
    fn program_of(&self, name: &PluginName) -> Option<&String> {
        let own = name.as_str().rsplit('/').next();
        self.programs.iter().find(|program| Some(program.as_str()) == own)
    }
}

impl Known {
    /// Holds the plugins of a workflow against those that the operator lets run.
    fn check_policy(&self, workflow: &Workflow, policy: &Policy) -> Diagnostics {
        let mut found = Diagnostics::new();
        for task in &workflow.tasks {
            if let Some(Ok(plugin)) = self.plugins.get(task.action.plugin())
                && let Err(past) = policy.check_plugin(&plugin.name, &plugin.digest)
            {
                found.push(past_ceiling(&past, task.places.action));
            }
        }
        found
    }
}

impl Catalog for Known {
    fn lookup(&self, name: &ActionName) -> Lookup {
        if let Some(own) = own_plugin(name.plugin()) {
            return of_actions(&own.actions, name);
        }
        match self.plugins.get(name.plugin()) {
            None | Some(Err(LoadError::Unknown { .. })) => match self.program_of(name.plugin()) {
                Some(program) => Lookup::Unusable {
                    message: format!(
                        "`{program}.wasm` is a WASI program; run it by `type: core/wasm.run` with \
                         `inputs: {{ module: {program} }}`"
                    ),
                },
                None => Lookup::UnknownPlugin,
            },
            Some(Err(error)) => Lookup::Unusable {
                message: error.to_string(),
            },
            Some(Ok(plugin)) => of_actions(&plugin.actions, name),
        }
    }

    fn plugin_names(&self) -> Vec<String> {
        self.names.clone()
    }
}

fn of_actions(actions: &[Arc<ActionInfo>], name: &ActionName) -> Lookup {
    match actions.iter().find(|action| action.name == name.action()) {
        Some(action) => Lookup::Found(Arc::clone(action)),
        None => Lookup::UnknownAction {
            known: actions.iter().map(|action| action.name.clone()).collect(),
        },
    }
}

/// The folder that relative paths of a workflow start at.
pub(crate) fn base(path: &Path) -> Result<std::path::PathBuf, CliError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::canonicalize(folder)
        .map_err(|error| CliError::new(Exit::Machine, format!("open the folder {}: {error}", folder.display())))
}
