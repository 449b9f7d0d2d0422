//! `--update`: a file of cases is changed to what its cases give, where nothing but values was wrong.

use autokestra_model::Source;
use autokestra_model::cases::{CaseFile, Place, apply, edits, has, same};
use serde_json::Value;

use super::find::Cases;
use super::{Instead, Report};
use crate::error::{CliError, Exit};

/// Changes a file, and marks the cases that it was changed for.
pub(crate) fn update(cases: &Cases, reports: &mut [Report]) -> Result<(), CliError> {
    let text = cases.source.text();
    let now = std::fs::read_to_string(&cases.path).ok();
    if now.as_deref() != Some(text) {
        let wrong = CliError::new(Exit::Machine, format!("{} was changed meanwhile", cases.source.name()));
        return Err(wrong.hint("run it again"));
    }
    let mut changes = Vec::new();
    for report in reports.iter_mut() {
        let parts: Vec<_> = parts(&cases.file, report)
            .into_iter()
            .flat_map(|(place, wanted)| edits(text, place, wanted))
            .collect();
        // One whose change cannot be written stays as it is, and fails.
        if !parts.is_empty() && proved(cases, &parts, &[&*report]).is_some() {
            changes.extend(parts);
            report.updated = true;
        }
    }
    let updated: Vec<&Report> = reports.iter().filter(|report| report.updated).collect();
    if updated.is_empty() {
        return Ok(());
    }
    let Some(changed) = proved(cases, &changes, &updated) else {
        // Each of them alone can be written: they share a part of the text.
        reports.iter_mut().for_each(|report| report.updated = false);
        return Ok(());
    };
    std::fs::write(&cases.path, changed)
        .map_err(|error| CliError::new(Exit::Machine, format!("write {}: {error}", cases.source.name())))
}

/// The places of a case, and what is to stand there.
fn parts<'a>(file: &'a CaseFile, report: &'a Report) -> Vec<(&'a Place, &'a Value)> {
    let Some(case) = file.cases().get(report.index) else {
        return Vec::new();
    };
    let Instead {
        output,
        output_has,
        logs,
    } = &report.instead;
    let expected = &case.expected;
    let parts = [
        expected.output.as_ref().map(|wanted| &wanted.at).zip(output.as_ref()),
        expected
            .output_has
            .as_ref()
            .map(|wanted| &wanted.at)
            .zip(output_has.as_ref()),
        expected.logs_at.as_ref().zip(logs.as_ref()),
    ];
    parts.into_iter().flatten().collect()
}

/// The text with some changes; none where it would not say just what is wanted: a part may be an alias of another place.
fn proved(cases: &Cases, changes: &[autokestra_model::cases::Edit], of: &[&Report]) -> Option<String> {
    let changed = apply(cases.source.text(), changes)?;
    let file = CaseFile::parse(&Source::new(cases.source.name(), changed.as_str())).ok()?;
    let indices: Vec<usize> = of.iter().map(|report| report.index).collect();
    let says = |report: &&Report| {
        let Some(case) = file.cases().get(report.index) else {
            return false;
        };
        let Instead {
            output,
            output_has,
            logs,
        } = &report.instead;
        let expected = &case.expected;
        let output = output.as_ref().is_none_or(|wanted| {
            let found = expected.output.as_ref();
            found.is_some_and(|found| same(&found.at.node.to_json(), &served(wanted)))
        });
        let output_has = output_has.as_ref().is_none_or(|wanted| {
            let found = expected.output_has.as_ref();
            found.is_some_and(|found| has(&served(wanted), &found.at.node.to_json()))
        });
        let logs = logs.as_ref().is_none_or(|wanted| {
            let found = expected.logs_at.as_ref();
            found.is_some_and(|found| same(&found.node.to_json(), &served(wanted)))
        });
        output && output_has && logs
    };
    (file.differs_only_in(&cases.file, &indices) && of.iter().all(says)).then_some(changed)
}

/// A value as a case that is read has it, while nobody listens.
fn served(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(text.replace("{{ server }}", autokestra_model::cases::NOBODY)),
        Value::Array(items) => items.iter().map(served).collect(),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.clone(), served(value)));
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}
