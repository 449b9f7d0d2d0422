//! `workflow audit list`.

use autokestra_store::Store;

use super::Wanted;
use crate::error::{CliError, Exit};
use crate::render::{AuditPageView, Ui, audit_page};

const EXAMPLES: &str = "\
Examples:
  workflow audit list
  workflow audit list --type FAILED TIMEOUT --since 1d
  workflow audit list --type TRIGGERED_BY --json | jq -r '.events[].metadata.actor' | sort | uniq -c
  workflow audit list --execution last --limit 20 --offset 20";

/// List audit events across executions, the newest last
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    /// The newest so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u64,
    /// Without the newest so many
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) async fn run(arguments: Arguments, store: &dyn Store, ui: &Ui) -> Result<Exit, CliError> {
    let (limit, offset) = (arguments.limit, arguments.offset);
    let filter = arguments.wanted.filter(store).await?;
    let page = store.audit_page(filter, limit, offset).await?;
    if arguments.json {
        ui.json(&AuditPageView::new(&page, limit, offset), arguments.pretty)?;
    } else {
        ui.out(&audit_page(ui, &page, offset))?;
    }
    Ok(Exit::Success)
}
