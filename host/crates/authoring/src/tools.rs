//! Tools of the machine: found on PATH, run, or asked for with the command that installs them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::build::Build;
use crate::error::AuthoringError;

/// A program of PATH.
pub(crate) fn find(build: &Build<'_>, name: &str) -> Option<PathBuf> {
    let path = (build.variable)("PATH")?;
    let runs = |path: &PathBuf| {
        path.metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    // What stands in the folder of a project is no tool of the user's.
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(runs)
}

/// Runs a tool to its end. What it says of its work goes to stderr as it comes; its stdout is for us.
pub(crate) fn run(command: &mut Command) -> Result<Output, AuthoringError> {
    let program = PathBuf::from(command.get_program());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
        .output()
        .map_err(|source| AuthoringError::Start { program, source })
}

/// Runs a tool that answers a question with a line, and says nothing else.
pub(crate) fn ask(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Runs an installer to its end. What it says is shown; where it fails, the tool is not there.
pub(crate) fn installed(
    command: &mut Command,
    tool: &'static str,
    registry: &'static str,
) -> Result<(), AuthoringError> {
    if run(command)?.status.success() {
        return Ok(());
    }
    Err(AuthoringError::Install { tool, registry })
}
