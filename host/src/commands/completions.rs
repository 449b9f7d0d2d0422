//! `workflow completions`.

use clap_complete::Shell;

use crate::error::{CliError, Exit};
use crate::render::Ui;
use crate::usage;

const EXAMPLES: &str = "\
Examples:
  workflow completions bash > ~/.local/share/bash-completion/completions/workflow
  workflow completions zsh > ~/.zfunc/_workflow
  workflow completions fish > ~/.config/fish/completions/workflow.fish";

/// Print what makes a shell complete commands and options
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, ui: &Ui) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut usage::command(), "workflow", &mut script);
    ui.out(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
