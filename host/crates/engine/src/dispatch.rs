//! Which task may run next: the DAG's state, and nothing else.
//!
//! Synchronous and pure. Picking a task costs O(log ready), ending one O(its edges); nothing scans the whole graph.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use autokestra_model::{NeedOn, OnError, Plan, ReasonCode, TaskState};

use crate::unit::Unit;

/// How a task run ended, as far as the graph is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskEnd {
    pub(crate) state: TaskState,
    pub(crate) reason: Option<ReasonCode>,
}

/// A task that will never run, because of one that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) task: usize,
    pub(crate) reason: ReasonCode,
}

/// The graph of one execution. Tasks are known by their position in the file; those of `finally` come last, and wait
/// until [`Dispatch::open_finally`].
#[derive(Debug)]
pub(crate) struct Dispatch {
    /// Needs that have not ended, for each task.
    open_needs: Vec<usize>,
    /// Why a task must be skipped once its needs have ended. The worse reason wins.
    blocked: Vec<Option<ReasonCode>>,
    ended: Vec<bool>,
    ready: BinaryHeap<Reverse<Unit>>,
    /// Tasks that may run now: those before `finally`, or all.
    open: usize,
    /// Of these, how many have not ended.
    left: usize,
}

impl Dispatch {
    /// A graph in which nothing has run.
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut graph = Self {
            blocked: vec![None; plan.len()],
            ended: vec![false; plan.len()],
            open_needs: (0..plan.len()).map(|task| plan.in_degree(task)).collect(),
            ready: BinaryHeap::new(),
            open: 0,
            left: 0,
        };
        graph.open_to(plan.main_len());
        graph
    }

    /// Lets the tasks of `finally` run.
    pub(crate) fn open_finally(&mut self, plan: &Plan) {
        self.open_to(plan.len());
    }

    fn open_to(&mut self, end: usize) {
        for task in self.open..end {
            if !self.ended[task] {
                self.left += 1;
                if self.open_needs[task] == 0 {
                    self.ready.push(Reverse(Unit::task(task)));
                }
            }
        }
        self.open = end;
    }

    /// Takes the first ready unit in file order.
    pub(crate) fn pop_ready(&mut self) -> Option<Unit> {
        self.ready.pop().map(|Reverse(unit)| unit)
    }

    /// Puts a unit in the queue: an element, or another attempt.
    pub(crate) fn push_ready(&mut self, unit: Unit) {
        self.ready.push(Reverse(unit));
    }

    /// Whether a unit waits for a slot.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How many units wait for a slot.
    pub(crate) fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// Forgets what is ready: the whole is being stopped.
    pub(crate) fn clear_ready(&mut self) {
        self.ready.clear();
    }

    /// Forgets a task that is ready, because it was under way when the process died.
    pub(crate) fn withdraw(&mut self, task: usize) {
        self.ready.retain(|Reverse(unit)| *unit != Unit::task(task));
    }

    /// Whether every task that may run has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// The tasks that may run and have not ended.
    pub(crate) fn unended(&self) -> impl Iterator<Item = usize> {
        (0..self.open).filter(|task| !self.ended[*task])
    }

    /// Notes the end of a task. Those that needed it become ready, or are returned as skipped, and theirs in turn.
    pub(crate) fn finish(&mut self, plan: &Plan, task: usize, end: TaskEnd) -> Vec<Skipped> {
        let mut skipped = Vec::new();
        let mut ends = vec![(task, end)];
        while let Some((task, end)) = ends.pop() {
            self.end(task);
            for edge in plan.dependents(task) {
                let dependent = edge.task;
                if let Some(reason) = blocks(plan.task(task).on_error, edge.on, end) {
                    self.blocked[dependent] = Some(worse(self.blocked[dependent], reason));
                }
                self.open_needs[dependent] -= 1;
                if self.open_needs[dependent] > 0 || self.ended[dependent] {
                    continue;
                }
                match self.blocked[dependent] {
                    None => self.ready.push(Reverse(Unit::task(dependent))),
                    Some(reason) => {
                        skipped.push(Skipped {
                            task: dependent,
                            reason,
                        });
                        ends.push((
                            dependent,
                            TaskEnd {
                                state: TaskState::Skipped,
                                reason: Some(reason),
                            },
                        ));
                    }
                }
            }
        }
        skipped.sort_by_key(|skip| skip.task);
        skipped
    }

    /// Notes the end of a task from which nothing follows, as the whole is being stopped.
    pub(crate) fn end(&mut self, task: usize) {
        if !std::mem::replace(&mut self.ended[task], true) && task < self.open {
            self.left -= 1;
        }
    }
}

/// A failure behind a task tells more than a condition that was false.
fn worse(known: Option<ReasonCode>, new: ReasonCode) -> ReasonCode {
    if known == Some(ReasonCode::DependencyFailed) {
        ReasonCode::DependencyFailed
    } else {
        new
    }
}

/// Why the end of a task keeps one that needs it from running, if it does.
fn blocks(on_error: OnError, on: NeedOn, end: TaskEnd) -> Option<ReasonCode> {
    if on == NeedOn::Always {
        return None;
    }
    match end.state {
        TaskState::Success => None,
        TaskState::Failed if on_error == OnError::Continue => None,
        TaskState::Skipped if end.reason != Some(ReasonCode::DependencyFailed) => Some(ReasonCode::DependencySkipped),
        TaskState::Failed
        | TaskState::Skipped
        | TaskState::Cancelled
        | TaskState::Pending
        | TaskState::Running
        | TaskState::Waiting => Some(ReasonCode::DependencyFailed),
    }
}
