//! The first-party plugins inside the program: their components, and their code as compiled when the program was built.

/// One first-party plugin.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name, e.g. `core/console`.
    pub name: &'static str,
    /// The component.
    pub component: &'static [u8],
    /// The component's code for this machine's architecture, without features that only some processors have.
    pub precompiled: &'static [u8],
    /// The functions of the host that it can reach, or why its calls cannot be followed.
    pub reachable: Result<&'static [&'static str], &'static str>,
}

include!(concat!(env!("OUT_DIR"), "/plugins.rs"));
