//! Every error of the command line: what kind it is, what to do next, and the exit code.

mod authoring;
mod secrets;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::process::ExitCode;

use autokestra_engine::{ResumeError, RunError, StartError};
use autokestra_model::{Diagnostics, ReasonCode, Source};
use autokestra_sandbox::{CacheError, LoadError, SandboxError};
use autokestra_store::{AcquireError, FindError, StoreError};

use crate::config::ConfigError;
use crate::docs::Codes;
use crate::render::Ui;
use crate::render::validation::DiagnosticView;

/// How the process ends. The numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// All went well, or whoever read the output stopped.
    Success = 0,
    /// The execution failed, or what was asked for does not exist.
    Failed = 1,
    /// The input is wrong, and nothing ran.
    Input = 2,
    /// The machine is wrong: storage, disk.
    Machine = 3,
    /// The execution was cancelled.
    Cancelled = 4,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error as people see it.
#[derive(Debug)]
pub(crate) struct CliError {
    exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    /// The reason code whose page says more.
    page: Option<ReasonCode>,
    /// Diagnostics with their text, drawn instead of the message.
    drawn: Option<Box<(Source, Diagnostics)>>,
}

impl CliError {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            page: None,
            drawn: None,
        }
    }

    /// The input is wrong.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::Input, message)
    }

    /// A text is wrong at places.
    pub(crate) fn diagnostics(source: Source, diagnostics: Diagnostics) -> Self {
        Self {
            drawn: Some(Box::new((source, diagnostics))),
            ..Self::new(Exit::Input, "")
        }
    }

    /// Whoever read our output stopped: no error, but the end.
    pub(crate) fn pipe() -> Self {
        Self::new(Exit::Success, "")
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do next, where that is known.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// With the page on a reason code, which says more.
    pub(crate) fn page(mut self, code: ReasonCode) -> Self {
        self.page = Some(code);
        self
    }

    /// The codes whose pages say more.
    pub(crate) fn codes(&self) -> Codes {
        match self.drawn.as_deref() {
            Some((_, diagnostics)) => Codes::of_diagnostics(diagnostics),
            None => self.page.map(ReasonCode::as_str).into_iter().collect(),
        }
    }

    /// How the process ends by it.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What is wrong with the file `name`, for machines.
    pub(crate) fn views(&self, name: &str) -> Vec<DiagnosticView> {
        match self.drawn.as_deref() {
            Some((source, diagnostics)) => diagnostics
                .iter()
                .map(|found| DiagnosticView::new(source, found))
                .collect(),
            None => vec![DiagnosticView::whole(
                name.to_owned(),
                self.to_string(),
                self.hint.clone(),
            )],
        }
    }

    /// All of it in one paragraph, with what to do next.
    pub(crate) fn with_advice(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self}; {}", hint.replace('\n', ", ")),
            None => self.to_string(),
        }
    }

    fn caused_by(mut self, error: &dyn Error) -> Self {
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Libraries like to repeat their source.
            let words = match text.split_once(": ") {
                Some((head, words)) if head.starts_with("Error code ") => words,
                _ => text.as_str(),
            };
            let is_said = self
                .causes
                .iter()
                .any(|said| said.contains(words) || words.contains(said.as_str()));
            if !self.message.contains(&text) && !is_said {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    fn of(exit: Exit, error: &dyn Error) -> Self {
        Self::new(exit, error.to_string()).caused_by(error)
    }

    /// Prints it, and says how the process ends.
    pub(crate) fn report(self, ui: &Ui) -> Exit {
        if self.exit == Exit::Success {
            return self.exit;
        }
        // Nobody is left to be told where stderr is closed.
        drop(self.print(ui).and_then(|()| ui.pages(&self.codes())));
        self.exit
    }

    /// Prints it without the addresses of its pages.
    pub(crate) fn print(&self, ui: &Ui) -> Result<(), Self> {
        if let Some((source, diagnostics)) = self.drawn.as_deref() {
            return ui.diagnostics(source, diagnostics);
        }
        ui.error("error", &plain(&self.message))?;
        for cause in &self.causes {
            ui.error("caused by", &plain(cause))?;
        }
        if let Some(hint) = &self.hint {
            ui.error("hint", hint)?;
        }
        Ok(())
    }
}

/// What went wrong, in one paragraph, for where it is told as a part of something else.
impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((source, diagnostics)) = self.drawn.as_deref() {
            let places = diagnostics.iter().map(|found| {
                let (line, column) = source.line_column(found.span.start);
                format!("{}:{line}:{column}: {}", source.name(), found.message)
            });
            return f.write_str(&places.collect::<Vec<_>>().join("; "));
        }
        f.write_str(&plain(&self.message))?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {}", plain(cause)))
    }
}

/// The text without the numbers that the standard library gives the errors of the system.
fn plain(text: &str) -> Cow<'_, str> {
    const MARK: &str = " (os error ";
    let mut text = Cow::Borrowed(text);
    while let Some((before, after)) = text.split_once(MARK)
        && let Some((_, after)) = after.split_once(')')
    {
        text = Cow::Owned(format!("{before}{after}"));
    }
    text
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Unreadable(path, error) => {
                let shown = path.display();
                match error.kind() {
                    ErrorKind::NotFound => Self::input(format!("there is no configuration {shown}")).hint(
                        "without --config, ./config.yaml is read if there is one; config.example.yaml lists every key",
                    ),
                    _ => Self::input(format!("read the configuration {shown}: {error}"))
                        .hint("name another by --config FILE"),
                }
            }
            ConfigError::File(source, diagnostics) => Self::diagnostics(source, diagnostics),
            ConfigError::Environment(messages) => Self::input(messages.join("\n"))
                .hint("set it right, or unset it; `workflow config show` lists all variables"),
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let shown = Self::of(Exit::Machine, &error);
        match error {
            StoreError::Open { .. } => {
                shown.hint("`storage.path` names the file of the database; its folder is made where it can be")
            }
            StoreError::NewerVersion { .. } => shown.hint(
                "use a newer `workflow`, or name another database by `storage.path`; this one was left as it was",
            ),
            StoreError::Corrupt { .. } => {
                shown.hint("restore it from a backup or move it away, or name another by `storage.path`")
            }
            StoreError::DiskFull { .. } => shown.hint("make room, then `workflow execution resume` goes on"),
            StoreError::ReadOnly { .. } => {
                shown.hint("check its permissions and those of its folder, or name another database by `storage.path`")
            }
            StoreError::Busy { .. } => shown.hint("try again when that one is done"),
            StoreError::StaleState { .. }
            | StoreError::Fenced { .. }
            | StoreError::Missing { .. }
            | StoreError::Closed
            // These two say what to do themselves.
            | StoreError::AuditKey { .. }
            | StoreError::AuditKeyExposed { .. }
            | StoreError::Row { .. }
            | StoreError::Sqlite { .. } => shown,
        }
    }
}

impl From<SandboxError> for CliError {
    fn from(error: SandboxError) -> Self {
        Self::of(Exit::Machine, &error)
    }
}

impl From<CacheError> for CliError {
    fn from(error: CacheError) -> Self {
        Self::of(Exit::Machine, &error)
    }
}

impl From<LoadError> for CliError {
    fn from(error: LoadError) -> Self {
        let exit = match error {
            LoadError::Unknown { .. } => Exit::Failed,
            LoadError::Unreadable { .. }
            | LoadError::NotAComponent { .. }
            | LoadError::WrongWorld { .. }
            | LoadError::Program { .. }
            | LoadError::NotAProgram { .. }
            | LoadError::NotDescribed { .. }
            | LoadError::Manifest { .. }
            | LoadError::Duplicate { .. } => Exit::Input,
        };
        let shown = Self::of(exit, &error);
        match error {
            LoadError::Unknown { .. } => shown.hint("`workflow plugin list` shows those that there are"),
            LoadError::Unreadable { .. } => shown.hint("`plugins.directories` of the configuration names folders"),
            LoadError::NotAComponent { .. } | LoadError::WrongWorld { .. } => {
                shown.hint("a plugin is a component of the world in `wit/`, as the sdk makes one for wasm32-wasip2")
            }
            LoadError::NotDescribed { .. } | LoadError::Manifest { .. } => shown
                .hint("what a plugin says of itself is made by the sdk's `plugin!`; build it anew with this version"),
            LoadError::Duplicate { .. } | LoadError::Program { .. } | LoadError::NotAProgram { .. } => shown,
        }
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Plugin { source, .. } => source.into(),
            StartError::Store(source) => source.into(),
            StartError::Open(source) => Self::input(source.to_string()),
            StartError::Random(source) => Self::of(Exit::Machine, &source),
        }
    }
}

impl From<ResumeError> for CliError {
    fn from(error: ResumeError) -> Self {
        match error {
            ResumeError::Acquire(AcquireError::Store(source)) | ResumeError::Store(source) => source.into(),
            ResumeError::Acquire(source @ AcquireError::NotFound { .. }) => Self::of(Exit::Failed, &source),
            ResumeError::Acquire(source @ AcquireError::Ended { id, .. }) => Self::of(Exit::Failed, &source).hint(
                format!("`workflow execution retry {id}` runs again what did not succeed"),
            ),
            ResumeError::Acquire(source @ AcquireError::Owned { .. }) => {
                Self::of(Exit::Failed, &source).hint("it needs no help; `workflow execution logs` shows how it goes")
            }
            ResumeError::Plugin { source, .. } => source.into(),
            ResumeError::Random(source) => Self::of(Exit::Machine, &source),
            ResumeError::Open(_) | ResumeError::OtherWorkflow => Self::of(Exit::Input, &error),
        }
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(source) => source.into(),
            RunError::Scheduler => Self::of(Exit::Machine, &error),
        }
    }
}

impl From<FindError> for CliError {
    fn from(error: FindError) -> Self {
        match &error {
            FindError::NotFound { .. } => {
                Self::of(Exit::Failed, &error).hint("`workflow execution list` shows those that there are")
            }
            FindError::Empty => Self::of(Exit::Failed, &error).hint("`workflow run FILE` makes one"),
            FindError::Ambiguous { candidates, .. } => {
                let hint = format!("write more of it: {}", candidates.join(", "));
                Self::of(Exit::Input, &error).hint(hint)
            }
            FindError::Store(_) => Self::of(Exit::Machine, &error),
        }
    }
}
