//! `workflow execution cleanup`.

use std::time::Duration;

use autokestra_engine::Artifacts;
use autokestra_model::{ExecutionState, Timestamp};
use autokestra_store::{CleanupFilter, Removed, Store};

use super::list::state;
use crate::error::{CliError, Exit};
use crate::place::{Place, count, now};
use crate::render::view::CleanupView;
use crate::render::{Ui, bytes};

/// A file that no task run names may belong to one that is about to be written down. After an hour it does not.
const FILE_AGE_MIN: Duration = Duration::from_secs(60 * 60);

/// Files that the store is asked about at a time.
const FILES_ASKED: usize = 500;

const EXAMPLES: &str = "\
Examples:
  workflow execution cleanup --days 7 --dry-run
  workflow execution cleanup --days 7 --states SUCCESS FAILED
  workflow execution cleanup --days 7 --json

Executions that ended before are removed with their task runs, logs, and files that no other execution has.
The audit trail stays. A file stays for an hour after it was left.";

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
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) async fn run(arguments: Arguments, place: &Place, store: &dyn Store, ui: &Ui) -> Result<Exit, CliError> {
    if let Some(state) = arguments.states.iter().find(|state| !state.is_terminal()) {
        let error = CliError::input(format!(
            "an execution that is {state} has not ended, and is not removed"
        ));
        return Err(
            error.hint("`workflow execution cancel` ends one; states that are an end: SUCCESS, FAILED, CANCELLED")
        );
    }
    let days = arguments
        .days
        .map_or_else(|| place.settings.number("logRetentionDays"), u64::from);
    let now = now();
    let filter = CleanupFilter {
        ended_before: before(now, Duration::from_secs(days.saturating_mul(24 * 60 * 60))),
        states: arguments.states.clone(),
    };
    let removed = if arguments.dry_run {
        store.count_removable(filter.clone()).await?
    } else {
        remove(store, &filter).await?
    };
    let artifacts = place.settings.artifacts();
    let swept = if arguments.dry_run {
        Swept::default()
    } else {
        sweep(store, &artifacts, before(now, FILE_AGE_MIN)).await?
    };
    if arguments.json {
        let view = CleanupView {
            dry_run: arguments.dry_run,
            deleted_executions: removed.executions,
            deleted_logs: removed.logs,
            deleted_files: swept.files,
            deleted_file_bytes: swept.bytes,
            cutoff: filter.ended_before,
            states: filter.states,
        };
        ui.json(&view, arguments.pretty)?;
    } else {
        let words = if arguments.dry_run { "would remove" } else { "removed" };
        let count = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let executions = count(removed.executions, "execution", "executions");
        let logs = count(removed.logs, "log entry", "log entries");
        let files = if arguments.dry_run {
            "and the files that no other has".to_owned()
        } else {
            format!("and {} ({})", count(swept.files, "file", "files"), bytes(swept.bytes))
        };
        ui.out(&format!(
            "{words} {executions} that ended before {}, {logs}, {files}\n",
            filter.ended_before
        ))?;
    }
    store.close().await?;
    Ok(Exit::Success)
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(age))
}

async fn remove(store: &dyn Store, filter: &CleanupFilter) -> Result<Removed, CliError> {
    let mut all = Removed::default();
    loop {
        let some = store.remove_some(filter.clone()).await?;
        all.executions += some.executions;
        all.logs += some.logs;
        if !some.more {
            return Ok(all);
        }
    }
}

#[derive(Default)]
struct Swept {
    files: u64,
    bytes: u64,
}

/// Removes the files that no task run names, and what dead processes left of theirs.
async fn sweep(store: &dyn Store, artifacts: &Artifacts, older_than: Timestamp) -> Result<Swept, CliError> {
    let failed =
        |error: std::io::Error| CliError::new(Exit::Machine, format!("failed to remove files of executions: {error}"));
    let mut swept = Swept::default();
    for some in artifacts.older_than(older_than).map_err(failed)?.chunks(FILES_ASKED) {
        let named = store.named_files(some.to_vec()).await?;
        for digest in some.iter().filter(|digest| !named.contains(digest)) {
            if let Some(size) = artifacts.remove(digest, older_than).map_err(failed)? {
                swept.files += 1;
                swept.bytes += size;
            }
        }
    }
    let mut dead = Vec::new();
    for execution in artifacts.attempted().map_err(failed)? {
        let found = store.execution(execution).await?;
        if found.is_none_or(|found| found.row.state.is_terminal()) {
            dead.push(execution);
        }
    }
    artifacts.remove_attempts(&|execution| dead.contains(&execution));
    Ok(swept)
}
