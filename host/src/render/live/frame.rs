//! One frame: a line for each task that is under way, as many as there is room for, and a bar over all.

use std::time::Duration;

use autokestra_model::{TaskState, Timestamp};

use super::super::when::running;
use super::super::width::{columns, cut, cut_name, padded};
use super::super::{Tint, human};
use super::board::{Board, List, Task};
use super::screen::{Line, Size};

/// The widest that the names of tasks may be.
const NAME_COLUMNS_MAX: usize = 40;

/// The widest and the narrowest bar.
const BAR_COLUMNS: std::ops::RangeInclusive<usize> = 8..=40;

const SPINNER: [char; 8] = ['⣾', '⣽', '⣻', '⢿', '⡿', '⣟', '⣯', '⣷'];

/// How long one figure of the spinner stands.
const SPINNER_MILLIS: u128 = 120;

/// The lines that fit into `size`, coloured by `tint`.
pub(crate) fn frame(board: &Board, size: Size, now: Timestamp, tint: impl Fn(Tint, &str) -> String) -> Vec<Line> {
    let since = board.since.unwrap_or(now);
    let draw = Draw {
        // The last column stays free: some terminals begin a new row when it is written.
        width: size.width.saturating_sub(1),
        now,
        spinner: spinner(now.since(since)),
        tint,
    };
    // Below the frame stands the cursor.
    let room = size.height.saturating_sub(2);
    let all = board.shows_all() && board.tasks.len() <= room;
    let shown: Vec<&Task> = if all {
        board.tasks.iter().collect()
    } else {
        let fits = if board.active.len() > room {
            room.saturating_sub(1)
        } else {
            room
        };
        let active = board.active.iter().take(fits);
        active.filter_map(|place| board.tasks.get(*place)).collect()
    };
    let names = shown.iter().map(|task| columns(&task.name)).max().unwrap_or_default();
    let names = names.min(NAME_COLUMNS_MAX).min(draw.width / 2);
    let mut lines: Vec<Line> = shown.iter().map(|task| draw.task(task, names)).collect();
    if !all && room > 0 && board.active.len() > shown.len() {
        let more = board.active.len() - shown.len();
        lines.push(draw.line(&[(Some(Tint::Faint), &format!("… and {more} more"))]));
    }
    if size.height > 1 {
        lines.push(draw.bar(board, since));
    }
    lines
}

struct Draw<F> {
    width: usize,
    now: Timestamp,
    spinner: char,
    tint: F,
}

impl<F: Fn(Tint, &str) -> String> Draw<F> {
    /// Parts beside one another, two blanks between them, the last one cut where it does not fit.
    fn line(&self, parts: &[(Option<Tint>, &str)]) -> Line {
        let mut line = Line::default();
        for (color, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
            // A mark stands close to what it marks.
            let gap = line.columns.min(2);
            let room = self.width.saturating_sub(line.columns + gap);
            let part = cut(part, room);
            if part.is_empty() {
                break;
            }
            line.columns += gap + columns(&part);
            line.text.push_str(&"  "[..gap]);
            line.text
                .push_str(&color.map_or_else(|| part.clone(), |color| (self.tint)(color, &part)));
        }
        line
    }

    fn task(&self, task: &Task, names: usize) -> Line {
        let name = padded(&cut_name(&task.name, names), names);
        let took = task.took.map(human).unwrap_or_default();
        let note = task.note.as_deref().unwrap_or_default();
        match task.state {
            TaskState::Pending => self.line(&[(Some(Tint::Faint), "·"), (Some(Tint::Faint), name.trim_end())]),
            TaskState::Running => self.running(task, &name),
            TaskState::Waiting => self.waiting(task, &name),
            TaskState::Success => self.line(&[
                (Some(Tint::Good), "✓"),
                (None, &name),
                (Some(Tint::Faint), &took),
                (Some(Tint::Faint), &attempts(task)),
                (Some(Tint::Faint), &task.list.as_ref().map(counts).unwrap_or_default()),
            ]),
            TaskState::Failed => {
                let reason = task.reason.map(|reason| format!("{reason}: ")).unwrap_or_default();
                let why = format!("{reason}{note}");
                self.line(&[
                    (Some(Tint::Bad), "✗"),
                    (None, &name),
                    (Some(Tint::Faint), &took),
                    (Some(Tint::Faint), &attempts(task)),
                    (Some(Tint::Bad), &why),
                ])
            }
            TaskState::Skipped => self.line(&[
                (Some(Tint::Faint), "-"),
                (Some(Tint::Faint), &name),
                (Some(Tint::Faint), "skipped"),
            ]),
            TaskState::Cancelled => self.line(&[
                (Some(Tint::Doubtful), "-"),
                (None, &name),
                (Some(Tint::Faint), &took),
                (Some(Tint::Doubtful), "cancelled"),
            ]),
        }
    }

    fn running(&self, task: &Task, name: &str) -> Line {
        let elapsed = task
            .since
            .map(|since| running(self.now.since(since)))
            .unwrap_or_default();
        let part = match task.progress {
            Some((done, Some(total))) if total > 0 => {
                let percent = done.min(total).saturating_mul(100) / total;
                format!("{percent}%")
            }
            Some((done, _)) if done > 0 => done.to_string(),
            Some(_) | None => String::new(),
        };
        self.line(&[
            (Some(Tint::Going), &self.spinner.to_string()),
            (None, name),
            (Some(Tint::Faint), &elapsed),
            (Some(Tint::Doubtful), &attempts(task)),
            (Some(Tint::Going), &task.list.as_ref().map(counts).unwrap_or_default()),
            (Some(Tint::Going), &part),
            (None, task.note.as_deref().unwrap_or_default()),
        ])
    }

    fn waiting(&self, task: &Task, name: &str) -> Line {
        let left = task.until.map(|until| countdown(until.since(self.now)));
        let (mark, what) = match (left, task.retries) {
            (Some(left), true) => ("↻", format!("attempt {} in {left}", task.attempt + 1)),
            (Some(left), false) => ("z", format!("sleeps, {left} left")),
            (None, _) => ("z", "waits".to_owned()),
        };
        self.line(&[
            (Some(Tint::Doubtful), mark),
            (None, name),
            (Some(Tint::Doubtful), &what),
            (Some(Tint::Faint), task.note.as_deref().unwrap_or_default()),
        ])
    }

    fn bar(&self, board: &Board, since: Timestamp) -> Line {
        let elapsed = running(self.now.since(since));
        if board.queued_behind > 0 {
            let behind = format!("queued behind {}", plural(board.queued_behind, "execution"));
            return self.line(&[(Some(Tint::Doubtful), &behind), (Some(Tint::Faint), &elapsed)]);
        }
        let counted = format!("{}/{}", board.ended, plural(board.tasks.len(), "task"));
        let failed = some(board.failed, "failed");
        let waiting = some(board.waiting(), "waiting");
        let stopping = board
            .stopping
            .as_ref()
            .map(|why| format!("stopping: {why}"))
            .unwrap_or_default();
        let words = [
            (None, counted.as_str()),
            (Some(Tint::Bad), failed.as_str()),
            (Some(Tint::Doubtful), waiting.as_str()),
            (Some(Tint::Faint), elapsed.as_str()),
            (Some(Tint::Doubtful), stopping.as_str()),
        ];
        let said = words.iter().filter(|(_, word)| !word.is_empty());
        let taken: usize = said.map(|(_, word)| columns(word) + 2).sum();
        let width = self.width.saturating_sub(taken).min(*BAR_COLUMNS.end());
        if width < *BAR_COLUMNS.start() {
            return self.line(&words);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a part of a width of at most 40"
        )]
        let full = ((width as f64 * board.done()) as usize).min(width);
        let color = if board.failed > 0 { Tint::Bad } else { Tint::Good };
        let bar = (self.tint)(color, &"━".repeat(full)) + &(self.tint)(Tint::Faint, &"─".repeat(width - full));
        let rest = Draw {
            width: self.width.saturating_sub(width + 2),
            now: self.now,
            spinner: self.spinner,
            tint: |color, text: &str| (self.tint)(color, text),
        };
        let rest = rest.line(&words);
        Line {
            text: format!("{bar}  {}", rest.text),
            columns: width + 2 + rest.columns,
        }
    }
}

fn spinner(elapsed: Duration) -> char {
    let figures = SPINNER.len() as u128;
    let figure = elapsed.as_millis() / SPINNER_MILLIS % figures;
    SPINNER[usize::try_from(figure).unwrap_or_default()]
}

/// The seconds that are left, the last one until it is over.
fn countdown(left: Duration) -> String {
    let seconds = u64::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    match seconds {
        0..60 => format!("{seconds}s"),
        _ => human(Duration::from_secs(seconds)),
    }
}

fn attempts(task: &Task) -> String {
    if task.attempt > 1 {
        format!("attempt {}", task.attempt)
    } else {
        String::new()
    }
}

/// `120/400, 8 running, 3 waiting, 1 failed`.
fn counts(list: &List) -> String {
    let parts = [
        format!("{}/{}", list.done, list.count),
        some(list.running.len(), "running"),
        some(list.waiting.len(), "waiting"),
        some(list.failed as usize, "failed"),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

/// `3 failed`; nothing of none.
fn some(count: usize, what: &str) -> String {
    if count == 0 {
        String::new()
    } else {
        format!("{count} {what}")
    }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

#[cfg(test)]
mod tests {
    use autokestra_engine::RunEvent;
    use autokestra_secrets::Masked;

    use super::super::board::tests::{at, attempt, ended, id, retry, started};
    use super::*;

    fn drawn(events: &[RunEvent], (width, height): (usize, usize), millis: i64) -> String {
        let mut board = Board::default();
        for event in events {
            board.take(event, at(0));
        }
        let lines = frame(&board, Size { width, height }, at(millis), |_, text| text.to_owned());
        assert!(lines.len() < height.max(2), "{lines:?}");
        for line in &lines {
            assert_eq!(columns(&line.text), line.columns, "{line:?}");
            assert!(line.columns < width.max(2), "{line:?}");
        }
        lines.iter().map(|line| line.text.clone() + "\n").collect()
    }

    fn events() -> Vec<RunEvent> {
        let list = RunEvent::ListStarted {
            task: id("resize"),
            count: 400,
            ended: 118,
        };
        let progress = RunEvent::Progress {
            task: id("fetch"),
            item: None,
            done: 37,
            total: Some(100),
            note: Some(Masked::literal("page 3")),
        };
        vec![
            started(&["load", "fetch", "resize", "publish", "check", "nap", "report"]),
            attempt("load", None, 1),
            ended("load", None, TaskState::Success),
            attempt("fetch", None, 2),
            progress,
            list,
            attempt("resize", Some(118), 1),
            attempt("resize", Some(119), 1),
            ended("resize", Some(119), TaskState::Failed),
            attempt("publish", None, 1),
            retry("publish", None, 2_500),
            attempt("check", None, 1),
            ended("check", None, TaskState::Failed),
            attempt("nap", None, 1),
            RunEvent::Sleeping {
                task: id("nap"),
                item: None,
                wait: Duration::from_secs(90),
            },
        ]
    }

    #[test]
    fn every_task_of_a_small_workflow_is_shown() {
        insta::assert_snapshot!(drawn(&events(), (100, 30), 1_200), @r"
        ✓ load     1.24s
        ⣻ fetch    1.2s  attempt 2  37%  page 3
        ⣻ resize   1.2s  119/400, 1 running, 1 failed
        ↻ publish  attempt 2 in 2s  connection refused
        ✗ check    1.24s  plugin_error: no such page
        z nap      sleeps, 1m 29s left
        · report
        ━━━━━━━━━━━━━───────────────────────────  2/7 tasks  1 failed  2 waiting  1.2s
        ");
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        insta::assert_snapshot!(drawn(&events(), (34, 30), 1_200), @r"
        ✓ load     1.24s
        ⣻ fetch    1.2s  attempt 2  37%
        ⣻ resize   1.2s  119/400, 1 runn…
        ↻ publish  attempt 2 in 2s  conn…
        ✗ check    1.24s  plugin_error: …
        z nap      sleeps, 1m 29s left
        · report
        2/7 tasks  1 failed  2 waiting  …
        ");
        // Only what is under way, and as much of it as there is room for.
        insta::assert_snapshot!(drawn(&events(), (60, 5), 1_200), @r"
        ⣻ fetch   1.2s  attempt 2  37%  page 3
        ⣻ resize  1.2s  119/400, 1 running, 1 failed
        … and 2 more
        ━━━━━━───────────────  2/7 tasks  1 failed  2 waiting  1.2s
        ");
        for width in 1..80 {
            for height in 1..12 {
                drawn(&events(), (width, height), 1_200);
            }
        }
    }

    #[test]
    fn a_stop_and_a_queue_are_told() {
        let stopping = RunEvent::Stopping {
            reason: autokestra_model::ReasonCode::CancelledByUser,
            message: Masked::literal("cancelled by user:ada"),
        };
        let events = [started(&["a"]), attempt("a", None, 1), stopping];
        insta::assert_snapshot!(drawn(&events, (100, 30), 61_000), @r"
        ⡿ a  1m 01s
        ────────────────────────────────────────  0/1 task  1m 01s  stopping: cancelled by user:ada
        ");
        let queued = RunEvent::Queued {
            before: vec![autokestra_model::ExecutionId::new(at(0), 1)],
        };
        insta::assert_snapshot!(drawn(&[queued], (100, 30), 400), @"queued behind 1 execution  0.4s");
    }
}
