//! A plugin that was loaded: what it says of itself, and what it could do.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use autokestra_model::{ActionInfo, ActionName, CapabilityNeeds, Digest, PluginName};
use serde_json::Value;
use tokio::sync::OnceCell;
use wasmtime::component::Component;

use crate::bindings::{GuestPre, Manifest};
use crate::capabilities::{Ability, Capabilities};
use crate::contract;
use crate::error::LoadError;
use crate::guest::GuestState;
use crate::reach::Proof;

/// Most actions of one plugin.
const ACTIONS_MAX: usize = 256;

/// A loaded plugin.
pub struct Plugin {
    /// Its name.
    pub name: PluginName,
    /// Its version, as it says.
    pub version: String,
    /// What it is for.
    pub description: String,
    /// The digest of its component.
    pub digest: Digest,
    /// The size of its component, in bytes.
    pub size_bytes: usize,
    /// What it offers.
    pub actions: Vec<Arc<ActionInfo>>,
    /// The functions that it imports, as `interface#function`.
    pub imports: Vec<String>,
    /// Those of them that it can reach at most.
    pub reachable: Vec<String>,
    /// How that is known.
    pub proof: Proof,
    /// What it could do at most.
    pub capabilities: Capabilities,
    pub(crate) code: GuestPre<GuestState>,
    /// The component itself, for an engine that counts fuel.
    pub(crate) component: Arc<[u8]>,
    pub(crate) fueled: OnceCell<GuestPre<GuestState>>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// The action of a name.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&Arc<ActionInfo>> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// The component itself.
    #[must_use]
    pub fn component(&self) -> &[u8] {
        &self.component
    }

    /// The functions that it imports, and can never reach.
    pub fn unreachable(&self) -> impl Iterator<Item = &str> {
        let unreachable = |import: &&String| self.reachable.binary_search(import).is_err();
        self.imports.iter().filter(unreachable).map(String::as_str)
    }
}

/// Checks that a component is one of our world, and says what it is instead.
pub(crate) fn check_world(engine: &wasmtime::Engine, component: &Component, origin: &str) -> Result<(), LoadError> {
    let ty = component.component_type();
    let exports: BTreeSet<String> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let wrong = |reason: String| {
        Err(LoadError::WrongWorld {
            origin: origin.to_owned(),
            reason,
        })
    };
    for (name, _) in ty.imports(engine) {
        if let Some(rest) = name.strip_prefix("autokestra:plugin/")
            && let Some((_, version)) = rest.split_once('@')
            && !contract::serves(version)
        {
            return wrong(format!(
                "it is made for version {version} of the contract, and this program serves {}",
                contract::served()
            ));
        }
    }
    if exports.contains("describe") && exports.contains("run") {
        return Ok(());
    }
    let found: Vec<&str> = exports.iter().map(String::as_str).take(5).collect();
    wrong(format!(
        "it must export `describe` and `run`, and exports: {}",
        found.join(", ")
    ))
}

/// A manifest's actions, checked.
pub(crate) fn actions(
    manifest: &Manifest,
    capabilities: &Capabilities,
    origin: &str,
) -> Result<(PluginName, Vec<Arc<ActionInfo>>), LoadError> {
    let wrong = |reason: String| LoadError::Manifest {
        origin: origin.to_owned(),
        reason,
    };
    let name: PluginName = manifest
        .name
        .parse()
        .map_err(|error: autokestra_model::IdError| wrong(error.to_string()))?;
    if manifest.actions.is_empty() || manifest.actions.len() > ACTIONS_MAX {
        return Err(wrong(format!(
            "it has {} actions; 1 to {ACTIONS_MAX} are possible",
            manifest.actions.len()
        )));
    }
    let any = |abilities: &[Ability]| abilities.iter().any(|ability| capabilities.can(*ability));
    let network = any(&[Ability::Http, Ability::Tcp, Ability::Udp, Ability::LookUp]);
    let needs = CapabilityNeeds {
        network,
        // A plugin has no use for listening, which nothing grants: a library that can is there for an interpreter, and says
        // nothing of what its scripts do.
        hosts_meant: any(&[Ability::Http]) || network && !any(&[Ability::Listen]),
        filesystem: any(&[Ability::OpenFiles, Ability::SeeFiles]),
        write: any(&[Ability::ChangeFiles, Ability::WriteFiles]),
        env: any(&[Ability::Environment]),
    };
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for action in &manifest.actions {
        let full = ActionName::of(&name, &action.name).to_string();
        full.parse::<ActionName>().map_err(|error| wrong(error.to_string()))?;
        if !seen.insert(&action.name) {
            return Err(wrong(format!("the action `{}` stands twice", action.name)));
        }
        let schema = |what: &str, text: &str| -> Result<Value, LoadError> {
            serde_json::from_str(text)
                .map_err(|error| wrong(format!("the {what} schema of `{full}` is no JSON: {error}")))
        };
        found.push(Arc::new(ActionInfo {
            plugin: name.clone(),
            name: action.name.clone(),
            title: action.title.clone(),
            description: action.description.clone(),
            input_schema: schema("input", &action.input_schema)?,
            output_schema: schema("output", &action.output_schema)?,
            idempotent: action.idempotent,
            needs,
        }));
    }
    Ok((name, found))
}
