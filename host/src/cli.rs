//! The arguments: what clap parses and explains.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::commands::{audit, completions, config, execution, graph, man, plugin, run, schema, secret, validate};
use crate::error::{CliError, Exit};
use crate::render::ColorChoice;
use crate::trace::LogFormat;

/// Threads that run guests and everything else; a guest yields every 10 ms, so a few serve many.
const THREADS_MAX: usize = 16;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER: &str = "\
Examples:
  workflow run flow.yaml --input who=Ada
  workflow validate flows/*.yaml
  workflow execution list --state FAILED
  workflow execution logs last --follow

Exit codes:
    0  success
    1  the execution failed, or what was asked for does not exist
    2  the input is wrong, and nothing ran
    3  the machine is wrong: storage, disk
    4  the execution was cancelled
  130  interrupted by Ctrl-C";

const EXECUTION: &str = "\
Examples:
  workflow execution list --state FAILED
  workflow execution inspect last --with-logs
  workflow execution logs last --follow
  workflow execution retry last";

const AUDIT: &str = "\
Examples:
  workflow audit verify
  workflow audit list --type PERMISSION_DENIED --since 7d
  workflow audit export --since 2026-01-01 --format csv > trail.csv";

const PLUGIN: &str = "\
Examples:
  workflow plugin new hello
  workflow plugin list
  workflow plugin inspect core/http";

const SECRET: &str = "\
Examples:
  workflow secret set API_TOKEN
  workflow secret list";

const CONFIG: &str = "\
Examples:
  workflow config show
  workflow config check --config config.example.yaml";

/// Run workflows whose tasks are WebAssembly components in a sandbox.
#[derive(Debug, Parser)]
#[command(name = "workflow", version, styles = STYLES, after_help = AFTER, max_term_width = 120)]
#[command(infer_subcommands = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The configuration [default: ./config.yaml if there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,
    /// Tell more of what goes on inside; twice for all of it
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
    /// How what goes on inside is told: for people, or a JSON object a line
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "WORKFLOW_LOG_FORMAT",
        hide_env_values = true,
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub(crate) log_format: LogFormat,
    /// When to colour: auto is on a terminal, unless NO_COLOR is set
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Global options"
    )]
    pub(crate) color: ColorChoice,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(run::Arguments),
    Validate(validate::Arguments),
    Graph(graph::Arguments),
    Schema(schema::Arguments),
    /// List and inspect executions, read their logs, cancel, retry and remove them
    #[command(subcommand, after_help = EXECUTION)]
    Execution(execution::Command),
    /// Look at the audit trail, and check it
    #[command(subcommand, after_help = AUDIT)]
    Audit(audit::Command),
    /// Write, build, list and inspect the plugins that tasks run
    #[command(subcommand, after_help = PLUGIN)]
    Plugin(plugin::Command),
    /// Set, list and delete secrets, which are kept encrypted
    #[command(subcommand, after_help = SECRET)]
    Secret(secret::Command),
    /// Show and check the configuration
    #[command(subcommand, after_help = CONFIG)]
    Config(config::Command),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// The runtime of one command.
pub(crate) fn runtime() -> Result<Runtime, CliError> {
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(THREADS_MAX);
    let built = Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    built.map_err(|error| CliError::new(Exit::Machine, format!("start the runtime: {error}")))
}
