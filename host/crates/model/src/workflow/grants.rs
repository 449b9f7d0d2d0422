//! What a workflow grants against what its plugins could use: grants that will be missed, and grants that nothing can use.

use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::permission::{Permissions, path_covers};
use crate::workflow::{ActionInfo, CapabilityNeeds, PermissionPlaces, Task, Workflow};

/// Sorts of grants.
#[derive(Clone, Copy)]
enum Kind {
    Network,
    Read,
    Write,
    Env,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Network, Self::Read, Self::Write, Self::Env];

    /// Whether a plugin could use one.
    fn is_usable(self, needs: CapabilityNeeds) -> bool {
        match self {
            Self::Network => needs.network,
            Self::Read => needs.filesystem,
            Self::Write => needs.write,
            Self::Env => needs.env,
        }
    }

    fn places(self, places: &PermissionPlaces) -> &[Span] {
        match self {
            Self::Network => &places.network,
            Self::Read => &places.read,
            Self::Write => &places.write,
            Self::Env => &places.env,
        }
    }

    /// What is granted, and what it takes to use it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Network => ("hosts", "open connections"),
            Self::Read => ("files", "open files"),
            Self::Write => ("files to write", "write files"),
            Self::Env => ("variables", "read variables"),
        }
    }

    /// Whether the workflow's grant at `index` is what a task's own grants lie in.
    fn is_narrowed(self, workflow: &Permissions, index: usize, own: &Permissions) -> bool {
        let covers = |paths: &[String], granted: &str| paths.iter().any(|path| path_covers(granted, path));
        match self {
            Self::Network => {
                let granted = workflow.network.get(index);
                granted.is_some_and(|granted| own.network.iter().any(|pattern| granted.covers(pattern)))
            }
            Self::Read => {
                let granted = workflow.read.get(index);
                granted.is_some_and(|granted| covers(&own.read, granted))
            }
            Self::Write => {
                let granted = workflow.write.get(index);
                granted.is_some_and(|granted| covers(&own.read, granted) || covers(&own.write, granted))
            }
            Self::Env => workflow.env.get(index).is_some_and(|name| own.env.contains(name)),
        }
    }
}

/// Plugins that run what stands in the workflow, or in a file that it names.
const SCRIPTS: &[&str] = &["core/script", "core/script-python"];

/// Warns where a plugin could reach the network or files, and its task is granted none.
pub(super) fn missing(workflow: &Workflow, task: &Task, info: &ActionInfo, found: &mut Diagnostics) {
    // What a program could reach is asked of the program that the task names.
    if info.plugin.as_str() == "core/wasm" {
        return;
    }
    let granted = task.permissions.as_ref().unwrap_or(&workflow.permissions);
    let files = granted.read.is_empty() && granted.write.is_empty() && !uses_artifacts(task);
    let mut warn = |what: &str, yaml: &str| {
        let message = format!("`{}` can {what}, and `{}` is granted none of it", info.plugin, task.id);
        let warning = Diagnostic::warning("missing_permission", task.places.action, message);
        found.push(
            warning
                .label("this will be denied if it is tried")
                .help(format!("add to the task:\n{yaml}")),
        );
    };
    // What a script reaches for is known to its author alone.
    let script = SCRIPTS.contains(&info.plugin.as_str());
    if info.needs.hosts_meant && granted.network.is_empty() && !script {
        let host = host_of(task).unwrap_or_else(|| "host.example.com:443".to_owned());
        warn("open connections", &format!("permissions:\n  network: [\"{host}\"]"));
    }
    // A plugin that may save what it fetched, or read a file instead of text, is of use without files too.
    if info.needs.filesystem && (!info.needs.network || script) && files && asks_for_files(task, script) {
        let lists = match literal(task, if script { "file" } else { "path" }) {
            Some(path) if script => format!("read: [\"{path}\"]"),
            Some(path) if ["read", "list"].contains(&task.action.action()) => format!("read: [\"{path}\"]"),
            Some(path) => format!("write: [\"{path}\"]"),
            None => "read: [\"./data\"], write: [\"./out\"]".to_owned(),
        };
        warn("open files", &format!("permissions:\n  filesystem: {{ {lists} }}"));
    }
}

/// An input that is written out as text, and can be written into YAML between quotes.
fn literal(task: &Task, key: &str) -> Option<String> {
    match task.inputs.literal(key)? {
        Value::String(text) if !text.contains(['"', '\\', '\n']) => Some(text),
        _ => None,
    }
}

/// The host and port that a task's `url` names.
fn host_of(task: &Task) -> Option<String> {
    let url = literal(task, "url")?;
    let (rest, port) = match url.split_once("://")? {
        ("https", rest) => (rest, 443),
        ("http", rest) => (rest, 80),
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    let host = authority.rsplit('@').next()?;
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    })
}

/// Whether a task's inputs name a file.
fn asks_for_files(task: &Task, script: bool) -> bool {
    let keys: &[&str] = if script { &["file"] } else { &["path", "saveTo"] };
    task.action.plugin().as_str() == "core/file" || keys.iter().any(|key| task.places.input.contains_key(*key))
}

/// Whether a task's inputs speak of files that need no grant: its own below `/artifacts`, or those of another task.
fn uses_artifacts(task: &Task) -> bool {
    fn names(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains("/artifacts"),
            Value::Array(items) => items.iter().any(names),
            Value::Object(entries) => entries.values().any(names),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    !task.inputs.files_of().is_empty() || names(&task.inputs.source())
}

/// Warns of grants that nothing which has them can use. `infos` are the actions of all tasks, in order.
pub(super) fn unused(workflow: &Workflow, infos: &[Arc<ActionInfo>], found: &mut Diagnostics) {
    for (task, info) in workflow.tasks.iter().zip(infos) {
        let Some(places) = &task.places.permissions else {
            continue;
        };
        for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_usable(info.needs)) {
            let (what, use_of_it) = kind.words();
            let message = format!(
                "`{}` is granted {what}, and `{}` cannot {use_of_it}",
                task.id, info.plugin
            );
            warn(message, kind, info.needs.filesystem, kind.places(places), found);
        }
    }
    for kind in Kind::ALL {
        let tasks = || workflow.tasks.iter().zip(infos);
        let inherited = tasks().any(|(task, info)| task.permissions.is_none() && kind.is_usable(info.needs));
        if inherited {
            continue;
        }
        let narrowed = |index: usize| {
            let own = workflow.tasks.iter().filter_map(|task| task.permissions.as_ref());
            own.into_iter()
                .any(|own| kind.is_narrowed(&workflow.permissions, index, own))
        };
        let places = kind.places(&workflow.permission_places).iter().enumerate();
        let idle = places.filter(|(index, _)| !narrowed(*index)).map(|(_, place)| *place);
        let (what, use_of_it) = kind.words();
        let message = format!("the workflow grants {what}, and no task that has them can {use_of_it}");
        let readers = tasks().any(|(task, info)| task.permissions.is_none() && info.needs.filesystem);
        warn(message, kind, readers, &idle.collect::<Vec<_>>(), found);
    }
}

/// Warns of the grants at `places`, if there are any.
fn warn(message: String, kind: Kind, reads: bool, places: &[Span], found: &mut Diagnostics) {
    let Some((first, more)) = places.split_first() else {
        return;
    };
    let help = match kind {
        Kind::Write if reads => "grant it under `read`: what is not granted cannot be misused",
        Kind::Network | Kind::Read | Kind::Write | Kind::Env => "take it out: what is not granted cannot be misused",
    };
    let mut warning = Diagnostic::warning("unused_permission", *first, message).label("nothing can use this");
    for place in more {
        warning = warning.related(*place, "nor this");
    }
    found.push(warning.help(help));
}
