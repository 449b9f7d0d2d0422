//! WASI programs: command components, and modules of preview 1 that are made such. `core/wasm.run` runs them under the same
//! grants and limits as a plugin.

mod adapt;
mod call;
mod find;
mod kept;
mod kind;
mod mounts;
mod output;
mod run;

use std::fmt;
use std::sync::Arc;

use autokestra_model::Digest;
use tokio::sync::OnceCell;
use wasmtime::component::Component;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::capabilities::{self, Capabilities};
use crate::error::LoadError;
use crate::guest::GuestState;
use crate::reach::{self, Proof, Reach};
use crate::sandbox::{Runtime, Sandbox};

pub use call::ProgramCall;
pub use find::{PlaceError, ProgramError, located, names_file};
pub(crate) use kept::Programs;
pub(crate) use kind::Kind;
pub use kind::ProgramKind;
pub(crate) use kind::of as kind_of;

/// A loaded program.
pub struct Program {
    /// How it was built.
    pub kind: ProgramKind,
    /// The digest of its file.
    pub digest: Digest,
    /// The size of its file, in bytes.
    pub size_bytes: usize,
    /// The functions that it imports, as `interface#function`.
    pub imports: Vec<String>,
    /// Those of them that it can reach, in order.
    pub reachable: Vec<String>,
    /// How that is known.
    pub proof: Proof,
    /// What it could do at most.
    pub capabilities: Capabilities,
    code: CommandPre<GuestState>,
    /// The file itself, for an engine that counts fuel.
    file: Arc<[u8]>,
    fueled: OnceCell<CommandPre<GuestState>>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("kind", &self.kind)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl Program {
    /// The functions that it imports and cannot reach.
    pub fn unreachable(&self) -> impl Iterator<Item = &str> {
        let unreachable = |import: &&String| self.reachable.binary_search(import).is_err();
        self.imports.iter().filter(unreachable).map(String::as_str)
    }
}

impl Sandbox {
    /// Loads the program of a file's bytes. It takes as long as compiling does, where the compiled code is not kept.
    fn load_program(&self, file: &Arc<[u8]>, origin: &str) -> Result<Program, LoadError> {
        let not = |reason: String| LoadError::NotAProgram {
            origin: origin.to_owned(),
            reason,
        };
        let kind = match kind::of(file) {
            Ok(Kind::Program(kind)) => kind,
            Ok(Kind::Plugin) => {
                return Err(not(
                    "it is a plugin: name one of its actions as the task's `type`".to_owned()
                ));
            }
            Err(reason) => return Err(not(reason)),
        };
        let runtime = &self.inner.runtime;
        let component = self.compile_program(runtime, kind, file, origin)?;
        let imports = capabilities::imports(&runtime.engine, &component);
        let walked = match kind {
            ProgramKind::Command => reach::walk(file),
            ProgramKind::Module => Err("a module becomes a component only when it is loaded".to_owned()),
        };
        let reach = Reach::new(walked, &imports);
        Ok(Program {
            kind,
            digest: Digest::of(file),
            size_bytes: file.len(),
            capabilities: Capabilities::of(&reach.functions),
            reachable: reach.functions,
            proof: reach.proof,
            imports,
            code: prepare(runtime, &component, origin)?,
            file: Arc::clone(file),
            fueled: OnceCell::new(),
        })
    }

    fn compile_program(
        &self,
        runtime: &Runtime,
        kind: ProgramKind,
        file: &[u8],
        origin: &str,
    ) -> Result<Component, LoadError> {
        let not = |reason: String| LoadError::NotAProgram {
            origin: origin.to_owned(),
            reason,
        };
        // A module's code is kept under the digest of the module: another adapter comes with another wasmtime.
        let (engine, target) = (&runtime.engine, runtime.target);
        self.inner.cache.take_or_make(engine, target, Digest::of(file), || {
            let adapted = match kind {
                ProgramKind::Command => None,
                ProgramKind::Module => Some(adapt::adapt(file).map_err(not)?),
            };
            let component = adapted.as_deref().unwrap_or(file);
            Component::from_binary(engine, component).map_err(|error| not(error.root_cause().to_string()))
        })
    }

    /// The program's code for the engine that counts fuel: made where a workflow first asks for it.
    async fn fueled_program<'a>(
        &self,
        program: &'a Program,
        origin: &str,
    ) -> Result<&'a CommandPre<GuestState>, LoadError> {
        let runtime = self.fueled_runtime(origin)?;
        let make = || async {
            let component = self.compile_program(runtime, program.kind, &program.file, origin)?;
            prepare(runtime, &component, origin)
        };
        program.fueled.get_or_try_init(make).await
    }
}

/// Holds a program's imports against what guests may import.
fn prepare(runtime: &Runtime, component: &Component, origin: &str) -> Result<CommandPre<GuestState>, LoadError> {
    let prepared = runtime.linker.instantiate_pre(component).and_then(CommandPre::new);
    prepared.map_err(|error| LoadError::NotAProgram {
        origin: origin.to_owned(),
        reason: format!("{error:#}"),
    })
}
