//! The JSON of plugins, programs and compiled code: promises, as those of `view`.

use std::path::Path;

use autokestra_model::{ActionInfo, ActionName, Digest, Timestamp};
use autokestra_sandbox::{CacheList, CachedCode, Cleared, Program, Proof};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::plugin::Found;
use super::schema::Time;

/// One plugin of `plugin list`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PluginView<'a> {
    /// Its name, as workflows write it.
    name: &'a str,
    /// Its version.
    version: &'a str,
    /// What it is for.
    description: &'a str,
    /// The names of its actions.
    actions: Vec<&'a str>,
    /// Where it was found: `embedded`, `engine`, `installed`, or a file.
    origin: String,
    /// The size of its component in bytes; null for what is no component.
    size: Option<usize>,
    /// The BLAKE3 digest of its component; null for what is no component.
    digest: Option<String>,
}

impl<'a> PluginView<'a> {
    pub(crate) fn new(found: &'a Found) -> Self {
        let component = found.component();
        Self {
            name: found.name(),
            version: found.version(),
            description: found.description(),
            actions: found.actions().iter().map(|action| action.name.as_str()).collect(),
            origin: found.origin(),
            size: component.map(|plugin| plugin.size_bytes),
            digest: component.map(|plugin| plugin.digest.to_string()),
        }
    }
}

/// `plugin inspect`: a plugin, or a WASI program that is none.
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
pub(crate) enum InspectedView<'a> {
    Plugin(Box<WholePluginView<'a>>),
    Program(Box<ProgramView<'a>>),
}

impl<'a> InspectedView<'a> {
    pub(crate) fn plugin(found: &'a Found) -> Self {
        Self::Plugin(Box::new(WholePluginView::new(found)))
    }

    pub(crate) fn program(program: &'a Program, path: &Path) -> Self {
        Self::Program(Box::new(ProgramView::new(program, path)))
    }
}

/// A plugin, whole.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WholePluginView<'a> {
    /// Its name, as workflows write it.
    name: &'a str,
    /// Its version.
    version: &'a str,
    /// What it is for.
    description: &'a str,
    /// What it can do.
    actions: Vec<ActionView<'a>>,
    /// Where it was found: `embedded`, `engine`, `installed`, or a file.
    origin: String,
    /// The size of its component in bytes; null for what is no component.
    size: Option<usize>,
    /// The BLAKE3 digest of its component; null for what is no component.
    digest: Option<String>,
    /// What it could do at most, in sentences; null for what is no component.
    capabilities: Option<Vec<String>>,
    /// How that is known; null for what is no component.
    proof: Option<ProofView<'a>>,
    /// The functions that its component imports, as `interface#function`; null for what is no component.
    imports: Option<&'a [String]>,
    /// Those of them that it cannot reach; null for what is no component.
    unreachable: Option<Vec<&'a str>>,
}

impl<'a> WholePluginView<'a> {
    fn new(found: &'a Found) -> Self {
        let component = found.component();
        Self {
            name: found.name(),
            version: found.version(),
            description: found.description(),
            actions: found.actions().iter().map(|action| ActionView::new(action)).collect(),
            origin: found.origin(),
            size: component.map(|plugin| plugin.size_bytes),
            digest: component.map(|plugin| plugin.digest.to_string()),
            capabilities: component.map(|plugin| plugin.capabilities.statements()),
            proof: component.map(|plugin| ProofView::new(&plugin.proof)),
            imports: component.map(|plugin| plugin.imports.as_slice()),
            unreachable: component.map(|plugin| plugin.unreachable().collect()),
        }
    }
}

/// One action of a plugin.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct ActionView<'a> {
    /// Its own name.
    name: &'a str,
    /// Its whole name, as the `type` of a task.
    #[serde(rename = "type")]
    whole_name: String,
    /// What it does, in a few words.
    title: &'a str,
    /// What it does, in sentences.
    description: &'a str,
    /// Whether running it twice is the same as once.
    idempotent: bool,
    /// The JSON Schema of its inputs.
    input_schema: &'a Value,
    /// The JSON Schema of its output.
    output_schema: &'a Value,
}

impl<'a> ActionView<'a> {
    fn new(action: &'a ActionInfo) -> Self {
        Self {
            name: &action.name,
            whole_name: ActionName::of(&action.plugin, &action.name).to_string(),
            title: &action.title,
            description: &action.description,
            idempotent: action.idempotent,
            input_schema: &action.input_schema,
            output_schema: &action.output_schema,
        }
    }
}

/// How it is known what a component can do.
#[derive(JsonSchema, Serialize)]
#[serde(tag = "by", rename_all = "camelCase")]
enum ProofView<'a> {
    /// By following all calls in it.
    CallGraph,
    /// By all that it imports.
    Imports {
        /// Why its calls could not be followed.
        reason: &'a str,
    },
}

impl<'a> ProofView<'a> {
    fn new(proof: &'a Proof) -> Self {
        match proof {
            Proof::CallGraph => Self::CallGraph,
            Proof::Imports { reason } => Self::Imports { reason },
        }
    }
}

/// A WASI program.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProgramView<'a> {
    /// `command` for a command component, `preview1` for a module of preview 1.
    kind: &'static str,
    /// Its file.
    origin: String,
    /// Its size in bytes.
    size: usize,
    /// The BLAKE3 digest of its file.
    digest: String,
    /// What it could do at most, in sentences.
    capabilities: Vec<String>,
    /// How that is known.
    proof: ProofView<'a>,
    /// The functions that it imports, as `interface#function`.
    imports: &'a [String],
    /// Those of them that it cannot reach.
    unreachable: Vec<&'a str>,
}

impl<'a> ProgramView<'a> {
    fn new(program: &'a Program, path: &Path) -> Self {
        Self {
            kind: program.kind.as_str(),
            origin: path.display().to_string(),
            size: program.size_bytes,
            digest: program.digest.to_string(),
            capabilities: program.capabilities.statements(),
            proof: ProofView::new(&program.proof),
            imports: &program.imports,
            unreachable: program.unreachable().collect(),
        }
    }
}

/// `plugin cache list`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CacheView<'a> {
    /// The folder that the code is kept in.
    folder: String,
    /// The size of everything in it, in bytes.
    total: u64,
    /// The most that it may hold, in bytes.
    limit: u64,
    /// The code that is kept, last used first.
    entries: Vec<CachedView<'a>>,
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct CachedView<'a> {
    /// The BLAKE3 digest of the component.
    #[schemars(with = "String")]
    digest: &'a Digest,
    /// The plugin; null where nobody knows it.
    plugin: Option<String>,
    /// The size of the code in bytes.
    size: u64,
    /// When it was last used, to the minute.
    #[schemars(with = "Time")]
    last_used: Timestamp,
    /// Whether this program can use it.
    fits: bool,
    /// Whether it counts fuel.
    fueled: bool,
}

impl<'a> CacheView<'a> {
    pub(crate) fn new(list: &'a CacheList) -> Self {
        let entry = |code: &'a CachedCode| CachedView {
            digest: &code.digest,
            plugin: code.plugin.as_ref().map(ToString::to_string),
            size: code.size_bytes,
            last_used: code.last_used,
            fits: code.fits,
            fueled: code.fueled,
        };
        Self {
            folder: list.folder.display().to_string(),
            total: list.total_bytes,
            limit: list.bytes_max,
            entries: list.code.iter().map(entry).collect(),
        }
    }
}

/// `plugin cache clear`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClearedView {
    /// Entries that were removed.
    removed: u64,
    /// Their size in bytes.
    freed: u64,
}

impl ClearedView {
    pub(crate) fn new(cleared: Cleared) -> Self {
        Self {
            removed: cleared.code as u64,
            freed: cleared.bytes,
        }
    }
}
