//! What `run` and `validate` share: a file becomes a workflow that has been held against the plugins there are.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use autokestra_engine::{own_plugin, own_plugins};
use autokestra_model::diagnostic::nearest;
use autokestra_model::{
    ActionInfo, ActionName, Catalog, Diagnostics, Lookup, PluginName, Policy, Source, Workflow, past_ceiling,
};
use autokestra_sandbox::{LoadError, Plugin, Sandbox};

use super::children::Children;
use crate::error::{CliError, Exit};
use crate::lock::{Held, Locking, Pin};

/// A workflow that can run, and what is doubtful about it.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) source: Source,
    pub(crate) workflow: Workflow,
    pub(crate) warnings: Diagnostics,
    /// What it uses that is not part of the program; with what its children use, where they were looked at.
    pub(crate) pinned: Vec<Pinned>,
}

/// What a name of a workflow stands for, and the folder of that workflow.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) pin: Pin,
}

/// Reads and validates a workflow file.
pub(crate) async fn check(path: &Path, sandbox: &Sandbox, locking: Locking) -> Result<Checked, CliError> {
    let text = read(path)?;
    let source = Source::new(path.display().to_string(), text);
    let mut checked = examine(source, &base(path)?, sandbox, locking).await?;
    // One that cannot be named any more cannot name others either: then it fails where it runs them.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let mut children = Children::new(sandbox, locking);
    checked.warnings.extend(children.check(&checked.workflow, path).await);
    checked.pinned.extend(children.pinned);
    if checked.warnings.has_errors() {
        return Err(CliError::diagnostics(checked.source, checked.warnings));
    }
    Ok(checked)
}

/// Reads the text of a workflow file.
pub(crate) fn read(path: &Path) -> Result<String, CliError> {
    let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    String::from_utf8(text).map_err(|error| {
        let line = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let line = line.unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1;
        let wrong = CliError::input(format!("{}:{line}: this is no text: it is not UTF-8", path.display()));
        wrong.hint("a workflow is YAML; save the file as UTF-8")
    })
}

/// Files that a hint names.
const NAMED_MAX: usize = 5;

/// Why a workflow file cannot be read, and which one may have been meant.
fn unreadable(path: &Path, error: &std::io::Error) -> CliError {
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(Path::new(""));
            let known = workflow_files(folder);
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let missing = CliError::input(format!("there is no file {shown}"));
            let near = nearest(&name, known.iter().map(String::as_str));
            missing.hint(match near {
                Some(near) => format!("did you mean {}?", folder.join(near).display()),
                None if known.is_empty() => {
                    "give the path of a workflow file, as in `workflow run flow.yaml`".to_owned()
                }
                None => format!("workflow files there: {}", listed(folder, &known)),
            })
        }
        ErrorKind::IsADirectory => {
            let known = workflow_files(path);
            let wrong = CliError::input(format!("{shown} is a folder, and a workflow is a file"));
            wrong.hint(if known.is_empty() {
                "give the path of a workflow file; there is none in that folder".to_owned()
            } else {
                format!("workflow files in it: {}", listed(path, &known))
            })
        }
        ErrorKind::PermissionDenied => {
            let denied = CliError::input(format!("{shown} may not be read by you"));
            denied.hint(format!("look at its owner and its permissions: ls -l {shown}"))
        }
        _ => CliError::input(format!("read {shown}: {error}")),
    }
}

/// The names of the YAML files in a folder.
fn workflow_files(folder: &Path) -> Vec<String> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| [".yaml", ".yml"].iter().any(|end| name.ends_with(end)) && name != "config.yaml")
        .collect();
    names.sort();
    names
}

fn listed(folder: &Path, names: &[String]) -> String {
    let mut shown: Vec<String> = names
        .iter()
        .take(NAMED_MAX)
        .map(|name| folder.join(name).display().to_string())
        .collect();
    if names.len() > NAMED_MAX {
        shown.push(format!("{} more", names.len() - NAMED_MAX));
    }
    shown.join(", ")
}

/// Validates a workflow's text. Its relative paths start at `base`, where its lock lies too.
pub(crate) async fn check_text(
    source: Source,
    base: &Path,
    sandbox: &Sandbox,
    locking: Locking,
) -> Result<Checked, CliError> {
    let checked = examine(source, base, sandbox, locking).await?;
    if checked.warnings.has_errors() {
        return Err(CliError::diagnostics(checked.source, checked.warnings));
    }
    Ok(checked)
}

/// As [`check_text`], with errors among the warnings where there is a workflow at all, so that more can be asked of it.
async fn examine(source: Source, base: &Path, sandbox: &Sandbox, locking: Locking) -> Result<Checked, CliError> {
    let parsed = match Workflow::parse_as_far_as_it_goes(&source) {
        Ok(parsed) => parsed,
        Err(broken) => {
            // What can be asked of the rest is asked too, so that nobody mends a file error by error.
            let catalog = Known::load(broken.actions(), sandbox).await?;
            return Err(CliError::diagnostics(source, broken.check_actions(&catalog)));
        }
    };
    let actions = parsed.workflow.tasks.iter().map(|task| &task.action);
    let catalog = Known::load(actions, sandbox).await?;
    let mut found = parsed.warnings;
    found.extend(parsed.workflow.check_actions(&catalog));
    found.extend(parsed.workflow.check_policy(sandbox.policy(), base));
    found.extend(catalog.check_policy(&parsed.workflow, sandbox.policy()));
    let held = Held::new(base, locking)?;
    if let Some(broken) = held.broken() {
        found.push(broken);
    }
    let (pinned, differing) = catalog.pins(&parsed.workflow, (base, &held), sandbox);
    found.extend(differing);
    Ok(Checked {
        source,
        workflow: parsed.workflow,
        warnings: found,
        pinned,
    })
}

/// A plugin as a lock has it.
pub(crate) fn pin(plugin: &Plugin) -> Pin {
    Pin {
        version: Some(plugin.version.clone()),
        digest: plugin.digest.to_string(),
        source: None,
    }
}

/// The plugins that a workflow names, loaded.
struct Known {
    plugins: HashMap<PluginName, Result<Arc<Plugin>, LoadError>>,
    names: Vec<String>,
    /// Installed programs, which are no plugins.
    programs: Vec<String>,
}

impl Known {
    async fn load(actions: impl Iterator<Item = &ActionName>, sandbox: &Sandbox) -> Result<Self, CliError> {
        let mut plugins = HashMap::new();
        let mut names = Vec::new();
        let mut programs = Vec::new();
        for action in actions {
            let name = action.plugin();
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
    /// What the plugins of a workflow are, beside those that are part of the program, and where its lock says otherwise.
    fn pins(&self, workflow: &Workflow, (base, held): (&Path, &Held), sandbox: &Sandbox) -> (Vec<Pinned>, Diagnostics) {
        let (mut pins, mut found) = (Vec::new(), Diagnostics::new());
        for task in &workflow.tasks {
            let name = task.action.plugin();
            let Some(Ok(plugin)) = self.plugins.get(name).filter(|_| !sandbox.is_embedded(name)) else {
                continue;
            };
            let pin = pin(plugin);
            if let Some(differs) = held.differs(name.as_str(), &pin, task.places.action) {
                found.push(differs);
            }
            pins.push(Pinned {
                folder: base.to_path_buf(),
                name: name.to_string(),
                pin,
            });
        }
        (pins, found)
    }

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

/// What `--locked` asks for.
pub(crate) fn locking(locked: bool) -> Locking {
    if locked { Locking::Insisted } else { Locking::Told }
}
