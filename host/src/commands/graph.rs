//! `workflow graph`.

use std::path::PathBuf;

use autokestra_model::{Source, Workflow};

use super::workflow::read;
use crate::error::{CliError, Exit};
use crate::render::{Ui, graph};

const EXAMPLES: &str = "\
Examples:
  workflow graph flow.yaml
  workflow graph flow.yaml --format svg > flow.svg
  workflow graph flow.yaml --format dot | dot -Tpng > flow.png";

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Boxes and lines, for the terminal.
    #[default]
    Text,
    /// A Mermaid flowchart, for Markdown.
    Mermaid,
    /// Graphviz.
    Dot,
    /// A picture.
    Svg,
}

/// Draw the graph of a workflow's tasks
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The workflow file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How to draw it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

pub(crate) fn run(arguments: &Arguments, ui: &Ui) -> Result<Exit, CliError> {
    let source = Source::new(arguments.file.display().to_string(), read(&arguments.file)?);
    let workflow = match Workflow::parse(&source) {
        Ok(parsed) => parsed.workflow,
        Err(errors) => return Err(CliError::diagnostics(source, errors)),
    };
    let drawn = match arguments.format {
        Format::Text => graph::text(&workflow),
        Format::Mermaid => graph::mermaid(&workflow),
        Format::Dot => graph::dot(&workflow),
        Format::Svg => {
            graph::svg(&workflow).map_err(|why| CliError::new(Exit::Machine, format!("draw the graph: {why}")))?
        }
    };
    ui.out(&drawn)?;
    Ok(Exit::Success)
}
