//! Tells how an execution goes, while it goes: lines, or a picture that changes where a terminal can show it.

use std::time::Duration;

use autokestra_engine::{RunEvent, SystemClock, TaskSummary};
use autokestra_model::{Clock as _, TaskId, TaskState};
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::drive::Telling;
use crate::error::{CliError, Exit};
use crate::render::live::{Board, Screen, Size, frame};
use crate::render::{Tint, Ui, human, log_line, one_line, safe, written};

/// Between two frames: an eye sees no more, and a fan-out of thousands pays for no more.
const FRAME_EVERY: Duration = Duration::from_millis(80);

/// What is over sooner is not worth a picture.
const FIRST_FRAME_AFTER: Duration = Duration::from_millis(150);

/// Events that are taken at once.
const EVENTS_TAKEN_MAX: usize = 256;

/// Bytes of lines that wait for the next frame; more are written at once.
const LINES_HELD_BYTES: usize = 64 * 1024;

/// Tells how it goes, until the execution ends.
pub(super) async fn tell(events: mpsc::Receiver<RunEvent>, ui: Ui, telling: &Telling) -> Result<(), CliError> {
    match ui.screen().filter(|_| !telling.no_progress) {
        Some(screen) => Live::new(ui, screen, telling.logs).tell(events).await,
        None => lines(events, ui, telling.logs).await,
    }
}

/// Tells it in lines.
async fn lines(mut events: mpsc::Receiver<RunEvent>, ui: Ui, logs: bool) -> Result<(), CliError> {
    let mut result = Ok(());
    while let Some(event) = events.recv().await {
        // Whoever watched may be gone; the execution goes on, and its events must still be taken.
        if result.is_ok()
            && let Some(line) = line(&event, &ui, logs)
        {
            result = ui.note(&line);
        }
    }
    result
}

/// A picture that changes, and the lines that were printed above it.
struct Live {
    ui: Ui,
    screen: &'static Screen,
    logs: bool,
    board: Board,
    /// Lines that the next frame is printed below.
    above: String,
}

impl Live {
    fn new(ui: Ui, screen: &'static Screen, logs: bool) -> Self {
        Self {
            ui,
            screen,
            logs,
            board: Board::default(),
            above: String::new(),
        }
    }

    async fn tell(mut self, mut events: mpsc::Receiver<RunEvent>) -> Result<(), CliError> {
        let mut ticks = interval_at(Instant::now() + FIRST_FRAME_AFTER, FRAME_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        stand_aside_when_stopped(self.screen)?;
        let mut taken = Vec::with_capacity(EVENTS_TAKEN_MAX);
        // Whoever watched may be gone; the execution goes on, and its events must still be taken.
        let mut result = Ok(());
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick(), if result.is_ok() => result = self.draw(),
                count = events.recv_many(&mut taken, EVENTS_TAKEN_MAX) => {
                    if count == 0 {
                        break;
                    }
                    for event in taken.drain(..) {
                        self.take(&event);
                    }
                    if result.is_err() {
                        self.above.clear();
                    } else if self.above.len() > LINES_HELD_BYTES {
                        result = self.draw();
                    }
                }
            }
        }
        let above = std::mem::take(&mut self.above);
        result.and_then(|()| written(self.screen.draw(&above, Vec::new())))
    }

    fn take(&mut self, event: &RunEvent) {
        self.board.take(event, SystemClock.now());
        let worth_a_line = match event {
            RunEvent::Started { .. } | RunEvent::Log(_) => true,
            // The picture shows every task of a small workflow, but no element.
            RunEvent::TaskEnded(ended) => {
                ended.state == TaskState::Failed && (ended.item.is_some() || !self.board.shows_all())
            }
            // The picture shows it.
            RunEvent::Queued { .. }
            | RunEvent::ListStarted { .. }
            | RunEvent::AttemptStarted { .. }
            | RunEvent::RetryPlanned { .. }
            | RunEvent::Sleeping { .. }
            | RunEvent::Stopping { .. }
            | RunEvent::Progress { .. } => false,
        };
        if worth_a_line && let Some(line) = line(event, &self.ui, self.logs) {
            self.above.push_str(&line);
            self.above.push('\n');
        }
    }

    fn draw(&mut self) -> Result<(), CliError> {
        let Some(size) = Size::of_stderr() else {
            return Ok(());
        };
        let above = std::mem::take(&mut self.above);
        let frame = frame(&self.board, size, SystemClock.now(), |tint, text| {
            self.ui.tint_note(tint, text)
        });
        written(self.screen.draw(&above, frame))
    }
}

/// Takes the picture away before Ctrl-Z stops the process: a shell writes to the terminal then.
fn stand_aside_when_stopped(screen: &'static Screen) -> Result<(), CliError> {
    let asked = signal(SignalKind::from_raw(Signal::TSTP.as_raw()));
    let mut asked = asked.map_err(|error| CliError::new(Exit::Machine, format!("listen to signals: {error}")))?;
    tokio::spawn(async move {
        while asked.recv().await.is_some() {
            // It goes on where it is told to go on; nobody draws until then.
            let stop = || kill_process(getpid(), Signal::STOP).unwrap_or_default();
            drop(screen.stand_aside(stop));
        }
    });
    Ok(())
}

/// An event in a line, where it is worth one.
fn line(event: &RunEvent, ui: &Ui, logs: bool) -> Option<String> {
    match event {
        RunEvent::Started { execution, resumed, .. } => {
            let what = if *resumed { "resumed" } else { "started" };
            Some(format!("{} {execution}", ui.tint_note(Tint::Going, what)))
        }
        RunEvent::Queued { before } => {
            let names: Vec<String> = before.iter().map(ToString::to_string).collect();
            let mark = ui.tint_note(Tint::Doubtful, "queued");
            Some(format!("{mark} behind {}", names.join(", ")))
        }
        RunEvent::RetryPlanned {
            task,
            item,
            attempt,
            wait,
            message,
        } => {
            let task = named(task, *item);
            let mark = ui.tint_note(Tint::Doubtful, "retry");
            let next = human(*wait);
            Some(format!(
                "  {mark}  {task}  attempt {attempt} failed, the next in {next}: {}",
                indented(message.as_str())
            ))
        }
        // Of a long list only what went wrong is worth a line each.
        RunEvent::TaskEnded(ended) if ended.item.is_none() || ended.state == TaskState::Failed => {
            Some(end_line(ended, ui))
        }
        RunEvent::Log(entry) if logs => {
            let source = entry.source.to_string();
            Some(log_line(
                entry.at,
                entry.level,
                &source,
                entry.message.as_str(),
                |tint, text| ui.tint_note(tint, text),
            ))
        }
        RunEvent::ListStarted { .. }
        | RunEvent::AttemptStarted { .. }
        | RunEvent::Sleeping { .. }
        | RunEvent::Stopping { .. }
        | RunEvent::TaskEnded(_)
        | RunEvent::Log(_)
        | RunEvent::Progress { .. } => None,
    }
}

fn end_line(ended: &TaskSummary, ui: &Ui) -> String {
    let (tint, mark) = match ended.state {
        TaskState::Success => (Tint::Good, "ok"),
        TaskState::Skipped => (Tint::Faint, "skipped"),
        TaskState::Cancelled => (Tint::Doubtful, "cancelled"),
        TaskState::Failed | TaskState::Pending | TaskState::Running | TaskState::Waiting => (Tint::Bad, "failed"),
    };
    let mut line = format!("  {}  {}", ui.tint_note(tint, mark), named(&ended.task, ended.item));
    if let Some(duration) = ended.duration {
        line.extend([format!("  {}", ui.tint_note(Tint::Faint, &human(duration)))]);
    }
    if let Some(reason) = ended.reason {
        line.extend([format!("  {reason}")]);
    }
    if let Some(message) = &ended.message
        && ended.state != TaskState::Success
    {
        line.extend([format!(": {}", indented(message.as_str()))]);
    }
    line
}

/// A task, or one element of it.
fn named(task: &TaskId, item: Option<u32>) -> String {
    let task = one_line(task.as_str());
    match item {
        Some(item) => format!("{task}[{item}]"),
        None => task,
    }
}

fn indented(text: &str) -> String {
    safe(text).trim_end().replace('\n', "\n      ")
}
