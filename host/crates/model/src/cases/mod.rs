//! The cases that a plugin is tested by: what an action is given, and what must come of it.
//!
//! Read as a workflow file is: from a tree whose nodes know their places, all mistakes at once, with the same parsers for
//! permissions, limits and expressions.

mod edit;
mod expected;
mod file;
mod fill;
mod given;
mod http;

use std::fmt;
use std::time::Duration;

use regex::Regex;
use serde_json::{Map, Value};

pub use edit::{Edit, apply, edits};
pub use file::{Broken, CaseFile, NOBODY};

use crate::diagnostic::Span;
use crate::expression::{RenderError, Template};
use crate::id::SecretName;
use crate::misfit::misfit;
use crate::permission::{NetworkPattern, Permissions};
use crate::time::Timestamp;
use crate::workflow::Limits;
use crate::yaml::Node;

/// Most cases of one file.
pub const CASES_MAX: usize = 10_000;

/// One case.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Case {
    /// Its name: its own, or its action and its number in the file.
    pub name: String,
    /// Where it begins.
    pub place: Span,
    /// The action, without the plugin's name.
    pub action: String,
    /// Where the action stands.
    pub action_place: Span,
    /// What the action is given.
    pub input: Template,
    /// What it may reach.
    pub permissions: Permissions,
    /// The files that are there before, by path.
    pub files: Vec<(String, Content)>,
    /// The secrets that `input` may name.
    pub secrets: Vec<CaseSecret>,
    /// The environment that `permissions.env` reads.
    pub env: Vec<(String, String)>,
    /// What the server on loopback answers; none: there is no server.
    pub http: Option<Vec<Fixture>>,
    /// The values that the plugin kept before.
    pub state: Map<String, Value>,
    /// The time that it always is, and what all randomness follows from; none: the machine's.
    pub pinned: Option<(Timestamp, u64)>,
    /// Limits of the attempt.
    pub limits: Limits,
    /// The most that it may take.
    pub timeout: Duration,
    /// The number of the attempt that the action is told.
    pub attempt: u32,
    /// What must come of it.
    pub expected: Expected,
}

impl Case {
    /// The input, with every expression evaluated; `shown` is what it is given of each secret.
    ///
    /// # Errors
    /// [`RenderError`] of an expression that gives no value.
    pub fn input(&self, shown: impl IntoIterator<Item = (SecretName, String)>) -> Result<Value, RenderError> {
        self.input.render(&fill::scope(shown))
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Text.
    Text(String),
    /// Bytes, written in base64.
    Bytes(Vec<u8>),
    /// A JSON document.
    Json(Value),
    /// What another file holds: its path below the folder of the case file, and where that stands.
    File(String, Span),
}

/// A secret, and its value.
#[derive(Clone)]
pub struct CaseSecret {
    /// Its name.
    pub name: SecretName,
    /// Its value. It is in the file, and printed nowhere.
    pub value: String,
    /// The hosts that the value goes to; none: the action sees it.
    pub only_to: Option<Vec<NetworkPattern>>,
}

impl fmt::Debug for CaseSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaseSecret")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A request that is expected, and its answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fixture {
    /// Where it stands.
    pub place: Span,
    /// The method, in upper case.
    pub method: String,
    /// The path and the query.
    pub path: PathMatch,
    /// Headers that the request must have, by names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body that it must have.
    pub body: Option<BodyMatch>,
    /// How often it comes; none: any number of times, or never.
    pub times: Option<u32>,
    /// The answer.
    pub response: Answer,
}

/// Which paths a fixture answers.
#[derive(Clone, Debug)]
pub enum PathMatch {
    /// This one, with its query.
    Exact(String),
    /// Those that fit from their beginning to their end.
    Pattern(Regex),
}

/// What the body of a request must be.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyMatch {
    /// This text.
    Text(String),
    /// This JSON document.
    Json(Value),
    /// JSON that has all of this.
    JsonHas(Value),
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its headers, without those that say how long it is.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What must come of a case.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Expected {
    /// The whole output.
    pub output: Option<Wanted>,
    /// A part of the output.
    pub output_has: Option<Wanted>,
    /// A JSON Schema of the output.
    pub output_schema: Option<Value>,
    /// The error; none: it succeeds.
    pub error: Option<ExpectedError>,
    /// Lines of the log, in this order, others between them.
    pub logs: Vec<ExpectedLine>,
    /// Where `logs` stands.
    pub logs_at: Option<Place>,
    /// Files that are there afterwards, by path; none: that are not.
    pub written: Vec<(String, Option<Content>)>,
    /// All values that the plugin keeps.
    pub state: Option<Map<String, Value>>,
    /// All that is denied, in any order.
    pub denied: Option<Vec<ExpectedDenial>>,
    /// Reports of progress, in this order, others between them.
    pub progress: Vec<Value>,
    /// The most fuel.
    pub fuel_max: Option<u64>,
    /// The most memory, in bytes.
    pub memory_max: Option<u64>,
}

/// A value that is expected, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub at: Place,
}

/// A key of a case and its value, as they stand in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Where the key stands.
    pub key: Span,
    /// The value.
    pub node: Node,
}

/// An error that is expected.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExpectedError {
    /// Its code.
    pub code: String,
    /// A part of its message.
    pub message: Option<String>,
    /// Whether another attempt may succeed.
    pub retryable: Option<bool>,
    /// A part of its details.
    pub details: Option<Value>,
}

/// A line of the log that is expected. What is none is not asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExpectedLine {
    /// Its level, in lower case.
    pub level: Option<String>,
    /// Where it came from.
    pub stream: Option<String>,
    /// What it says.
    pub text: TextMatch,
    /// Fields that it has.
    pub fields: Map<String, Value>,
}

/// What a text must be.
#[derive(Clone, Debug)]
pub enum TextMatch {
    /// Anything.
    Any,
    /// This.
    Exact(String),
    /// It holds this.
    Contains(String),
    /// This fits somewhere in it.
    Matches(Regex),
}

impl TextMatch {
    /// Whether `text` is such a one.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == text,
            Self::Contains(part) => text.contains(part.as_str()),
            Self::Matches(pattern) => pattern.is_match(text),
        }
    }
}

/// Something that must be denied.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExpectedDenial {
    /// `network`, `filesystem` or `secret`.
    pub capability: String,
    /// What is asked for; none: anything.
    pub target: Option<String>,
}

/// Why a value does not fit a JSON Schema; nothing where it fits, or where the schema is none.
#[must_use]
pub fn schema_errors(schema: &Value, value: &Value) -> Vec<String> {
    let Ok(check) = jsonschema::draft202012::new(schema) else {
        return Vec::new();
    };
    let told = check.iter_errors(value).map(|error| {
        let pointer = error.instance_path().to_string();
        let place = if pointer.is_empty() {
            "the whole"
        } else {
            pointer.as_str()
        };
        format!("{place}: {}", misfit(&error))
    });
    told.collect()
}

/// Whether `value` has all that `part` has: the keys of a mapping, each element of a list.
#[must_use]
pub fn has(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Object(value), Value::Object(part)) => part
            .iter()
            .all(|(key, part)| value.get(key).is_some_and(|value| has(value, part))),
        (Value::Array(value), Value::Array(part)) => {
            value.len() == part.len() && value.iter().zip(part).all(|(value, part)| has(value, part))
        }
        (value, part) => same(value, part),
    }
}

/// Whether two values are equal; `1` and `1.0` are, and the order of keys says nothing.
#[must_use]
pub fn same(first: &Value, second: &Value) -> bool {
    match (first, second) {
        (Value::Number(one), Value::Number(two)) => one == two || one.as_f64() == two.as_f64(),
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        (Value::Object(one), Value::Object(two)) => {
            one.len() == two.len()
                && one
                    .iter()
                    .all(|(key, one)| two.get(key).is_some_and(|two| same(one, two)))
        }
        (one, two) => one == two,
    }
}
