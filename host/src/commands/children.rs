//! The workflows that a file names for `core/flow.run`, held against what lies beside it before anything runs; and so the
//! programs that it and they name.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use autokestra_model::{Diagnostic, Diagnostics, Severity, Source, Workflow};
use autokestra_sandbox::Sandbox;
use futures::future::BoxFuture;

use super::flows::locate;
use super::programs;
use super::workflow::{Pinned, check_text};
use crate::lock::{Held, Locking};

/// Checks the children of one file.
#[derive(Debug)]
pub(super) struct Children<'a> {
    sandbox: &'a Sandbox,
    locking: Locking,
    /// What the children use that is not part of the program, and the programs that are installed.
    pub(super) pinned: Vec<Pinned>,
    /// The files that stand inside one another now, the outermost first.
    above: Vec<PathBuf>,
    /// Those that were found good.
    good: HashSet<PathBuf>,
}

impl<'a> Children<'a> {
    pub(super) fn new(sandbox: &'a Sandbox, locking: Locking) -> Self {
        Self {
            sandbox,
            locking,
            pinned: Vec::new(),
            above: Vec::new(),
            good: HashSet::new(),
        }
    }

    /// What is wrong with the children of the workflow in `path`, and theirs. A name that comes of an expression is known only
    /// when it runs.
    pub(super) fn check<'b>(&'b mut self, workflow: &'b Workflow, path: PathBuf) -> BoxFuture<'b, Diagnostics> {
        Box::pin(async move {
            let mut found = Diagnostics::new();
            let base = path.parent().unwrap_or(Path::new("/")).to_path_buf();
            self.above.push(path.clone());
            for task in workflow
                .tasks
                .iter()
                .filter(|task| task.action.to_string() == "core/flow.run")
            {
                let name = task.inputs.literal("workflow");
                let Some(name) = name.as_ref().and_then(serde_json::Value::as_str) else {
                    continue;
                };
                let span = task.places.input.get("workflow").copied().unwrap_or(task.places.inputs);
                match locate(&base, name) {
                    Ok(child) if self.above.contains(&child) => {
                        let message = format!("`{name}` would run inside itself");
                        let error = Diagnostic::error("workflow_cycle", span, message).label("runs this file again");
                        found.push(error.help(format!("the way there: {}", self.way_to(&child))));
                    }
                    Ok(child) if self.good.contains(&child) => {}
                    Ok(child) => {
                        if let Err(message) = self.child(child).await {
                            let message = format!("the workflow `{name}` cannot run: {message}");
                            let error = Diagnostic::error("broken_workflow", span, message).label("this workflow");
                            found.push(error.help("`workflow validate` that file"));
                        }
                    }
                    // An earlier task may write it.
                    Err(message) => {
                        found.push(Diagnostic::warning("missing_workflow", span, message).label("not found"));
                    }
                }
            }
            match Held::new(&base, self.locking) {
                Ok(held) => {
                    let place = (base.as_path(), &held);
                    found.extend(programs::check(workflow, place, self.sandbox, &mut self.pinned).await);
                }
                // The check of the text, which read the same file, has told it.
                Err(error) => tracing::debug!(%error, "no lock to hold programs against"),
            }
            self.above.pop();
            if !found.has_errors() {
                self.good.insert(path);
            }
            found
        })
    }

    /// Checks one child. What is wrong first is told in one line.
    async fn child(&mut self, path: PathBuf) -> Result<(), String> {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
        let source = Source::new(path.display().to_string(), text);
        let base = path.parent().unwrap_or(Path::new("/"));
        let checked = check_text(source, base, self.sandbox, self.locking).await;
        let checked = checked.map_err(|error| error.to_string())?;
        self.pinned.extend(checked.pinned);
        let found = self.check(&checked.workflow, path).await;
        let first = found.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
        first.map_or(Ok(()), |diagnostic| Err(diagnostic.message.clone()))
    }

    /// The files from one that stands above to the one that names it.
    fn way_to(&self, file: &Path) -> String {
        let from = self.above.iter().skip_while(|above| above.as_path() != file);
        let names = from.filter_map(|path| path.file_name());
        let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.extend(names.first().cloned());
        names.join(" → ")
    }
}
