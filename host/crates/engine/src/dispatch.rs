//! Which task may run next: the DAG's state, and nothing else.
//!
//! Synchronous and pure. Picking a task costs O(log ready), ending one O(its edges); nothing scans the whole graph.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use autokestra_model::{NeedOn, OnError, Plan, ReasonCode, TaskState};

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

/// The state of one execution's graph. Tasks are known by their position in the file.
#[derive(Debug)]
pub(crate) struct Dispatch {
    /// Needs that have not ended, for each task.
    open_needs: Vec<usize>,
    /// Why a task must be skipped once its needs have ended. The worse reason wins.
    blocked: Vec<Option<ReasonCode>>,
    states: Vec<TaskState>,
    ready: BinaryHeap<Reverse<usize>>,
    ended: usize,
}

impl Dispatch {
    /// A graph in which nothing has run.
    pub(crate) fn new(plan: &Plan) -> Self {
        let open_needs: Vec<usize> = (0..plan.len()).map(|task| plan.in_degree(task)).collect();
        let ready = open_needs
            .iter()
            .enumerate()
            .filter(|(_, open)| **open == 0)
            .map(|(task, _)| Reverse(task))
            .collect();
        Self {
            blocked: vec![None; plan.len()],
            states: vec![TaskState::Pending; plan.len()],
            open_needs,
            ready,
            ended: 0,
        }
    }

    /// Takes the first ready task in file order.
    pub(crate) fn pop_ready(&mut self) -> Option<usize> {
        self.ready.pop().map(|Reverse(task)| task)
    }

    /// Puts a task back in the queue, for another attempt.
    pub(crate) fn push_ready(&mut self, task: usize) {
        self.ready.push(Reverse(task));
    }

    /// Whether a task waits for a slot.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The state that a task is in.
    pub(crate) fn state(&self, task: usize) -> TaskState {
        self.states[task]
    }

    /// Notes a change that is not an end.
    pub(crate) fn set_state(&mut self, task: usize, state: TaskState) {
        self.states[task] = state;
    }

    /// Whether every task has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.ended == self.states.len()
    }

    /// Notes the end of a task. Those that needed it become ready, or are returned as skipped, and theirs in turn.
    pub(crate) fn finish(&mut self, plan: &Plan, task: usize, end: TaskEnd) -> Vec<Skipped> {
        let mut skipped = Vec::new();
        let mut ends = vec![(task, end)];
        while let Some((task, end)) = ends.pop() {
            self.states[task] = end.state;
            self.ended += 1;
            for edge in plan.dependents(task) {
                let dependent = edge.task;
                if let Some(reason) = blocks(plan.task(task).on_error, edge.on, end) {
                    self.blocked[dependent] = Some(worse(self.blocked[dependent], reason));
                }
                self.open_needs[dependent] -= 1;
                if self.open_needs[dependent] > 0 {
                    continue;
                }
                match self.blocked[dependent] {
                    None => self.ready.push(Reverse(dependent)),
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

    /// Ends everything that has not started or waits for another attempt, and says which state each was in.
    /// Running tasks end by themselves.
    pub(crate) fn cancel_idle(&mut self) -> Vec<(usize, TaskState)> {
        self.ready.clear();
        let mut cancelled = Vec::new();
        for (task, state) in self.states.iter_mut().enumerate() {
            if matches!(state, TaskState::Pending | TaskState::Waiting) {
                cancelled.push((task, std::mem::replace(state, TaskState::Cancelled)));
            }
        }
        self.ended += cancelled.len();
        cancelled
    }

    /// Notes the end of a task when the whole is being stopped: nothing follows from it.
    pub(crate) fn finish_stopped(&mut self, task: usize, state: TaskState) {
        self.states[task] = state;
        self.ended += 1;
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
