//! What a plugin says while a case runs, and what it is told of the values that it kept.

use autokestra_sandbox::{Denial, GuestEvent, LogLevel, StateSource};
use autokestra_secrets::Masked;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::Line;

/// What a guest said.
#[derive(Default)]
pub(super) struct Said {
    pub(super) lines: Vec<Line>,
    pub(super) denials: Vec<Denial>,
    pub(super) progress: Vec<Value>,
}

/// Reads what a guest says until it is gone.
pub(super) async fn collect(mut events: mpsc::Receiver<GuestEvent>) -> Said {
    let mut said = Said::default();
    while let Some(event) = events.recv().await {
        match event {
            GuestEvent::Log {
                stream,
                level,
                message,
                fields,
            } => said.lines.push(Line {
                level: match level {
                    LogLevel::Debug => "debug",
                    LogLevel::Info => "info",
                    LogLevel::Warn => "warn",
                    LogLevel::Error => "error",
                },
                stream: stream.as_str(),
                message,
                fields,
            }),
            GuestEvent::Progress { done, total, note } => {
                let note = note.map(Masked::into_string);
                said.progress
                    .push(json!({ "done": done, "total": total, "note": note }));
            }
            GuestEvent::Denied(denial) => said.denials.push(denial),
            // What is left out is no line of the plugin's.
            GuestEvent::LogTruncated { .. } => {}
        }
    }
    said
}

/// The values that a case says were kept.
#[derive(Debug)]
pub(super) struct Known(pub(super) Map<String, Value>);

impl StateSource for Known {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, String>> {
        Box::pin(async move { Ok(self.0.get(key).map(Value::to_string)) })
    }

    fn keys<'a>(&'a self, prefix: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<String>, String>> {
        let mut keys: Vec<String> = self.0.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
        keys.sort();
        keys.truncate(most);
        Box::pin(async move { Ok(keys) })
    }
}
