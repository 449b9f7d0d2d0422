//! What people see: text, tables, colours, diagnostics. Takes views and prints them; asks nothing of anybody.

mod audit;
mod audit_view;
mod built;
mod cache;
pub(crate) mod cases;
pub(crate) mod cases_view;
mod columns;
mod ending;
mod files;
pub(crate) mod graph;
mod inspect;
pub(crate) mod install;
pub(crate) mod junit;
mod list;
pub(crate) mod live;
mod logs;
mod markdown;
mod plugin;
pub(crate) mod plugin_docs;
pub(crate) mod plugin_view;
mod program;
mod safe;
mod sample;
pub(crate) mod schema;
mod schema_tables;
mod secrets;
mod table;
mod timeline;
mod ui;
pub(crate) mod validation;
mod values;
pub(crate) mod view;
mod when;
mod width;

pub(crate) use audit::{audit_page, chain, trail};
pub(crate) use audit_view::{AuditEventView, AuditPageView, ChainView, PointView, TrailView, VerifiedView};
pub(crate) use built::{Built, BuiltView, built};
pub(crate) use cache::cache;
pub(crate) use ending::{Failure, failure, outcome, summary};
pub(crate) use files::files;
pub(crate) use inspect::{Parts, detail};
pub(crate) use list::{Page, page};
pub(crate) use logs::log_line;
pub(crate) use plugin::{Found, plugin, plugins};
pub(crate) use program::program;
pub(crate) use safe::{safe, safe_json};
pub(crate) use secrets::{KnownSecret, SecretPlace, SecretsView, secrets};
pub(crate) use table::Table;
pub(crate) use ui::{ColorChoice, Notes, Tint, Ui, written};
pub(crate) use width::one_line;

use std::time::Duration;

/// A duration in the fewest characters that tell it: `340ms`, `1.24s`, `2m 03s`, `1h 02m`.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{:.2}s", duration.as_secs_f64()),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// A number of bytes: `340 B`, `1.2 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut tenths = count.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!(
        "{}.{} {}",
        tenths / 10,
        tenths % 10,
        units.get(unit).copied().unwrap_or("GiB")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_short() {
        let shown = [0, 340, 1_240, 59_999, 123_000, 3_720_000].map(|millis| human(Duration::from_millis(millis)));
        assert_eq!(shown, ["0ms", "340ms", "1.24s", "60.00s", "2m 03s", "1h 02m"]);
        let shown = [0, 1023, 1024, 1_258_291, 5 << 30].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.1 MiB", "5.0 GiB"]);
    }
}
