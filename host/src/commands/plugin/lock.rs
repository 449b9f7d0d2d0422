//! `workflow plugin lock`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use autokestra_model::PluginName;
use autokestra_sandbox::Sandbox;

use crate::commands::programs;
use crate::commands::workflow::{self, Pinned};
use crate::error::{CliError, Exit};
use crate::lock::{Lock, Locking};
use crate::place::Place;
use crate::render::{Ui, safe};

const EXAMPLES: &str = "\
Examples:
  workflow plugin lock flow.yaml
  workflow plugin lock flows/*.yaml
  workflow plugin lock flow.yaml --also acme/report

`plugins.lock` beside a workflow pins the plugins that it and the workflows which it runs use, by the digests of their files;
`workflow run --locked` runs no other. Those that are part of the program are pinned by its version. What other workflows of the
folder use stays as it is pinned.";

/// Write `plugins.lock` beside workflows: the digests of the plugins that they use
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Workflow files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Pin this plugin or program too: one that a workflow names by an expression, as in `module: "{{ inputs.tool }}"`. May be
    /// given several times
    #[arg(long, value_name = "NAME")]
    also: Vec<String>,
}

pub(crate) async fn run(arguments: &Arguments, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let sandbox = place.sandbox()?;
    let sources: BTreeMap<String, String> = place
        .local_store()
        .entries()?
        .into_iter()
        .map(|entry| (entry.digest, entry.source))
        // A path means nothing on another machine.
        .filter(|(_, source)| source.contains("://"))
        .collect();
    let mut folders: BTreeMap<PathBuf, Vec<Pinned>> = BTreeMap::new();
    for file in &arguments.files {
        let checked = workflow::check(file, &sandbox, Locking::Told).await?;
        for pinned in checked.pinned {
            folders.entry(pinned.folder.clone()).or_default().push(pinned);
        }
        let folder = workflow::base(file)?;
        let found = folders.entry(folder.clone()).or_default();
        for name in &arguments.also {
            found.extend(named(name, &folder, &sandbox).await?);
        }
    }
    for (folder, found) in folders {
        // What is there and broken is not silently written over.
        let before = Lock::of(&folder)?.unwrap_or_default();
        let mut lock = before.clone();
        for mut pinned in found {
            pinned.pin.source = sources.get(&pinned.pin.digest).cloned();
            lock.plugins.insert(pinned.name, pinned.pin);
        }
        let path = lock.write(&folder)?;
        ui.out(&format!("{}: {} pinned\n", path.display(), lock.plugins.len()))?;
        for (name, pin) in &lock.plugins {
            let change = match before.plugins.get(name) {
                Some(known) if known.digest == pin.digest => pin.short(),
                Some(known) => format!("{} → {}", known.short(), pin.short()),
                None => format!("{}, new", pin.short()),
            };
            ui.out(&format!("  {}  {}\n", safe(name), safe(&change)))?;
        }
    }
    Ok(Exit::Success)
}

/// What a name stands for that no workflow names; none for what is part of the program.
async fn named(name: &str, folder: &Path, sandbox: &Sandbox) -> Result<Option<Pinned>, CliError> {
    if name.ends_with(".wasm") || name.starts_with('.') {
        let wrong = CliError::input(format!(
            "`{name}` is a file, which is pinned by being kept beside the workflow"
        ));
        return Err(wrong.hint("give the name of a plugin or of an installed program: `workflow plugin list`"));
    }
    let pin = if name.contains('/') {
        let plugin: PluginName = name.parse().map_err(|error| CliError::input(format!("{error}")))?;
        if sandbox.is_embedded(&plugin) {
            return Ok(None);
        }
        let plugin = sandbox.plugin(&plugin).await?;
        workflow::pin(&plugin)
    } else {
        let program = sandbox.program(folder, name).await;
        programs::pin(&*program.map_err(|error| CliError::new(Exit::Failed, error.to_string()))?)
    };
    Ok(Some(Pinned {
        folder: folder.to_path_buf(),
        name: name.to_owned(),
        pin,
    }))
}
