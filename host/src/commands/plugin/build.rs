//! `workflow plugin build`.

use std::path::{Path, PathBuf};

use autokestra_authoring::Project;
use autokestra_sandbox::{LoadError, Sandbox};

use super::surroundings;
use crate::error::{CliError, Exit};
use crate::place::now;
use crate::render::{Built, BuiltView, Ui, built};

const EXAMPLES: &str = "\
Examples:
  workflow plugin build
  workflow plugin build ./hello --json --pretty";

/// Build the plugin of a project, check it, and say what it could do at most
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) async fn run(arguments: &Arguments, sandbox: &Sandbox, ui: &Ui) -> Result<Exit, CliError> {
    let built = build(&arguments.folder, sandbox, ui).await?;
    if arguments.json {
        ui.json(&BuiltView::new(&built), arguments.pretty)?;
    } else {
        ui.out(&self::built(ui, &built))?;
    }
    Ok(Exit::Success)
}

/// Builds the project in `folder`. Its component is put into the project only once the sandbox has taken it.
pub(super) async fn build(folder: &Path, sandbox: &Sandbox, ui: &Ui) -> Result<Built, CliError> {
    let start = now();
    let project = Project::find(folder)?;
    let component = tokio::task::block_in_place(|| surroundings(ui, |build| project.build(&build)))?;
    let origin = format!("the component of {}", folder.display());
    let plugin = sandbox
        .load_bytes(component, &origin)
        .await
        .map_err(|error| unusable(error, &project))?;
    let name = plugin.name.as_str();
    let name = name.split_once('/').map_or(name, |(_, name)| name);
    let file = project.put(name, plugin.component())?;
    Ok(Built {
        plugin,
        file,
        folder: folder.to_path_buf(),
        language: project.language().as_str(),
        took: now().since(start),
    })
}

/// What the sandbox says of a component that was just built. Whoever wrote it has its source.
fn unusable(error: LoadError, project: &Project) -> CliError {
    let shown = CliError::from(error);
    let before = format!("nothing in {} was changed", project.folder().join("dist").display());
    match shown.advice() {
        Some(advice) => {
            let advice = format!("{advice}\n{before}");
            shown.hint(advice)
        }
        None => shown.hint(before),
    }
}
