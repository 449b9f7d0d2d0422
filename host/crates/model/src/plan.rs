//! A workflow as a graph of positions.

use std::sync::Arc;

use crate::workflow::{NeedOn, Task, Workflow};

/// A task that waits for another, and for which of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The position of the task that waits.
    pub task: usize,
    /// Which ends will do.
    pub on: NeedOn,
}

/// The DAG of a workflow. Tasks are known by their position in the file. Building it is O(tasks + needs); a clone shares it.
#[derive(Clone, Debug)]
pub struct Plan {
    workflow: Arc<Workflow>,
    dependents: Arc<[Vec<Edge>]>,
}

impl Plan {
    /// The plan of a workflow. A workflow has no cycle and no need that leads nowhere, so this cannot fail.
    #[must_use]
    pub fn new(workflow: Arc<Workflow>) -> Self {
        let mut dependents = vec![Vec::new(); workflow.tasks.len()];
        for (task, definition) in workflow.tasks.iter().enumerate() {
            for need in &definition.needs {
                dependents[need.index].push(Edge { task, on: need.on });
            }
        }
        Self {
            workflow,
            dependents: dependents.into(),
        }
    }

    /// The workflow.
    #[must_use]
    pub fn workflow(&self) -> &Arc<Workflow> {
        &self.workflow
    }

    /// How many tasks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dependents.len()
    }

    /// How many of them are not of `finally`; they have the first positions.
    #[must_use]
    pub fn main_len(&self) -> usize {
        self.workflow.main_tasks
    }

    /// Whether there are none. A parsed workflow has at least one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dependents.is_empty()
    }

    /// The task at a position.
    ///
    /// # Panics
    /// Where there is no such position.
    #[must_use]
    pub fn task(&self, position: usize) -> &Task {
        &self.workflow.tasks[position]
    }

    /// The tasks that wait for the one at a position, in file order.
    #[must_use]
    pub fn dependents(&self, position: usize) -> &[Edge] {
        &self.dependents[position]
    }

    /// How many tasks the one at a position waits for.
    #[must_use]
    pub fn in_degree(&self, position: usize) -> usize {
        self.task(position).needs.len()
    }
}
