//! `workflow execution logs`.

use std::io::Write;

use autokestra_model::{TaskId, Timestamp};
use autokestra_store::{ExecutionRef, LogFilter, LogLevel, LogReceiver, LogRow, SourceFilter, Store};
use regex::Regex;
use tokio::sync::mpsc::error::TryRecvError;

use crate::error::{CliError, Exit};
use crate::place::{count, execution_ref, now};
use crate::render::view::{LogView, millis};
use crate::render::{Ui, log_line, reader_gone};

const EXAMPLES: &str = "\
Examples:
  workflow execution logs last
  workflow execution logs exec-01ke --level ERROR WARN --since 1h
  workflow execution logs last --follow
  workflow execution logs last --task-id fetch --grep 'time(d )?out'
  workflow execution logs --source plugin --since 1d --json | jq -r '.[] | .message'";

/// Show log entries, oldest first: of one execution, or across all
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Its id, the beginning of it, or `last`; without one, all executions
    #[arg(value_name = "EXECUTION", value_parser = execution_ref)]
    execution: Option<ExecutionRef>,
    /// Of these levels: DEBUG, INFO, WARN, ERROR
    #[arg(long = "level", value_name = "LEVEL", num_args = 1.., value_delimiter = ',', value_parser = level)]
    levels: Vec<LogLevel>,
    /// Not older than this: 30s, 5m, 2h, 1d, or an ISO time
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Timestamp>,
    /// Not newer than this
    #[arg(long, value_name = "WHEN", value_parser = since)]
    until: Option<Timestamp>,
    /// Of this task
    #[arg(long, value_name = "ID")]
    task_id: Option<TaskId>,
    /// Of this source: scheduler, worker, system, plugin, or plugin:EXECUTION/TASK
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// With a message that this regular expression matches
    #[arg(long, value_name = "PATTERN")]
    grep: Option<Regex>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = count::<u64>, allow_negative_numbers = true)]
    limit: Option<u64>,
    /// After so many
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = count::<u64>, allow_negative_numbers = true)]
    offset: u64,
    /// Wait for more, until the execution ends
    #[arg(long, short)]
    follow: bool,
    /// Print a JSON array; with --follow, an object a line
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json", conflicts_with = "follow")]
    pretty: bool,
}

fn level(text: &str) -> Result<LogLevel, String> {
    text.to_uppercase()
        .parse()
        .map_err(|error: autokestra_model::IdError| error.to_string())
}

/// A point in time: so long ago, or as it is written.
pub(crate) fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        let ago = i64::try_from(millis(ago)).unwrap_or(i64::MAX);
        return Ok(Timestamp::from_millis(now().as_millis().saturating_sub(ago)));
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_millis(at.as_millisecond()));
    }
    let day = text
        .parse::<jiff::civil::Date>()
        .ok()
        .and_then(|day| jiff::tz::TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok());
    day.map(|day| Timestamp::from_millis(day.as_millisecond()))
        .ok_or_else(|| "expected `30s`, `5m`, `2h`, `1d`, or a time like `2026-11-23T09:17:16Z`".to_owned())
}

pub(crate) async fn run(arguments: Arguments, store: &dyn Store, ui: &Ui) -> Result<Exit, CliError> {
    let execution = match arguments.execution {
        Some(reference) => Some(store.find_execution(reference).await?),
        None => None,
    };
    let rows = store.logs(LogFilter {
        execution,
        levels: arguments.levels,
        since: arguments.since,
        until: arguments.until,
        task: arguments.task_id,
        source: arguments.source.as_deref().map(SourceFilter::from),
        grep: arguments.grep,
        limit: arguments.limit,
        offset: arguments.offset,
        follow: arguments.follow,
    });
    let (json, follow, pretty, ui) = (arguments.json, arguments.follow, arguments.pretty, *ui);
    // Writing blocks where the reader is slow, and then the store's reader waits in its channel.
    let printing = tokio::task::spawn_blocking(move || print(rows, (json, follow, pretty), ui));
    tokio::select! {
        printed = printing => printed.map_err(|error| CliError::new(Exit::Machine, error.to_string()))??,
        // As long as nothing new comes, writing does not tell that nobody reads.
        () = reader_gone(), if follow => {}
    }
    Ok(Exit::Success)
}

fn print(mut rows: LogReceiver, (json, follow, pretty): (bool, bool, bool), ui: Ui) -> Result<(), CliError> {
    ui.out_with(|out| {
        if json && follow {
            print_each(&mut rows, out, |row| {
                let view = LogView::new(row);
                serde_json::to_string(&view).expect("views have string keys and finite numbers")
            })
        } else if json {
            print_json(&mut rows, out, pretty)
        } else {
            print_lines(&mut rows, out, &ui)
        }
    })
}

fn print_lines(rows: &mut LogReceiver, out: &mut dyn Write, ui: &Ui) -> Result<(), CliError> {
    print_each(rows, out, |row| {
        log_line(row.at, row.level, &row.source, row.message.as_str(), |tint, text| {
            ui.tint(tint, text)
        })
    })
}

/// A line for each entry. What is written is shown before more is waited for.
fn print_each(rows: &mut LogReceiver, out: &mut dyn Write, line: impl Fn(&LogRow) -> String) -> Result<(), CliError> {
    loop {
        let row = match rows.try_recv() {
            Ok(row) => row,
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {
                crate::render::written(out.flush())?;
                let Some(row) = rows.blocking_recv() else { return Ok(()) };
                row
            }
        };
        crate::render::written(writeln!(out, "{}", line(&row?)))?;
    }
}

/// One array, written element by element: the whole of a log is never in memory.
fn print_json(rows: &mut LogReceiver, out: &mut dyn Write, pretty: bool) -> Result<(), CliError> {
    let (mut before, between, indent, after) = if pretty {
        ("[\n", ",\n", "  ", "\n]\n")
    } else {
        ("[", ",", "", "]\n")
    };
    let mut empty = true;
    while let Some(row) = rows.blocking_recv() {
        let row = row?;
        let view = LogView::new(&row);
        let text = if pretty {
            serde_json::to_string_pretty(&view)
        } else {
            serde_json::to_string(&view)
        };
        let text = text.expect("views have string keys and finite numbers");
        let text = if pretty { text.replace('\n', "\n  ") } else { text };
        crate::render::written(write!(out, "{before}{indent}{text}"))?;
        before = between;
        empty = false;
    }
    crate::render::written(out.write_all(if empty { "[]\n" } else { after }.as_bytes()))
}
