//! `workflow execution files`.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Component, Path, PathBuf};

use autokestra_engine::Artifacts;
use autokestra_store::{ExecutionRef, FileRow, Store, TaskRunRow};

use super::resume::detail;
use crate::error::{CliError, Exit};
use crate::place::{Place, execution_ref};
use crate::render::view::FilesView;
use crate::render::{Ui, files, safe, written};

/// The most of a file that is shown on a terminal.
const SHOWN_MAX: u64 = 1 << 20;

const EXAMPLES: &str = "\
Examples:
  workflow execution files last
  workflow execution files last report.csv | head
  workflow execution files last build/app.tar --out ./release
  workflow execution files exec-01ke --out ./all

A file is named as its task left it, or with its task in front: `build/app.tar`.";

/// List the files that tasks left, or fetch them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Its id, the beginning of it, or `last`
    #[arg(value_name = "EXECUTION", value_parser = execution_ref)]
    execution: ExecutionRef,
    /// Print this file; with `--out`, fetch only this one
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Write into this folder, each task's files into a folder of its own
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the list as JSON
    #[arg(long, conflicts_with_all = ["name", "out"])]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) async fn run(arguments: Arguments, place: &Place, store: &dyn Store, ui: &Ui) -> Result<Exit, CliError> {
    let id = store.find_execution(arguments.execution).await?;
    let found = detail(store, id).await?;
    let all: Vec<Left<'_>> = found
        .tasks
        .iter()
        .flat_map(|task| task.files.iter().map(move |file| Left { task, file }))
        .collect();
    let artifacts = place.settings.artifacts();
    match (arguments.name, arguments.out) {
        (None, None) if arguments.json => ui.json(&FilesView::new(&found), arguments.pretty)?,
        (None, None) => ui.out(&files(ui, &found))?,
        (Some(name), None) => print(one(&all, &name)?, &artifacts, ui)?,
        (Some(name), Some(folder)) => fetch(&[one(&all, &name)?], &folder, &artifacts, ui)?,
        (None, Some(folder)) => fetch(&all.iter().collect::<Vec<_>>(), &folder, &artifacts, ui)?,
    }
    Ok(Exit::Success)
}

/// A file and the task run that left it.
struct Left<'a> {
    task: &'a TaskRunRow,
    file: &'a FileRow,
}

impl Left<'_> {
    /// Its name among the files of all tasks.
    fn path(&self) -> String {
        match self.task.item {
            Some(item) => format!("{}/{item}/{}", self.task.task, self.file.name),
            None => format!("{}/{}", self.task.task, self.file.name),
        }
    }

    fn open(&self, artifacts: &Artifacts) -> Result<File, CliError> {
        artifacts.open(&self.file.digest).map_err(|error| {
            let text = format!("failed to open `{}`: {error}", safe(&self.path()));
            CliError::new(Exit::Machine, text)
                .hint("the folder `artifacts` beside the database holds the files of executions")
        })
    }
}

/// The file of a name, which may have its task in front.
fn one<'a>(all: &'a [Left<'a>], name: &str) -> Result<&'a Left<'a>, CliError> {
    let named: Vec<&Left<'_>> = match all.iter().find(|left| left.path() == name) {
        Some(exact) => vec![exact],
        None => all.iter().filter(|left| left.file.name == name).collect(),
    };
    match named.as_slice() {
        [one] => Ok(one),
        several => {
            let (what, from) = if several.is_empty() {
                ("no task left a file", all.iter().collect())
            } else {
                ("several tasks left a file", named.clone())
            };
            let known: Vec<String> = from
                .iter()
                .take(10)
                .map(|left| safe(&left.path()).into_owned())
                .collect();
            let error = CliError::new(Exit::Failed, format!("{what} `{}`", safe(name)));
            Err(error.hint(if known.is_empty() {
                "this execution left no file: a task leaves what it writes below /artifacts".to_owned()
            } else {
                format!("name one of {}", known.join(", "))
            }))
        }
    }
}

/// Prints a file. A terminal gets text alone: other bytes could be commands to it.
fn print(left: &Left<'_>, artifacts: &Artifacts, ui: &Ui) -> Result<(), CliError> {
    let mut file = left.open(artifacts)?;
    if io::stdout().is_terminal() {
        let mut text = String::new();
        let read = (&mut file).take(SHOWN_MAX + 1).read_to_string(&mut text);
        if read.is_err() || text.len() as u64 > SHOWN_MAX || safe(&text.replace('\n', "")) != text.replace('\n', "") {
            let error = CliError::input(format!("`{}` is no text that a terminal can show", safe(&left.path())));
            return Err(error.hint("write it to a folder with `--out DIR`, or into a pipe"));
        }
        return ui.out(&text);
    }
    ui.out_with(|to| written(io::copy(&mut file, to).map(drop)))
}

/// Writes files into a folder. What is there already is not overwritten.
fn fetch(wanted: &[&Left<'_>], folder: &Path, artifacts: &Artifacts, ui: &Ui) -> Result<(), CliError> {
    for left in wanted {
        let path = left.path();
        // The names are those that a task chose.
        if !Path::new(&path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            let text = format!("`{}` is no name for a file below {}", safe(&path), folder.display());
            return Err(CliError::new(Exit::Failed, text));
        }
        let to = folder.join(&path);
        let failed = |error: io::Error| {
            let text = format!("failed to write {}: {error}", safe(&to.display().to_string()));
            let exists = error.kind() == io::ErrorKind::AlreadyExists;
            let error = CliError::new(if exists { Exit::Input } else { Exit::Machine }, text);
            if exists {
                error.hint("nothing is overwritten; name another folder")
            } else {
                error
            }
        };
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut from = left.open(artifacts)?;
        let mut file = File::create_new(&to).map_err(failed)?;
        io::copy(&mut from, &mut file).map_err(failed)?;
        ui.out(&format!("{}\n", safe(&to.display().to_string())))?;
    }
    Ok(())
}
