//! Makes a core module of WASI preview 1 a component, by the adapter of wasmtime.
//!
//! That adapter knows success and failure alone: it ends a program by `wasi:cli/exit#exit`. Exit codes are part of what a
//! program says, so a module's `proc_exit` is led past the adapter, to `exit-with-code` of the same interface.

use std::borrow::Cow;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wasmparser::{BinaryReader, BinaryReaderError, Imports, Parser, Payload, Validator};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata, metadata};

/// The interface that ends a program, without its version.
const EXIT: &str = "wasi:cli/exit@";

/// What a module needs besides the adapter, as a world.
const WORLD: &str = "exit";

/// The number of the section of imports.
const IMPORTS: u8 = 2;

/// The component of a module, or what is wrong with the module.
pub(crate) fn adapt(module: &[u8]) -> Result<Vec<u8>, String> {
    // The tools below take a module for good, so it is checked first.
    Validator::new()
        .validate_all(module)
        .map_err(|error| format!("it is no valid module: {error}"))?;
    encode(module).map_err(|error| format!("it cannot be made a component: {error}"))
}

fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let module = with_exit_codes(module)?;
    let adapter = (
        WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
        WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
    );
    let encoder = ComponentEncoder::default()
        .module(&module)
        .map_err(|error| format!("{error:#}"))?;
    encoder
        .adapter(adapter.0, adapter.1)
        .map_err(|error| format!("{error:#}"))?
        .encode()
        .map_err(|error| format!("{error:#}"))
}

/// The module with each import of `proc_exit` led to `exit-with-code`, and a declaration of that interface.
fn with_exit_codes(module: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let (_, mut found) =
        metadata::decode(WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER).map_err(|error| format!("{error:#}"))?;
    let keys = found.resolve.worlds[found.world].imports.keys();
    let mut keys = keys.map(|key| (key.clone(), found.resolve.name_world_key(key)));
    let Some((key, name)) = keys.find(|(_, name)| name.starts_with(EXIT)) else {
        return Ok(Cow::Borrowed(module));
    };
    let Some(mut changed) = renamed(module, &name).map_err(|error| format!("{error:#}"))? else {
        return Ok(Cow::Borrowed(module));
    };
    // Of the adapter's world the module declares this interface alone, word for word, and under a name of its own.
    let world = &mut found.resolve.worlds[found.world];
    world.imports.retain(|import, _| *import == key);
    world.exports.clear();
    let old = std::mem::replace(&mut world.name, WORLD.to_owned());
    if let Some(package) = world.package {
        let worlds = &mut found.resolve.packages[package].worlds;
        worlds.swap_remove(&old);
        worlds.insert(WORLD.to_owned(), found.world);
    }
    embed_component_metadata(&mut changed, &found.resolve, found.world, StringEncoding::UTF8)
        .map_err(|error| format!("{error:#}"))?;
    Ok(Cow::Owned(changed))
}

/// The module with the imports of `proc_exit` under the name of `exit-with-code`, which takes the same; none where there are none.
fn renamed(module: &[u8], interface: &str) -> Result<Option<Vec<u8>>, BinaryReaderError> {
    // Where the section before ends.
    let mut before = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::Version { range, .. } => before = range.end,
            Payload::ImportSection(section) => {
                let range = section.range();
                let mut names = Vec::new();
                for group in section {
                    if let Imports::Single(at, import) = group?
                        && (import.module, import.name) == (WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, "proc_exit")
                    {
                        names.push(at);
                    }
                }
                if names.is_empty() {
                    return Ok(None);
                }
                let mut section = Vec::new();
                let mut copied = range.start;
                for at in names {
                    section.extend_from_slice(&module[copied..at]);
                    for name in [interface, "exit-with-code"] {
                        put_number(&mut section, name.len());
                        section.extend_from_slice(name.as_bytes());
                    }
                    let mut old = BinaryReader::new(&module[at..], at);
                    old.read_string()?;
                    old.read_string()?;
                    copied = old.original_position();
                }
                section.extend_from_slice(&module[copied..range.end]);
                let mut changed = module[..before].to_vec();
                changed.push(IMPORTS);
                put_number(&mut changed, section.len());
                changed.extend_from_slice(&section);
                changed.extend_from_slice(&module[range.end..]);
                return Ok(Some(changed));
            }
            payload => {
                if let Some((_, range)) = payload.as_section() {
                    before = range.end;
                }
            }
        }
    }
    Ok(None)
}

/// Appends a number as WebAssembly writes it: seven bits a byte, the lowest first.
fn put_number(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}
