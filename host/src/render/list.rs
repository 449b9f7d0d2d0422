//! `execution list` for people.

use autokestra_model::Timestamp;
use autokestra_store::ExecutionPage;

use super::columns::{Cell, Column, Columns};
use super::values::execution_tint;
use super::when::ago;
use super::width::one_line;
use super::{Tint, Ui, human};

const COLUMNS: [Column; 6] = [
    Column::whole("EXECUTION", 0),
    Column::cut_to("WORKFLOW", 8, 3),
    Column::whole("STATE", 1),
    Column::whole("REASON", 5),
    Column::whole("CREATED", 2),
    Column::figures("DURATION", 4),
];

/// A page, and how it was asked for.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) page: &'a ExecutionPage,
    pub(crate) offset: u64,
    pub(crate) now: Timestamp,
    /// The options that filter, as they were given.
    pub(crate) filters: &'a str,
}

/// The rows, and what is to be said beside them.
pub(crate) fn page(ui: &Ui, asked: &Page<'_>) -> (String, Option<String>) {
    let page = asked.page;
    if page.executions.is_empty() {
        return (String::new(), Some(empty(asked)));
    }
    // A program that reads it wants times, not how long ago they were when it read them.
    let terminal = ui.width_out().is_some();
    let mut table = Columns::new(&COLUMNS);
    for row in &page.executions {
        let created = if terminal {
            ago(row.created_at, asked.now)
        } else {
            row.created_at.to_string()
        };
        let duration = match (row.duration(), row.started_at) {
            (Some(duration), _) => human(duration),
            (None, Some(started)) if terminal => format!("{}…", human(asked.now.since(started))),
            (None, _) => String::new(),
        };
        table.row(vec![
            row.id.to_string().into(),
            one_line(&row.workflow).into(),
            Cell::tinted(execution_tint(row.state), row.state.as_str()),
            row.reason.map(|reason| reason.to_string()).unwrap_or_default().into(),
            Cell::tinted(Tint::Faint, created),
            duration.into(),
        ]);
    }
    let text = table.draw(ui.width_out(), 0, |tint, text| ui.tint(tint, text));
    (text, footer(asked))
}

/// Which part of how many it is, and how to see more.
fn footer(asked: &Page<'_>) -> Option<String> {
    let (offset, total) = (asked.offset, asked.page.total);
    let end = offset + asked.page.executions.len() as u64;
    if offset == 0 && end >= total {
        return None;
    }
    let mut text = format!("{} to {end} of {total}", offset + 1);
    if end < total {
        text.extend([format!(
            "; more: workflow execution list{} --offset {end}",
            asked.filters
        )]);
    }
    Some(text)
}

fn empty(asked: &Page<'_>) -> String {
    match (asked.page.total, asked.filters) {
        (0, "") => "no executions yet: `workflow run FILE` makes one".to_owned(),
        (0, _) => "no execution fits: `workflow execution list` shows all".to_owned(),
        (total, filters) => {
            let from = asked.offset + 1;
            format!("none from {from} on, there are {total}: workflow execution list{filters}")
        }
    }
}
