//! Builds the plugins of `plugins/` from source, compiles them and follows their calls, so that a first run does neither.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use autokestra_toolchain::{BuildOptions, Toolchain};
use wasmtime::{Config, Engine};

#[path = "../sandbox/src/codegen.rs"]
mod codegen;
#[path = "../sandbox/src/proof/mod.rs"]
mod proof;

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = manifest.ancestors().nth(3).ok_or("the crate stands in host/crates")?;
    for watched in [
        "plugins",
        "sdk/Cargo.toml",
        "sdk/src",
        "sdk/macros/Cargo.toml",
        "sdk/macros/src",
        "wit",
        "host/crates/sandbox/src/codegen.rs",
        "host/crates/sandbox/src/proof",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let target = out.ancestors().nth(4).ok_or("<target>/<profile>/build/<crate>/out")?;
    let engine = engine()?;
    let mut table = String::from("/// All first-party plugins, by name.\npub static PLUGINS: &[Builtin] = &[\n");
    for folder in plugins(&root.join("plugins"))? {
        let component = build(&folder, &target.join("plugins"))?;
        let bytes = fs::read(&component)?;
        let code = engine.precompile_component(&bytes)?;
        let reachable = match proof::reachable(&bytes) {
            Ok(functions) => format!("Ok(&{:?})", functions.iter().collect::<Vec<_>>()),
            Err(unproved) => format!("Err({:?})", unproved.to_string()),
        };
        let name = name(&root.join("plugins"), &folder)?;
        let file = name.replace('/', "-");
        let (wasm, compiled) = (out.join(format!("{file}.wasm")), out.join(format!("{file}.cwasm")));
        fs::copy(&component, &wasm)?;
        fs::write(&compiled, code)?;
        table.extend([format!(
            "    Builtin {{ name: {name:?}, component: include_bytes!({wasm:?}), precompiled: include_bytes!({compiled:?}), reachable: {reachable} }},\n"
        )]);
    }
    fs::write(out.join("plugins.rs"), table + "];\n")?;
    Ok(())
}

/// An engine that makes code for every processor of this architecture.
fn engine() -> Result<Engine, Box<dyn Error>> {
    let mut config = Config::new();
    config.target(&env::var("TARGET")?)?;
    codegen::configure(&mut config, false);
    Ok(Engine::new(&config)?)
}

/// The folders of all plugins, in order: `plugins/<namespace>/<name>`.
fn plugins(root: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for namespace in fs::read_dir(root)? {
        let namespace = namespace?.path();
        if namespace.is_dir() {
            for plugin in fs::read_dir(namespace)? {
                let plugin = plugin?.path();
                if plugin.join("Cargo.toml").is_file() {
                    found.push(plugin);
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

fn name(root: &Path, folder: &Path) -> Result<String, Box<dyn Error>> {
    let relative = folder.strip_prefix(root)?;
    Ok(relative.to_str().ok_or("a plugin's folder is no UTF-8")?.to_owned())
}

/// Builds one plugin; what cannot be had is one clear sentence.
fn build(folder: &Path, target: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let toolchain = Toolchain::find()?;
    Ok(toolchain.build(&BuildOptions::new(folder, target))?)
}
