//! `workflow man`.

use std::path::PathBuf;

use crate::error::{CliError, Exit};
use crate::render::Ui;
use crate::usage;

const EXAMPLES: &str = "\
Examples:
  workflow man | man -l -
  workflow man --out ~/.local/share/man/man1";

/// Print the manual page, or write a page for each command
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The folder to write all pages to
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, ui: &Ui) -> Result<Exit, CliError> {
    let machine = |what: &str, error: std::io::Error| CliError::new(Exit::Machine, format!("{what}: {error}"));
    match &arguments.out {
        None => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(usage::command()).render(&mut page);
            rendered.map_err(|error| machine("make the manual page", error))?;
            ui.out(&String::from_utf8_lossy(&page))?;
        }
        Some(folder) => {
            let what = format!("write the manual pages to {}", folder.display());
            let made =
                std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(usage::command(), folder));
            made.map_err(|error| machine(&what, error))?;
            ui.note(&format!("wrote the manual pages to {}", folder.display()))?;
        }
    }
    Ok(Exit::Success)
}
