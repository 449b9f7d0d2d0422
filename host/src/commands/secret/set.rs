//! `workflow secret set`.

use autokestra_model::SecretName;
use autokestra_secrets::Masker;
use autokestra_secrets::vault::KeyPlace;

use super::{secret_name, value};
use crate::commands::drive::actor;
use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

const EXAMPLES: &str = "\
Examples:
  workflow secret set API_TOKEN
  workflow secret set API_TOKEN < token.txt
  pass show api | workflow secret set API_TOKEN

The value is asked for, or read from stdin without its last line end: 4 characters to 64 KiB of text.
It is encrypted by a key that is encrypted by the master key: that of $WORKFLOW_SECRETS_KEY, of the file that \
`secrets.keyFile` names (secrets.key beside the database), or of the keyring (`secrets.keyring: true`).
The first secret makes a master key where there is none.";

/// Set the value of a secret
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Its name, as workflows write it
    #[arg(value_parser = secret_name)]
    name: SecretName,
    /// What is typed after the name, and must not be there
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    more: Vec<String>,
}

pub(crate) async fn run(arguments: Arguments, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let name = arguments.name;
    if !arguments.more.is_empty() {
        let error = CliError::input("a value is never an argument: others see it, and the shell remembers it");
        return Err(error.hint(format!(
            "workflow secret set {name} asks for it, or reads it from a pipe; what was typed is no secret any more"
        )));
    }
    let value = value::read(&name).await?;
    let store = place.store()?;
    let made = place
        .secret_store(&store)
        .set(&name, &value, &actor(&Masker::none()))
        .await?;
    store.close().await?;
    ui.out(&format!("set {name}\n"))?;
    if let Some(key) = made {
        let kept = match &key {
            KeyPlace::File(path) => format!(
                "made the master key {}; keep a copy in another place: without it the secrets are lost",
                path.display()
            ),
            KeyPlace::Environment | KeyPlace::Keyring => format!("made a master key in {key}"),
        };
        ui.error("note", &kept)?;
    }
    let variable = format!("{}{name}", autokestra_secrets::source::VARIABLE_PREFIX);
    if std::env::var_os(&variable).is_some() {
        ui.error(
            "warning",
            &format!("the variable {variable} is set, and wins over the store"),
        )?;
    }
    Ok(Exit::Success)
}
