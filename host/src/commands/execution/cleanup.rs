//! `workflow execution cleanup`.

use std::sync::Arc;
use std::time::Duration;

use autokestra_engine::{Cleaned, Cleaner, CleanupError, SystemClock};
use autokestra_model::{ExecutionState, Timestamp};
use autokestra_store::{CleanupFilter, Store};

use super::list::state;
use crate::error::{CliError, Exit};
use crate::place::{Place, count, now};
use crate::render::view::CleanupView;
use crate::render::{Ui, bytes};

const EXAMPLES: &str = "\
Examples:
  workflow execution cleanup --days 7 --dry-run
  workflow execution cleanup --days 7 --states SUCCESS FAILED
  workflow execution cleanup --days 7 --json
  workflow execution cleanup --days 7 --compact

Executions that ended before are removed with their task runs, logs, and files that no other execution has.
The audit trail stays. A file stays for an hour after it was left. Others may write meanwhile; only --compact
makes them wait. What is older than `logRetentionDays` is removed while `workflow run` runs, without being asked.";

/// Remove executions that ended long ago
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Those that ended more than so many days ago; without it as `logRetentionDays` says
    #[arg(long, value_name = "N", value_parser = count::<u32>, allow_negative_numbers = true)]
    days: Option<u32>,
    /// In one of these states: SUCCESS, FAILED, CANCELLED
    #[arg(long, alias = "state", value_name = "STATE", num_args = 1.., value_delimiter = ',', value_parser = state)]
    states: Vec<ExecutionState>,
    /// Only tell what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Write the database anew, without any room that nothing uses; others wait meanwhile
    #[arg(long, conflicts_with = "dry_run")]
    compact: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) async fn run(
    arguments: Arguments,
    place: &Place,
    store: &Arc<dyn Store>,
    ui: &Ui,
) -> Result<Exit, CliError> {
    if let Some(state) = arguments.states.iter().find(|state| !state.is_terminal()) {
        let error = CliError::input(format!(
            "an execution that is {state} has not ended, and is not removed"
        ));
        return Err(
            error.hint("`workflow execution cancel` ends one; states that are an end: SUCCESS, FAILED, CANCELLED")
        );
    }
    let days = match arguments.days {
        Some(days) => u64::from(days),
        None => retention(place)?,
    };
    let filter = CleanupFilter {
        ended_before: before(now(), Duration::from_secs(days.saturating_mul(24 * 60 * 60))),
        states: arguments.states.clone(),
    };
    let mut cleaned = if arguments.dry_run {
        let counted = store.count_removable(filter.clone()).await?;
        Cleaned {
            executions: counted.executions,
            logs: counted.logs,
            ..Cleaned::default()
        }
    } else {
        let cleaner = Cleaner::new(Arc::clone(store), place.settings.artifacts(), Arc::new(SystemClock));
        cleaner.clean(&filter).await.map_err(failed)?
    };
    if arguments.compact {
        cleaned.freed += store.compact().await?;
        cleaned.unused = 0;
    }
    if arguments.json {
        let view = CleanupView {
            dry_run: arguments.dry_run,
            deleted_executions: cleaned.executions,
            deleted_logs: cleaned.logs,
            deleted_files: cleaned.files,
            deleted_file_bytes: cleaned.file_bytes,
            freed_bytes: cleaned.freed,
            unused_bytes: cleaned.unused,
            cutoff: filter.ended_before,
            states: filter.states,
        };
        ui.json(&view, arguments.pretty)?;
    } else {
        ui.out(&(words(&cleaned, arguments.dry_run, filter.ended_before) + "\n"))?;
        if cleaned.unused > 0 {
            let hint = "the file keeps the size that it has; with --compact it is written anew, while others wait";
            ui.error("hint", hint)?;
        }
    }
    store.close().await?;
    Ok(Exit::Success)
}

/// The days that the configuration names.
fn retention(place: &Place) -> Result<u64, CliError> {
    match place.settings.number("logRetentionDays") {
        0 => {
            let error = CliError::input("`logRetentionDays: 0` keeps everything, and --days is not given");
            Err(error.hint("`--days 30` removes what ended more than 30 days ago; `--days 0` all that has ended"))
        }
        days => Ok(days),
    }
}

fn words(cleaned: &Cleaned, dry_run: bool, cutoff: Timestamp) -> String {
    let count = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let executions = count(cleaned.executions, "execution", "executions");
    let logs = count(cleaned.logs, "log entry", "log entries");
    if dry_run {
        return format!(
            "would remove {executions} that ended before {cutoff}, {logs}, and the files that no other has"
        );
    }
    let files = count(cleaned.files, "file", "files");
    let mut text = format!(
        "removed {executions} that ended before {cutoff}, {logs}, and {files} ({})",
        bytes(cleaned.file_bytes)
    );
    if cleaned.freed > 0 {
        text.extend([format!("; the database is {} smaller", bytes(cleaned.freed))]);
    }
    if cleaned.unused > 0 {
        text.extend([format!(
            "; {} of it are free and will be used again",
            bytes(cleaned.unused)
        )]);
    }
    text
}

fn failed(error: CleanupError) -> CliError {
    match error {
        CleanupError::Store(error) => error.into(),
        CleanupError::Files(error) => {
            CliError::new(Exit::Machine, format!("failed to remove files of executions: {error}"))
        }
    }
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(age))
}
