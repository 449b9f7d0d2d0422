//! `workflow execution logs`.

use std::io::Write;

use autokestra_model::{TaskId, Timestamp};
use autokestra_store::{ExecutionRef, LogFilter, LogLevel, LogReceiver, LogRow, SourceFilter, Store, StoreError};
use regex::Regex;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::oneshot;

use crate::error::{CliError, Exit};
use crate::place::{count, execution_ref, now};
use crate::render::view::{LogView, millis};
use crate::render::{Ui, log_line, safe_json};

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
    let follow = arguments.follow;
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
    let mut rows = Rows {
        rows,
        reader_gone: follow.then(reader_gone).flatten(),
    };
    // Writing blocks where the reader is slow, and then the store's reader waits in its channel.
    tokio::task::block_in_place(|| {
        ui.out_with(|out| {
            if arguments.json && arguments.follow {
                print_each(&mut rows, out, |row| {
                    let view = LogView::new(row);
                    safe_json(serde_json::to_string(&view).expect("views have string keys and finite numbers"))
                })
            } else if arguments.json {
                print_json(&mut rows, out, arguments.pretty)
            } else {
                print_lines(&mut rows, out, ui)
            }
        })
    })?;
    Ok(Exit::Success)
}

/// Entries as they come.
struct Rows {
    rows: LogReceiver,
    /// Told when nobody reads any more what is printed. Who waits for entries would not see it before the next.
    reader_gone: Option<oneshot::Receiver<()>>,
}

impl Rows {
    /// Waits for the next entry; none where there are no more, or nobody reads them.
    fn next(&mut self) -> Option<Result<LogRow, StoreError>> {
        let Some(gone) = &mut self.reader_gone else {
            return self.rows.blocking_recv();
        };
        let rows = &mut self.rows;
        tokio::runtime::Handle::current().block_on(async {
            tokio::select! {
                row = rows.recv() => row,
                Ok(()) = gone => None,
            }
        })
    }
}

/// Watches stdout from a thread of its own. The system tells of the other end of a pipe without being asked again.
fn reader_gone() -> Option<oneshot::Receiver<()>> {
    let (tell, told) = oneshot::channel();
    let thread = std::thread::Builder::new().name("reader-gone".to_owned());
    let watching = thread.spawn(move || {
        let stdout = std::io::stdout();
        let mut wanted = [PollFd::new(&stdout, PollFlags::empty())];
        // What is asked for is nothing; an end or an error is told all the same.
        while poll(&mut wanted, None) == Err(rustix::io::Errno::INTR) {}
        if wanted
            .iter()
            .any(|found| found.revents().intersects(PollFlags::ERR | PollFlags::HUP))
        {
            // Whoever prints may be at its end already.
            match tell.send(()) {
                Ok(()) | Err(()) => {}
            }
        }
    });
    watching.ok().map(|_| told)
}

fn print_lines(rows: &mut Rows, out: &mut dyn Write, ui: &Ui) -> Result<(), CliError> {
    print_each(rows, out, |row| {
        log_line(row.at, row.level, &row.source, row.message.as_str(), |tint, text| {
            ui.tint(tint, text)
        })
    })
}

/// A line for each entry. What is written is shown before more is waited for.
fn print_each(rows: &mut Rows, out: &mut dyn Write, line: impl Fn(&LogRow) -> String) -> Result<(), CliError> {
    loop {
        let row = match rows.rows.try_recv() {
            Ok(row) => row,
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {
                crate::render::written(out.flush())?;
                let Some(row) = rows.next() else { return Ok(()) };
                row
            }
        };
        crate::render::written(writeln!(out, "{}", line(&row?)))?;
    }
}

/// One array, written element by element: the whole of a log is never in memory.
fn print_json(rows: &mut Rows, out: &mut dyn Write, pretty: bool) -> Result<(), CliError> {
    let (mut before, between, indent, after) = if pretty {
        ("[\n", ",\n", "  ", "\n]\n")
    } else {
        ("[", ",", "", "]\n")
    };
    let mut empty = true;
    while let Some(row) = rows.next() {
        let row = row?;
        let view = LogView::new(&row);
        let text = if pretty {
            serde_json::to_string_pretty(&view)
        } else {
            serde_json::to_string(&view)
        };
        let text = safe_json(text.expect("views have string keys and finite numbers"));
        let text = if pretty { text.replace('\n', "\n  ") } else { text };
        crate::render::written(write!(out, "{before}{indent}{text}"))?;
        before = between;
        empty = false;
    }
    crate::render::written(out.write_all(if empty { "[]\n" } else { after }.as_bytes()))
}
