//! The audit trail as JSON: its events, and whether it is intact.

use autokestra_model::{ExecutionId, Timestamp};
use autokestra_store::{
    AuditEventRow, AuditHead, AuditPage, BrokenEvent, ChainState, Cut, Flaw, HeadState, Proof, TrailState,
};
use serde::Serialize;

use super::audit::{broken, cut_words};
use super::view::AuditView;

/// One event of `audit list` and `audit export`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEventView<'a> {
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditPageView<'a> {
    events: Vec<AuditEventView<'a>>,
    total: u64,
    limit: u64,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BrokenView {
    execution_id: String,
    sequence: Option<i64>,
    #[serde(rename = "type")]
    kind: Option<String>,
    timestamp: Option<Timestamp>,
    task_id: Option<String>,
    problem: &'static str,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChainView {
    intact: bool,
    execution_id: String,
    events: u64,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrailView {
    intact: bool,
    events: u64,
    executions: u64,
    broken: Option<BrokenView>,
    broken_executions: u64,
    head: Option<HeadView>,
}

/// What is said of the heads; none where they were not asked about.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HeadView {
    /// `intact`, `broken`, or `unchecked` where a key is missing.
    state: &'static str,
    /// The point that the trail has reached.
    now: Option<String>,
    heads: Vec<OneHeadView>,
    missing: Option<RangeView>,
    uncovered: Option<RangeView>,
    /// Heads that were kept, and are no points of the trail.
    lost: Vec<String>,
    /// The last event that a kept head vouches for.
    kept_to: Option<i64>,
}

#[derive(Serialize)]
struct OneHeadView {
    from: i64,
    to: i64,
    key: String,
    state: &'static str,
}

#[derive(Serialize)]
struct RangeView {
    from: i64,
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
