//! What a tracer is told of an execution: a span for it, and one for each attempt. Who exports them, and how, the engine does
//! not know.

use std::fmt;
use std::sync::Arc;

use autokestra_model::{ExecutionId, ExecutionState, ReasonCode, TaskState, Timestamp, TraceContext};
use autokestra_secrets::{Masked, Masker};
use autokestra_store::{AttemptErrorRow, RunKey};
use futures::future::BoxFuture;

use crate::batch::Batch;
use crate::event::Outcome;
use crate::execution::Execution;
use crate::rows::AttemptEnd;
use crate::stop::{Stop, StopReason};

/// Takes spans as they end. What it does with them must never hold up or fail an execution.
pub trait Tracer: Send + Sync + fmt::Debug {
    /// The span that executions started in this process are a part of.
    fn parent(&self) -> Option<TraceContext>;

    /// Takes a span that has ended, at once: what there is no room for is lost.
    fn take(&self, span: Span);

    /// Sends what is left, for a short time, and says in a sentence what could not be sent.
    fn close(&self) -> BoxFuture<'_, Option<String>>;
}

/// Something that took its time, and has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace and number.
    pub context: TraceContext,
    /// The span that it is a part of.
    pub parent: Option<[u8; 8]>,
    /// What it is.
    pub name: Masked,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why it failed, if it did.
    pub error: Option<Masked>,
    /// What more is known of it.
    pub attributes: Vec<(&'static str, SpanValue)>,
    /// Spans of other traces that belong to it.
    pub links: Vec<TraceContext>,
}

/// The value of a span's attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum SpanValue {
    /// Text.
    Text(Masked),
    /// A number.
    Integer(u64),
    /// A number with a fraction.
    Decimal(f64),
}

/// How an execution is traced.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    tracer: Arc<dyn Tracer>,
    /// The span of the execution.
    pub(crate) context: TraceContext,
    parent: Option<[u8; 8]>,
    links: Vec<TraceContext>,
    trigger: String,
}

/// What an execution comes from: another one, or one that it retries.
pub(crate) struct Origin {
    /// The attempt that started it.
    pub(crate) attempt: Option<TraceContext>,
    /// It retries this one.
    pub(crate) retried: Option<ExecutionId>,
    /// What started it; none where it was taken up.
    pub(crate) trigger: Option<String>,
}

impl Traced {
    /// The trace of an execution: its own, or that of the process's parent where this process starts it for a person.
    pub(crate) fn new(tracer: &Arc<dyn Tracer>, id: ExecutionId, origin: Origin) -> Self {
        let own = TraceContext::of_execution(id);
        let parent = tracer
            .parent()
            .filter(|_| origin.attempt.is_none() && origin.trigger.is_some());
        let context = match parent {
            Some(parent) => TraceContext {
                trace: parent.trace,
                sampled: parent.sampled,
                ..own
            },
            None => own,
        };
        let retried = origin.retried.map(TraceContext::of_execution);
        Self {
            tracer: Arc::clone(tracer),
            context,
            parent: parent.map(|parent| parent.span),
            links: origin.attempt.into_iter().chain(retried).collect(),
            trigger: origin.trigger.unwrap_or_else(|| "resume".to_owned()),
        }
    }

    /// The span of one attempt.
    pub(crate) fn attempt(&self, id: ExecutionId, run: &RunKey, attempt: u32) -> TraceContext {
        let (position, item) = (run.position.to_be_bytes(), run.item.map_or(-1, i64::from).to_be_bytes());
        self.context.within(id, &[&position, &item, &attempt.to_be_bytes()])
    }

    /// Hands spans over, unless the trace is not recorded.
    pub(crate) fn take(&self, spans: Vec<Span>) {
        if self.context.sampled {
            spans.into_iter().for_each(|span| self.tracer.take(span));
        }
    }
}

impl Execution {
    /// Notes the span of an attempt that ended.
    pub(crate) fn note_attempt(&mut self, ended: &AttemptEnd, error: Option<&AttemptErrorRow>, batch: &mut Batch) {
        let key = self.key(ended.unit);
        let id = self.shared.lease.execution();
        tracing::debug!(execution = %id, task = %key, attempt = ended.attempt, code = error.map(|error| error.code.as_str()),
            "attempt ended");
        let links = self.started_children.remove(&ended.unit);
        let Some(traced) = &self.shared.traced else {
            return;
        };
        let masker = &self.shared.masker;
        let action = self.plan.task(ended.unit.task).action.clone();
        let state = match error {
            None => TaskState::Success,
            Some(error) if is_stop(error) => TaskState::Cancelled,
            Some(_) => TaskState::Failed,
        };
        let mut attributes = vec![
            text(masker, "autokestra.execution.id", &id),
            text(masker, "autokestra.workflow.id", &self.shared.workflow),
            text(masker, "autokestra.task.id", &key.task),
            ("autokestra.attempt", SpanValue::Integer(ended.attempt.into())),
            text(masker, "autokestra.plugin", &action.plugin()),
            text(masker, "autokestra.action", &action),
            text(masker, "autokestra.state", &state),
        ];
        if let Some(item) = key.item {
            attributes.push(("autokestra.index", SpanValue::Integer(item.into())));
        }
        if let Some(error) = error {
            attributes.push(("error.type", SpanValue::Text(error.code.clone())));
            attributes.push(("autokestra.reason", SpanValue::Text(error.code.clone())));
        }
        let usage = &ended.usage;
        attributes.extend(
            usage
                .fuel
                .map(|fuel| ("autokestra.usage.fuel", SpanValue::Integer(fuel))),
        );
        let cpu = usage.cpu.as_secs_f64() * 1000.0;
        attributes.extend([
            ("autokestra.usage.cpu_ms", SpanValue::Decimal(cpu)),
            ("autokestra.usage.peak_memory", SpanValue::Integer(usage.peak_memory)),
            ("autokestra.usage.log_bytes", SpanValue::Integer(usage.log_bytes)),
            ("autokestra.usage.bytes_in", SpanValue::Integer(usage.bytes_in)),
            ("autokestra.usage.bytes_out", SpanValue::Integer(usage.bytes_out)),
        ]);
        let span = Span {
            context: traced.attempt(id, &key, ended.attempt),
            parent: Some(traced.context.span),
            name: masker.mask(&format!("task {key}")),
            started_at: ended.at,
            ended_at: ended.at,
            error: error
                .filter(|_| state == TaskState::Failed)
                .map(|error| error.message.clone()),
            attributes,
            links: links.into_iter().map(TraceContext::of_execution).collect(),
        };
        let began = self.run_of(ended.unit).attempt_at;
        batch.spans.push(Span {
            started_at: began.unwrap_or(ended.at).min(ended.at),
            ..span
        });
    }

    /// Notes the span of the whole execution.
    pub(crate) fn note_execution(&self, outcome: &Outcome, batch: &mut Batch) {
        tracing::debug!(execution = %outcome.execution, state = %outcome.state, "execution ended");
        let Some(traced) = &self.shared.traced else {
            return;
        };
        let masker = &self.shared.masker;
        let mut attributes = vec![
            text(masker, "autokestra.execution.id", &outcome.execution),
            text(masker, "autokestra.workflow.id", &outcome.workflow),
            text(masker, "autokestra.trigger", &traced.trigger),
            text(masker, "autokestra.state", &outcome.state),
            ("autokestra.tasks", SpanValue::Integer(outcome.tasks.len() as u64)),
        ];
        attributes.extend(outcome.reason.map(|reason| text(masker, "autokestra.reason", &reason)));
        let failed = outcome.state == ExecutionState::Failed;
        if failed && let Some(reason) = outcome.reason {
            attributes.push(text(masker, "error.type", &reason));
        }
        batch.spans.push(Span {
            context: traced.context,
            parent: traced.parent,
            name: masker.mask(&format!("workflow {}", outcome.workflow)),
            started_at: outcome.started_at,
            ended_at: outcome.ended_at,
            error: failed.then(|| outcome.message.clone().unwrap_or_default()),
            attributes,
            links: traced.links.clone(),
        });
    }
}

fn text(masker: &Masker, name: &'static str, value: &impl fmt::Display) -> (&'static str, SpanValue) {
    (name, SpanValue::Text(masker.mask(&value.to_string())))
}

/// Whether an attempt was stopped from outside, and did not fail by itself.
fn is_stop(error: &AttemptErrorRow) -> bool {
    let stops = StopReason::ALL.into_iter().filter(|stop| *stop != StopReason::TimedOut);
    let mut codes = stops.map(|stop| Stop::of(stop).words().0);
    codes.any(|code: ReasonCode| code.as_str() == error.code.as_str())
}
