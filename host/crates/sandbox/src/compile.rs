//! From a file to a component: read, compiled once for each content, its code kept.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use autokestra_model::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::cache::Cache;
use crate::error::LoadError;
use crate::sandbox::{Sandbox, trusted};

/// Largest component, in bytes: 64 MiB.
const COMPONENT_BYTES_MAX: u64 = 64 << 20;

impl Sandbox {
    pub(crate) fn compile_for(&self, engine: &Engine, bytes: &[u8], origin: &str) -> Result<Component, LoadError> {
        self.compiled(engine, &Digest::of(bytes), || {
            Component::from_binary(engine, bytes).map_err(|error| {
                let reason = if is_core_module(bytes) {
                    "it is a core module; a component is needed".to_owned()
                } else if !bytes.starts_with(b"\0asm") {
                    "it does not begin as WebAssembly does".to_owned()
                } else {
                    error.root_cause().to_string()
                };
                LoadError::NotAComponent {
                    origin: origin.to_owned(),
                    reason,
                }
            })
        })
    }

    /// The component whose file has this digest: its code as it is kept, or compiled now.
    pub(crate) fn compiled(
        &self,
        engine: &Engine,
        digest: &Digest,
        compile: impl FnOnce() -> Result<Component, LoadError>,
    ) -> Result<Component, LoadError> {
        let cache = self
            .inner
            .cache
            .get_or_init(|| self.inner.options.cache.as_deref().and_then(Cache::open));
        if let Some(code) = cache.as_ref().and_then(|cache| cache.get(engine, digest))
            && let Ok(component) = trusted(engine, &code)
        {
            return Ok(component);
        }
        let component = compile()?;
        if let Some(cache) = cache
            && let Ok(code) = component.serialize()
        {
            cache.put(engine, digest, &code);
        }
        Ok(component)
    }
}

/// Reads a file that is to be a component or a module.
pub(crate) fn read_component(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |reason: String| LoadError::Unreadable {
        path: path.to_path_buf(),
        reason,
    };
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    // A pipe would be waited for.
    if !metadata.is_file() {
        return Err(unreadable("it is no file".to_owned()));
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(COMPONENT_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(unreadable(format!("it has more than {COMPONENT_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// Whether the bytes are a core module: the same magic number, another version.
fn is_core_module(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x01\0\0\0")
}
