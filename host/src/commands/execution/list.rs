//! `workflow execution list`.

use autokestra_engine::SystemClock;
use autokestra_model::{Clock as _, ExecutionState, WorkflowId};
use autokestra_store::{ExecutionFilter, Store};

use crate::error::{CliError, Exit};
use crate::place::count;
use crate::render::view::PageView;
use crate::render::{Page, Tint, Ui, page};

const EXAMPLES: &str = "\
Examples:
  workflow execution list
  workflow execution list --workflow my-workflow --state SUCCESS FAILED
  workflow execution list --state SUCCESS --json | jq '.executions[] | select(.duration > 300000)'";

/// Executions of a page.
const LIMIT: u64 = 50;

/// List executions, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Of this workflow
    #[arg(long, value_name = "ID")]
    workflow: Option<WorkflowId>,
    /// In one of these states: PENDING, RUNNING, WAITING, SUCCESS, FAILED, CANCELLED
    #[arg(long = "state", alias = "states", value_name = "STATE", num_args = 1.., value_delimiter = ',', value_parser = state)]
    states: Vec<ExecutionState>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = LIMIT, value_parser = count::<u64>, allow_negative_numbers = true)]
    limit: u64,
    /// After so many
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = count::<u64>, allow_negative_numbers = true)]
    offset: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(super) fn state(text: &str) -> Result<ExecutionState, String> {
    text.to_uppercase()
        .parse()
        .map_err(|error: autokestra_model::IdError| error.to_string())
}

pub(crate) async fn run(arguments: Arguments, store: &dyn Store, ui: &Ui) -> Result<Exit, CliError> {
    let (limit, offset) = (arguments.limit, arguments.offset);
    let filters = filters(&arguments);
    let filter = ExecutionFilter {
        workflow: arguments.workflow,
        states: arguments.states,
        limit,
        offset,
    };
    let found = store.list_executions(filter).await?;
    if arguments.json {
        ui.json(&PageView::new(&found, limit, offset), arguments.pretty)?;
    } else {
        let (rows, note) = page(
            ui,
            &Page {
                page: &found,
                offset,
                now: SystemClock.now(),
                filters: &filters,
            },
        );
        ui.out(&rows)?;
        if let Some(note) = note {
            ui.note(&ui.tint_note(Tint::Faint, &note))?;
        }
    }
    Ok(Exit::Success)
}

/// The options that the next page needs as well.
fn filters(arguments: &Arguments) -> String {
    let mut text = String::new();
    if let Some(workflow) = &arguments.workflow {
        text.extend([format!(" --workflow {workflow}")]);
    }
    if !arguments.states.is_empty() {
        let states: Vec<&str> = arguments.states.iter().map(|state| state.as_str()).collect();
        text.extend([format!(" --state {}", states.join(","))]);
    }
    if arguments.limit != LIMIT {
        text.extend([format!(" --limit {}", arguments.limit)]);
    }
    text
}
