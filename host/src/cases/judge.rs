//! What came of a case, held against what it expects.

use std::path::Path;

use autokestra_model::cases::{Case, Content, Expected, ExpectedError, TextMatch, has, same, schema_errors};
use autokestra_sandbox::{Denial, Failure, Usage};
use autokestra_secrets::{Masked, Masker};
use serde_json::{Map, Value};

use super::compare::{self, DiffLine};
use super::run::bytes_of;
use super::{Instead, Line};

/// Most bytes of a file that is compared.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Input,
    Output,
    OutputHas,
    OutputSchema,
    Error,
    Logs,
    Written,
    State,
    Denied,
    Progress,
    Http,
    Fuel,
    Memory,
    Setup,
}

impl About {
    /// Its name: the key of the case that it is about.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::OutputHas => "outputHas",
            Self::OutputSchema => "outputSchema",
            Self::Error => "error",
            Self::Logs => "logs",
            Self::Written => "written",
            Self::State => "stateAfter",
            Self::Denied => "denied",
            Self::Progress => "progress",
            Self::Http => "http",
            Self::Fuel => "fuelMax",
            Self::Memory => "memoryMax",
            Self::Setup => "setup",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) about: About,
    pub(crate) message: Masked,
    /// The values, line by line, where that says more.
    pub(crate) diff: Vec<DiffLine>,
}

/// What came of a case.
pub(super) struct Outcome<'a> {
    pub(super) result: Result<Value, Box<Failure>>,
    pub(super) input: &'a Value,
    pub(super) schemas: (&'a Value, &'a Value),
    pub(super) lines: &'a [Line],
    pub(super) denials: &'a [Denial],
    pub(super) progress: &'a [Value],
    pub(super) state: Map<String, Value>,
    /// What is wrong with the requests.
    pub(super) requests: Vec<String>,
    pub(super) usage: Usage,
    /// The folder of the case, and that of its file.
    pub(super) folders: (&'a Path, &'a Path),
}

/// Collects what is wrong.
struct Judge<'a> {
    masker: &'a Masker,
    problems: Vec<Problem>,
}

impl Judge<'_> {
    fn tell(&mut self, about: About, message: &str) {
        self.problems.push(Problem {
            about,
            message: self.masker.mask(message),
            diff: Vec::new(),
        });
    }

    fn differ(&mut self, about: About, message: &str, expected: &Value, actual: &Value) {
        self.problems.push(Problem {
            about,
            message: self.masker.mask(message),
            diff: compare::values(expected, actual, self.masker),
        });
    }

    /// Whether a value is the expected one; what is masked may stand in the file as it is shown.
    fn fits(&self, value: &Value, fit: impl Fn(&Value) -> bool) -> bool {
        fit(value) || fit(self.masker.mask_json(value).value())
    }
}

/// All that is wrong, and what the file would have to say instead.
pub(super) fn judge(case: &Case, outcome: &Outcome<'_>, masker: &Masker) -> (Vec<Problem>, Instead) {
    let expected = &case.expected;
    let mut judge = Judge {
        masker,
        problems: Vec::new(),
    };
    let mut instead = Instead::default();
    match (&outcome.result, &expected.error) {
        (Ok(output), None) => judge.output(case, output, outcome, &mut instead),
        (Ok(output), Some(error)) => {
            let output = masker.mask_json(output).value().to_string();
            let message = format!(
                "it succeeded with {}; expected the error `{}`",
                compare::beginning(&output),
                error.code
            );
            judge.tell(About::Error, &message);
        }
        (Err(failure), None) => {
            let message = format!("it failed by `{}`: {}", failure.code, failure.message);
            judge.tell(About::Error, &message);
        }
        (Err(failure), Some(error)) => judge.failure(failure, error),
    }
    judge.logs(expected, outcome.lines, &mut instead);
    judge.written(expected, outcome);
    if let Some(state) = &expected.state {
        let (state, actual) = (Value::Object(state.clone()), Value::Object(outcome.state.clone()));
        if !judge.fits(&actual, |actual| same(actual, &state)) {
            judge.differ(About::State, "the plugin keeps something else", &state, &actual);
        }
    }
    judge.denied(expected, outcome.denials);
    judge.progress(&expected.progress, outcome.progress);
    for wrong in &outcome.requests {
        judge.tell(About::Http, wrong);
    }
    judge.ceilings(expected, outcome.usage);
    // Where more than values is wrong, new values would hide it.
    let only_values = |problem: &Problem| matches!(problem.about, About::Output | About::OutputHas | About::Logs);
    if !judge.problems.iter().all(only_values) {
        instead = Instead::default();
    }
    (judge.problems, instead)
}

impl Judge<'_> {
    fn output(&mut self, case: &Case, output: &Value, outcome: &Outcome<'_>, instead: &mut Instead) {
        let expected = &case.expected;
        let masked = || self.masker.mask_json(output).value().clone();
        if let Some(wanted) = &expected.output
            && !self.fits(output, |output| same(output, &wanted.value))
        {
            instead.output = Some(masked());
            self.differ(About::Output, "the output is another", &wanted.value, output);
        }
        if let Some(wanted) = &expected.output_has
            && !self.fits(output, |output| has(output, &wanted.value))
        {
            let part = compare::part_of(output, &wanted.value);
            instead.output_has = Some(self.masker.mask_json(&part).value().clone());
            self.differ(About::OutputHas, "the output has not all of it", &wanted.value, &part);
        }
        if let Some(schema) = &expected.output_schema {
            for wrong in schema_errors(schema, output) {
                self.tell(About::OutputSchema, &wrong);
            }
        }
        let (input_schema, output_schema) = outcome.schemas;
        for wrong in schema_errors(output_schema, output) {
            let message = format!(
                "the output does not fit the schema that `{}` has itself: {wrong}",
                case.action
            );
            self.tell(About::OutputSchema, &message);
        }
        for wrong in schema_errors(input_schema, outcome.input) {
            let message = format!("`{}` takes an input that its own schema refuses: {wrong}", case.action);
            self.tell(About::Input, &message);
        }
    }

    fn failure(&mut self, failure: &Failure, expected: &ExpectedError) {
        let said = &failure.message;
        if failure.code != expected.code {
            let message = format!("it failed by `{}`, expected `{}`: {said}", failure.code, expected.code);
            self.tell(About::Error, &message);
        } else if let Some(part) = expected.message.as_deref().filter(|part| !said.as_str().contains(part)) {
            let message = format!("the message has not `{part}`: {said}");
            self.tell(About::Error, &message);
        }
        if let Some(retryable) = expected.retryable
            && retryable != failure.retryable
        {
            let words = |retryable| if retryable { "retryable" } else { "not retryable" };
            let message = format!("it is {}, expected {}", words(failure.retryable), words(retryable));
            self.tell(About::Error, &message);
        }
        if let Some(details) = &expected.details {
            let actual = failure.details.as_ref().map_or(&Value::Null, |details| details.value());
            if !has(actual, details) {
                self.differ(About::Error, "the details have not all of it", details, actual);
            }
        }
    }

    /// Each expected line behind the one before it, others between them.
    fn logs(&mut self, expected: &Expected, lines: &[Line], instead: &mut Instead) {
        let mut rest = lines.iter();
        let missing = expected
            .logs
            .iter()
            .find(|line| !rest.any(|said| compare::fits(said, line)));
        let Some(missing) = missing else { return };
        let mut words = Vec::new();
        words.extend(missing.level.clone());
        words.extend(missing.stream.clone());
        words.push(match &missing.text {
            TextMatch::Any => "any text".to_owned(),
            TextMatch::Exact(text) => format!("`{text}`"),
            TextMatch::Contains(text) => format!("something with `{text}`"),
            TextMatch::Matches(pattern) => format!("something that fits `{pattern}`"),
        });
        if !missing.fields.is_empty() {
            words.push(format!("with {}", Value::Object(missing.fields.clone())));
        }
        let message = format!("the log has no line {} in that order", words.join(" "));
        let plain = expected.logs_at.as_ref().is_some_and(|place| {
            place
                .node
                .to_json()
                .as_array()
                .is_some_and(|lines| lines.iter().all(Value::is_string))
        });
        let line = |line: &Line| match (plain, line.level) {
            (true, _) | (false, "info") => Value::from(line.message.as_str()),
            (false, level) => serde_json::json!({ "level": level, "message": line.message.as_str() }),
        };
        instead.logs = Some(lines.iter().map(line).collect());
        let text = |lines: Vec<String>| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let wanted = expected.logs.iter().map(|line| match &line.text {
            TextMatch::Exact(text) => text.clone(),
            TextMatch::Any => "…".to_owned(),
            TextMatch::Contains(text) => format!("…{text}…"),
            TextMatch::Matches(pattern) => pattern.to_string(),
        });
        let said = lines.iter().map(|line| line.message.to_string());
        self.problems.push(Problem {
            about: About::Logs,
            message: self.masker.mask(&message),
            diff: compare::texts(&text(wanted.collect()), &text(said.collect()), self.masker),
        });
    }

    fn written(&mut self, expected: &Expected, outcome: &Outcome<'_>) {
        let (folder, fixtures) = outcome.folders;
        for (path, content) in &expected.written {
            let there = autokestra_sandbox::located(folder, path);
            let Some(content) = content else {
                if there.is_ok() {
                    self.tell(About::Written, &format!("`{path}` is there"));
                }
                continue;
            };
            let read = there.map_err(|_| "is not there".to_owned()).and_then(|path| {
                let size = std::fs::metadata(&path).map_err(|error| error.to_string())?;
                if !size.is_file() || size.len() > FILE_BYTES_MAX {
                    return Err("is no file of at most 64 MiB".to_owned());
                }
                std::fs::read(&path).map_err(|error| error.to_string())
            });
            let actual = match read {
                Ok(actual) => actual,
                Err(why) => {
                    self.tell(About::Written, &format!("`{path}` {why}"));
                    continue;
                }
            };
            if let Content::Json(wanted) = content
                && let Ok(value) = serde_json::from_slice::<Value>(&actual)
            {
                if !self.fits(&value, |value| same(value, wanted)) {
                    self.differ(About::Written, &format!("`{path}` is another"), wanted, &value);
                }
                continue;
            }
            let wanted = match bytes_of(content, fixtures) {
                Ok(wanted) => wanted,
                Err(why) => {
                    self.tell(About::Setup, &why);
                    continue;
                }
            };
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
            let masked = text(&actual).map(|text| self.masker.mask(&text).into_string().into_bytes());
            if wanted == actual || masked.is_some_and(|masked| masked == wanted) {
                continue;
            }
            let message = format!("`{path}` is another");
            match (text(&wanted), text(&actual)) {
                (Some(wanted), Some(actual)) => self.problems.push(Problem {
                    about: About::Written,
                    message: self.masker.mask(&message),
                    diff: compare::texts(&wanted, &actual, self.masker),
                }),
                _ => {
                    let message = format!("{message}: {} bytes, expected {} others", actual.len(), wanted.len());
                    self.tell(About::Written, &message);
                }
            }
        }
    }

    fn denied(&mut self, expected: &Expected, denials: &[Denial]) {
        let Some(expected) = &expected.denied else { return };
        let mut open: Vec<&Denial> = denials.iter().collect();
        for wanted in expected {
            let found = open.iter().position(|denial| {
                denial.capability.to_string() == wanted.capability
                    && wanted
                        .target
                        .as_deref()
                        .is_none_or(|target| denial.target.as_str() == target)
            });
            match found {
                Some(index) => drop(open.remove(index)),
                None => {
                    let target = wanted.target.as_deref().unwrap_or("anything");
                    self.tell(
                        About::Denied,
                        &format!("{} `{target}` was not denied", wanted.capability),
                    );
                }
            }
        }
        for denial in open {
            self.tell(
                About::Denied,
                &format!("{} `{}` was denied", denial.capability, denial.target),
            );
        }
    }

    fn progress(&mut self, expected: &[Value], reports: &[Value]) {
        let mut rest = reports.iter();
        if let Some(missing) = expected.iter().find(|wanted| !rest.any(|report| has(report, wanted))) {
            let message = format!("no report {missing} in that order");
            let (expected, actual) = (Value::from(expected.to_vec()), Value::from(reports.to_vec()));
            self.differ(About::Progress, &message, &expected, &actual);
        }
    }

    fn ceilings(&mut self, expected: &Expected, usage: Usage) {
        if let (Some(most), Some(used)) = (expected.fuel_max, usage.fuel)
            && used > most
        {
            self.tell(
                About::Fuel,
                &format!("it used {used} units of fuel; {most} is the most"),
            );
        }
        if let Some(most) = expected.memory_max
            && usage.peak_memory > most
        {
            let message = format!("it used {} bytes of memory; {most} is the most", usage.peak_memory);
            self.tell(About::Memory, &message);
        }
    }
}
