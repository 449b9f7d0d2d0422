//! The contract of `wit/plugin.wit`, generated, and the versions before it that are still served.
//!
//! An older version is generated from the very WIT that was published, and answered by the same code (`contract.rs`): a change that would
//! break it does not compile.

wasmtime::component::bindgen!({
    path: "../../../wit",
    world: "guest",
    imports: { default: async | trappable },
    exports: { default: async },
});

/// Version 1.0, as it was published. Its world's own functions are those of 1.1.
pub(crate) mod v1_0 {
    wasmtime::component::bindgen!({
        path: [
            "../../../wit/deps/io.wit",
            "../../../wit/deps/clocks.wit",
            "../../../wit/deps/random.wit",
            "../../../wit/deps/filesystem.wit",
            "../../../wit/deps/sockets.wit",
            "../../../wit/deps/cli.wit",
            "../../../wit/deps/http.wit",
            "../../../wit/1.0/plugin.wit",
        ],
        world: "autokestra:plugin/guest",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "autokestra:plugin/types": super::autokestra::plugin::types },
    });
}
