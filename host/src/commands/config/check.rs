//! `workflow config check`.

use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::place::load;
use crate::render::{Tint, Ui};

const EXAMPLES: &str = "\
Examples:
  workflow config check
  workflow config check --config config.example.yaml";

/// Check the configuration: the file and the variables
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let settings = load(global)?;
    for warning in &settings.warnings {
        ui.error("warning", warning)?;
    }
    let what = match &settings.file {
        Some(path) => path.display().to_string(),
        None => "no file, so the defaults and the environment".to_owned(),
    };
    ui.out(&format!("{}: {what}\n", ui.tint(Tint::Good, "valid")))?;
    Ok(Exit::Success)
}
