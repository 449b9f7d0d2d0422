//! Attempts on one scale of time: when each ran, what was waited for, and which ran beside which.

use std::collections::BTreeMap;
use std::time::Duration;

use autokestra_model::{TaskState, Timestamp};
use autokestra_store::{AttemptRow, ExecutionDetail, TaskRunRow};

use super::inspect::name_of;
use super::values::head;
use super::width::{columns, cut_name, padded};
use super::{Tint, Ui, human};

/// Elements of a task that have a line each; more are drawn as one.
const ELEMENTS_DRAWN_MAX: usize = 8;

/// The widest and the narrowest scale.
const SCALE_COLUMNS: (usize, usize) = (10, 80);

/// Columns between two marks of the axis, at least.
const MARK_COLUMNS_MIN: usize = 12;

/// How many run at a time, from few to many.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The timeline of an execution, of one task where one is named.
pub(super) fn timeline(ui: &Ui, detail: &ExecutionDetail, task: Option<&str>, now: Timestamp) -> String {
    let wanted = |row: &&TaskRunRow| task.is_none_or(|wanted| row.task.as_str() == wanted);
    let rows = lines(detail.tasks.iter().filter(wanted), task.is_some());
    let attempts = || rows.iter().flat_map(|row| &row.attempts);
    let Some(start) = attempts().map(|span| span.attempt.started_at).min() else {
        return String::new();
    };
    let start = detail.row.started_at.map_or(start, |began| began.min(start));
    let end = attempts().map(|span| span.end(now)).max().unwrap_or(start);
    let end = detail.row.ended_at.map_or(end, |ended| ended.max(end));
    let room = ui.width();
    let names = rows
        .iter()
        .map(|row| columns(&row.name))
        .max()
        .unwrap_or_default()
        .min(room / 3);
    let took = |row: &Row<'_>| row.took(now).map(human).unwrap_or_default();
    let tooks = rows.iter().map(|row| columns(&took(row))).max().unwrap_or_default();
    let scale = Scale {
        start,
        millis: end.since(start).as_millis().max(1),
        width: room
            .saturating_sub(names + tooks + 6)
            .clamp(SCALE_COLUMNS.0, SCALE_COLUMNS.1),
    };
    let mut text = head(ui, "Timeline");
    let axis = scale.axis();
    text.extend([format!(
        "  {}  {}\n",
        " ".repeat(names),
        ui.tint(Tint::Faint, axis.trim_end())
    )]);
    for row in &rows {
        let name = padded(&cut_name(&row.name, names), names);
        let bar = if row.folded {
            folded(ui, row, scale, now)
        } else {
            single(ui, row, scale, now)
        };
        text.extend([format!("  {name}  {bar}  {}\n", padded_left(&took(row), tooks))]);
    }
    text += &legend(ui, &rows);
    text
}

fn padded_left(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(columns(text))) + text
}

/// What the signs mean, as far as they were needed.
fn legend(ui: &Ui, rows: &[Row<'_>]) -> String {
    let failed = rows.iter().flat_map(|row| &row.attempts).any(|span| span.failed());
    let waited = rows.iter().any(|row| !row.folded && row.attempts.len() > 1);
    let folded = rows.iter().any(|row| row.folded);
    let signs = [
        (failed, "▒ failed"),
        (waited, "╌ waits for another attempt"),
        (folded, "▁▄█ how many elements run at a time"),
    ];
    let signs: Vec<&str> = signs
        .iter()
        .filter(|(shown, _)| *shown)
        .map(|(_, sign)| *sign)
        .collect();
    if signs.is_empty() {
        return String::new();
    }
    format!("  {}\n", ui.tint(Tint::Faint, &signs.join("   ")))
}

/// One attempt, and how its task run stands.
#[derive(Debug)]
struct Span<'a> {
    attempt: &'a AttemptRow,
    state: TaskState,
}

impl Span<'_> {
    fn end(&self, now: Timestamp) -> Timestamp {
        match self.attempt.ended_at {
            Some(ended) => ended,
            None if self.state.is_terminal() => self.attempt.started_at,
            None => now.max(self.attempt.started_at),
        }
    }

    fn failed(&self) -> bool {
        self.attempt.error.is_some()
    }

    fn tint(&self) -> Tint {
        match (&self.attempt.error, self.attempt.ended_at) {
            (Some(_), _) if self.state == TaskState::Cancelled => Tint::Doubtful,
            (Some(_), _) => Tint::Bad,
            (None, Some(_)) => Tint::Good,
            (None, None) => Tint::Going,
        }
    }
}

/// One line: a task run, or the elements of a task together.
#[derive(Debug)]
struct Row<'a> {
    name: String,
    attempts: Vec<Span<'a>>,
    folded: bool,
}

impl Row<'_> {
    /// From the first attempt's start to the last one's end.
    fn took(&self, now: Timestamp) -> Option<Duration> {
        let began = self.attempts.iter().map(|span| span.attempt.started_at).min()?;
        let ended = self.attempts.iter().map(|span| span.end(now)).max()?;
        Some(ended.since(began))
    }
}

/// The lines in file order. Many elements of one task share one, unless that task is asked for.
fn lines<'a>(runs: impl Iterator<Item = &'a TaskRunRow>, asked: bool) -> Vec<Row<'a>> {
    let mut tasks: BTreeMap<u64, Vec<&TaskRunRow>> = BTreeMap::new();
    for run in runs.filter(|run| !run.attempts.is_empty()) {
        tasks.entry(run.position).or_default().push(run);
    }
    let mut rows = Vec::new();
    for runs in tasks.into_values() {
        let elements = runs.iter().filter(|run| run.item.is_some()).count();
        if elements > ELEMENTS_DRAWN_MAX && !asked {
            let name = runs
                .first()
                .map(|run| format!("{} ×{elements}", super::width::one_line(run.task.as_str())));
            rows.push(Row {
                name: name.unwrap_or_default(),
                attempts: runs.iter().flat_map(|run| spans(run)).collect(),
                folded: true,
            });
        } else {
            rows.extend(runs.iter().map(|run| Row {
                name: name_of(run),
                attempts: spans(run).collect(),
                folded: false,
            }));
        }
    }
    rows
}

fn spans(run: &TaskRunRow) -> impl Iterator<Item = Span<'_>> {
    run.attempts.iter().map(|attempt| Span {
        attempt,
        state: run.state,
    })
}

/// Which time stands in which column.
#[derive(Clone, Copy, Debug)]
struct Scale {
    start: Timestamp,
    millis: u128,
    width: usize,
}

impl Scale {
    fn column(self, at: Timestamp) -> usize {
        let part = at.since(self.start).as_millis().saturating_mul(self.width as u128) / self.millis;
        usize::try_from(part).unwrap_or(self.width).min(self.width)
    }

    /// The columns from `began` to `ended`, one at least.
    fn span(self, began: Timestamp, ended: Timestamp) -> std::ops::Range<usize> {
        let from = self.column(began).min(self.width - 1);
        from..self.column(ended).max(from + 1)
    }

    /// Marks at even times: `0s        2s        4s`.
    fn axis(self) -> String {
        let step = self.step();
        let mut axis = String::new();
        let mut at = 0;
        while at <= self.millis {
            let column = usize::try_from(at * self.width as u128 / self.millis).unwrap_or(self.width);
            let mark = mark(at);
            if column < columns(&axis) || column + columns(&mark) > self.width + 8 {
                break;
            }
            axis = padded(&axis, column) + &mark;
            at += step;
        }
        axis
    }

    /// The milliseconds between two marks: 1, 2 or 5 of some unit.
    fn step(self) -> u128 {
        let least = (self.millis * MARK_COLUMNS_MIN as u128)
            .div_ceil(self.width as u128)
            .max(1);
        let seconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600].map(|seconds| seconds * 1000);
        let below = [1, 2, 5, 10, 20, 50, 100, 200, 500];
        let mut steps = below.into_iter().chain(seconds);
        steps
            .find(|step| *step >= least)
            .unwrap_or_else(|| least.div_ceil(3_600_000) * 3_600_000)
    }
}

/// A time of the axis: `0`, `200ms`, `2s`, `1m30s`, `2h`.
fn mark(millis: u128) -> String {
    let (hours, minutes, seconds, rest) = (
        millis / 3_600_000,
        millis / 60_000 % 60,
        millis / 1000 % 60,
        millis % 1000,
    );
    match (hours, minutes, seconds, rest) {
        (0, 0, 0, 0) => "0".to_owned(),
        (0, 0, 0, rest) => format!("{rest}ms"),
        (0, 0, seconds, 0) => format!("{seconds}s"),
        (0, 0, seconds, rest) => format!("{seconds}.{}s", rest / 100),
        (0, minutes, 0, _) => format!("{minutes}m"),
        (0, minutes, seconds, _) => format!("{minutes}m{seconds:02}s"),
        (hours, 0, ..) => format!("{hours}h"),
        (hours, minutes, ..) => format!("{hours}h{minutes:02}m"),
    }
}

/// The attempts of one task run, and the waits between them.
fn single(ui: &Ui, row: &Row<'_>, scale: Scale, now: Timestamp) -> String {
    let mut cells: Vec<(char, Option<Tint>)> = vec![(' ', None); scale.width];
    for pair in row.attempts.windows(2) {
        let [before, after] = pair else { continue };
        for cell in &mut cells[scale.span(before.end(now), after.attempt.started_at)] {
            *cell = ('╌', Some(Tint::Faint));
        }
    }
    for span in &row.attempts {
        let sign = if span.failed() { '▒' } else { '█' };
        for cell in &mut cells[scale.span(span.attempt.started_at, span.end(now))] {
            *cell = (sign, Some(span.tint()));
        }
    }
    colored(ui, &cells)
}

/// How many elements ran at a time; a column in which one failed is red.
fn folded(ui: &Ui, row: &Row<'_>, scale: Scale, now: Timestamp) -> String {
    let mut counts = vec![0_usize; scale.width];
    let mut tints = vec![Tint::Good; scale.width];
    for span in &row.attempts {
        let place = scale.span(span.attempt.started_at, span.end(now));
        let last = place.end - 1;
        for column in place {
            counts[column] += 1;
        }
        if span.failed() {
            tints[last] = Tint::Bad;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let cells: Vec<(char, Option<Tint>)> = counts
        .iter()
        .zip(tints)
        .map(|(count, tint)| match count {
            0 => (' ', None),
            count => (LEVELS[(count * LEVELS.len()).div_ceil(most) - 1], Some(tint)),
        })
        .collect();
    colored(ui, &cells)
}

/// Signs, those of one colour together.
fn colored(ui: &Ui, cells: &[(char, Option<Tint>)]) -> String {
    let chunks = cells.chunk_by(|left, right| left.1 == right.1);
    chunks
        .map(|chunk| {
            let text: String = chunk.iter().map(|(sign, _)| sign).collect();
            match chunk.first().and_then(|(_, tint)| *tint) {
                Some(tint) => ui.tint(tint, &text),
                None => text,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_has_even_marks() {
        let axis = |millis, width| {
            let start = Timestamp::from_millis(0);
            Scale { start, millis, width }.axis()
        };
        assert_eq!(axis(98, 60), "0           20ms        40ms        60ms        80ms");
        assert_eq!(axis(4_000, 40), format!("{:<20}{:<20}4s", "0", "2s"));
        assert_eq!(axis(7_300_000, 40), "0                  1h                  2h");
        assert_eq!(axis(1, 10), "0");
    }
}
