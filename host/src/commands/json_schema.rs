//! `--json-schema`: which schema belongs to which command.
//!
//! A command that takes `--json` has its flag `--json-schema` by that alone; here stands which type it prints. Such a type
//! derives `JsonSchema` beside `Serialize`, and its fields have doc comments, which become descriptions.

use serde_json::Value;

use super::config::ConfigView;
use crate::render::cases_view::TestedView;
use crate::render::install::InstalledView;
use crate::render::plugin_docs::DocPageView;
use crate::render::plugin_view::{CacheView, ClearedView, InspectedView, PluginView};
use crate::render::schema::schema_of;
use crate::render::validation::ValidationView;
use crate::render::view::{CleanupView, DetailView, FilesView, LogView, PageView};
use crate::render::{AuditPageView, BuiltView, PointView, SecretsView, VerifiedView};

/// The schema of what the command of this path prints by `--json`; of `logs`, with `--follow` that of a line.
pub(crate) fn of(path: &[&str], follow: bool) -> Option<Value> {
    let command = path.join(" ");
    let schema = match path {
        ["run"] | ["execution", "inspect" | "resume" | "retry"] => schema_of::<DetailView<'_>>(&command),
        ["validate"] => schema_of::<ValidationView>(&command),
        ["execution", "list"] => schema_of::<PageView<'_>>(&command),
        ["execution", "logs"] if follow => schema_of::<LogView<'_>>(&(command + " --follow")),
        ["execution", "logs"] => schema_of::<Vec<LogView<'_>>>(&command),
        ["execution", "files"] => schema_of::<FilesView<'_>>(&command),
        ["execution", "cleanup"] => schema_of::<CleanupView>(&command),
        ["audit", "list"] => schema_of::<AuditPageView<'_>>(&command),
        ["audit", "verify"] => schema_of::<VerifiedView>(&command),
        ["audit", "head"] => schema_of::<PointView>(&command),
        ["plugin", "build"] => schema_of::<BuiltView<'_>>(&command),
        ["plugin", "list"] => schema_of::<Vec<PluginView<'_>>>(&command),
        ["plugin", "inspect"] => schema_of::<InspectedView<'_>>(&command),
        ["plugin", "docs"] => schema_of::<Vec<DocPageView>>(&command),
        ["plugin", "install"] => schema_of::<InstalledView<'_>>(&command),
        ["plugin", "test"] => schema_of::<TestedView<'_>>(&command),
        ["plugin", "cache", "list"] => schema_of::<CacheView<'_>>(&command),
        ["plugin", "cache", "clear"] => schema_of::<ClearedView>(&command),
        ["secret", "list"] => schema_of::<SecretsView<'_>>(&command),
        ["config", "show"] => schema_of::<ConfigView<'_>>(&command),
        _ => return None,
    };
    Some(schema)
}
