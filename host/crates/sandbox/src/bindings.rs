//! The contract of `wit/plugin.wit`, generated.

wasmtime::component::bindgen!({
    path: "../../../wit",
    world: "guest",
    imports: { default: async | trappable },
    exports: { default: async },
});
