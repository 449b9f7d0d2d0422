//! The versions of the contract that are served, and how the older ones are: each call goes to the same code as one of the newest.

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::autokestra::plugin::{log, progress, state, types};
use crate::bindings::v1_0::autokestra::plugin as v1_0;
use crate::guest::{GuestState, HostSide};

/// The versions that are served, the newest last.
const SERVED: &[&str] = &["1.0", "1.1"];

/// Those versions in words.
pub(crate) fn served() -> String {
    SERVED.join(" and ")
}

/// Whether components of `version`, e.g. `1.0.0`, are served: of a published minor version, whatever its last number is.
pub(crate) fn serves(version: &str) -> bool {
    let minor = version.rsplit_once('.').map(|(minor, _)| minor);
    minor.is_some_and(|minor| SERVED.contains(&minor))
}

/// Offers a guest the interfaces of each version.
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    log::add_to_linker::<_, HasSelf<HostSide>>(linker, |guest| &mut guest.host)?;
    progress::add_to_linker::<_, HasSelf<HostSide>>(linker, |guest| &mut guest.host)?;
    state::add_to_linker::<_, HasSelf<HostSide>>(linker, |guest| &mut guest.host)?;
    types::add_to_linker::<_, HasSelf<HostSide>>(linker, |guest| &mut guest.host)?;
    v1_0::log::add_to_linker::<_, HasSelf<HostSide>>(linker, |guest| &mut guest.host)?;
    v1_0::progress::add_to_linker::<_, HasSelf<HostSide>>(linker, |guest| &mut guest.host)?;
    v1_0::state::add_to_linker::<_, HasSelf<HostSide>>(linker, |guest| &mut guest.host)?;
    // It has no functions; a component may import it for its types.
    linker.instance("autokestra:plugin/types@1.0.0").map(drop)
}

impl v1_0::log::Host for HostSide {
    async fn emit(
        &mut self,
        level: v1_0::log::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let level = match level {
            v1_0::log::Level::Debug => log::Level::Debug,
            v1_0::log::Level::Info => log::Level::Info,
            v1_0::log::Level::Warn => log::Level::Warn,
            v1_0::log::Level::Error => log::Level::Error,
        };
        log::Host::emit(self, level, message, fields).await
    }
}

impl v1_0::progress::Host for HostSide {
    async fn report(&mut self, done: u64, total: Option<u64>, note: Option<String>) -> wasmtime::Result<()> {
        progress::Host::report(self, done, total, note).await
    }
}

impl v1_0::state::Host for HostSide {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, String>> {
        state::Host::get(self, key).await
    }

    async fn set(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), String>> {
        state::Host::set(self, key, value).await
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), String>> {
        state::Host::delete(self, key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_served_by_its_minor_one() {
        for version in ["1.0.0", "1.0.7", "1.1.0"] {
            assert!(serves(version), "{version}");
        }
        for version in ["1.10.0", "1.2.0", "0.1.0", "2.0.0", "1", "1.1", "", "1.1.0.0", "11.0.0"] {
            assert!(!serves(version), "{version}");
        }
    }
}
