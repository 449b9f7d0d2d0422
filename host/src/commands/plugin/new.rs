//! `workflow plugin new`.

use std::path::Path;

use autokestra_authoring::{Language, Project, ProjectName, Schemas};
use autokestra_model::workflow::SCHEMA;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::surroundings;
use crate::error::{CliError, Exit};
use crate::render::Ui;

const EXAMPLES: &str = "\
Examples:
  workflow plugin new hello
  workflow plugin new acme/report --lang c";

/// Write a new plugin project, which builds and passes its own test at once
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// `plugin` or `namespace/plugin`; the project is written into a new folder `plugin`
    #[arg(value_name = "NAME")]
    name: String,
    /// What it is written in
    #[arg(
        long,
        value_name = "LANGUAGE",
        default_value = Language::Rust.as_str(),
        value_parser = PossibleValuesParser::new(Language::ALL.map(Language::as_str)).map(|name| language(&name)),
    )]
    lang: Language,
}

/// The language of a name that clap has checked.
fn language(name: &str) -> Language {
    let found = Language::ALL.into_iter().find(|language| language.as_str() == name);
    found.unwrap_or(Language::Rust)
}

pub(crate) fn run(arguments: &Arguments, ui: &Ui) -> Result<Exit, CliError> {
    let name: ProjectName = arguments
        .name
        .parse()
        .map_err(autokestra_authoring::AuthoringError::from)?;
    let project = Project::create(Path::new(""), &name, arguments.lang, Schemas { workflow: SCHEMA })?;
    // An editor finds the sdk only once it is told where; a build does that as well.
    if let Err(error) = surroundings(ui, |build| project.prepare(&build)) {
        let error = CliError::from(error);
        ui.error(
            "warning",
            &format!("editors will not find the sdk before the first build: {error}"),
        )?;
    }
    let folder = project.folder().display();
    ui.out(&format!(
        "wrote the plugin {name} in {} into {folder}\n",
        project.language()
    ))?;
    ui.note(&format!(
        "next:\n  cd {folder}\n  workflow plugin build\n  workflow plugin test\n  workflow run example.yaml"
    ))?;
    Ok(Exit::Success)
}
