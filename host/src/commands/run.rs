//! `workflow run`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use autokestra_engine::{Cleaner, CleanupError, Environment, Given, StartRequest, SystemClock};
use autokestra_model::{GivenInput, Workflow};
use autokestra_secrets::Masker;
use autokestra_store::{Store, StoreError};
use serde_json::Value;
use tokio::sync::mpsc;

use super::drive::{Bringing, EVENTS_QUEUED_MAX, Signals, Telling, actor, runner, secrets, to_the_end};
use super::flows::Files;
use super::workflow::{base, check, locking};
use crate::error::{CliError, Exit};
use crate::place::Place;
use crate::render::Ui;

const EXAMPLES: &str = "\
Examples:
  workflow run flow.yaml
  workflow run flow.yaml --input since=2026-01-01 --logs
  workflow run flow.yaml --json | jq .outputs

A secret NAME of the workflow comes from the file of --secrets, else from $WORKFLOW_SECRET_NAME, else from the file that \
`secrets.file` names, else from the secret store (`workflow secret set NAME`).";

/// Run a workflow to its end
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The workflow file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// An input, read by its declared type; may stand several times
    #[arg(long = "input", short, value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// A JSON file with inputs; `--input` wins
    #[arg(long = "inputs", value_name = "FILE")]
    inputs_file: Option<PathBuf>,
    /// Run no plugin but those that `plugins.lock` beside the workflow pins
    #[arg(long)]
    locked: bool,
    #[command(flatten)]
    bringing: Bringing,
    #[command(flatten)]
    telling: Telling,
}

pub(crate) async fn run(arguments: Arguments, place: &Place, ui: Ui) -> Result<Exit, CliError> {
    let place = place.with_secrets(arguments.bringing.secrets.clone());
    let sandbox = place.sandbox()?;
    let locking = locking(arguments.locked);
    let checked = check(&arguments.file, &sandbox, locking).await?;
    if !checked.warnings.is_empty() {
        ui.diagnostics(&checked.source, &checked.warnings)?;
    }
    let workflow = checked.workflow;
    let given = given(&arguments)?;
    let inputs = workflow
        .bind_inputs(&given)
        .map_err(|wrong| wrong_inputs(&wrong, &workflow))?;
    let store = place.store()?;
    let secrets = secrets(&workflow, &place, &store).await?;
    let actor = actor(&Masker::new(&secrets));
    // Before anything runs: a signal that comes early is not lost.
    let signals = Signals::new()?;
    let runner = runner(&place, &store, sandbox.clone());
    let place_of_retention = place.clone();
    let (observer, events) = mpsc::channel(EVENTS_QUEUED_MAX);
    let request = StartRequest {
        given: Given {
            workflow: Arc::new(workflow),
            secrets,
            base: base(&arguments.file)?,
            environment: Environment::of_process(),
            actor,
            observer: Some(observer),
            flows: Arc::new(Files {
                place,
                sandbox: sandbox.clone(),
                locking,
                store: Arc::clone(&store),
            }),
        },
        inputs,
        source: (known_as(&arguments.file), checked.source.text().to_owned()),
        trigger: "manual",
        retry: None,
    };
    let handle = runner.start(request).await?;
    retain(&place_of_retention, &store);
    to_the_end((&runner, handle), signals, events, &arguments.telling, (&store, &ui)).await
}

/// Removes what is too old, beside the run and no longer than it lasts: where the run ends first, the next goes on.
fn retain(place: &Place, store: &Arc<dyn Store>) {
    let days = place.settings.number("logRetentionDays");
    if days == 0 {
        return;
    }
    let cleaner = Cleaner::new(Arc::clone(store), place.settings.artifacts(), Arc::new(SystemClock));
    tokio::spawn(async move {
        match cleaner.retain(days).await {
            Ok(_) | Err(CleanupError::Store(StoreError::Closed)) => {}
            // The run is what was asked for, and goes on.
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to remove what is too old"
            ),
        }
    });
}

/// The name by which the workflow is known to those that it starts, and they to it.
fn known_as(path: &Path) -> String {
    let whole = path.canonicalize();
    whole.map_or_else(|_| path.display().to_string(), |path| path.display().to_string())
}

/// What a file of inputs looks like.
const INPUTS: &str =
    "a file of inputs is JSON: { \"name\": \"Ada\", \"count\": 3 }; or give each by `--input name=Ada`";

/// The values that were given, by name. `--input` wins over the file.
fn given(arguments: &Arguments) -> Result<BTreeMap<String, GivenInput>, CliError> {
    let mut given = BTreeMap::new();
    if let Some(path) = &arguments.inputs_file {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => CliError::input(format!("there is no file {shown} of inputs")).hint(INPUTS),
            _ => CliError::input(format!("read the inputs {shown}: {error}")),
        })?;
        let value: Value = serde_json::from_str(&text)
            .map_err(|error| CliError::input(format!("the inputs {shown} are no JSON: {error}")).hint(INPUTS))?;
        let Value::Object(entries) = value else {
            return Err(CliError::input(format!("the inputs {shown} are no JSON object")).hint(INPUTS));
        };
        given.extend(entries.into_iter().map(|(name, value)| (name, GivenInput::Json(value))));
    }
    for input in &arguments.inputs {
        let Some((name, value)) = input.split_once('=') else {
            return Err(
                CliError::input(format!("`--input {input}` has no `=`")).hint(format!("write `--input {input}=VALUE`"))
            );
        };
        given.insert(name.trim().to_owned(), GivenInput::Text(value.to_owned()));
    }
    Ok(given)
}

fn wrong_inputs(wrong: &[String], workflow: &Workflow) -> CliError {
    let known: Vec<String> = workflow
        .inputs
        .iter()
        .map(|input| format!("{} ({})", input.id, input.kind.as_str()))
        .collect();
    let error = CliError::input(wrong.join("\n"));
    if known.is_empty() {
        error.hint("this workflow takes no inputs")
    } else {
        error.hint(format!("inputs of this workflow: {}", known.join(", ")))
    }
}
