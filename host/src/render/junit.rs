//! The results of cases as JUnit XML, which CI systems read. It is a dozen elements, written as they are: the crates for it bring
//! clocks, ids and a parser along.

use std::time::Duration;

use autokestra_sandbox::Plugin;

use super::cases_view::unified;
use crate::cases::{Cases, Report};

/// The document.
pub(crate) fn document(plugin: &Plugin, files: &[Cases], reports: &[Report], took: Duration) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let counts = counts(reports);
    let name = escaped(plugin.name.as_str());
    let seconds = took.as_secs_f64();
    put(
        &mut xml,
        format_args!("<testsuites name=\"{name}\" {counts} time=\"{seconds:.3}\">\n"),
    );
    for (number, cases) in files.iter().enumerate() {
        let of_file: Vec<&Report> = reports.iter().filter(|report| report.file == number).collect();
        if of_file.is_empty() {
            continue;
        }
        let seconds: Duration = of_file.iter().map(|report| report.duration).sum();
        let (file, counts, seconds) = (
            escaped(cases.source.name()),
            self::counts(of_file.iter().copied()),
            seconds.as_secs_f64(),
        );
        put(
            &mut xml,
            format_args!("  <testsuite name=\"{file}\" {counts} time=\"{seconds:.3}\">\n"),
        );
        for report in of_file {
            case(&mut xml, plugin, cases, report);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(xml: &mut String, plugin: &Plugin, cases: &Cases, report: &Report) {
    let (name, class) = (
        escaped(&report.name),
        escaped(&format!("{}.{}", plugin.name, report.action)),
    );
    let (file, line) = (
        escaped(cases.source.name()),
        cases.source.line_column(report.place.start).0,
    );
    let seconds = report.duration.as_secs_f64();
    put(
        xml,
        format_args!(
            "    <testcase name=\"{name}\" classname=\"{class}\" file=\"{file}\" line=\"{line}\" time=\"{seconds:.3}\">\n"
        ),
    );
    if !report.updated {
        for problem in &report.problems {
            let (about, message) = (problem.about.as_str(), escaped(problem.message.as_str()));
            let text = escaped(&unified(&problem.diff));
            put(
                xml,
                format_args!("      <failure type=\"{about}\" message=\"{message}\">{text}</failure>\n"),
            );
        }
    }
    if !report.lines.is_empty() {
        let lines = report
            .lines
            .iter()
            .map(|line| format!("{} {}\n", line.level, line.message));
        let text = escaped(&lines.collect::<String>());
        put(xml, format_args!("      <system-out>{text}</system-out>\n"));
    }
    xml.push_str("    </testcase>\n");
}

fn counts<'a>(reports: impl IntoIterator<Item = &'a Report>) -> String {
    let (mut tests, mut failures) = (0, 0);
    for report in reports {
        tests += 1;
        failures += usize::from(!report.passed() && !report.updated);
    }
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\"")
}

fn put(xml: &mut String, text: std::fmt::Arguments<'_>) {
    xml.push_str(&text.to_string());
}

/// A text for an element or an attribute. XML has no place for most control characters, not even by number.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    escaped
}
