//! What is known of a running execution, as its events tell. Small steps only: a fan-out has tens of thousands of them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use autokestra_engine::{RunEvent, TaskSummary};
use autokestra_model::{ReasonCode, TaskId, TaskState, Timestamp};

use super::super::width::one_line;

/// Tasks of a workflow that are all shown, whether they run or not, where there is room.
const TASKS_ALL_SHOWN_MAX: usize = 20;

/// A running execution.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// Its tasks in file order.
    pub(super) tasks: Vec<Task>,
    places: HashMap<TaskId, usize>,
    /// Those that run or wait.
    pub(super) active: BTreeSet<usize>,
    pub(super) ended: usize,
    pub(super) failed: usize,
    /// When it began to be watched.
    pub(super) since: Option<Timestamp>,
    /// Executions that come before it.
    pub(super) queued_behind: usize,
    /// Why it is being stopped.
    pub(super) stopping: Option<String>,
}

/// One task.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) state: TaskState,
    pub(super) since: Option<Timestamp>,
    pub(super) took: Option<Duration>,
    pub(super) attempt: u32,
    /// When it goes on.
    pub(super) until: Option<Timestamp>,
    /// It waits for another attempt.
    pub(super) retries: bool,
    /// Units done, and in all.
    pub(super) progress: Option<(u64, Option<u64>)>,
    /// What its plugin says, or why it failed.
    pub(super) note: Option<String>,
    pub(super) reason: Option<ReasonCode>,
    pub(super) list: Option<List>,
}

/// The elements of a `forEach`.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) count: u32,
    pub(super) done: u32,
    pub(super) failed: u32,
    pub(super) running: HashSet<u32>,
    pub(super) waiting: HashSet<u32>,
}

impl Task {
    fn new(id: &TaskId, state: TaskState) -> Self {
        Self {
            name: one_line(id.as_str()),
            state,
            since: None,
            took: None,
            attempt: 0,
            until: None,
            retries: false,
            progress: None,
            note: None,
            reason: None,
            list: None,
        }
    }
}

impl Board {
    /// Takes what happened at `now`.
    pub(crate) fn take(&mut self, event: &RunEvent, now: Timestamp) {
        match event {
            RunEvent::Started { tasks, .. } => self.start(tasks, now),
            RunEvent::Queued { before } => {
                self.queued_behind = before.len();
                self.since.get_or_insert(now);
            }
            RunEvent::ListStarted { task, count, ended } => self.change(task, |task| {
                task.state = TaskState::Running;
                task.since.get_or_insert(now);
                task.list = Some(List {
                    count: *count,
                    done: *ended,
                    ..List::default()
                });
            }),
            RunEvent::AttemptStarted { task, item, attempt } => self.change(task, |task| {
                if let Some((list, item)) = element(task, *item) {
                    list.waiting.remove(&item);
                    list.running.insert(item);
                    return;
                }
                task.state = TaskState::Running;
                task.since = Some(now);
                task.attempt = *attempt;
                (task.until, task.note, task.progress, task.retries) = (None, None, None, false);
            }),
            RunEvent::RetryPlanned {
                task,
                item,
                wait,
                message,
                ..
            } => self.wait(task, *item, *wait, Some(one_line(message.as_str())), now),
            RunEvent::Sleeping { task, item, wait } => self.wait(task, *item, *wait, None, now),
            RunEvent::Stopping { message, .. } => self.stopping = Some(one_line(message.as_str())),
            RunEvent::TaskEnded(ended) => self.end(ended),
            RunEvent::Log(_) => {}
            RunEvent::Progress {
                task,
                item,
                done,
                total,
                note,
            } => self.change(task, |task| {
                let words = note.as_ref().map(|note| one_line(note.as_str()));
                match item {
                    // Its list says how far it has come.
                    Some(item) => task.note = words.map(|words| format!("[{item}] {words}")),
                    None => {
                        task.progress = Some((*done, *total));
                        task.note = words.or(task.note.take());
                    }
                }
            }),
        }
    }

    /// Whether every task is shown, where there is room, and not only those that are under way.
    pub(crate) fn shows_all(&self) -> bool {
        self.tasks.len() <= TASKS_ALL_SHOWN_MAX
    }

    fn start(&mut self, tasks: &[(TaskId, TaskState)], now: Timestamp) {
        self.queued_behind = 0;
        self.since.get_or_insert(now);
        self.tasks = tasks.iter().map(|(id, state)| Task::new(id, *state)).collect();
        self.places = tasks.iter().map(|(id, _)| id.clone()).zip(0..).collect();
        let states = || tasks.iter().map(|(_, state)| *state);
        self.ended = states().filter(|state| state.is_terminal()).count();
        self.failed = states().filter(|state| *state == TaskState::Failed).count();
        let active = |state: &TaskState| matches!(state, TaskState::Running | TaskState::Waiting);
        self.active = (0..)
            .zip(states())
            .filter(|(_, state)| active(state))
            .map(|(place, _)| place)
            .collect();
    }

    /// Changes a task that is under way from then on.
    fn change(&mut self, id: &TaskId, change: impl FnOnce(&mut Task)) {
        if let Some(place) = self.places.get(id)
            && let Some(task) = self.tasks.get_mut(*place)
            && !task.state.is_terminal()
        {
            self.active.insert(*place);
            change(task);
        }
    }

    fn wait(&mut self, id: &TaskId, item: Option<u32>, wait: Duration, note: Option<String>, now: Timestamp) {
        self.change(id, |task| {
            if let Some((list, item)) = element(task, item) {
                list.running.remove(&item);
                list.waiting.insert(item);
                return;
            }
            let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            task.state = TaskState::Waiting;
            task.until = Some(Timestamp::from_millis(now.as_millis().saturating_add(millis)));
            task.retries = note.is_some();
            task.progress = None;
            task.note = note;
        });
    }

    fn end(&mut self, ended: &TaskSummary) {
        let failed = ended.state == TaskState::Failed;
        let mut is_task = false;
        self.change(&ended.task, |task| {
            if let Some((list, item)) = element(task, ended.item) {
                list.running.remove(&item);
                list.waiting.remove(&item);
                list.done = (list.done + 1).min(list.count);
                list.failed += u32::from(failed);
                return;
            }
            is_task = true;
            task.state = ended.state;
            task.took = ended.duration;
            task.attempt = ended.attempts;
            task.reason = ended.reason;
            task.note = ended.message.as_ref().map(|message| one_line(message.as_str()));
        });
        if is_task && let Some(place) = self.places.get(&ended.task) {
            self.active.remove(place);
            self.ended += 1;
            self.failed += usize::from(failed);
        }
    }

    /// Units that wait for a time to pass.
    pub(super) fn waiting(&self) -> usize {
        let active = self.active.iter().filter_map(|place| self.tasks.get(*place));
        active
            .map(|task| match &task.list {
                Some(list) => list.waiting.len(),
                None => usize::from(task.state == TaskState::Waiting),
            })
            .sum()
    }

    /// How much of it is done, from 0 to 1. A list counts as far as its elements have come.
    pub(super) fn done(&self) -> f64 {
        let active = self
            .active
            .iter()
            .filter_map(|place| self.tasks.get(*place)?.list.as_ref());
        let parts: f64 = active
            .filter(|list| list.count > 0)
            .map(|list| f64::from(list.done) / f64::from(list.count))
            .sum();
        let ended = u32::try_from(self.ended).unwrap_or(u32::MAX);
        let all = u32::try_from(self.tasks.len().max(1)).unwrap_or(u32::MAX);
        ((f64::from(ended) + parts) / f64::from(all)).min(1.0)
    }
}

/// The list of a task, where the event is of one of its elements.
fn element(task: &mut Task, item: Option<u32>) -> Option<(&mut List, u32)> {
    let item = item?;
    Some((task.list.get_or_insert_default(), item))
}

#[cfg(test)]
pub(super) mod tests {
    use autokestra_secrets::Masked;

    use super::*;

    pub(in super::super) fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_795_000_000_000 + millis)
    }

    pub(in super::super) fn id(name: &str) -> TaskId {
        name.parse().expect("a task's id")
    }

    pub(in super::super) fn started(names: &[&str]) -> RunEvent {
        RunEvent::Started {
            execution: autokestra_model::ExecutionId::new(at(0), 1),
            workflow: "flow".parse().expect("an id"),
            resumed: false,
            tasks: names.iter().map(|name| (id(name), TaskState::Pending)).collect(),
        }
    }

    pub(in super::super) fn attempt(name: &str, item: Option<u32>, attempt: u32) -> RunEvent {
        RunEvent::AttemptStarted {
            task: id(name),
            item,
            attempt,
        }
    }

    pub(in super::super) fn retry(name: &str, item: Option<u32>, wait: u64) -> RunEvent {
        RunEvent::RetryPlanned {
            task: id(name),
            item,
            attempt: 1,
            wait: Duration::from_millis(wait),
            message: Masked::literal("connection\nrefused"),
        }
    }

    pub(in super::super) fn ended(name: &str, item: Option<u32>, state: TaskState) -> RunEvent {
        RunEvent::TaskEnded(TaskSummary {
            task: id(name),
            item,
            state,
            reason: (state == TaskState::Failed).then_some(ReasonCode::PluginError),
            message: (state == TaskState::Failed).then(|| Masked::literal("no such page")),
            attempts: 1,
            elements: None,
            duration: Some(Duration::from_millis(1_240)),
        })
    }

    fn board(events: &[RunEvent]) -> Board {
        let mut board = Board::default();
        for event in events {
            board.take(event, at(0));
        }
        board
    }

    #[test]
    fn what_runs_waits_and_ended_is_counted() {
        let mut board = board(&[
            started(&["a", "b", "c", "d"]),
            attempt("a", None, 1),
            attempt("b", None, 1),
            attempt("c", None, 1),
            ended("a", None, TaskState::Success),
            ended("b", None, TaskState::Failed),
            retry("c", None, 5_000),
        ]);
        assert_eq!((board.ended, board.failed, board.waiting()), (2, 1, 1));
        assert_eq!(board.active.iter().copied().collect::<Vec<_>>(), [2]);
        assert!((board.done() - 0.5).abs() < 1e-9);
        board.take(&attempt("c", None, 2), at(5_000));
        assert_eq!((board.waiting(), board.tasks[2].attempt), (0, 2));
        // What comes late, as a note of a plugin that has ended, changes nothing.
        board.take(&attempt("a", None, 2), at(5_000));
        assert_eq!(board.ended, 2);
        assert_eq!(board.tasks[0].state, TaskState::Success);
    }

    #[test]
    fn elements_are_counted_in_their_task() {
        let list = RunEvent::ListStarted {
            task: id("a"),
            count: 4,
            ended: 1,
        };
        let board = board(&[
            started(&["a", "b"]),
            list,
            attempt("a", Some(1), 1),
            attempt("a", Some(2), 1),
            attempt("a", Some(3), 1),
            ended("a", Some(1), TaskState::Failed),
            retry("a", Some(2), 100),
        ]);
        let list = board.tasks[0].list.as_ref().expect("a list");
        assert_eq!(
            (
                list.count,
                list.done,
                list.failed,
                list.running.len(),
                list.waiting.len()
            ),
            (4, 2, 1, 1, 1)
        );
        assert_eq!((board.ended, board.waiting()), (0, 1));
        assert!((board.done() - 0.25).abs() < 1e-9);
    }
}
