//! `workflow validate`.

use std::path::PathBuf;

use super::workflow::check;
use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::{Tint, Ui};

const EXAMPLES: &str = "\
Examples:
  workflow validate flow.yaml
  workflow validate flows/*.yaml";

/// Check workflow files: everything that `run` checks before it starts
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Workflow files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) async fn run(arguments: &Arguments, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let sandbox = place.sandbox()?;
    let mut exit = Exit::Success;
    for file in &arguments.files {
        match check(file, &sandbox).await {
            Ok(checked) => {
                if !checked.warnings.is_empty() {
                    ui.diagnostics(&checked.source, &checked.warnings)?;
                }
                let tasks = checked.workflow.tasks.len();
                let (good, s) = (ui.tint(Tint::Good, "valid"), if tasks == 1 { "" } else { "s" });
                ui.out(&format!(
                    "{good} {}: `{}`, {tasks} task{s}\n",
                    file.display(),
                    checked.workflow.id
                ))?;
            }
            // The others are checked all the same.
            Err(error) => exit = error.report(ui),
        }
    }
    Ok(exit)
}
