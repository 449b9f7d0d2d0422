//! What is wrong with a text, and where: every message has a place.

use std::fmt;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

/// A text with the name that the user knows it by.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: Arc<str>,
}

impl Source {
    /// A text called `name`, usually a path as it was typed.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, given back.
    #[must_use]
    pub fn into_text(self) -> Arc<str> {
        self.text
    }

    /// Line and column of a byte offset, both from 1, columns in characters. Past the end it is the end.
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = self.text.get(..end).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before.get(line_start..).unwrap_or_default().chars().count() + 1)
    }
}

/// A part of a text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Where it starts.
    pub start: usize,
    /// How long it is.
    pub len: usize,
}

impl Span {
    /// The part from `start` to `end`; empty where `end` lies before.
    #[must_use]
    pub fn between(start: usize, end: usize) -> Self {
        Self {
            start,
            len: end.saturating_sub(start),
        }
    }
}

/// Where the lines of a text begin: what a [`Span`] needs to be told as a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(Vec<usize>);

impl Lines {
    /// The lines of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| at)
                .collect(),
        )
    }

    /// The line that a span begins in, from 1.
    #[must_use]
    pub fn line(&self, span: Span) -> usize {
        self.0.partition_point(|end| *end < span.start) + 1
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It runs, and may not do what was meant.
    Warning,
    /// It does not run.
    Error,
}

/// One thing that is wrong, at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of mistake it is, for machines, e.g. `unknown_key`.
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What stands at the caret: usually what was expected.
    pub label: Option<String>,
    /// What to do.
    pub help: Option<String>,
    /// Other places that have to do with it.
    pub related: Vec<(Span, String)>,
}

impl Diagnostic {
    /// An error of the kind `code` at `span`.
    #[must_use]
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            span,
            label: None,
            help: None,
            related: Vec::new(),
        }
    }

    /// A warning of the kind `code` at `span`.
    #[must_use]
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, span, message)
        }
    }

    /// With words at the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With "did you mean", where one of `known` is near to `given`.
    #[must_use]
    pub fn did_you_mean<'a>(self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(given, known) {
            Some(near) => {
                let text = format!("did you mean `{near}`?");
                match self.help.clone() {
                    Some(help) => self.help(format!("{text} {help}")),
                    None => self.help(text),
                }
            }
            None => self,
        }
    }

    /// With another place that has to do with it.
    #[must_use]
    pub fn related(mut self, span: Span, words: impl Into<String>) -> Self {
        self.related.push((span, words.into()));
        self
    }
}

/// The name of `known` that `given` was probably meant to be.
#[must_use]
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let length = given.chars().count();
    // Three edits in a long name are a slip; in a short one they are another name, and of two letters one says nothing.
    let far = if length < 3 { 0 } else { (length / 3).clamp(1, 3) };
    let known: Vec<(String, &str)> = known.into_iter().map(|name| (name.to_lowercase(), name)).collect();
    let near = known
        .iter()
        .map(|(lower, name)| (strsim::damerau_levenshtein(&given, lower), *name))
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name);
    // `timeout` for `timeoutSeconds`: the beginning of one name, and of no other.
    near.or_else(|| {
        let mut longer = known
            .iter()
            .filter(|(lower, _)| length > 2 && lower.starts_with(&given));
        let first = longer.next();
        first.filter(|_| longer.next().is_none()).map(|(_, name)| *name)
    })
}

/// How diagnostics are drawn.
#[derive(Clone, Copy, Debug)]
pub struct RenderStyle {
    /// With ANSI colours.
    pub color: bool,
    /// The width that help texts are wrapped at.
    pub width: usize,
}

/// Longest line that is drawn with a caret below it, in bytes. What is longer is on no screen, and miette counts columns in 16 bits.
const DRAWN_LINE_BYTES_MAX: usize = 4 << 10;

/// All that is wrong with one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Makes every place one of whole characters of `source`: the beginning of a collection is shown by one byte of it.
    pub(crate) fn fit(&mut self, source: &Source) {
        let text = source.text();
        let fit = |span: &mut Span| {
            let start = text.floor_char_boundary(span.start);
            let end = text.ceil_char_boundary(span.start.saturating_add(span.len)).max(start);
            *span = Span {
                start,
                len: end - start,
            };
        };
        for found in &mut self.0 {
            fit(&mut found.span);
            found.related.iter_mut().for_each(|(span, _)| fit(span));
        }
    }

    /// Nothing wrong.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of them is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// All of them, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.0.iter().collect();
        sorted.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.len));
        sorted.into_iter()
    }

    /// All of them as text for people: `file:line:column`, the line itself, a caret, and advice.
    #[must_use]
    pub fn render(&self, source: &Source, style: RenderStyle) -> String {
        let theme = if style.color {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(style.width.max(40))
            .with_links(false);
        let drawable = source.text().lines().all(|line| line.len() <= DRAWN_LINE_BYTES_MAX);
        let named = Arc::new(NamedSource::new(source.name(), source.text().to_owned()));
        let mut text = String::new();
        for (position, diagnostic) in self.iter().enumerate() {
            if position > 0 {
                text.push('\n');
            }
            let report = Report {
                diagnostic,
                source: Arc::clone(&named),
            };
            // Writing to a string does not fail; a report that miette cannot draw still has its message.
            if !drawable || handler.render_report(&mut text, &report).is_err() {
                let (line, column) = source.line_column(diagnostic.span.start);
                let place = format!("{}:{line}:{column}: ", source.name());
                text.extend([place.as_str(), diagnostic.message.as_str(), "\n"]);
                let help = diagnostic
                    .help
                    .iter()
                    .flat_map(|help| ["  help: ", help.as_str(), "\n"]);
                text.extend(help);
            }
        }
        text
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Self {
        Self(diagnostics.into_iter().collect())
    }
}

/// A diagnostic as miette wants it.
struct Report<'a> {
    diagnostic: &'a Diagnostic,
    source: Arc<NamedSource<String>>,
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic
            .help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(self.source.as_ref())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let text = self.source.inner();
        let span = |span: Span| {
            let start = span.start.min(text.len());
            (start, span.len.min(text.len() - start))
        };
        let first = LabeledSpan::new_primary_with_span(
            Some(self.diagnostic.label.clone().unwrap_or_else(|| "here".to_owned())),
            span(self.diagnostic.span),
        );
        let more = self.diagnostic.related.iter();
        let more = more.map(move |(place, words)| LabeledSpan::new_with_span(Some(words.clone()), span(*place)));
        Some(Box::new(std::iter::once(first).chain(more)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_one_in_characters() {
        let source = Source::new("a", "é: 1\nb");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(2), (1, 2));
        assert_eq!(source.line_column(6), (2, 1));
        assert_eq!(source.line_column(99), (2, 2));
    }

    #[test]
    fn a_line_that_no_screen_holds_is_told_by_its_place() {
        let source = Source::new("a.yaml", format!("{}: 1", "x".repeat(100_000)));
        let wrong = Diagnostic::error("wrong", Span::between(70_000, 99_000), "it is wrong").help("make it right");
        let style = RenderStyle {
            color: false,
            width: 100,
        };
        let report = Diagnostics(vec![wrong]).render(&source, style);
        assert_eq!(report, "a.yaml:1:70001: it is wrong\n  help: make it right\n");
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("inptus", ["inputs", "outputs"]), Some("inputs"));
        assert_eq!(nearest("Tasks", ["tasks"]), Some("tasks"));
        assert_eq!(nearest("xyz", ["inputs"]), None);
        assert_eq!(nearest("timeout", ["tasks", "timeoutSeconds"]), Some("timeoutSeconds"));
        assert_eq!(
            nearest("max", ["maxSeconds", "maxParallel"]),
            None,
            "either may be meant"
        );
        assert_eq!((nearest("c", ["a"]), nearest("A", ["a"])), (None, Some("a")));
    }

    #[test]
    fn a_span_begins_in_a_line() {
        let lines = Lines::of("a\nbc\n\nd");
        let line = |start| lines.line(Span { start, len: 1 });
        assert_eq!([0, 1, 2, 4, 5, 6, 7, 100].map(line), [1, 1, 2, 2, 3, 4, 4, 4]);
        assert_eq!(Lines::default().line(Span::default()), 1);
    }
}
