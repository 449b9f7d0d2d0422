//! The plugins that are the engine's own, as a catalog has them: no component offers them.

use std::sync::{Arc, LazyLock};

use autokestra_model::{ActionInfo, ActionName, CapabilityNeeds, PluginName};
use autokestra_sandbox::ProgramCall;
use serde_json::{Value, json};

use crate::flow::FLOW;

/// The plugin that runs programs.
const WASM: &str = "core/wasm";

/// A plugin without a component.
#[derive(Debug)]
pub struct OwnPlugin {
    /// Its name.
    pub name: PluginName,
    /// What it is for.
    pub description: &'static str,
    /// What it offers.
    pub actions: Vec<Arc<ActionInfo>>,
}

/// All of them, in order.
#[must_use]
pub fn own_plugins() -> &'static [OwnPlugin] {
    static PLUGINS: LazyLock<Vec<OwnPlugin>> = LazyLock::new(|| {
        let flow = plugin(
            FLOW,
            "The flow itself: other workflows, conditions, an end.",
            flow_actions,
        );
        let wasm = plugin(
            WASM,
            "Any WASI program: command components, and modules of preview 1.",
            |name| vec![run_action(name)],
        );
        flow.into_iter().chain(wasm).collect()
    });
    &PLUGINS
}

/// The one of a name.
#[must_use]
pub fn own_plugin(name: &PluginName) -> Option<&'static OwnPlugin> {
    own_plugins().iter().find(|plugin| plugin.name == *name)
}

/// Whether an action runs a program that its inputs name.
pub(crate) fn runs_program(action: &ActionName) -> bool {
    action.plugin().as_str() == WASM
}

fn plugin(
    name: &str,
    description: &'static str,
    actions: impl Fn(&PluginName) -> Vec<ActionInfo>,
) -> Option<OwnPlugin> {
    let name = name.parse::<PluginName>().ok()?;
    let actions = actions(&name).into_iter().map(Arc::new).collect();
    Some(OwnPlugin {
        name,
        description,
        actions,
    })
}

fn run_action(plugin: &PluginName) -> ActionInfo {
    ActionInfo {
        plugin: plugin.clone(),
        name: "run".to_owned(),
        title: "Run a program".to_owned(),
        description: "Runs a WASI program with arguments, an environment and an input, under the task's permissions and \
                      limits. What it prints is the log, and its output; an exit code other than 0 is the error `exit_nonzero`."
            .to_owned(),
        input_schema: ProgramCall::input_schema(),
        output_schema: ProgramCall::output_schema(),
        // What a program does twice is its own matter; the task may say so.
        idempotent: false,
        // Which program it is stands in the inputs: it may use whatever is granted.
        needs: CapabilityNeeds {
            network: true,
            hosts_meant: true,
            filesystem: true,
            write: true,
            env: true,
        },
    }
}

fn flow_actions(plugin: &PluginName) -> Vec<ActionInfo> {
    let action = |name: &str, title: &str, description: &str, properties: Value, required: &[&str]| ActionInfo {
        plugin: plugin.clone(),
        name: name.to_owned(),
        title: title.to_owned(),
        description: description.to_owned(),
        input_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        }),
        output_schema: json!({ "type": "null" }),
        idempotent: true,
        needs: CapabilityNeeds::default(),
    };
    let fail = action(
        "fail",
        "End in failure",
        "Fails the task, and with it the execution, with a message.",
        json!({ "message": { "type": "string", "description": "What to say." } }),
        &["message"],
    );
    let assert = action(
        "assert",
        "Insist on a condition",
        "Fails the task unless the condition holds. `false`, null, zero and empty things do not.",
        json!({
            "condition": { "description": "What must hold." },
            "message": { "type": "string", "description": "What to say where it does not." },
        }),
        &["condition"],
    );
    let mut run = action(
        "run",
        "Run a workflow",
        "Runs another workflow as an execution of its own, and gives its outputs; with `wait: false` its id, at once.",
        json!({
            "workflow": {
                "type": "string",
                "examples": ["child.yaml"],
                "description": "A path below the folder of this workflow's file, or an id: the name of a file beside it, without its ending.",
            },
            "inputs": { "type": "object", "description": "Its inputs." },
            "wait": { "type": "boolean", "description": "Whether to wait for its end; default true." },
        }),
        &["workflow"],
    );
    // What comes of it is not always nothing.
    run.output_schema = json!({});
    run.idempotent = false;
    vec![fail, assert, run]
}
