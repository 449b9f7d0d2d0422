//! `workflow secret rotate-key`.

use std::path::PathBuf;

use autokestra_secrets::Masker;
use autokestra_secrets::vault::KEY_VARIABLE;

use crate::commands::drive::actor;
use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

const EXAMPLES: &str = "\
Examples:
  workflow secret rotate-key
  workflow secret rotate-key --new-key-file ./data/secrets-2027.key

Every value is encrypted again by a new data key, all in one transaction. With --new-key-file a new master key is written to \
that file first, for its owner alone (one that is there is used), and from then on only that one opens the store: name it by \
`secrets.keyFile`, or move it to where the old one was. A rotation that is cut off has changed nothing, or all.

Whoever had the old key and a copy of the database has the values: then change these too, where they are from.";

/// Encrypt all secrets anew, by new keys
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Also take a new master key, kept in this file
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let store = place.store()?;
    let file = arguments.new_key_file.as_deref();
    let count = place.secret_store(&store).rotate(file, &actor(&Masker::none())).await?;
    store.close().await?;
    let s = if count == 1 { "" } else { "s" };
    let Some(file) = file else {
        ui.out(&format!("{count} secret{s} encrypted by a new data key\n"))?;
        return Ok(Exit::Success);
    };
    ui.out(&format!(
        "{count} secret{s} encrypted by a new data key and the master key in {}\n",
        file.display()
    ))?;
    let mut next = format!("name it by `secrets.keyFile: {}`", file.display());
    if place.settings.key_sources().environment.is_some() {
        next.extend([format!(", and unset {KEY_VARIABLE}, which wins over it")]);
    }
    next.push_str("; the old master key opens nothing any more");
    ui.error("hint", &next)?;
    Ok(Exit::Success)
}
