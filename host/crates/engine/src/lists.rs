//! A task with a `forEach`, from the start of its list to the end of the last element.

use autokestra_model::{OnError, ReasonCode, TaskState, Timestamp};
use serde_json::Value;

use crate::batch::Batch;
use crate::elements::Elements;
use crate::event::{ElementCounts, RunEvent};
use crate::execution::Execution;
use crate::rows::{Next, TaskFields};
use crate::settle::TaskOutcome;
use crate::unit::Unit;

impl Execution {
    /// Begins the elements of a task.
    pub(crate) fn begin_elements(&mut self, unit: Unit, at: Timestamp, batch: &mut Batch) {
        let items = match self.items_of(unit.task) {
            Ok(items) => items,
            Err(text) => {
                let end = self.expression_failed(&text);
                self.end_unit(unit, end, at, batch);
                return;
            }
        };
        let plan = self.plan.clone();
        self.run_of(unit).started_at.get_or_insert(at);
        let fields = TaskFields {
            inputs: Some(self.shared.masker.mask_json(&plan.task(unit.task).inputs.source())),
            ..TaskFields::default()
        };
        self.change_unit(unit, Next::to(TaskState::Running), at, fields, batch);
        self.open_elements(unit.task, items);
        batch.events.extend(self.list_started(unit.task));
        self.queue_element(unit.task);
        self.end_list_if_done(unit.task, at, batch);
    }

    /// The list of a task's `forEach`.
    pub(crate) fn items_of(&self, task: usize) -> Result<Vec<Value>, String> {
        let for_each = self.plan.task(task).for_each.as_ref();
        let for_each = for_each.ok_or("it has no `forEach`")?;
        match for_each.items.render(&self.scope) {
            Ok(Value::Array(items)) => Ok(items),
            Ok(other) => {
                let kind = match other {
                    Value::Null => "nothing",
                    Value::Bool(_) => "a boolean",
                    Value::Number(_) => "a number",
                    Value::String(_) => "a string",
                    Value::Object(_) => "an object",
                    Value::Array(_) => "a list",
                };
                Err(format!("its `forEach` gives {kind}, and a list is needed"))
            }
            Err(error) => Err(format!("failed to evaluate its `forEach`: {error}")),
        }
    }

    pub(crate) fn open_elements(&mut self, task: usize, items: Vec<Value>) {
        let for_each = self.plan.task(task).for_each.as_ref();
        let own = for_each.and_then(|each| each.max_parallel).map(|max| max as usize);
        let limit = own.unwrap_or(self.runner.options.max_concurrent_tasks);
        let kept = self.elements.remove(&task).map(|mut before| before.take_kept());
        let mut elements = Elements::new(items, limit);
        let count = elements.len();
        for (item, output) in kept.into_iter().flatten().filter(|(item, _)| *item < count) {
            elements.end(item, Some(output), false);
        }
        self.elements.insert(task, elements);
    }

    /// Tells of the elements of a task that is under way.
    pub(crate) fn list_started(&self, task: usize) -> Option<RunEvent> {
        let elements = self.elements.get(&task)?;
        Some(RunEvent::ListStarted {
            task: self.plan.task(task).id.clone(),
            count: elements.len(),
            ended: elements.ended_early(),
        })
    }

    pub(crate) fn queue_element(&mut self, task: usize) {
        let next = self.elements.get_mut(&task).and_then(|elements| elements.queue_next());
        if let Some(item) = next {
            self.dispatch.push_ready(Unit::element(task, item));
        }
    }

    pub(crate) fn end_element(
        &mut self,
        task: usize,
        item: u32,
        next: Next<TaskState>,
        output: Option<Value>,
        at: Timestamp,
        batch: &mut Batch,
    ) {
        let failed = next.to == TaskState::Failed;
        let closes = failed && self.plan.task(task).on_error == OnError::Fail;
        let elements = self.elements.entry(task).or_default();
        elements.end(item, output, failed);
        elements.closed |= closes || self.halted;
        self.queue_element(task);
        self.end_list_if_done(task, at, batch);
    }

    /// Ends a task whose elements have all ended.
    pub(crate) fn end_list_if_done(&mut self, task: usize, at: Timestamp, batch: &mut Batch) {
        if !self.elements.get(&task).is_some_and(|elements| elements.is_done()) {
            return;
        }
        let Some(elements) = self.elements.remove(&task) else {
            return;
        };
        let (count, failures, first) = (elements.len(), elements.failures(), elements.first_failure);
        self.run_of(Unit::task(task)).elements = Some(ElementCounts {
            total: count,
            failed: failures,
        });
        let end = if self.halted
            && let Some(stop) = &self.stopping
        {
            let (code, message) = stop.words();
            TaskOutcome::without_output(TaskState::Cancelled, code, message)
        } else if failures > 0 {
            let first = first.unwrap_or_default();
            let text = format!("{failures} of {count} elements failed, element {first} first");
            TaskOutcome {
                next: Next::because(TaskState::Failed, ReasonCode::ElementFailed),
                message: Some(self.shared.masker.mask(&text)),
                output: (self.plan.task(task).on_error == OnError::Continue)
                    .then(|| Value::Array(elements.into_results())),
                files: Vec::new(),
            }
        } else {
            TaskOutcome::success(Value::Array(elements.into_results()))
        };
        self.end_unit(Unit::task(task), end, at, batch);
    }
}
