//! Why a guest failed, in the engine's terms: limits, traps, exits and errors of its own are told apart.

use std::time::Duration;

use autokestra_model::{Limits, ReasonCode};
use autokestra_secrets::{Masked, Masker};
use serde_json::Value;
use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use crate::attempt::Failure;
use crate::bindings::TaskError;

/// Longest code of a plugin's own, in bytes.
const CODE_BYTES_MAX: usize = 64;

/// A failure of the engine's own finding.
pub(crate) fn found(reason: ReasonCode, message: Masked, retryable: bool) -> Failure {
    Failure {
        reason,
        code: reason.as_str().to_owned(),
        message,
        retryable,
        retry_after: None,
        details: None,
    }
}

/// What a guest left behind when its call did not return.
pub(crate) struct Wreck<'a> {
    pub(crate) error: &'a wasmtime::Error,
    pub(crate) memory_refused: bool,
    pub(crate) panic: Option<Masked>,
}

/// Why a call did not return.
pub(crate) fn of_call(wreck: &Wreck<'_>, limits: &Limits, masker: &Masker) -> Failure {
    let trap = wreck.error.downcast_ref::<Trap>();
    let say = |reason, text: String| found(reason, masker.mask(&text), false);
    if let Some(exit) = wreck.error.downcast_ref::<I32Exit>() {
        return if exit.0 == 0 {
            say(
                ReasonCode::InvalidOutput,
                "it ended by exit(0) instead of returning an output".to_owned(),
            )
        } else {
            let text = format!("it ended by exit({}) instead of returning", exit.0);
            found(ReasonCode::ExitNonzero, masker.mask(&text), true)
        };
    }
    match trap {
        Some(Trap::StackOverflow) => say(
            ReasonCode::LimitStack,
            "it used up its stack of 1 MiB: look for recursion without an end".to_owned(),
        ),
        Some(Trap::OutOfFuel) => {
            let fuel = limits.fuel.unwrap_or_default();
            say(
                ReasonCode::LimitFuel,
                format!("it used up its fuel of {fuel}; raise `limits.fuel`"),
            )
        }
        _ if wreck.memory_refused => of_memory(limits, masker),
        _ => {
            let what = match (&wreck.panic, trap) {
                (Some(panic), _) => panic.clone(),
                // A compiler puts big frames into memory; their end is the memory's beginning.
                (None, Some(Trap::MemoryOutOfBounds)) => {
                    Masked::literal("it trapped: a memory access out of bounds, often from a recursion without an end")
                }
                (None, Some(trap)) => masker.mask(&format!("it trapped: {trap}")),
                (None, None) => masker.mask(&format!("it stopped: {}", wreck.error.root_cause())),
            };
            found(ReasonCode::Trap, what, true)
        }
    }
}

/// The failure of a guest that was refused memory.
pub(crate) fn of_memory(limits: &Limits, masker: &Masker) -> Failure {
    let mib = limits.memory >> 20;
    let text = format!("it needed more than its {mib} MiB of memory; raise `limits.memory`");
    found(ReasonCode::LimitMemory, masker.mask(&text), false)
}

/// A plugin's own error.
pub(crate) fn of_plugin(error: &TaskError, masker: &Masker) -> Failure {
    let denied = error.code == ReasonCode::PermissionDenied.as_str();
    let known = match error.code.as_str() {
        "invalid_input" => ReasonCode::InvalidInput,
        _ if denied => ReasonCode::PermissionDenied,
        _ => ReasonCode::PluginError,
    };
    let details = error.details.as_ref().map(|text| {
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
        masker.mask_json(&value)
    });
    Failure {
        reason: known,
        code: code(masker.mask(&error.code).as_str()),
        message: masker.mask(&error.message),
        retryable: error.retryable && !denied,
        retry_after: error.retry_after_ms.map(Duration::from_millis),
        details,
    }
}

/// A plugin's code as one: lower case with underscores. What is none is replaced character by character.
fn code(text: &str) -> String {
    let letter = |c: char| match c {
        'a'..='z' | '0'..='9' | '_' => c,
        'A'..='Z' => c.to_ascii_lowercase(),
        _ => '_',
    };
    let code: String = text.chars().take(CODE_BYTES_MAX).map(letter).collect();
    if code.is_empty() {
        ReasonCode::PluginError.as_str().to_owned()
    } else {
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_code_is_made_one() {
        assert_eq!(code("http_status"), "http_status");
        assert_eq!(code("Bad Code\u{1b}[31m"), "bad_code__31m");
        assert_eq!(code(""), "plugin_error");
        assert_eq!(code(&"x".repeat(999)).len(), CODE_BYTES_MAX);
    }
}
