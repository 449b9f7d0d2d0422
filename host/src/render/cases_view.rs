//! The JSON of `plugin test`.

use std::time::Duration;

use autokestra_sandbox::Plugin;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cases::{Cases, DiffLine, Line, Problem, Report};

/// `plugin test`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestedView<'a> {
    /// The plugin.
    plugin: &'a str,
    /// Its version.
    version: &'a str,
    /// The BLAKE3 digest of its component.
    digest: String,
    /// How many cases passed.
    passed: usize,
    /// How many failed.
    failed: usize,
    /// How many failed, and were changed by `--update` to what they give.
    updated: usize,
    /// How long all of them took, in milliseconds.
    duration: u64,
    /// The cases, in the order of their files.
    cases: Vec<CaseView<'a>>,
}

/// How one case ended.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct CaseView<'a> {
    /// Its name.
    name: &'a str,
    /// The action, without the plugin's name.
    action: &'a str,
    /// Its file.
    file: &'a str,
    /// The line that it begins in.
    line: usize,
    /// How it ended.
    state: CaseState,
    /// How long it took, in milliseconds.
    duration: u64,
    /// What is not as it should be.
    problems: Vec<ProblemView<'a>>,
    /// What the plugin logged and printed.
    logs: Vec<LineView<'a>>,
    /// What its server was asked: method and path.
    requests: Vec<&'a str>,
    /// What was denied.
    denials: Vec<DenialView<'a>>,
    /// Units of fuel; null where it was not counted.
    fuel: Option<u64>,
    /// The most memory at a time, in bytes.
    peak_memory: u64,
}

/// How a case ended.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
enum CaseState {
    /// All came as it should.
    Passed,
    /// Something did not.
    Failed,
    /// Something did not, and the case was changed to what it gives.
    Updated,
}

/// One thing that is not as it should be.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProblemView<'a> {
    /// The key of the case that it is about, or `setup`.
    about: &'static str,
    /// What is wrong.
    message: &'a str,
    /// The lines that differ, each behind `-` (expected), `+` (came) or a blank; null where there is nothing to compare.
    diff: Option<String>,
}

/// A line of the log.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct LineView<'a> {
    /// `debug`, `info`, `warn` or `error`.
    level: &'static str,
    /// `stdout`, `stderr` or `log`.
    stream: &'static str,
    /// What it says.
    message: &'a str,
}

/// Something that was denied.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct DenialView<'a> {
    /// `network`, `filesystem` or `secret`.
    capability: String,
    /// What was asked for.
    target: &'a str,
}

impl<'a> TestedView<'a> {
    pub(crate) fn new(plugin: &'a Plugin, files: &'a [Cases], reports: &'a [Report], took: Duration) -> Self {
        let passed = reports.iter().filter(|report| report.passed()).count();
        let updated = reports.iter().filter(|report| report.updated).count();
        let cases = reports
            .iter()
            .filter_map(|report| Some((files.get(report.file)?, report)));
        Self {
            plugin: plugin.name.as_str(),
            version: &plugin.version,
            digest: plugin.digest.to_string(),
            passed,
            failed: reports.len() - passed - updated,
            updated,
            duration: millis(took),
            cases: cases.map(|(cases, report)| CaseView::new(cases, report)).collect(),
        }
    }
}

impl<'a> CaseView<'a> {
    fn new(cases: &'a Cases, report: &'a Report) -> Self {
        Self {
            name: &report.name,
            action: &report.action,
            file: cases.source.name(),
            line: cases.source.line_column(report.place.start).0,
            state: if report.passed() {
                CaseState::Passed
            } else if report.updated {
                CaseState::Updated
            } else {
                CaseState::Failed
            },
            duration: millis(report.duration),
            problems: report.problems.iter().map(ProblemView::new).collect(),
            logs: report.lines.iter().map(LineView::new).collect(),
            requests: report.asked.iter().map(|asked| asked.0.as_str()).collect(),
            denials: report
                .denials
                .iter()
                .map(|denial| DenialView {
                    capability: denial.capability.to_string(),
                    target: denial.target.as_str(),
                })
                .collect(),
            fuel: report.usage.fuel,
            peak_memory: report.usage.peak_memory,
        }
    }
}

impl<'a> ProblemView<'a> {
    fn new(problem: &'a Problem) -> Self {
        Self {
            about: problem.about.as_str(),
            message: problem.message.as_str(),
            diff: (!problem.diff.is_empty()).then(|| unified(&problem.diff)),
        }
    }
}

impl<'a> LineView<'a> {
    fn new(line: &'a Line) -> Self {
        Self {
            level: line.level,
            stream: line.stream,
            message: line.message.as_str(),
        }
    }
}

/// The lines of a comparison as one text.
pub(super) fn unified(lines: &[DiffLine]) -> String {
    let lines = lines.iter().map(|line| format!("{} {}", line.sign, line.text));
    lines.collect::<Vec<_>>().join("\n")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
