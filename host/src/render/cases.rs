//! How the cases of a plugin ended.

use std::time::Duration;

use autokestra_sandbox::Plugin;

use super::{Tint, Ui, human, one_line, safe};
use crate::cases::{Cases, DiffLine, Line, Problem, Report};

/// Lines of a log that a failure shows: its last ones.
const LOG_LINES_SHOWN: usize = 10;
/// Requests that a failure shows: the first ones.
const REQUESTS_SHOWN: usize = 20;
/// Digits of a digest that are shown.
const DIGEST_DIGITS: usize = 12;

/// What is tested.
pub(crate) fn head(ui: &Ui, plugin: &Plugin, origin: &str, count: usize) -> String {
    let digest = plugin.digest.to_string();
    let digest = digest.get(..DIGEST_DIGITS).unwrap_or(&digest);
    let s = if count == 1 { "" } else { "s" };
    format!(
        "{} {} ({}, {digest}): {count} case{s}\n",
        ui.tint(Tint::Head, plugin.name.as_str()),
        one_line(&plugin.version),
        one_line(origin),
    )
}

/// A case: one line, and all that helps where it failed. `alone` is the command that runs it alone.
pub(crate) fn case(ui: &Ui, cases: &Cases, report: &Report, alone: &str) -> String {
    let (line, _) = cases.source.line_column(report.place.start);
    let (tint, word) = if report.passed() {
        (Tint::Good, "PASS")
    } else {
        (Tint::Bad, "FAIL")
    };
    let took = ui.tint(Tint::Faint, &format!("{:>8}", human(report.duration)));
    let mut text = format!("  {} {took}  {}", ui.tint(tint, word), one_line(&report.name));
    if report.passed() {
        text.push('\n');
        return text;
    }
    let place = format!("{}:{line}", cases.source.name());
    text.extend([format!("  {}\n", ui.tint(Tint::Faint, &one_line(&place)))]);
    for problem in &report.problems {
        text.push_str(&told(ui, problem));
    }
    text.push_str(&log(ui, &report.lines));
    if !report.asked.is_empty() && report.problems.iter().any(|problem| problem.about.as_str() == "http") {
        text.push_str("        requests:\n");
        for asked in report.asked.iter().take(REQUESTS_SHOWN) {
            text.extend([format!("          {}\n", one_line(asked.0.as_str()))]);
        }
        if let Some(more) = report.asked.len().checked_sub(REQUESTS_SHOWN).filter(|more| *more > 0) {
            text.extend([format!("          … {more} more\n")]);
        }
    }
    for denial in &report.denials {
        text.extend([format!(
            "        denied: {} {}\n",
            denial.capability,
            one_line(denial.target.as_str())
        )]);
    }
    text.extend([format!(
        "        {} {}\n",
        ui.tint(Tint::Going, "alone:"),
        one_line(alone)
    )]);
    text
}

fn told(ui: &Ui, problem: &Problem) -> String {
    let about = ui.tint(Tint::Bad, &format!("{}:", problem.about.as_str()));
    let mut text = format!("        {about} {}\n", indented(problem.message.as_str(), 10));
    for DiffLine { sign, text: line } in &problem.diff {
        let line = format!("{sign} {}", safe(line.as_str()));
        let line = line.trim_end();
        let line = match sign {
            '-' => ui.tint(Tint::Bad, line),
            '+' => ui.tint(Tint::Good, line),
            '…' => ui.tint(Tint::Faint, line),
            _ => line.to_owned(),
        };
        text.push_str(format!("          {line}").trim_end());
        text.push('\n');
    }
    if !problem.diff.is_empty() {
        text.extend([format!(
            "          {}\n",
            ui.tint(Tint::Faint, "(- expected, + what came)")
        )]);
    }
    text
}

fn log(ui: &Ui, lines: &[Line]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let left_out = lines.len().saturating_sub(LOG_LINES_SHOWN);
    let mut text = if left_out > 0 {
        format!("        log, its last {LOG_LINES_SHOWN} of {} lines:\n", lines.len())
    } else {
        "        log:\n".to_owned()
    };
    for line in lines.iter().skip(left_out) {
        let tint = match line.level {
            "error" => Tint::Bad,
            "warn" => Tint::Doubtful,
            "debug" => Tint::Faint,
            _ => Tint::Good,
        };
        let level = ui.tint(tint, &format!("{:<5}", line.level.to_uppercase()));
        let fields = line.fields.iter();
        let fields: String = fields
            .map(|(key, value)| format!(" {}={}", one_line(key.as_str()), one_line(value.as_str())))
            .collect();
        text.extend([format!(
            "          {level} {}{}\n",
            indented(line.message.as_str(), 16),
            ui.tint(Tint::Faint, &fields)
        )]);
    }
    text
}

/// The text of anybody, its further lines under its first.
fn indented(text: &str, columns: usize) -> String {
    safe(text.trim_end()).replace('\n', &format!("\n{}", " ".repeat(columns)))
}

/// How all of them ended.
pub(crate) fn summary(ui: &Ui, files: &[Cases], reports: &[Report], took: Duration) -> String {
    let mut text = String::new();
    for report in reports.iter().filter(|report| report.updated) {
        if let Some(cases) = files.get(report.file) {
            let (line, _) = cases.source.line_column(report.place.start);
            let what: Vec<&str> = report.problems.iter().map(|problem| problem.about.as_str()).collect();
            let word = ui.tint(Tint::Doubtful, "UPDATED");
            let name = one_line(&report.name);
            text.extend([format!(
                "  {word} {}:{line} {name}: {}\n",
                cases.source.name(),
                what.join(", ")
            )]);
        }
    }
    let count = |test: &dyn Fn(&&Report) -> bool| reports.iter().filter(test).count();
    let passed = count(&|report| report.passed());
    let updated = count(&|report| report.updated);
    let failed = reports.len() - passed - updated;
    let s = if reports.len() == 1 { "" } else { "s" };
    let mut parts = vec![ui.tint(Tint::Good, &format!("{passed} passed"))];
    if updated > 0 {
        parts.push(ui.tint(Tint::Doubtful, &format!("{updated} updated")));
    }
    if failed > 0 {
        parts.push(ui.tint(Tint::Bad, &format!("{failed} failed")));
    }
    let head = ui.tint(Tint::Head, "Summary");
    text.extend([format!(
        "{head} {} case{s} in {}: {}\n",
        reports.len(),
        human(took),
        parts.join(", ")
    )]);
    text
}
