//! A component's code: taken from the folder, or compiled once for all that want it.

use std::sync::Arc;

use autokestra_model::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::Cache;
use super::entry::{Folder, Found};
use super::name::{Name, Target};
use crate::sandbox::trusted;

impl Cache {
    /// The component of `bytes`. Of all that want the same at a time, in this process and in others, one compiles it, after
    /// `begin`.
    pub(crate) async fn component(
        &self,
        engine: &Engine,
        target: Target,
        bytes: &Arc<[u8]>,
        begin: impl FnOnce() + Send + 'static,
    ) -> wasmtime::Result<Component> {
        let (cache, engine, bytes) = (self.clone(), engine.clone(), Arc::clone(bytes));
        // It takes long, and so does waiting for somebody else who does it: the runtime's own threads have other work.
        let done = tokio::task::spawn_blocking(move || {
            cache.take_or_make(&engine, target, Digest::of(&bytes), || {
                begin();
                Component::from_binary(&engine, &bytes)
            })
        })
        .await;
        done.unwrap_or_else(|error| Err(wasmtime::Error::msg(format!("the compiler gave up: {error}"))))
    }

    #[cfg(test)]
    pub(super) fn take_or_compile(&self, engine: &Engine, target: Target, bytes: &[u8]) -> wasmtime::Result<Component> {
        self.take_or_make(engine, target, Digest::of(bytes), || {
            Component::from_binary(engine, bytes)
        })
    }

    /// The component whose file has a digest: its code as it is kept, or made now. It takes its time.
    pub(crate) fn take_or_make<E>(
        &self,
        engine: &Engine,
        target: Target,
        digest: Digest,
        make: impl FnOnce() -> Result<Component, E>,
    ) -> Result<Component, E> {
        let name = Name::Code(digest, target);
        let make = || {
            tracing::debug!(%name, "compiling");
            make()
        };
        let Some(folder) = self.folder() else {
            return make();
        };
        if let Found::Whole(code) = folder.get(&name)
            && let Some(component) = taken(engine, &name, &code)
        {
            return Ok(component);
        }
        let _lock = folder.lock(&name);
        // Whoever had the lock may have made it.
        match folder.get(&name) {
            Found::Whole(code) => {
                if let Some(component) = taken(engine, &name, &code) {
                    return Ok(component);
                }
            }
            Found::Changed => warn_of(folder, &name),
            Found::Missing => {}
        }
        let component = make()?;
        match component.serialize() {
            Ok(code) => folder.keep(&name, &code),
            Err(error) => tracing::warn!(%name, %error, "compiled code is not kept"),
        }
        Ok(component)
    }
}

fn taken(engine: &Engine, name: &Name, code: &[u8]) -> Option<Component> {
    match trusted(engine, code) {
        Ok(component) => {
            tracing::trace!(%name, "taken from the cache");
            Some(component)
        }
        Err(error) => {
            tracing::warn!(%name, %error, "kept code does not fit; compiling");
            None
        }
    }
}

pub(super) fn warn_of(folder: &Folder, name: &Name) {
    tracing::warn!(folder = %folder.path.display(), %name, "somebody changed what was kept, or it is damaged; it is made anew");
}
