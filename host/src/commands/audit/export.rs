//! `workflow audit export`.

use std::io::Write;

use autokestra_store::{AuditEventRow, AuditReceiver, Store};

use super::Wanted;
use crate::error::{CliError, Exit};
use crate::render::{AuditEventView, Ui, safe_json, written};

/// How an export is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A JSON object a line
    #[default]
    Jsonl,
    /// Comma-separated values under a head line
    Csv,
}

/// The columns of CSV, named as the keys of JSON.
const COLUMNS: [&str; 8] = [
    "sequence",
    "executionId",
    "taskId",
    "timestamp",
    "type",
    "metadata",
    "previousHash",
    "hash",
];

/// What makes a spreadsheet take a cell for a formula.
const FORMULA_STARTS: &[char] = &['=', '+', '-', '@', '\t', '\r'];

const EXAMPLES: &str = "\
Examples:
  workflow audit export --since 1d > events.jsonl
  workflow audit export --since 2026-11-01 --until 2026-12-01 --format csv > november.csv
  workflow audit export | jq -c 'select(.type == \"FAILED\")'

Events come in the order of the trail, whole: with all that their hashes cover. In CSV `metadata` is one cell of JSON, and a
cell that a spreadsheet would take for a formula begins with an apostrophe.";

/// Write audit events to stdout, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    /// How to write them
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

pub(crate) async fn run(arguments: Arguments, store: &dyn Store, ui: &Ui) -> Result<Exit, CliError> {
    let filter = arguments.wanted.filter(store).await?;
    let mut events = store.audit_trail(filter);
    // Writing blocks where the reader is slow, and then the store's reader waits in its channel.
    tokio::task::block_in_place(|| {
        ui.out_with(|out| match arguments.format {
            Format::Jsonl => jsonl(&mut events, out),
            Format::Csv => csv(&mut events, out),
        })
    })?;
    Ok(Exit::Success)
}

fn jsonl(events: &mut AuditReceiver, out: &mut dyn Write) -> Result<(), CliError> {
    while let Some(event) = events.blocking_recv() {
        let line = serde_json::to_string(&AuditEventView::new(&event?));
        let line = safe_json(line.expect("views have string keys and finite numbers"));
        written(writeln!(out, "{line}"))?;
    }
    Ok(())
}

fn csv(events: &mut AuditReceiver, out: &mut dyn Write) -> Result<(), CliError> {
    let mut table = csv::Writer::from_writer(out);
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    };
    written(table.write_record(COLUMNS).map_err(failed))?;
    while let Some(event) = events.blocking_recv() {
        written(table.write_record(cells(&event?)).map_err(failed))?;
    }
    written(table.flush())
}

fn cells(event: &AuditEventRow) -> [String; 8] {
    let cells = [
        event.sequence.to_string(),
        event.execution.clone(),
        event.task.clone().unwrap_or_default(),
        event.at.to_string(),
        event.kind.clone(),
        event.metadata.value().to_string(),
        event.previous_hash.clone(),
        event.hash.clone(),
    ];
    cells.map(|cell| {
        if cell.starts_with(FORMULA_STARTS) {
            format!("'{cell}")
        } else {
            cell
        }
    })
}
