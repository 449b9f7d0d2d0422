//! `workflow plugin lock`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::commands::workflow::{self, Pinned};
use crate::error::{CliError, Exit};
use crate::lock::{Lock, Locking};
use crate::place::Place;
use crate::render::{Ui, safe};

const EXAMPLES: &str = "\
Examples:
  workflow plugin lock flow.yaml
  workflow plugin lock flows/*.yaml

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
        folders.entry(workflow::base(file)?).or_default();
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
