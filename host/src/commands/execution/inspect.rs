//! `workflow execution inspect`.

use autokestra_engine::SystemClock;
use autokestra_model::{Clock as _, TaskId};
use autokestra_store::{ExecutionRef, Store, TaskRunRow};

use crate::docs::Codes;
use crate::error::{CliError, Exit};
use crate::place::{count, execution_ref};
use crate::render::view::DetailView;
use crate::render::{Parts, Ui, detail};

const EXAMPLES: &str = "\
Examples:
  workflow execution inspect last
  workflow execution inspect exec-01ke --with-logs --with-audit
  workflow execution inspect last --task fetch
  workflow execution inspect last --json --pretty";

/// Show one execution: its tasks, attempts, errors and usage
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Its id, the beginning of it, or `last`
    #[arg(value_name = "EXECUTION", value_parser = execution_ref)]
    execution: ExecutionRef,
    /// With its last log entries
    #[arg(long)]
    with_logs: bool,
    /// With so many of them
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count::<u64>, allow_negative_numbers = true)]
    logs_limit: u64,
    /// With its audit trail
    #[arg(long)]
    with_audit: bool,
    /// With when each attempt ran, beside the others
    #[arg(long)]
    timeline: bool,
    /// With the inputs of its tasks, as templates
    #[arg(long)]
    show_inputs: bool,
    /// Only this task, with its inputs, output and usage
    #[arg(long, value_name = "ID")]
    task: Option<TaskId>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) async fn run(arguments: Arguments, store: &dyn Store, ui: &Ui) -> Result<Exit, CliError> {
    let id = store.find_execution(arguments.execution).await?;
    let found = store.execution(id).await?;
    let found = found.ok_or_else(|| CliError::new(Exit::Failed, format!("there is no execution `{id}`")))?;
    if let Some(wanted) = &arguments.task
        && !found.tasks.iter().any(|task| task.task == *wanted)
    {
        let known: Vec<&str> = found.tasks.iter().map(|task| task.task.as_str()).collect();
        let error = CliError::new(Exit::Failed, format!("`{id}` has no task `{wanted}`"));
        return Err(error.hint(format!("its tasks: {}", known.join(", "))));
    }
    let logs = if arguments.with_logs {
        let task = arguments.task.clone();
        let rows = store.last_logs(id, task.clone(), arguments.logs_limit).await?;
        Some((rows, store.count_logs(id, task).await?))
    } else {
        None
    };
    // People are told who started it and how the trail stands; programs ask for all of it.
    let events = if arguments.with_audit || !arguments.json {
        store.audit_events(id).await?
    } else {
        Vec::new()
    };
    if arguments.json {
        let wanted = |task: &TaskRunRow| arguments.task.as_ref().is_none_or(|wanted| task.task == *wanted);
        let mut view = DetailView::new(&found, wanted);
        if let Some((rows, total)) = &logs {
            view = view.logs(rows, *total);
        }
        if arguments.with_audit {
            view = view.audit(&events);
        }
        ui.json(&view, arguments.pretty)?;
    } else {
        let parts = Parts {
            task: arguments.task.as_ref().map(TaskId::as_str),
            inputs: arguments.show_inputs,
            timeline: arguments.timeline,
            logs: logs.as_ref().map(|(rows, total)| (rows.iter().collect(), *total)),
            events: &events,
            audit: arguments.with_audit,
            chain: store.audit_chain(id).await?,
            now: SystemClock.now(),
        };
        ui.out(&detail(ui, &found, &parts))?;
        ui.pages(&Codes::of_detail(&found))?;
    }
    Ok(Exit::Success)
}
