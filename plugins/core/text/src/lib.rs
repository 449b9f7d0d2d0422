//! `core/text`: renders, searches, splits and replaces text.

use std::collections::BTreeMap;

use autokestra_sdk::prelude::*;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value as Jinja};
use regex::{Captures, Regex, RegexBuilder};

/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 4 << 20;

/// A template and what it may name.
#[derive(Input)]
struct Render {
    /// A MiniJinja template: `{{ name }}`, `{% for … %}`, filters. To keep the workflow from reading it, write `{{ '{{' }} … {{ '}}' }}`, or wrap it in `{% raw %}`.
    template: String,
    /// What it may name.
    #[serde(default)]
    values: BTreeMap<String, Value>,
    /// Escape what is put in for HTML.
    #[serde(default)]
    html: bool,
}

/// Renders a MiniJinja template. A name that is not among the values is an error.
#[action(idempotent, title = "Render a template")]
fn render(input: Render) -> Result<String, TaskError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let html = input.html;
    environment.set_auto_escape_callback(move |_| {
        if html {
            minijinja::AutoEscape::Html
        } else {
            minijinja::AutoEscape::None
        }
    });
    let wrong = |error: &minijinja::Error| {
        let line = error.line().map(|line| format!("line {line} of ")).unwrap_or_default();
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        TaskError::new(
            "invalid_template",
            format!("{line}the template: {}{detail}", error.kind()),
        )
    };
    let template = environment
        .template_from_str(&input.template)
        .map_err(|error| wrong(&error))?;
    let values = Jinja::from(Serde(input.values));
    template.render(values).map_err(|error| wrong(&error))
}

/// Where is searched, and for what.
#[derive(Input)]
struct Search {
    /// The text.
    text: String,
    /// A regular expression, in the syntax of Rust's regex crate.
    pattern: String,
    /// All matches as a list, not the first one.
    #[serde(default)]
    all: bool,
}

/// Finds what a regular expression matches.
///
/// A match is its text; where the pattern has groups, the list of their texts; where they have names, an object of them. No match is null.
#[action(idempotent, title = "Search by regular expression", name = "regex")]
fn search(input: Search) -> Result<Value, TaskError> {
    let pattern = compiled(&input.pattern)?;
    let shown = |captures: Captures<'_>| matched(&pattern, &captures);
    Ok(if input.all {
        pattern.captures_iter(&input.text).map(shown).collect()
    } else {
        pattern.captures(&input.text).map_or(Value::Null, shown)
    })
}

fn compiled(pattern: &str) -> Result<Regex, TaskError> {
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| TaskError::new("invalid_pattern", error.to_string()))
}

fn matched(pattern: &Regex, captures: &Captures<'_>) -> Value {
    let text = |found: Option<regex::Match<'_>>| found.map_or(Value::Null, |found| found.as_str().into());
    if pattern.captures_len() == 1 {
        return text(captures.get(0));
    }
    if pattern.capture_names().any(|name| name.is_some()) {
        let names = pattern.capture_names().flatten();
        return names.map(|name| (name.to_owned(), text(captures.name(name)))).collect();
    }
    captures.iter().skip(1).map(text).collect()
}

/// What is split, and where.
#[derive(Input)]
struct Split {
    /// The text.
    text: String,
    /// What stands between two parts, e.g. `,` or a line end.
    by: String,
    /// Take `by` as a regular expression.
    #[serde(default)]
    regex: bool,
    /// Leave out empty parts, and blanks around the others.
    #[serde(default)]
    trim: bool,
}

/// Splits text into a list.
#[action(idempotent, title = "Split text")]
fn split(input: Split) -> Result<Vec<String>, TaskError> {
    if input.by.is_empty() {
        return Err(TaskError::new(
            "invalid_input",
            "`by` is empty: name what stands between two parts",
        ));
    }
    let parts: Vec<&str> = if input.regex {
        let pattern = compiled(&input.by)?;
        pattern.split(&input.text).collect()
    } else {
        input.text.split(&input.by).collect()
    };
    let keep = |part: &str| match input.trim {
        false => Some(part.to_owned()),
        true => Some(part.trim().to_owned()).filter(|part| !part.is_empty()),
    };
    Ok(parts.into_iter().filter_map(keep).collect())
}

/// What is replaced, and by what.
#[derive(Input)]
struct Replace {
    /// The text.
    text: String,
    /// What is looked for.
    pattern: String,
    /// What is put there; with `regex`, `$1` and `${name}` are groups of the match.
    with: String,
    /// Take `pattern` as a regular expression.
    #[serde(default)]
    regex: bool,
}

/// Replaces every occurrence.
#[action(idempotent, title = "Replace text")]
fn replace(input: Replace) -> Result<String, TaskError> {
    if !input.regex {
        return Ok(input.text.replace(&input.pattern, &input.with));
    }
    let pattern = compiled(&input.pattern)?;
    Ok(pattern.replace_all(&input.text, input.with.as_str()).into_owned())
}

plugin! {
    name: "core/text",
    actions: [render, search, split, replace],
}
