//! The contract's ABI, generated from `wit/`.

wit_bindgen::generate!({
    path: "wit",
    world: "plugin",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "::autokestra_sdk::__private::bindings",
});
