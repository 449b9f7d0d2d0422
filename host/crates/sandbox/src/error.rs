//! What can go wrong before a guest runs.

use std::path::PathBuf;

use autokestra_model::{PastCeiling, PluginName};

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
#[error("set up wasmtime: {reason}")]
pub struct SandboxError {
    /// What wasmtime says.
    pub reason: String,
}

/// Why a plugin cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such plugin.
    #[error("there is no plugin `{name}`")]
    Unknown {
        /// What was asked for.
        name: PluginName,
    },
    /// The file cannot be read.
    #[error("read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is not a component that wasmtime takes.
    #[error("{origin} is no WebAssembly component: {reason}")]
    NotAComponent {
        /// Where it came from.
        origin: String,
        /// What wasmtime says.
        reason: String,
    },
    /// It is a component of another world.
    #[error("{origin} does not implement the world `autokestra:plugin/plugin`: {reason}")]
    WrongWorld {
        /// Where it came from.
        origin: String,
        /// What is missing, or what it has instead.
        reason: String,
    },
    /// It is a program, where a plugin is wanted.
    #[error(
        "{origin} is a WASI program, not a plugin: run it by `type: core/wasm.run` with its path or name as the input `module`"
    )]
    Program {
        /// Where it came from.
        origin: String,
    },
    /// It is no program that can be run.
    #[error("{origin} is no WASI program: {reason}")]
    NotAProgram {
        /// Where it came from.
        origin: String,
        /// What it is, or has, instead.
        reason: String,
    },
    /// It failed to say what it is.
    #[error("{origin} did not describe itself: {reason}")]
    NotDescribed {
        /// Where it came from.
        origin: String,
        /// Why.
        reason: String,
    },
    /// What it says of itself makes no sense.
    #[error("the manifest of {origin} is wrong: {reason}")]
    Manifest {
        /// Where it came from.
        origin: String,
        /// What.
        reason: String,
    },
    /// The local store's file is not the one that was installed.
    #[error("{} is not what was installed as `{name}`: it was changed, or another took its place", path.display())]
    Changed {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// Two files have one name.
    #[error("`{name}` stands twice: in {} and in {}; remove one", first.display(), second.display())]
    Duplicate {
        /// The name.
        name: PluginName,
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
}

/// Why something that is granted cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// A folder that may be read is not there, or is none.
    #[error("the granted folder {} cannot be opened: {reason}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A folder that may be written cannot be made.
    #[error("the granted folder {} cannot be made: {reason}", path.display())]
    Create {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is more than the operator allows.
    #[error(transparent)]
    PastPolicy(#[from] PastCeiling),
    /// This kind of grant is not built yet.
    #[error("{what}: not supported yet")]
    Unsupported {
        /// What.
        what: String,
    },
}
