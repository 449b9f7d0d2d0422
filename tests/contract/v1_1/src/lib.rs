//! A plugin that is made for version 1.1 of the contract: what one of 1.0 does, and the function that 1.1 adds.

#[path = "../../actions.rs"]
mod actions;

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "plugin", generate_all });
    pub(super) struct New;
    export!(New);
}

use bindings::autokestra::plugin::state;
use bindings::{Context, Guest, Manifest, New, TaskError};

impl Guest for New {
    fn describe() -> Manifest {
        actions::manifest("test/new", &["echo", "tell", "keep", "fail", "keys"])
    }

    fn run(action: String, context: Context, input: String) -> Result<String, TaskError> {
        match action.as_str() {
            "keys" => keys(),
            other => actions::run(other, &context, &input),
        }
    }
}

/// The keys before and after two are set and one is removed.
fn keys() -> Result<String, TaskError> {
    let all = |prefix: &str| state::keys(prefix).map_err(actions::failed);
    let before = all("")?;
    state::set("seen:b", "1").map_err(actions::failed)?;
    state::set("seen:a", "1").map_err(actions::failed)?;
    state::delete("kept").map_err(actions::failed)?;
    Ok(format!("[{before:?},{:?},{:?}]", all("")?, all("seen:")?))
}
