//! `workflow secret list`.

use std::collections::BTreeMap;
use std::path::Path;

use autokestra_model::SecretName;
use autokestra_secrets::source::{VARIABLE_PREFIX, names_in_file};

use crate::commands::drive::Bringing;
use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::{KnownSecret, SecretPlace, SecretsView, Ui, secrets};

const EXAMPLES: &str = "\
Examples:
  workflow secret list
  workflow secret list --secrets ./secrets.yaml
  workflow secret list --json | jq -r '.secrets[] | select(.source == \"store\") | .name'

A value is looked for in this order, and the first wins: the file of --secrets, $WORKFLOW_SECRET_NAME, the file that \
`secrets.file` names, the secret store. Values are not shown; no key is needed.";

/// List secrets, and where the value of each comes from
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    bringing: Bringing,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) async fn run(arguments: Arguments, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let store = place.store()?;
    let mut known = Known::default();
    if let Some(path) = &arguments.bringing.secrets {
        known.add_file(path, SecretPlace::Given)?;
    }
    for (name, _) in std::env::vars_os() {
        let name = name.to_str().and_then(|name| name.strip_prefix(VARIABLE_PREFIX));
        if let Some(name) = name.and_then(|name| name.parse().ok()) {
            known.add(name, SecretPlace::Environment);
        }
    }
    if let Some(path) = place.settings.secrets_file() {
        known.add_file(path, SecretPlace::Configured)?;
    }
    for row in place.secret_store(&store).list().await? {
        let (created_at, updated_at) = (row.created_at, row.updated_at);
        known.add(row.name, SecretPlace::Store { created_at, updated_at });
    }
    let known = known.finish();
    if arguments.json {
        ui.json(&SecretsView::new(&known), arguments.pretty)?;
    } else {
        ui.out(&secrets(ui, &known))?;
    }
    Ok(Exit::Success)
}

/// The places of each secret, gathered in the order in which they win.
#[derive(Default)]
struct Known(BTreeMap<SecretName, Vec<SecretPlace>>);

impl Known {
    fn add(&mut self, name: SecretName, place: SecretPlace) {
        self.0.entry(name).or_default().push(place);
    }

    fn add_file(&mut self, path: &Path, place: impl Fn(std::path::PathBuf) -> SecretPlace) -> Result<(), CliError> {
        for name in names_in_file(path)? {
            self.add(name, place(path.to_path_buf()));
        }
        Ok(())
    }

    fn finish(self) -> Vec<KnownSecret> {
        let known = self.0.into_iter();
        known.map(|(name, places)| KnownSecret { name, places }).collect()
    }
}
