//! `workflow validate`.

use std::path::{Path, PathBuf};

use autokestra_sandbox::Sandbox;

use super::workflow::{check, locking};
use crate::docs::Codes;
use crate::error::{CliError, Exit};
use crate::lock::Locking;
use crate::place::Place;
use crate::render::validation::{DiagnosticView, ValidationView};
use crate::render::{Tint, Ui};

const EXAMPLES: &str = "\
Examples:
  workflow validate flow.yaml
  workflow validate flows/*.yaml
  workflow validate flow.yaml --json | jq -c '.diagnostics | map({file, line, message})'";

/// Check workflow files: everything that `run` checks before it starts
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Workflow files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Insist on `plugins.lock` beside each workflow, as `run --locked` does
    #[arg(long)]
    locked: bool,
    /// Print JSON, also of what is wrong
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) async fn run(arguments: &Arguments, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let sandbox = place.sandbox()?;
    let mut checking = Checking {
        exit: Exit::Success,
        codes: Codes::default(),
        view: arguments.json.then(ValidationView::new),
    };
    // What is wrong with one file keeps no other from being checked.
    for file in &arguments.files {
        checking.file(file, &sandbox, locking(arguments.locked), ui).await?;
    }
    match checking.view {
        Some(view) => ui.json(&view, arguments.pretty)?,
        None => ui.pages(&checking.codes)?,
    }
    Ok(checking.exit)
}

struct Checking {
    /// That of the gravest error.
    exit: Exit,
    codes: Codes,
    /// What is printed at the end, where it is for machines.
    view: Option<ValidationView>,
}

impl Checking {
    async fn file(&mut self, file: &Path, sandbox: &Sandbox, locking: Locking, ui: &Ui) -> Result<(), CliError> {
        let name = file.display().to_string();
        match check(file, sandbox, locking).await {
            Ok(checked) => {
                if let Some(view) = &mut self.view {
                    let warnings = checked.warnings.iter();
                    let warnings = warnings.map(|found| DiagnosticView::new(&checked.source, found));
                    view.good(name, &checked.workflow, warnings.collect());
                    return Ok(());
                }
                if !checked.warnings.is_empty() {
                    ui.diagnostics(&checked.source, &checked.warnings)?;
                }
                let tasks = checked.workflow.tasks.len();
                let (good, s) = (ui.tint(Tint::Good, "valid"), if tasks == 1 { "" } else { "s" });
                ui.out(&format!("{good} {name}: `{}`, {tasks} task{s}\n", checked.workflow.id))
            }
            Err(error) => {
                self.exit = self.exit.max(error.exit());
                if let Some(view) = &mut self.view {
                    view.bad(name.clone(), error.views(&name));
                    return Ok(());
                }
                self.codes.extend(&error.codes());
                error.print(ui)
            }
        }
    }
}
