//! The audit trail as JSON: its events, and whether it is intact.

use autokestra_model::{ExecutionId, Timestamp};
use autokestra_store::{
    AuditEventRow, AuditHead, AuditPage, BrokenEvent, ChainState, Cut, Flaw, HeadState, Proof, TrailState,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::audit::{broken, cut_words};
use super::schema::Time;
use super::view::AuditView;

/// One event of `audit list` and `audit export`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEventView<'a> {
    /// The execution that it is of.
    execution_id: &'a str,
    #[serde(flatten)]
    event: AuditView<'a>,
}

impl<'a> AuditEventView<'a> {
    pub(crate) fn new(row: &'a AuditEventRow) -> Self {
        Self {
            execution_id: &row.execution,
            event: AuditView::new(row),
        }
    }
}

/// `audit list`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditPageView<'a> {
    /// The events of this page, in the order of the trail.
    events: Vec<AuditEventView<'a>>,
    /// How many fit in all.
    total: u64,
    /// The most on a page.
    limit: u64,
    /// How many newer ones are after this page.
    offset: u64,
}

impl<'a> AuditPageView<'a> {
    pub(crate) fn new(page: &'a AuditPage, limit: u64, offset: u64) -> Self {
        Self {
            events: page.events.iter().map(AuditEventView::new).collect(),
            total: page.total,
            limit,
            offset,
        }
    }
}

/// The first event that does not fit, or the execution whose end is missing.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct BrokenView {
    /// The execution that it is of.
    execution_id: String,
    /// Its number in the trail; null, as the next three, where events are missing at the end.
    sequence: Option<i64>,
    /// What happened.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// When it happened.
    #[schemars(with = "Option<Time>")]
    timestamp: Option<Timestamp>,
    /// The task that it is about.
    task_id: Option<String>,
    /// What does not fit: `hash`, `link`, `missing`, `unreadable`, `no_events` or `no_end`.
    problem: &'static str,
    /// The same in words.
    message: String,
}

impl BrokenView {
    fn of_event(event: &BrokenEvent) -> Self {
        Self {
            execution_id: event.execution.clone(),
            sequence: Some(event.sequence),
            kind: Some(event.kind.clone()),
            timestamp: Some(event.at),
            task_id: event.task.clone(),
            problem: match event.flaw {
                Flaw::Hash => "hash",
                Flaw::Link => "link",
                Flaw::Missing => "missing",
                Flaw::Unreadable => "unreadable",
            },
            message: broken(event),
        }
    }

    fn of_cut(id: ExecutionId, cut: Cut) -> Self {
        Self {
            execution_id: id.to_string(),
            sequence: None,
            kind: None,
            timestamp: None,
            task_id: None,
            problem: match cut {
                Cut::All => "no_events",
                Cut::End => "no_end",
            },
            message: cut_words(id, cut),
        }
    }
}

/// `audit verify` of one execution.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChainView {
    /// Whether each event is there, and as it was written.
    intact: bool,
    /// The execution.
    execution_id: String,
    /// Events that were read.
    events: u64,
    /// The first that does not fit.
    broken: Option<BrokenView>,
}

impl ChainView {
    pub(crate) fn new(id: ExecutionId, state: &ChainState) -> Self {
        let event = state.broken.as_ref().map(BrokenView::of_event);
        Self {
            intact: state.is_intact(),
            execution_id: id.to_string(),
            events: state.events,
            broken: event.or_else(|| state.cut.map(|cut| BrokenView::of_cut(id, cut))),
        }
    }
}

/// `audit verify` of all.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrailView {
    /// Whether each event is there, and as it was written, as far as was asked.
    intact: bool,
    /// Events that were read.
    events: u64,
    /// Executions that they are of.
    executions: u64,
    /// The first event that does not fit.
    broken: Option<BrokenView>,
    /// Executions whose chain is broken.
    broken_executions: u64,
    /// What the heads say; null where they were not asked about.
    head: Option<HeadView>,
}

/// What is said of the heads; none where they were not asked about.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct HeadView {
    /// `intact`, `broken`, or `unchecked` where a key is missing.
    state: &'static str,
    /// The point that the trail has reached.
    now: Option<String>,
    /// The head of each key.
    heads: Vec<OneHeadView>,
    /// Events that a head vouches for and that are not there.
    missing: Option<RangeView>,
    /// Events that no head vouches for.
    uncovered: Option<RangeView>,
    /// Heads that were kept, and are no points of the trail.
    lost: Vec<String>,
    /// The last event that a kept head vouches for.
    kept_to: Option<i64>,
}

#[derive(JsonSchema, Serialize)]
struct OneHeadView {
    /// The first event that it vouches for.
    from: i64,
    /// The last.
    to: i64,
    /// The fingerprint of its key.
    key: String,
    /// `intact`, `no_key`, `other_events` or `forged`.
    state: &'static str,
}

#[derive(JsonSchema, Serialize)]
struct RangeView {
    /// The first event.
    from: i64,
    /// The last.
    to: i64,
}

impl RangeView {
    fn new((from, to): (i64, i64)) -> Self {
        Self { from, to }
    }
}

impl TrailView {
    pub(crate) fn new(state: &TrailState, heads: bool) -> Self {
        let event = state.broken.as_ref().map(BrokenView::of_event);
        let unchecked = state.unchecked().is_some();
        let intact = !state.is_chain_broken() && (!heads || !(state.is_head_broken() || unchecked));
        Self {
            intact,
            events: state.events,
            executions: state.executions,
            broken: event.or_else(|| state.cut.map(|(id, cut)| BrokenView::of_cut(id, cut))),
            broken_executions: state.broken_executions,
            head: heads.then(|| HeadView {
                state: if state.is_head_broken() {
                    "broken"
                } else if unchecked {
                    "unchecked"
                } else {
                    "intact"
                },
                now: state.head.as_ref().map(AuditHead::to_string),
                heads: state.heads.iter().map(one_head).collect(),
                missing: state.gap.filter(|_| state.is_head_broken()).map(RangeView::new),
                uncovered: state.uncovered.map(RangeView::new),
                lost: state.lost.iter().map(AuditHead::to_string).collect(),
                kept_to: Some(state.kept_to).filter(|to| *to > 0),
            }),
        }
    }
}

fn one_head(head: &HeadState) -> OneHeadView {
    OneHeadView {
        from: head.from,
        to: head.to,
        key: head.key.clone(),
        state: match head.proof {
            Proof::Holds => "intact",
            Proof::NoKey => "no_key",
            Proof::OtherEvents => "other_events",
            Proof::Forged => "forged",
        },
    }
}

/// What `audit verify` prints: of one execution, or of all.
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
pub(crate) enum VerifiedView {
    /// Of one.
    One(ChainView),
    /// Of all.
    All(TrailView),
}

/// `audit head`.
#[derive(JsonSchema, Serialize)]
pub(crate) struct PointView {
    /// The point, as `audit verify --head` takes it.
    pub(crate) head: String,
    /// The number of its event; 0 where there is none yet.
    pub(crate) sequence: i64,
}
