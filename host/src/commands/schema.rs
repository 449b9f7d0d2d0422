//! `workflow schema`.

use autokestra_model::workflow::SCHEMA;

use crate::error::{CliError, Exit};
use crate::render::Ui;

const EXAMPLES: &str = "\
Examples:
  workflow schema > workflow.schema.json
  # then, as the first line of a workflow, for editors that speak YAML:
  # yaml-language-server: $schema=./workflow.schema.json";

/// Print the JSON Schema of workflow files, for editors
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

pub(crate) fn run(ui: &Ui) -> Result<Exit, CliError> {
    ui.out(SCHEMA)?;
    Ok(Exit::Success)
}
