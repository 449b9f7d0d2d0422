//! From a file to a component: read, compiled once for each content, its code kept.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::Component;

use crate::error::LoadError;
use crate::sandbox::{Compiling, Runtime, Sandbox};

/// Largest component, in bytes: 64 MiB.
const COMPONENT_BYTES_MAX: u64 = 64 << 20;

/// Largest component that is compiled without a word, in bytes: 2 MiB take about a second.
const QUICK_BYTES_MAX: usize = 2 << 20;

impl Sandbox {
    pub(crate) async fn compile_for(
        &self,
        runtime: &Runtime,
        bytes: &Arc<[u8]>,
        origin: &str,
    ) -> Result<Component, LoadError> {
        let told = self
            .inner
            .options
            .compiling
            .clone()
            .filter(|_| bytes.len() > QUICK_BYTES_MAX);
        let (from, size) = (origin.to_owned(), bytes.len());
        let begin = move || {
            if let Some(Compiling(tell)) = told {
                tell(&from, size);
            }
        };
        let target = runtime.target;
        let compiled = self.inner.cache.component(&runtime.engine, target, bytes, begin).await;
        compiled.map_err(|error| {
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
    }
}

/// Reads a file that is to be a component or a module.
pub(crate) fn read_component(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |reason: String| LoadError::Unreadable {
        path: path.to_path_buf(),
        reason,
    };
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    // Only a file has an end that can be known before: a pipe would be waited for.
    if !metadata.is_file() {
        return Err(unreadable("it is no file".to_owned()));
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(COMPONENT_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > COMPONENT_BYTES_MAX {
        let size = metadata.len();
        return Err(unreadable(format!(
            "it has {size} bytes; {COMPONENT_BYTES_MAX} is the most"
        )));
    }
    Ok(bytes)
}

/// Whether the bytes are a core module: the same magic number, another version.
fn is_core_module(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x01\0\0\0")
}
