//! Where text goes: results to stdout, everything else to stderr; colours where somebody sees them.

use std::io::{self, BufWriter, IsTerminal as _, Write};

use autokestra_model::{Diagnostics, RenderStyle, Source};
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::safe;
use crate::docs::Codes;
use crate::error::CliError;

/// The width of what is not a terminal.
const WIDTH: usize = 100;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// What a colour means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tint {
    Good,
    Bad,
    Doubtful,
    Going,
    Faint,
    Head,
}

impl Tint {
    fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Doubtful => AnsiColor::Yellow.on_default(),
            Self::Going => AnsiColor::Cyan.on_default(),
            Self::Faint => Style::new().dimmed(),
            Self::Head => Style::new().bold(),
        }
    }
}

/// The two streams, and how they may look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    color_out: bool,
    color_err: bool,
    width: usize,
}

impl Ui {
    pub(crate) fn new(choice: ColorChoice) -> Self {
        let wanted = |terminal: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => by_environment().unwrap_or(terminal),
        };
        let width = terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0));
        Self {
            color_out: wanted(io::stdout().is_terminal()),
            color_err: wanted(io::stderr().is_terminal()),
            width,
        }
    }

    /// The width of the terminal.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Whether stderr is coloured.
    pub(crate) fn colors_notes(&self) -> bool {
        self.color_err
    }

    /// `text` in a colour, for stdout.
    pub(crate) fn tint(&self, tint: Tint, text: &str) -> String {
        colored(self.color_out, tint, text)
    }

    /// `text` in a colour, for stderr.
    pub(crate) fn tint_note(&self, tint: Tint, text: &str) -> String {
        colored(self.color_err, tint, text)
    }

    /// A result.
    pub(crate) fn out(&self, text: &str) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
    }

    /// Many results: written as they come, in large pieces.
    pub(crate) fn out_with(&self, write: impl FnOnce(&mut dyn Write) -> Result<(), CliError>) -> Result<(), CliError> {
        let mut out = BufWriter::new(io::stdout().lock());
        write(&mut out)?;
        written(out.flush())
    }

    /// A result as JSON.
    pub(crate) fn json<T: Serialize>(&self, value: &T, pretty: bool) -> Result<(), CliError> {
        let text = if pretty {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        let text = text.expect("views have string keys and finite numbers");
        self.out(&(text + "\n"))
    }

    /// Anything that is not a result.
    pub(crate) fn note(&self, text: &str) -> Result<(), CliError> {
        let mut err = io::stderr().lock();
        written(writeln!(err, "{text}"))
    }

    /// A line of an error: its label, and the text of anybody.
    pub(crate) fn error(&self, label: &str, text: &str) -> Result<(), CliError> {
        let tint = match label {
            "error" => Tint::Bad,
            "warning" => Tint::Doubtful,
            "hint" => Tint::Going,
            _ => Tint::Faint,
        };
        let indent = " ".repeat(label.len() + 2);
        let text = safe(text).replace('\n', &format!("\n{indent}"));
        self.note(&format!("{}: {text}", self.tint_note(tint, label)))
    }

    /// The addresses of the pages on codes, one line each.
    pub(crate) fn pages(&self, codes: &Codes) -> Result<(), CliError> {
        codes
            .pages()
            .try_for_each(|page| self.note(&self.tint_note(Tint::Faint, &format!("docs: {page}"))))
    }

    /// What is wrong with a text, each with its place.
    pub(crate) fn diagnostics(&self, source: &Source, diagnostics: &Diagnostics) -> Result<(), CliError> {
        let style = RenderStyle {
            color: self.color_err,
            width: self.width.min(120),
        };
        let drawn = diagnostics.render(source, style);
        let drawn = if self.color_err {
            drawn
        } else {
            safe(&drawn).into_owned()
        };
        self.note(drawn.trim_end())
    }
}

/// What the environment says of colours: <https://no-color.org>, <https://bixense.com/clicolors>.
fn by_environment() -> Option<bool> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if set("NO_COLOR").is_some() {
        return Some(false);
    }
    if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return Some(true);
    }
    set("TERM").filter(|term| term == "dumb").map(|_| false)
}

fn colored(on: bool, tint: Tint, text: &str) -> String {
    if !on || text.is_empty() {
        return text.to_owned();
    }
    let style = tint.style();
    format!("{style}{text}{style:#}")
}

/// Ends when whoever read stdout is gone; never where it is a file.
pub(crate) async fn reader_gone() {
    #[expect(
        deprecated,
        reason = "stdout stays open as long as the process, so it is sound here; what takes its place is unsafe to call"
    )]
    let watched = AsyncFd::with_interest(io::stdout(), Interest::ERROR);
    let gone = match &watched {
        Ok(watched) => watched.ready(Interest::ERROR).await.is_ok(),
        Err(_) => false,
    };
    if !gone {
        std::future::pending::<()>().await;
    }
}

/// A closed pipe is the end, not an error.
pub(crate) fn written(result: io::Result<()>) -> Result<(), CliError> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::pipe(),
        _ => CliError::new(crate::error::Exit::Machine, format!("write the output: {error}")),
    })
}
