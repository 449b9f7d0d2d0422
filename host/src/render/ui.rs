//! Where text goes: results to stdout, everything else to stderr; colours where somebody sees them.

use std::io::{self, BufWriter, IsTerminal as _, Write};

use autokestra_model::{Diagnostics, RenderStyle, Source};
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use super::live::{Screen, Size};
use super::{safe, safe_json};
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
    /// stderr is a terminal that can be drawn on.
    live: bool,
    /// The width of the terminal that stdout is.
    width_out: Option<usize>,
    width: usize,
    screen: &'static Screen,
}

impl Ui {
    pub(crate) fn new(choice: ColorChoice) -> Self {
        let wanted = |terminal: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => by_environment().unwrap_or(terminal),
        };
        let width = terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0));
        let width_out = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        let color_err = wanted(io::stderr().is_terminal());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            color_out: wanted(io::stdout().is_terminal()),
            color_err,
            // Whoever wants no colours wants no other escape sequence either.
            live: color_err && !dumb && Size::of_stderr().is_some(),
            // A size of nothing is that of a terminal that does not know it.
            width_out: width_out.filter(|width| *width > 0),
            width,
            // One for the whole process, as stderr is.
            screen: Box::leak(Box::default()),
        }
    }

    /// The width of the terminal.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The width of the terminal that stdout is; none where it is something else, and all is to be written.
    pub(crate) fn width_out(&self) -> Option<usize> {
        self.width_out
    }

    /// stderr, where it can be drawn on.
    pub(crate) fn screen(&self) -> Option<&'static Screen> {
        self.live.then_some(self.screen)
    }

    /// A writer of what is not a result, for libraries.
    pub(crate) fn notes(&self) -> Notes {
        Notes(self.screen)
    }

    /// Whether a person watches stderr.
    pub(crate) fn is_watched(&self) -> bool {
        io::stderr().is_terminal()
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
        self.out(&(safe_json(text) + "\n"))
    }

    /// Anything that is not a result.
    pub(crate) fn note(&self, text: &str) -> Result<(), CliError> {
        written(self.screen.print(&format!("{text}\n")))
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

/// Writes to stderr, above what stands there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notes(&'static Screen);

impl Write for Notes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.print(&String::from_utf8_lossy(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

/// A closed pipe is the end, not an error.
pub(crate) fn written(result: io::Result<()>) -> Result<(), CliError> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::pipe(),
        _ => CliError::new(crate::error::Exit::Machine, format!("write the output: {error}")),
    })
}
