//! What a component says of itself, kept beside its code, so that it is asked once and not by every process.

use autokestra_model::Digest;
use serde_json::{Value, json};

use super::Cache;
use super::compile::warn_of;
use super::entry::Found;
use super::name::Name;
use crate::bindings::Manifest;
use crate::bindings::autokestra::plugin::types::Action;

/// Longest manifest that is kept, in bytes of JSON: 4 MiB.
const BYTES_MAX: usize = 4 << 20;

impl Cache {
    /// What the component of `digest` said of itself, if that is known.
    pub(crate) fn manifest(&self, digest: &Digest) -> Option<Manifest> {
        let folder = self.folder()?;
        let name = Name::Manifest(*digest);
        match folder.get(&name) {
            Found::Whole(bytes) => decode(&bytes),
            Found::Changed => {
                warn_of(folder, &name);
                None
            }
            Found::Missing => None,
        }
    }

    /// Keeps what a component said of itself.
    pub(crate) fn keep_manifest(&self, digest: &Digest, manifest: &Manifest) {
        let bytes = encode(manifest);
        if let Some(folder) = self.folder()
            && bytes.len() <= BYTES_MAX
        {
            folder.keep(&Name::Manifest(*digest), &bytes);
        }
    }
}

pub(super) fn encode(manifest: &Manifest) -> Vec<u8> {
    let action = |action: &Action| {
        json!({
            "name": action.name,
            "title": action.title,
            "description": action.description,
            "inputSchema": action.input_schema,
            "outputSchema": action.output_schema,
            "idempotent": action.idempotent,
        })
    };
    let whole = json!({
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "actions": manifest.actions.iter().map(action).collect::<Vec<Value>>(),
    });
    whole.to_string().into_bytes()
}

pub(super) fn decode(bytes: &[u8]) -> Option<Manifest> {
    let text = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
    let action = |value: &Value| {
        Some(Action {
            name: text(value, "name")?,
            title: text(value, "title")?,
            description: text(value, "description")?,
            input_schema: text(value, "inputSchema")?,
            output_schema: text(value, "outputSchema")?,
            idempotent: value.get("idempotent")?.as_bool()?,
        })
    };
    let whole: Value = serde_json::from_slice(bytes).ok()?;
    Some(Manifest {
        name: text(&whole, "name")?,
        version: text(&whole, "version")?,
        description: text(&whole, "description")?,
        actions: whole
            .get("actions")?
            .as_array()?
            .iter()
            .map(action)
            .collect::<Option<_>>()?,
    })
}
