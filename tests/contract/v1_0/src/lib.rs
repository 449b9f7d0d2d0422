//! A plugin that knows version 1.0 of the contract and nothing else: its WIT is the one that is kept, and there is no sdk.

#[path = "../../actions.rs"]
mod actions;

mod bindings {
    wit_bindgen::generate!({
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
        world: "autokestra:plugin/plugin",
        generate_all,
    });
    pub(super) struct Old;
    export!(Old);
}

use bindings::{Context, Guest, Manifest, Old, TaskError};

impl Guest for Old {
    fn describe() -> Manifest {
        actions::manifest("test/old", &["echo", "tell", "keep", "fail"])
    }

    fn run(action: String, context: Context, input: String) -> Result<String, TaskError> {
        actions::run(&action, &context, &input)
    }
}
