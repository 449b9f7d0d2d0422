//! `workflow plugin …`.

mod build;
mod cache;
mod docs;
mod inspect;
mod install;
mod list;
mod lock;
mod new;
mod remove;

use autokestra_authoring::Build;
mod test;
mod watch;

use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

/// Write, build, look at, install and pin plugins.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    New(new::Arguments),
    Build(build::Arguments),
    List(list::Arguments),
    Inspect(inspect::Arguments),
    Docs(docs::Arguments),
    Install(install::Arguments),
    Remove(remove::Arguments),
    Lock(lock::Arguments),
    Test(test::Arguments),
    /// Look at the compiled code that is kept
    #[command(subcommand)]
    Cache(cache::Command),
}

pub(crate) async fn run(command: Command, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    match command {
        Command::New(arguments) => new::run(&arguments, ui),
        Command::Build(arguments) => build::run(&arguments, &place.sandbox()?, ui).await,
        Command::List(arguments) => list::run(&arguments, &place.sandbox()?, ui).await,
        Command::Inspect(arguments) => inspect::run(&arguments, &place.sandbox()?, ui).await,
        Command::Docs(arguments) => docs::run(&arguments, &place.sandbox()?, ui).await,
        Command::Install(arguments) => install::run(&arguments, place, ui).await,
        Command::Remove(arguments) => remove::run(&arguments, place, ui),
        Command::Lock(arguments) => lock::run(&arguments, place, ui).await,
        Command::Test(arguments) => Box::pin(test::run(&arguments, place, ui)).await,
        Command::Cache(command) => cache::run(&command, place, ui),
    }
}

/// Calls `work` with what builds are told of their surroundings: tools print to where the program prints.
fn surroundings<T>(ui: &Ui, work: impl FnOnce(Build<'_>) -> T) -> T {
    // Where stderr is closed, nobody is left to be told.
    let note = |text: &str| drop(ui.note(text));
    work(Build {
        variable: &|name| std::env::var_os(name),
        watched: ui.is_watched(),
        colored: ui.colors_notes(),
        note: &note,
    })
}
