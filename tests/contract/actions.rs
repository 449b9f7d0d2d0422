//! What both components do, by whatever contract they are made for: every function of version 1.0, and all that `run` can give.

use crate::bindings::autokestra::plugin::types::Action;
use crate::bindings::autokestra::plugin::{log, progress, state};
use crate::bindings::{Context, Manifest, TaskError};

fn action(name: &str) -> Action {
    Action {
        name: name.to_owned(),
        title: format!("Does {name}"),
        description: format!("Tries `{name}`."),
        input_schema: r#"{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}"#.to_owned(),
        output_schema: "{}".to_owned(),
        idempotent: name == "echo",
    }
}

pub(crate) fn manifest(name: &str, actions: &[&str]) -> Manifest {
    Manifest {
        name: name.to_owned(),
        version: "1.2.3".to_owned(),
        description: "Is made for one version of the contract.".to_owned(),
        actions: actions.iter().map(|name| action(name)).collect(),
    }
}

pub(crate) fn run(action: &str, context: &Context, input: &str) -> Result<String, TaskError> {
    match action {
        "echo" => Ok(format!(
            r#"{{"input":{input},"task":"{}","attempt":{},"index":{:?},"deadline":{}}}"#,
            context.task_id,
            context.attempt,
            context.index.map_or(-1, i64::from),
            context.deadline_ms.is_some_and(|left| left > 0) && context.idempotency_key.contains(&context.execution_id),
        )),
        "tell" => {
            for level in [log::Level::Debug, log::Level::Info, log::Level::Warn, log::Level::Error] {
                log::emit(level, "told", &[("input".to_owned(), input.to_owned())]);
            }
            progress::report(1, Some(2), Some("half"));
            println!("printed");
            eprintln!("complained");
            Ok("null".to_owned())
        }
        "keep" => {
            let before = state::get("kept").map_err(failed)?;
            state::set("kept", input).map_err(failed)?;
            state::set("gone", "1").map_err(failed)?;
            state::delete("gone").map_err(failed)?;
            let gone = state::get("gone").map_err(failed)?;
            let wrong = state::set("kept", "{").is_err();
            Ok(format!(
                r#"{{"before":{},"gone":{},"wrong":{wrong}}}"#,
                before.as_deref().unwrap_or("null"),
                gone.as_deref().unwrap_or("null")
            ))
        }
        "fail" => Err(TaskError {
            code: "went_wrong".to_owned(),
            message: "it went wrong".to_owned(),
            retryable: true,
            retry_after_ms: Some(1),
            details: Some(input.to_owned()),
        }),
        other => Err(failed(format!("there is no `{other}`"))),
    }
}

pub(crate) fn failed(message: String) -> TaskError {
    TaskError {
        code: "failed".to_owned(),
        message,
        retryable: false,
        retry_after_ms: None,
        details: None,
    }
}
