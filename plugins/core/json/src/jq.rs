//! jq by jaq.

use autokestra_sdk::{TaskError, Value};
use jaq_core::compile::Compiler;
use jaq_core::data::JustLut;
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Ctx, Native, Vars, unwrap_valr};
use jaq_json::{Val, read};

/// Most results of one filter: more would not fit the output.
const RESULTS_MAX: usize = 1_000_000;

/// Definitions of our own.
const FORMATS: &str = include_str!("formats.jq");

/// Everything that `filter` gives for `data`.
pub(crate) fn run(filter: &str, data: &Value) -> Result<Vec<Value>, TaskError> {
    let failed = |message: String| TaskError::new("filter_failed", message);
    let input = read::parse_single(data.to_string().as_bytes()).map_err(|error| failed(error.to_string()))?;
    let formats = load::parse(FORMATS, |parser| parser.defs()).unwrap_or_default();
    let definitions = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs())
        .chain(formats);
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let program = File { code: filter, path: () };
    let modules = Loader::new(definitions)
        .load(&arena, program)
        .map_err(|errors| wrong_syntax(filter, &errors))?;
    let compiled = Compiler::<_, Native<JustLut<Val>>>::default()
        .with_funs(functions)
        .compile(modules)
        .map_err(|errors| wrong_names(filter, &errors))?;
    let context = Ctx::<JustLut<Val>>::new(&compiled.lut, Vars::new([]));
    let mut results = Vec::new();
    for result in compiled.id.run((context, input)).map(unwrap_valr) {
        let result = result.map_err(|error| failed(format!("the filter failed: {error}")))?;
        let text = result.to_string();
        let value =
            serde_json::from_str(&text).map_err(|_| failed(format!("the filter gave `{text}`, which is no JSON")))?;
        results.push(value);
        if results.len() > RESULTS_MAX {
            return Err(failed(format!("the filter gives more than {RESULTS_MAX} results")));
        }
    }
    Ok(results)
}

/// The column of a part of the filter, from 1.
fn column(filter: &str, part: &str) -> usize {
    let span = load::span(filter, part);
    filter.get(..span.start).unwrap_or(filter).chars().count() + 1
}

fn invalid(filter: &str, lines: Vec<String>) -> TaskError {
    TaskError::new(
        "invalid_filter",
        format!("`{filter}` is no jq filter: {}", lines.join("; ")),
    )
}

fn wrong_syntax(filter: &str, errors: &load::Errors<&str, ()>) -> TaskError {
    let mut lines = Vec::new();
    for (_, error) in errors {
        match error {
            load::Error::Io(found) => lines.extend(found.iter().map(|(_, error)| error.clone())),
            load::Error::Lex(found) => lines.extend(
                found
                    .iter()
                    .map(|(expected, rest)| format!("column {}: expected {}", column(filter, rest), expected.as_str())),
            ),
            load::Error::Parse(found) => lines.extend(found.iter().map(|(expected, rest)| {
                let at = if rest.is_empty() {
                    "the end".to_owned()
                } else {
                    format!("column {}", column(filter, rest))
                };
                format!("{at}: expected {}", expected.as_str())
            })),
        }
    }
    invalid(filter, lines)
}

fn wrong_names(filter: &str, errors: &load::Errors<&str, (), Vec<jaq_core::compile::Error<&str>>>) -> TaskError {
    let found = errors.iter().flat_map(|(_, found)| found);
    let lines = found.map(|(name, kind)| {
        format!(
            "column {}: there is no {} `{name}`",
            column(filter, name),
            kind.as_str()
        )
    });
    invalid(filter, lines.collect())
}
