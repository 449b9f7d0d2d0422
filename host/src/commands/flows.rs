//! How `core/flow.run` finds workflows: files below the folder of the workflow that asks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use autokestra_engine::{Flow, FlowError, Flows};
use autokestra_model::{ReasonCode, Source};
use autokestra_sandbox::{PlaceError, Program, Sandbox, located};
use autokestra_secrets::Masker;
use autokestra_store::{Store, WorkflowSource};
use futures::future::BoxFuture;
use serde_json::Value;

use super::drive::secrets;
use super::programs;
use super::workflow::check_text;
use crate::error::CliError;
use crate::lock::Locking;
use crate::place::Place;

/// Files, validated against the plugins of a sandbox.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) place: Place,
    pub(super) sandbox: Sandbox,
    pub(super) locking: Locking,
    /// Where the secret store is.
    pub(super) store: Arc<dyn Store>,
}

/// The file of a path below `base`, or of a file's name in it without its ending; every link followed.
pub(super) fn locate(base: &Path, name: &str) -> Result<PathBuf, String> {
    let named = Path::new(name);
    let is_path = named.extension().is_some() || named.components().count() > 1;
    let tried = if is_path {
        vec![name.to_owned()]
    } else {
        ["yaml", "yml"].map(|end| format!("{name}.{end}")).to_vec()
    };
    for tried in tried {
        match located(base, &tried) {
            Ok(path) => return Ok(path),
            Err(PlaceError::LeadsOut) => return Err(format!("`{name}` leads out of the workflow's folder")),
            Err(PlaceError::LinksOut) => {
                return Err(format!("`{name}` is a link that leads out of the workflow's folder"));
            }
            Err(PlaceError::Missing) => {}
        }
    }
    Err(format!("there is no workflow `{name}` in {}", base.display()))
}

impl Flows for Files {
    fn find<'a>(&'a self, base: &'a Path, name: &'a str) -> BoxFuture<'a, Result<Flow, FlowError>> {
        Box::pin(async move {
            let path = locate(base, name)?;
            let text = std::fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
            let folder = path.parent().unwrap_or(base).to_path_buf();
            self.flow(path.display().to_string(), text, folder).await
        })
    }

    fn reopen<'a>(&'a self, source: &'a WorkflowSource) -> BoxFuture<'a, Result<Flow, FlowError>> {
        Box::pin(async move { self.reopened(source).await.map_err(|error| error.to_string().into()) })
    }

    fn check_program(&self, base: &Path, name: &str, program: &Program) -> Result<(), String> {
        programs::held(base, self.locking, name, program)
    }
}

impl Files {
    async fn flow(&self, name: String, text: String, base: std::path::PathBuf) -> Result<Flow, FlowError> {
        let checked = check_text(
            Source::new(name.clone(), text.clone()),
            &base,
            &self.sandbox,
            self.locking,
        )
        .await;
        let checked = checked.map_err(|error| format!("`{name}` is no good: {error}"))?;
        let secrets = secrets(&checked.workflow, &self.place, &self.store).await;
        let secrets = secrets.map_err(|error| FlowError {
            reason: ReasonCode::SecretMissing,
            message: error.with_advice(),
        })?;
        Ok(Flow {
            workflow: Arc::new(checked.workflow),
            secrets,
            base,
            source: (name, text),
        })
    }

    /// The workflow of an execution: its own text, not what the file holds by now.
    pub(super) async fn reopened(&self, source: &WorkflowSource) -> Result<Flow, CliError> {
        // Which secrets the text needs stands in the text; their values matter only where someone wrote one into it.
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let shown = text(source.text.masked().value());
        let base = Path::new(&source.base);
        let named = |text: &str| Source::new(source.name.clone(), text.to_owned());
        let mut checked = check_text(named(&shown), base, &self.sandbox, self.locking).await?;
        let secrets = secrets(&checked.workflow, &self.place, &self.store).await?;
        let opened = Masker::new(&secrets).open(&source.text);
        let opened = text(&opened.map_err(|error| CliError::input(error.to_string()))?);
        if opened != shown {
            checked = check_text(named(&opened), base, &self.sandbox, self.locking).await?;
        }
        Ok(Flow {
            workflow: Arc::new(checked.workflow),
            secrets,
            base: source.base.clone().into(),
            source: (source.name.clone(), opened),
        })
    }
}
