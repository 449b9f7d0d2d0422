//! `workflow secret delete`.

use autokestra_model::SecretName;
use autokestra_model::diagnostic::nearest;
use autokestra_secrets::Masker;
use autokestra_store::SecretRow;

use super::secret_name;
use crate::commands::drive::actor;
use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

const EXAMPLES: &str = "\
Examples:
  workflow secret delete API_TOKEN

Only the secret store forgets it. No key is needed for it.";

/// Delete a secret from the store
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Its name
    #[arg(value_parser = secret_name)]
    name: SecretName,
}

pub(crate) async fn run(arguments: Arguments, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let name = arguments.name;
    let store = place.store()?;
    let secrets = place.secret_store(&store);
    if !secrets.delete(&name, &actor(&Masker::none())).await? {
        return Err(unknown(&name, &secrets.list().await?));
    }
    store.close().await?;
    ui.out(&format!("deleted {name}\n"))?;
    Ok(Exit::Success)
}

fn unknown(name: &SecretName, rows: &[SecretRow]) -> CliError {
    let error = CliError::new(Exit::Failed, format!("there is no secret `{name}` in the store"));
    let near = nearest(name.as_str(), rows.iter().map(|row| row.name.as_str()));
    error.hint(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`workflow secret list` shows where each secret comes from".to_owned(),
    })
}
