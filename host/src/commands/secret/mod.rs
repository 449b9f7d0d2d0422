//! `workflow secret …`.

mod delete;
mod list;
mod rotate_key;
mod set;
mod value;

use autokestra_model::SecretName;

use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

/// Keep secrets, encrypted.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Set(set::Arguments),
    List(list::Arguments),
    Delete(delete::Arguments),
    RotateKey(rotate_key::Arguments),
}

pub(crate) async fn run(command: Command, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    match command {
        Command::Set(arguments) => set::run(arguments, place, ui).await,
        Command::List(arguments) => list::run(arguments, place, ui).await,
        Command::Delete(arguments) => delete::run(arguments, place, ui).await,
        Command::RotateKey(arguments) => rotate_key::run(arguments, place, ui).await,
    }
}

/// Parses a secret's name from the command line.
fn secret_name(text: &str) -> Result<SecretName, String> {
    text.parse()
        .map_err(|error: autokestra_model::IdError| error.to_string())
}
