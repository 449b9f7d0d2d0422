//! How an execution begins: at once, or when its workflow's `concurrency` lets it.

use std::collections::HashSet;
use std::time::Duration;

use autokestra_model::{ExecutionId, ExecutionState, OnLimit};
use autokestra_secrets::Masked;
use autokestra_store::{Admission, Change, LogLevel};

use crate::batch::Batch;
use crate::error::RunError;
use crate::event::RunEvent;
use crate::execution::Execution;
use crate::rows::Next;
use crate::stop::{Stop, StopReason, asked};

/// How often a queued execution asks whether a slot is free: other processes do not tell each other.
const QUEUE_ASKS_EVERY: Duration = Duration::from_millis(100);

impl Execution {
    /// Writes the beginning down. An execution that is stopped before it began, or has begun in an earlier process, has none.
    pub(crate) async fn begin(&mut self) -> Result<(), RunError> {
        let first = std::mem::take(&mut self.first);
        if self.state != ExecutionState::Pending {
            self.start_clock(self.runner.clock.now());
            let mut events = vec![self.started(true)];
            events.extend((0..self.plan.len()).filter_map(|task| self.list_started(task)));
            let batch = Batch {
                changes: first,
                events,
                ..Batch::default()
            };
            self.carry_out(batch).await?;
            return Ok(());
        }
        if self.stopping.is_some() {
            let batch = Batch {
                changes: first,
                ..Batch::default()
            };
            self.carry_out(batch).await?;
            return Ok(());
        }
        match self.workflow().concurrency {
            None => {
                let mut batch = self.beginning(first);
                self.state = ExecutionState::Running;
                batch.events.push(self.started(false));
                self.carry_out(batch).await?;
            }
            Some(limit) => self.queue(limit.max, limit.on_limit, first).await?,
        }
        Ok(())
    }

    fn started(&self, resumed: bool) -> RunEvent {
        let states = self.tasks.iter().map(|run| run.state);
        let ids = (0..self.plan.len()).map(|task| self.plan.task(task).id.clone());
        RunEvent::Started {
            execution: self.shared.lease.execution(),
            workflow: self.shared.workflow.clone(),
            resumed,
            tasks: ids.zip(states).collect(),
        }
    }

    /// The changes by which it runs, on top of `first`. Its own state is left to whoever commits them.
    fn beginning(&mut self, first: Vec<Change>) -> Batch {
        let now = self.runner.clock.now();
        self.started_at = now;
        self.start_clock(now);
        let mut batch = Batch {
            changes: first,
            ..Batch::default()
        };
        self.set_state(Next::to(ExecutionState::Running), now, &mut batch);
        self.state = ExecutionState::Pending;
        let started = self.scheduler_entry(LogLevel::Info, Masked::literal("Execution started"), now);
        batch.changes.push(started);
        batch
    }

    /// Begins once the workflow's `concurrency` lets it, or does what it says instead.
    async fn queue(&mut self, max: u32, on_limit: OnLimit, mut first: Vec<Change>) -> Result<(), RunError> {
        let mut told = false;
        let mut replaced: HashSet<ExecutionId> = HashSet::new();
        loop {
            let now = self.runner.clock.now();
            let batch = self.beginning(first.clone());
            let store = std::sync::Arc::clone(&self.runner.store);
            let admission = store.admit(&self.shared.lease, max, now, batch.changes).await?;
            let Admission::Full(before) = admission else {
                self.state = ExecutionState::Running;
                let started = self.started(false);
                self.tell(started).await;
                return Ok(());
            };
            match on_limit {
                OnLimit::Skip => {
                    self.stopping = Some(Stop {
                        reason: StopReason::Limit,
                        actor: None,
                    });
                }
                OnLimit::CancelRunning => {
                    let surplus = (before.len() + 1).saturating_sub(max as usize);
                    for other in before.iter().take(surplus).filter(|other| replaced.insert(**other)) {
                        let actor = self
                            .shared
                            .masker
                            .mask(&format!("execution {}", self.shared.lease.execution()));
                        // One that has just ended needs no cancelling.
                        drop(store.request_cancel(*other, actor, now).await);
                    }
                }
                OnLimit::Queue => {}
            }
            if !told {
                told = true;
                let entry = Batch {
                    changes: std::mem::take(&mut first),
                    events: vec![RunEvent::Queued { before: before.clone() }],
                    ..Batch::default()
                };
                self.carry_out(entry).await?;
            }
            if self.stopping.is_some() {
                return Ok(());
            }
            tokio::select! {
                stop = asked(&mut self.stopped) => { self.stopping = Some(stop); return Ok(()); }
                () = tokio::time::sleep(QUEUE_ASKS_EVERY) => {}
            }
        }
    }
}
