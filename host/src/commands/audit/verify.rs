//! `workflow audit verify`.

use std::path::{Path, PathBuf};

use autokestra_store::{AuditHead, ExecutionRef, Store};

use crate::error::{CliError, Exit};
use crate::place::{Place, execution_ref};
use crate::render::{ChainView, TrailView, Ui, VerifiedView, chain, trail};

const EXAMPLES: &str = "\
Examples:
  workflow audit verify
  workflow audit verify last
  workflow audit verify --head \"$(workflow audit head)\"
  workflow audit verify --json | jq .broken

Each event has the hash of what it says and of the event before it in its execution. A head over the events of all executions,
made by a key beside the database (audit.key), shows that none was removed. Exit codes: 0 intact · 1 broken · 3 intact as far
as it can be checked, and the key of a head is not here.";

/// Check that no audit event was changed, removed or added
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Only the chain of this execution: its id, the beginning of it, or `last`; without one, all of the trail
    #[arg(value_name = "EXECUTION", value_parser = execution_ref)]
    execution: Option<ExecutionRef>,
    /// A head that `workflow audit head` once printed: it must be a point of the trail; may stand several times
    #[arg(long = "head", value_name = "HEAD", value_parser = head, conflicts_with = "execution")]
    heads: Vec<AuditHead>,
    /// A file of such heads, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "execution")]
    since_head: Option<PathBuf>,
    /// Check the chains alone, as for a copy of the database without its key
    #[arg(long, conflicts_with_all = ["heads", "since_head"])]
    chains_only: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

fn head(text: &str) -> Result<AuditHead, String> {
    text.trim()
        .parse()
        .map_err(|error: autokestra_model::IdError| error.to_string())
}

pub(crate) async fn run(arguments: Arguments, place: &Place, store: &dyn Store, ui: &Ui) -> Result<Exit, CliError> {
    if let Some(reference) = arguments.execution {
        let id = store.find_audited(reference).await?;
        let state = store.audit_chain(id).await?;
        if arguments.json {
            ui.json(&VerifiedView::One(ChainView::new(id, &state)), arguments.pretty)?;
        } else {
            ui.out(&chain(ui, id, &state))?;
        }
        return Ok(if state.is_intact() { Exit::Success } else { Exit::Failed });
    }
    let mut kept = arguments.heads;
    if let Some(path) = &arguments.since_head {
        kept.extend(read(path)?);
    }
    let state = store.verify_audit(kept).await?;
    let heads = !arguments.chains_only;
    if arguments.json {
        ui.json(&VerifiedView::All(TrailView::new(&state, heads)), arguments.pretty)?;
    } else {
        ui.out(&trail(ui, &state, heads))?;
    }
    if state.is_chain_broken() || (heads && state.is_head_broken()) {
        return Ok(Exit::Failed);
    }
    if heads && let Some(unchecked) = state.unchecked() {
        let key = place.settings.sqlite_options().audit_key();
        let hint = format!(
            "put the key {} back as {}, give a head that was kept by --head, or check the chains alone by --chains-only",
            unchecked.key,
            key.display()
        );
        ui.error("hint", &hint)?;
        return Ok(Exit::Machine);
    }
    Ok(Exit::Success)
}

/// The heads of a file: one a line, as `audit head` prints them, with or without `--json`.
fn read(path: &Path) -> Result<Vec<AuditHead>, CliError> {
    let wrong = |why: String| CliError::input(format!("read the heads {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let heads = lines.map(|(line, number)| {
        let value = serde_json::from_str::<serde_json::Value>(line).ok();
        let inner = value.as_ref().and_then(|value| value.get("head")?.as_str());
        head(inner.unwrap_or(line)).map_err(|why| wrong(format!("line {number}: {why}")))
    });
    let heads: Vec<AuditHead> = heads.collect::<Result<_, _>>()?;
    if heads.is_empty() {
        return Err(wrong("it holds none".to_owned()).hint("`workflow audit head >> FILE` keeps one"));
    }
    Ok(heads)
}
