//! Plugins in wasmtime: one fresh instance per attempt, under grants and limits, with what it says captured and masked.
//!
//! Start reading at [`Sandbox::run`]. A sandbox has no ambient rights: what an attempt may reach is in its [`Grants`], and
//! [`Grants::none`] reaches nothing.

mod attempt;
mod bindings;
mod bound;
mod cache;
mod capabilities;
mod capture;
mod codegen;
mod compile;
mod contract;
mod denial;
mod error;
mod failure;
mod files;
mod grants;
mod guest;
mod http;
mod limiter;
mod network;
mod outside;
mod pinned;
mod plugin;
mod program;
mod proof;
mod reach;
mod run;
mod sandbox;

pub use attempt::{
    Attempt, Capability, Context, Denial, Failure, GuestEvent, LogLevel, Report, StateSource, Stream, Usage, Work,
};
pub use cache::{Cache, CacheError, CacheList, CacheOptions, CachedCode, Cleared};
pub use capabilities::{Ability, Capabilities};
pub use error::{GrantError, LoadError, SandboxError};
pub use grants::Grants;
pub use network::Resolver;
pub use pinned::Pinned;
pub use plugin::Plugin;
pub use program::{PlaceError, Program, ProgramCall, ProgramError, ProgramKind, located, names_file};
pub use reach::Proof;
pub use sandbox::{Compiling, EmbeddedPlugin, Installed, Origin, Sandbox, SandboxOptions};
