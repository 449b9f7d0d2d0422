//! The contract's ABI, generated from `wit/`: of version 1.0, which has all that most plugins use, so that every host takes them. With the feature
//! `v1_1` of version 1.1, which a host must serve then.

#[cfg(not(feature = "v1_1"))]
wit_bindgen::generate!({
    path: [
        "wit/deps/io.wit",
        "wit/deps/clocks.wit",
        "wit/deps/random.wit",
        "wit/deps/filesystem.wit",
        "wit/deps/sockets.wit",
        "wit/deps/cli.wit",
        "wit/deps/http.wit",
        "wit/1.0/plugin.wit",
    ],
    world: "autokestra:plugin/plugin",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "::autokestra_sdk::__private::bindings",
});

#[cfg(feature = "v1_1")]
wit_bindgen::generate!({
    path: "wit",
    world: "plugin",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "::autokestra_sdk::__private::bindings",
});
