//! The programs that a workflow names for `core/wasm.run`, loaded before anything runs.

use std::path::Path;

use autokestra_model::{Diagnostic, Diagnostics, Span, Task, Workflow};
use autokestra_sandbox::{Ability, Program, ProgramError, Sandbox, names_file};

use super::workflow::Pinned;
use crate::lock::{Held, Locking, Pin};

/// What is wrong with the programs of a workflow in the folder `base`. A name that comes of an expression is known only when
/// it runs.
pub(super) async fn check(
    workflow: &Workflow,
    (base, held): (&Path, &Held),
    sandbox: &Sandbox,
    pins: &mut Vec<Pinned>,
) -> Diagnostics {
    let mut found = Diagnostics::new();
    let runs = |task: &&Task| task.action.to_string() == "core/wasm.run";
    for task in workflow.tasks.iter().filter(runs) {
        let name = task.inputs.literal("module");
        let Some(name) = name.as_ref().and_then(serde_json::Value::as_str) else {
            continue;
        };
        match sandbox.program(base, name).await {
            Ok(program) => {
                // A file beside the workflow is a part of it, and kept with it.
                if !names_file(name) {
                    let pinned = pinned(base, name, &program);
                    let span = task.places.input.get("module").copied().unwrap_or(task.places.inputs);
                    if let Some(differs) = held.differs(name, &pinned.pin, span) {
                        found.push(differs);
                    }
                    pins.push(pinned);
                }
                if let Some(warning) = ungranted(workflow, task, (name, &program)) {
                    found.push(warning);
                }
            }
            Err(error) => found.push(unusable(task, &error)),
        }
    }
    found
}

/// A program as a lock has it.
pub(super) fn pin(program: &Program) -> Pin {
    Pin {
        version: None,
        digest: program.digest.to_string(),
        source: None,
    }
}

fn pinned(base: &Path, name: &str, program: &Program) -> Pinned {
    Pinned {
        folder: base.to_path_buf(),
        name: name.to_owned(),
        pin: pin(program),
    }
}

/// Holds a program that is about to run against the lock of its workflow's folder, where that is insisted on.
pub(super) fn held(base: &Path, locking: Locking, name: &str, program: &Program) -> Result<(), String> {
    if locking == Locking::Told || names_file(name) {
        return Ok(());
    }
    let held = Held::new(base, locking).map_err(|error| error.with_advice())?;
    let Some(differs) = held.differs(name, &pin(program), Span::default()) else {
        return Ok(());
    };
    let message = differs.message;
    Err(format!(
        "{message}; to take the one that is here: `workflow plugin lock FILE --also {name}` with the workflow's file"
    ))
}

fn unusable(task: &Task, error: &ProgramError) -> Diagnostic {
    let span = task.places.input.get("module").copied().unwrap_or(task.places.inputs);
    let message = error.to_string();
    match error {
        // An earlier task may write it.
        ProgramError::Missing { .. } => Diagnostic::warning("missing_program", span, message).label("not found"),
        ProgramError::NotInstalled { .. } => Diagnostic::error("unknown_program", span, message).label("not found"),
        ProgramError::LeadsOut { .. } | ProgramError::LinksOut { .. } => {
            Diagnostic::error("unknown_program", span, message).label("not below the folder of this file")
        }
        ProgramError::Twice { .. } | ProgramError::Unusable(_) => {
            Diagnostic::error("unusable_program", span, message).label("this cannot be run")
        }
    }
}

/// A warning for a program that sends HTTP requests, where its task is granted no host. One that opens files may well need none.
fn ungranted(workflow: &Workflow, task: &Task, (name, program): (&str, &Program)) -> Option<Diagnostic> {
    let granted = task.permissions.as_ref().unwrap_or(&workflow.permissions);
    let connects = [Ability::Http, Ability::Tcp, Ability::Udp];
    if !connects.iter().any(|ability| program.capabilities.can(*ability)) || !granted.network.is_empty() {
        return None;
    }
    let message = format!("`{name}` can open connections, and `{}` is granted none of it", task.id);
    let warning = Diagnostic::warning("missing_permission", task.places.action, message);
    Some(
        warning
            .label("this will be denied if it is tried")
            .help("add to the task:\npermissions:\n  network: [\"host.example.com:443\"]"),
    )
}
