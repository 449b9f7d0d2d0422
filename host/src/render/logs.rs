//! Log entries for people.

use autokestra_model::Timestamp;
use autokestra_store::LogLevel;

use super::{Tint, safe};

/// `2026-11-23T09:17:16.123Z INFO  [plugin:exec-…/fetch] message`; further lines of a message are indented.
pub(crate) fn log_line(
    at: Timestamp,
    level: LogLevel,
    source: &str,
    message: &str,
    tint: impl Fn(Tint, &str) -> String,
) -> String {
    let color = match level {
        LogLevel::Debug => Tint::Faint,
        LogLevel::Info => Tint::Good,
        LogLevel::Warn => Tint::Doubtful,
        LogLevel::Error => Tint::Bad,
    };
    let message = safe(message).replace('\n', "\n    ");
    format!(
        "{} {} {} {message}",
        tint(Tint::Faint, &at.to_string()),
        tint(color, &format!("{level:<5}")),
        tint(Tint::Faint, &format!("[{}]", safe(source))),
    )
}
