//! `workflow plugin test`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use autokestra_sandbox::Plugin;
use futures::StreamExt as _;
use tokio::time::Instant;

use super::watch::Watched;
use crate::cases::{self, Cases, Report, Tester};
use crate::error::{CliError, Exit};
use crate::place::{Place, plugin_name};
use crate::render::cases_view::TestedView;
use crate::render::{Ui, cases as shown, junit};

const EXAMPLES: &str = "\
Examples:
  workflow plugin test my-plugin
  workflow plugin test my-plugin --case greets --update
  workflow plugin test my-plugin --junit results.xml
  workflow plugin test my-plugin --component my_plugin.wasm --json | jq .passed";

/// Run the cases of a plugin project, each in the sandbox, against its component
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The project: its cases are tests/*.yaml, its component is dist/*.wasm
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Test this component instead
    #[arg(long, value_name = "FILE", conflicts_with = "plugin")]
    component: Option<PathBuf>,
    /// Test a plugin that workflows can use already
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Only cases of this name, or with this in their names
    #[arg(long, value_name = "NAME")]
    case: Vec<String>,
    /// Change the files of cases that fail by their output or log alone, to what they give
    #[arg(long)]
    update: bool,
    /// Run again when the component or a file of cases changes, until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Write the results as JUnit XML too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Indent the JSON
    #[arg(long, requires = "json")]
    pretty: bool,
}

pub(crate) async fn run(arguments: &Arguments, place: &Place, ui: &Ui) -> Result<Exit, CliError> {
    let testing = Testing { arguments, place, ui };
    let work = async {
        if arguments.watch {
            testing.again_and_again().await
        } else {
            testing.once().await
        }
    };
    // Cases that run are dropped, and their folders with them.
    tokio::select! {
        biased;
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => Ok(Exit::Interrupted),
            Err(error) => Err(CliError::new(Exit::Machine, format!("listen to Ctrl-C: {error}"))),
        },
        ended = work => ended,
    }
}

struct Testing<'a> {
    arguments: &'a Arguments,
    place: &'a Place,
    ui: &'a Ui,
}

/// What is tested.
struct Subject {
    tester: Tester,
    /// Where it came from, for people.
    origin: String,
}

impl Testing<'_> {
    async fn again_and_again(&self) -> Result<Exit, CliError> {
        let folder = &self.arguments.folder;
        loop {
            // Taken before the round: what changes meanwhile is seen.
            let watched = Watched::now(folder, self.arguments.component.as_deref());
            if let Err(error) = self.once().await {
                if error.exit() == Exit::Success {
                    return Err(error);
                }
                error.print(self.ui)?;
            }
            self.ui.note(&format!("watching {}; Ctrl-C ends", folder.display()))?;
            watched.changed(folder, self.arguments.component.as_deref()).await;
        }
    }

    async fn once(&self) -> Result<Exit, CliError> {
        let arguments = self.arguments;
        let subject = self.subject().await?;
        let plugin = &subject.tester.plugin;
        let files = self.cases(plugin)?;
        let chosen = chosen(&files, &arguments.case)?;
        if !arguments.json {
            self.ui
                .out(&shown::head(self.ui, plugin, &subject.origin, chosen.len()))?;
        }
        let start = Instant::now();
        let mut reports = self.reports(&subject.tester, &files, &chosen).await?;
        let took = start.elapsed();
        if arguments.update {
            for (number, cases) in files.iter().enumerate() {
                let (first, last) = bounds(&reports, number);
                cases::update(cases, &mut reports[first..last])?;
            }
        }
        let failed = reports.iter().any(|report| !report.passed() && !report.updated);
        self.tell(plugin, &files, &reports, took)?;
        Ok(if failed { Exit::Failed } else { Exit::Success })
    }

    fn tell(&self, plugin: &Plugin, files: &[Cases], reports: &[Report], took: Duration) -> Result<(), CliError> {
        let arguments = self.arguments;
        if let Some(path) = &arguments.junit {
            std::fs::write(path, junit::document(plugin, files, reports, took))
                .map_err(|error| CliError::new(Exit::Machine, format!("write {}: {error}", path.display())))?;
        }
        if arguments.json {
            return self
                .ui
                .json(&TestedView::new(plugin, files, reports, took), arguments.pretty);
        }
        self.ui.out(&shown::summary(self.ui, files, reports, took))
    }

    async fn subject(&self) -> Result<Subject, CliError> {
        let arguments = self.arguments;
        let mut options = self.place.settings.sandbox_options();
        // The cases reach their own servers, past every proxy.
        options.proxy = None;
        if arguments.plugin.is_none() {
            // What is tested is named; what else is there may be broken.
            options.directories.clear();
        }
        let sandbox = autokestra_sandbox::Sandbox::new(options)?;
        let (plugin, origin) = if let Some(name) = &arguments.plugin {
            let plugin = sandbox.plugin(&plugin_name(name)?).await?;
            (plugin, "as workflows use it".to_owned())
        } else {
            let component = match &arguments.component {
                Some(component) => component.clone(),
                None => self.built()?,
            };
            let origin = component.display().to_string();
            (sandbox.load_file(&component).await?, origin)
        };
        let tester = Tester { sandbox, plugin };
        Ok(Subject { tester, origin })
    }

    /// The component of the project.
    fn built(&self) -> Result<PathBuf, CliError> {
        let folder = &self.arguments.folder;
        if !folder.is_dir() {
            return Err(CliError::new(
                Exit::Failed,
                format!("there is no folder {}", folder.display()),
            ));
        }
        let project = cases::of_project(folder)?;
        if let Some(newer) = project.newer {
            let (newer, component) = (newer.display(), project.component.display());
            self.ui
                .error("warning", &format!("{newer} is newer than {component}"))?;
            let hint = format!("run `{}`", cases::command("build", folder));
            self.ui.error("hint", &hint)?;
        }
        Ok(project.component)
    }

    /// All cases; what is wrong with files is told of all of them.
    fn cases(&self, plugin: &Plugin) -> Result<Vec<Cases>, CliError> {
        cases::cases_of(&self.arguments.folder, plugin).map_err(|mut wrong| {
            let last = wrong.pop();
            for error in wrong {
                // Nobody is left to be told where stderr is closed.
                drop(error.print(self.ui));
            }
            last.unwrap_or_else(|| CliError::input("there are no cases"))
        })
    }

    /// Runs cases side by side, and tells of each in their order.
    async fn reports(
        &self,
        tester: &Tester,
        files: &[Cases],
        chosen: &[(usize, usize)],
    ) -> Result<Vec<Report>, CliError> {
        let at_once = std::thread::available_parallelism().map_or(2, usize::from) * 2;
        let fixtures = cases::tests_of(&self.arguments.folder);
        let runs = chosen
            .iter()
            .filter_map(|at| Some((files.get(at.0)?, *at)))
            .map(|(cases, at)| {
                let (tester, file, fixtures) = (tester.clone(), Arc::clone(&cases.file), fixtures.clone());
                // A task of its own each: guests compute, and there is more than one processor.
                let run = tokio::spawn(async move { tester.run(&file, at, &fixtures).await });
                Stopping(run)
            });
        let mut runs = futures::stream::iter(runs).buffered(at_once);
        let mut reports = Vec::with_capacity(chosen.len());
        while let Some(report) = runs.next().await {
            let report = report.map_err(|error| CliError::new(Exit::Machine, format!("run a case: {error}")))?;
            let Some(report) = report else { continue };
            if !self.arguments.json
                && let Some(cases) = files.get(report.file)
            {
                let alone = self.alone(&report.name);
                self.ui.out(&shown::case(self.ui, cases, &report, &alone))?;
            }
            reports.push(report);
        }
        Ok(reports)
    }

    /// The command that runs one case alone.
    fn alone(&self, name: &str) -> String {
        let mut line = cases::command("test", &self.arguments.folder);
        if let Some(component) = &self.arguments.component {
            line.extend([format!(" --component {}", quoted(&component.display().to_string()))]);
        }
        if let Some(plugin) = &self.arguments.plugin {
            line.extend([format!(" --plugin {plugin}")]);
        }
        format!("{line} --case {}", quoted(name))
    }
}

/// A task that ends when nobody waits for it any more.
struct Stopping<T>(tokio::task::JoinHandle<T>);

impl<T> Future for Stopping<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Stopping<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The cases that are asked for: those of a name, or with it in their names where none has it.
fn chosen(files: &[Cases], names: &[String]) -> Result<Vec<(usize, usize)>, CliError> {
    let all: Vec<(usize, usize, &str)> = files
        .iter()
        .enumerate()
        .flat_map(|(file, cases)| {
            let cases = cases.file.cases().iter().enumerate();
            cases.map(move |(index, case)| (file, index, case.name.as_str()))
        })
        .collect();
    let mut wanted: Vec<(usize, usize)> = Vec::new();
    for name in names {
        let exact = all.iter().any(|(.., known)| known == name);
        let fits = |known: &str| {
            if exact {
                known == name
            } else {
                known.contains(name.as_str())
            }
        };
        let found = all
            .iter()
            .filter(|(.., known)| fits(known))
            .map(|(file, index, _)| (*file, *index));
        let before = wanted.len();
        wanted.extend(found);
        if wanted.len() == before {
            let error = CliError::new(Exit::Failed, format!("there is no case `{name}`"));
            let near = autokestra_model::diagnostic::nearest(name, all.iter().map(|(.., known)| *known));
            return Err(match near {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("without --case, all cases run and tell their names"),
            });
        }
    }
    if names.is_empty() {
        wanted = all.iter().map(|(file, index, _)| (*file, *index)).collect();
    }
    wanted.sort_unstable();
    wanted.dedup();
    Ok(wanted)
}

/// The reports of one file: they stand together.
fn bounds(reports: &[Report], file: usize) -> (usize, usize) {
    let first = reports.partition_point(|report| report.file < file);
    (first, reports.partition_point(|report| report.file <= file))
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cases_are_one_word_for_a_shell() {
        assert_eq!(quoted("get-1"), "get-1");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted("log #2"), "'log #2'");
    }
}
