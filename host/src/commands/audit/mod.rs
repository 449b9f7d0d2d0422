//! `workflow audit …`.

mod export;
mod head;
mod list;
mod verify;

use autokestra_model::Timestamp;
use autokestra_store::{AUDIT_TYPES, AuditFilter, ExecutionRef, Store};

use crate::commands::execution::since;
use crate::error::{CliError, Exit};
use crate::place::{Place, execution_ref};
use crate::render::Ui;

/// Look at the audit trail, and check it.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Verify(verify::Arguments),
    List(list::Arguments),
    Export(export::Arguments),
    Head(head::Arguments),
}

pub(crate) async fn run(command: Command, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let store = place.store()?;
    match command {
        Command::Verify(arguments) => verify::run(arguments, place, &*store, ui).await,
        Command::List(arguments) => list::run(arguments, &*store, ui).await,
        Command::Export(arguments) => export::run(arguments, &*store, ui).await,
        Command::Head(arguments) => head::run(&arguments, &*store, ui).await,
    }
}

/// Which events a command reads.
#[derive(Debug, clap::Args)]
struct Wanted {
    /// Not older than this: 30s, 5m, 2h, 1d, or an ISO time
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Timestamp>,
    /// Older than this
    #[arg(long, value_name = "WHEN", value_parser = since)]
    until: Option<Timestamp>,
    /// Of these types, such as FAILED or PERMISSION_DENIED
    #[arg(long = "type", value_name = "TYPE", num_args = 1.., value_delimiter = ',', value_parser = kind)]
    types: Vec<String>,
    /// Of this execution: its id, the beginning of it, or `last`; it may have been removed by cleanup
    #[arg(long, value_name = "EXECUTION", value_parser = execution_ref)]
    execution: Option<ExecutionRef>,
}

impl Wanted {
    async fn filter(self, store: &dyn Store) -> Result<AuditFilter, CliError> {
        let execution = match self.execution {
            Some(reference) => Some(store.find_audited(reference).await?),
            None => None,
        };
        Ok(AuditFilter {
            execution,
            types: self.types,
            since: self.since,
            until: self.until,
        })
    }
}

/// The type of an event, in either case.
fn kind(text: &str) -> Result<String, String> {
    let wanted = text.to_uppercase().replace('-', "_");
    if AUDIT_TYPES.contains(&wanted.as_str()) {
        return Ok(wanted);
    }
    let near = autokestra_model::diagnostic::nearest(&wanted, AUDIT_TYPES.iter().copied());
    let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
    Err(format!("{near}expected one of {}", AUDIT_TYPES.join(", ")))
}
