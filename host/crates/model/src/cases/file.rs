//! A whole file of cases.

use std::collections::BTreeMap;

use super::{CASES_MAX, Case, given};
use crate::cases::fill;
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span};
use crate::reader::wrong_type;
use crate::yaml::{self, Node, NodeKind};

/// The cases of one file. Only [`CaseFile::parse`] makes one, so all of them can be read.
#[derive(Clone, Debug)]
pub struct CaseFile {
    nodes: Vec<Node>,
    cases: Vec<Case>,
}

/// What is wrong with a file, and the text to show it in: values of secrets are covered there, and where the text is no list of cases, all
/// that stands where they might.
#[derive(Clone, Debug)]
pub struct Broken {
    /// What is wrong.
    pub diagnostics: Diagnostics,
    /// The text.
    pub source: Source,
}

/// What stands for the server's address while nobody listens.
pub const NOBODY: &str = "127.0.0.1:1";

impl CaseFile {
    /// Reads a file: a list of cases.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn parse(source: &Source) -> Result<Self, Box<Broken>> {
        let mut errors = Diagnostics::new();
        let nodes = match yaml::parse(source).map_err(explained) {
            Ok(root) => listed(root, &mut errors),
            Err(wrong) => {
                errors.extend(wrong);
                None
            }
        };
        let Some(nodes) = nodes else {
            errors.fit(source);
            return Err(Box::new(Broken {
                diagnostics: errors,
                source: cover_all(source, fill::where_secrets_may_be(source.text())),
            }));
        };
        let mut cases = Vec::with_capacity(nodes.len());
        let mut names: BTreeMap<String, Span> = BTreeMap::new();
        for (index, node) in nodes.iter().enumerate() {
            let Some(case) = read(node, index, NOBODY, &mut errors) else {
                continue;
            };
            if let Some(first) = names.insert(case.name.clone(), case.place) {
                let message = format!("the name `{}` stands twice", case.name);
                let error = Diagnostic::error("invalid_name", case.place, message).label("again here");
                errors.push(
                    error
                        .related(first, "first here")
                        .help("`--case` finds a case by its name"),
                );
            }
            cases.push(case);
        }
        if !errors.has_errors() {
            return Ok(Self { nodes, cases });
        }
        errors.fit(source);
        Err(Box::new(Broken {
            diagnostics: errors,
            source: covered(source, &nodes),
        }))
    }

    /// The text to show a mistake in: values of secrets are covered.
    #[must_use]
    pub fn covered(&self, source: &Source) -> Source {
        covered(source, &self.nodes)
    }

    /// The cases, in the order of the file. What stands for the server's address is nobody's in these.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The case at `index`, with the server at `address`.
    #[must_use]
    pub fn case_at(&self, index: usize, address: &str) -> Option<Case> {
        // It was read once, and an address is as long as another.
        read(self.nodes.get(index)?, index, address, &mut Diagnostics::new())
    }

    /// Whether `other` says the same, but for the cases at `changed`.
    #[must_use]
    pub fn differs_only_in(&self, other: &Self, changed: &[usize]) -> bool {
        self.nodes.len() == other.nodes.len()
            && self
                .nodes
                .iter()
                .zip(&other.nodes)
                .enumerate()
                .all(|(index, (one, two))| changed.contains(&index) || one.to_json() == two.to_json())
    }
}

/// An empty file is where somebody begins.
fn explained(errors: Diagnostics) -> Diagnostics {
    let explain = |error: Diagnostic| match error.code {
        "empty" => error.help(
            "a file of cases is a list:\n- name: greets\n  action: hello\n  input: { who: Ada }\n  output: Hello, Ada!",
        ),
        _ => error,
    };
    errors.into_iter().map(explain).collect()
}

/// The nodes of the cases; none where it is no list of them.
fn listed(root: Node, errors: &mut Diagnostics) -> Option<Vec<Node>> {
    match root.kind {
        NodeKind::Sequence(items) if items.len() <= CASES_MAX => Some(items),
        NodeKind::Sequence(items) => {
            let message = format!("there are {} cases; {CASES_MAX} is the most of one file", items.len());
            errors.push(Diagnostic::error("out_of_range", Span { len: 1, ..root.span }, message));
            None
        }
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_) | NodeKind::String(_) | NodeKind::Mapping(_) => {
            errors.push(wrong_type(&root, "a file of cases", "a list of cases"));
            None
        }
    }
}

fn read(node: &Node, index: usize, address: &str, errors: &mut Diagnostics) -> Option<Case> {
    let mut node = node.clone();
    fill::server(&mut node, address, errors);
    given::case(&node, index, errors)
}

fn covered(source: &Source, nodes: &[Node]) -> Source {
    cover_all(source, nodes.iter().flat_map(fill::secrets))
}

fn cover_all(source: &Source, places: impl IntoIterator<Item = Span>) -> Source {
    let text = places.into_iter().fold(source.text().to_owned(), cover);
    Source::new(source.name(), text)
}

/// Puts stars over a part of a text, as many as it has bytes, so that all other places stay.
fn cover(text: String, span: Span) -> String {
    let end = span.start.saturating_add(span.len);
    let Some(part) = text.get(span.start..end) else {
        return text;
    };
    let stars: String = part
        .chars()
        .flat_map(|c| std::iter::repeat_n(if c == '\n' { '\n' } else { '*' }, c.len_utf8()))
        .collect();
    let mut text = text;
    text.replace_range(span.start..end, &stars);
    text
}
