//! The audit trail for people, and whether it is intact.

use autokestra_model::ExecutionId;
use autokestra_store::{AuditEventRow, AuditPage, BrokenEvent, ChainState, Cut, Flaw, HeadState, Proof, TrailState};
use serde_json::Value;

use super::columns::{Column, Columns};
use super::{Tint, Ui, one_line, safe};

const COLUMNS: [Column; 5] = [
    Column::whole("TIME", 4),
    Column::cut_to("EXECUTION", 14, 3),
    Column::whole("EVENT", 0),
    Column::cut_to("TASK", 8, 2),
    Column::cut_to("METADATA", 20, 5),
];

/// Longest value of an event that is shown, in characters.
const VALUE_CHARS_MAX: usize = 200;

/// `audit list`.
pub(crate) fn audit_page(ui: &Ui, page: &AuditPage, offset: u64) -> String {
    if page.events.is_empty() {
        return match page.total {
            0 => "no event fits\n".to_owned(),
            total => format!("none before the newest {offset}; there are {total}\n"),
        };
    }
    let mut text = events(ui, &page.events);
    let shown = page.events.len() as u64;
    if shown < page.total {
        let last = page.total.saturating_sub(offset);
        let first = last.saturating_sub(shown) + 1;
        text += &ui.tint(Tint::Faint, &format!("{first} to {last} of {}", page.total));
        text.push('\n');
    }
    text
}

/// Events, with the execution of each.
fn events(ui: &Ui, events: &[AuditEventRow]) -> String {
    let mut table = Columns::new(&COLUMNS);
    for event in events {
        table.row(vec![
            event.at.to_string().into(),
            one_line(&event.execution).into(),
            one_line(&event.kind).into(),
            one_line(event.task.as_deref().unwrap_or_default()).into(),
            one_line(&metadata(event)).into(),
        ]);
    }
    table.draw(ui.width_out(), 0, |tint, text| ui.tint(tint, text))
}

/// What an event says, in a line.
pub(super) fn metadata(event: &AuditEventRow) -> String {
    let Value::Object(entries) = event.metadata.value() else {
        return event.metadata.value().to_string();
    };
    let entries = entries
        .iter()
        .filter(|(key, value)| !value.is_null() && *key != "taskId");
    let entries = entries.map(|(key, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if text.chars().count() <= VALUE_CHARS_MAX {
            return format!("{key}={text}");
        }
        let cut: String = text.chars().take(VALUE_CHARS_MAX).collect();
        format!("{key}={cut}…")
    });
    entries.collect::<Vec<_>>().join(" ")
}

pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// How an event does not fit, as what follows "event 5 of exec-…".
const fn flaw(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Hash => "its hash is not that of what it says: it was changed",
        Flaw::Link => "it does not follow the event before it: one of the two was changed or put there",
        Flaw::Missing => "an event of its execution before it is missing",
        Flaw::Unreadable => "it cannot be read: a column holds what was never written",
    }
}

pub(super) fn broken(event: &BrokenEvent) -> String {
    let task = event.task.as_ref().map(|task| format!(", task `{}`", safe(task)));
    format!(
        "event {} of {} ({}, {}{}): {}",
        event.sequence,
        safe(&event.execution),
        safe(&event.kind),
        event.at,
        task.unwrap_or_default(),
        flaw(event.flaw)
    )
}

pub(super) fn cut_words(id: ExecutionId, cut: Cut) -> String {
    match cut {
        Cut::All => format!("{id} has no events: all of them are missing"),
        Cut::End => format!("{id} has ended, and the event of its end is missing"),
    }
}

fn verdict(ui: &Ui, tint: Tint, word: &str, what: &str) -> String {
    format!("{}: {what}\n", ui.tint(tint, word))
}

/// `audit verify` of one execution.
pub(crate) fn chain(ui: &Ui, id: ExecutionId, state: &ChainState) -> String {
    let what = format!("{} of {id}", counted(state.events, "event", "events"));
    if state.is_intact() {
        return verdict(ui, Tint::Good, "intact", &what);
    }
    let mut text = verdict(ui, Tint::Bad, "broken", &what);
    let broken = state.broken.as_ref().map(broken);
    let cut = state.cut.map(|cut| cut_words(id, cut));
    for line in broken.into_iter().chain(cut) {
        text.extend([format!("  {line}\n")]);
    }
    text
}

/// `audit verify` of all, with or without what is said of the heads.
pub(crate) fn trail(ui: &Ui, state: &TrailState, heads: bool) -> String {
    let events = counted(state.events, "event", "events");
    let what = format!("{events} of {}", counted(state.executions, "execution", "executions"));
    let is_broken = state.is_chain_broken() || (heads && state.is_head_broken());
    let mut text = if is_broken {
        verdict(ui, Tint::Bad, "broken", &what)
    } else if heads && state.unchecked().is_some() {
        verdict(ui, Tint::Doubtful, "not all checked", &what)
    } else {
        verdict(ui, Tint::Good, "intact", &what)
    };
    let mut add = |label: &str, line: &str| {
        text.extend([format!("  {} {line}\n", ui.tint(Tint::Faint, &format!("{label:<6}")))]);
    };
    match &state.broken {
        Some(event) => {
            add("chain", &format!("first broken at {}", broken(event)));
            if state.broken_executions > 1 {
                add(
                    "",
                    &format!("and the chains of {} further executions", state.broken_executions - 1),
                );
            }
        }
        None if state.cut.is_none() => add(
            "chain",
            "each event is as it was written, and follows the one before it",
        ),
        None => {}
    }
    if let Some((id, cut)) = state.cut {
        add("chain", &cut_words(id, cut));
    }
    if heads {
        for line in head_lines(state) {
            add("head", &line);
        }
        if let Some(head) = state.head.filter(|_| !is_broken) {
            add("now", &head.to_string());
        }
    }
    text
}

fn head_lines(state: &TrailState) -> Vec<String> {
    let mut lines: Vec<String> = state
        .heads
        .iter()
        .filter(|head| head.to >= head.from)
        .map(head_line)
        .collect();
    if state.is_head_broken()
        && let Some((from, to)) = state.gap
    {
        lines.push(format!("{} missing", numbers(from, to)));
    }
    if let Some((from, to)) = state.uncovered {
        let words = "vouched for by no head: they were added, or the head was removed";
        lines.push(format!("{} {words}", numbers(from, to)));
    }
    for lost in &state.lost {
        lines.push(format!(
            "{lost} was kept and is no point of this trail: what came before it was changed or removed"
        ));
    }
    if state.kept_to > 0 {
        lines.push(format!(
            "a head that was kept vouches for {}",
            numbers(1, state.kept_to)
        ));
    }
    lines
}

fn numbers(from: i64, to: i64) -> String {
    if from == to {
        format!("event {from}")
    } else {
        format!("events {from} to {to}")
    }
}

fn head_line(head: &HeadState) -> String {
    let (events, key) = (numbers(head.from, head.to), &head.key);
    match head.proof {
        Proof::Holds => format!("{events} vouched for by the key {key}"),
        Proof::NoKey => format!("{events} cannot be checked: the key {key} of their head is not here"),
        Proof::OtherEvents => {
            format!("{events} are not those that their head was made of: some were removed, added or moved")
        }
        Proof::Forged => format!("{events}: their head was not made by the key {key}, though it says so"),
    }
}
