//! One script in one fresh engine.

use std::path::Path;
use std::rc::Rc;

use autokestra_sdk::TaskError;
use autokestra_sdk::prelude::{Context as TaskContext, Value, json};
use boa_engine::builtins::promise::PromiseState;
use boa_engine::object::JsObject;
use boa_engine::object::builtins::JsPromise;
use boa_engine::vm::RuntimeLimits;
use boa_engine::{Context, JsError, JsResult, JsValue, Source, js_string};
use boa_runtime::extensions::ConsoleExtension;

use crate::console::Log;
use crate::failure::{self, Thrown};
use crate::host;
use crate::jobs::{Jobs, Rejections};

/// Most calls inside each other, as many as Node.js has. Calls of scripts alone take none of the machine's stack; one that goes through the
/// engine's own functions (`map`, getters) ends earlier, at the sandbox's 1 MiB.
const RECURSION_MAX: usize = 10_000;

/// Most values on the engine's own stack, which is no stack of the machine.
const STACK_VALUES_MAX: usize = 1 << 20;

/// What stands before a script: it is the body of a function, so that it can return and wait.
pub(crate) const HEAD: &str = "(async function script(input, ctx) {";

/// A script and where it is from.
pub(crate) struct Script {
    /// Its file, or `script`.
    pub(crate) name: String,
    pub(crate) code: String,
}

/// Runs a script to its end, and what it left for later too.
pub(crate) fn run(script: &Script, task: &TaskContext, input: &Value) -> Result<Value, TaskError> {
    let rejections = Rc::new(Rejections::default());
    let context = &mut Context::builder()
        .job_executor(Rc::new(Jobs::default()))
        .host_hooks(Rc::clone(&rejections))
        .build()
        .map_err(|error| TaskError::new("script_error", error.to_string()))?;
    let mut limits = RuntimeLimits::default();
    limits.set_recursion_limit(RECURSION_MAX);
    limits.set_stack_size_limit(STACK_VALUES_MAX);
    context.set_runtime_limits(limits);
    evaluate(script, task, input, &rejections, context).map_err(|thrown| failure::task_error(script, thrown, context))
}

fn evaluate(
    script: &Script,
    task: &TaskContext,
    input: &Value,
    rejections: &Rejections,
    context: &mut Context,
) -> Result<Value, Thrown> {
    boa_runtime::register(ConsoleExtension(Log), None, context)?;
    host::install(context)?;
    // Taken before the script can put something else in its place.
    let stringify = method(context, "JSON", "stringify")?;
    let input = JsValue::from_json(input, context)?;
    let ctx = JsValue::from_json(&context_of(task), context)?;
    // On the script's own first line, so that lines are numbered as in the YAML.
    let source = format!("{HEAD}{}\n}})", script.code);
    let source = Source::from_bytes(&source).with_path(Path::new(&script.name));
    let function = context.eval(source)?;
    let function = function.as_callable().ok_or("the script is no function body")?;
    let promise = function.call(&JsValue::undefined(), &[input, ctx], context)?;
    let promise = JsPromise::from_object(promise.as_object().ok_or("the script is no function body")?)?;
    // Whoever reads its state below has listened to it.
    context.run_jobs()?;
    let value = match promise.state() {
        PromiseState::Fulfilled(value) => value,
        PromiseState::Rejected(reason) => return Err(JsError::from_opaque(reason).into()),
        PromiseState::Pending => return Err("the script waits for a promise that nothing settles".into()),
    };
    if let Some(lost) = rejections.first()
        && let PromiseState::Rejected(reason) = JsPromise::from_object(lost.upcast())?.state()
    {
        return Err(Thrown::Lost(Box::new(JsError::from_opaque(reason))));
    }
    output(&value, &stringify, context)
}

/// What the script returned, as JSON.
fn output(value: &JsValue, stringify: &JsObject, context: &mut Context) -> Result<Value, Thrown> {
    let text = stringify.call(&JsValue::undefined(), &[value.clone()], context);
    let text = text.map_err(|error| Thrown::Output(Box::new(error)))?;
    match text.as_string() {
        Some(text) => serde_json::from_str(&text.to_std_string_lossy())
            .map_err(|error| format!("what it returned is no JSON: {error}").as_str().into()),
        None if value.is_undefined() => Ok(Value::Null),
        None => Err(format!("it returned a {}, which is no JSON", value.type_of())
            .as_str()
            .into()),
    }
}

fn method(context: &mut Context, object: &str, name: &str) -> JsResult<JsObject> {
    let object = context.global_object().get(js_string!(object), context)?;
    let object = object.to_object(context)?;
    object.get(js_string!(name), context)?.to_object(context)
}

fn context_of(task: &TaskContext) -> Value {
    json!({
        "executionId": task.execution_id,
        "workflowId": task.workflow_id,
        "taskId": task.task_id,
        "attempt": task.attempt,
        "index": task.index,
        "idempotencyKey": task.idempotency_key,
    })
}
