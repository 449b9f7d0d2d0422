//! `workflow audit head`.

use autokestra_store::{AuditHead, Store};

use crate::error::{CliError, Exit};
use crate::render::{PointView, Ui};

const EXAMPLES: &str = "\
Examples:
  workflow audit head
  workflow audit head >> heads.txt
  workflow audit verify --since-head heads.txt

A head is no secret. Kept where whoever writes the database cannot change it, it shows that nothing up to it was changed or
removed, even where an older copy of the whole database was put back.";

/// Print the point that the audit trail has reached, to be kept elsewhere
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) async fn run(arguments: &Arguments, store: &dyn Store, ui: &Ui) -> Result<Exit, CliError> {
    let head = store.audit_head().await?;
    // One that was removed is told of by `verify`; a point that vouches for nothing is always right.
    let head = head.unwrap_or(AuditHead {
        sequence: 0,
        hash: [0; 32],
    });
    let text = head.to_string();
    if arguments.json {
        let view = PointView {
            head: text,
            sequence: head.sequence,
        };
        ui.json(&view, arguments.pretty)?;
    } else {
        ui.out(&format!("{text}\n"))?;
    }
    Ok(Exit::Success)
}
