//! The names of the files: what a file is stands in its name, and its MAC is over its name too.

use std::fmt;
use std::hash::{Hash as _, Hasher};

use autokestra_model::Digest;
use wasmtime::{Config, Engine};

use crate::codegen;

/// The version of the contract that gave the manifest its shape; 1.1 did not change it.
const CONTRACT: &str = "1.0.0";

/// What code is made for: an engine of these settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Stands for wasmtime's version, the engine's settings and the processor's features.
    settings: u64,
    /// Whether it counts fuel. The settings say so too; this is for people.
    pub(super) fueled: bool,
}

impl Target {
    pub(crate) fn of(engine: &Engine, fueled: bool) -> Self {
        let mut hasher = Digesting(blake3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let settings = hasher.finish();
        Self { settings, fueled }
    }

    /// What this program makes code for.
    pub(super) fn of_this_program() -> Vec<Self> {
        let engine = |fueled| {
            let mut config = Config::new();
            codegen::configure(&mut config, fueled);
            Engine::new(&config).map(|engine| Self::of(&engine, fueled))
        };
        [false, true]
            .into_iter()
            .filter_map(|fueled| engine(fueled).ok())
            .collect()
    }
}

/// A hasher whose result is the same in every build.
struct Digesting(blake3::Hasher);

impl Hasher for Digesting {
    fn finish(&self) -> u64 {
        let mut first = [0; 8];
        self.0.finalize_xof().fill(&mut first);
        u64::from_le_bytes(first)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// The name of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// The code of a component.
    Code(Digest, Target),
    /// What a component says of itself.
    Manifest(Digest),
}

impl Name {
    /// Reads a file's name; none where it is not one that this program gives.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let name = if let Some(stem) = text.strip_suffix(".cwasm") {
            let (stem, fueled) = match stem.strip_suffix("-fuel") {
                Some(stem) => (stem, true),
                None => (stem, false),
            };
            let (digest, settings) = stem.split_once('-')?;
            let settings = u64::from_str_radix(settings, 16).ok()?;
            Self::Code(digest.parse().ok()?, Target { settings, fueled })
        } else {
            let stem = text.strip_suffix(".manifest")?;
            Self::Manifest(stem.strip_suffix(CONTRACT)?.strip_suffix('-')?.parse().ok()?)
        };
        // Other spellings of the same are no names of ours.
        (name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(digest, target) => {
                let fuel = if target.fueled { "-fuel" } else { "" };
                write!(f, "{digest}-{:016x}{fuel}.cwasm", target.settings)
            }
            Self::Manifest(digest) => write!(f, "{digest}-{CONTRACT}.manifest"),
        }
    }
}

/// Whether a file of this name was an entry of this program or of another version of it.
pub(super) fn is_entry(text: &str) -> bool {
    text.ends_with(".cwasm") || text.ends_with(".manifest")
}
