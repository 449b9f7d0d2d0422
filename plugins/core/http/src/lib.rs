//! `core/http`: speaks HTTP with what the workflow grants.

mod answer;
mod expect;

use std::collections::BTreeMap;
use std::time::Duration;

use autokestra_sdk::http::Request as Outgoing;
use autokestra_sdk::prelude::*;

use crate::answer::Answer;
use crate::expect::Expect;

/// Longest time limit of one wait, in seconds: an hour.
const TIMEOUT_SECONDS_MAX: f64 = 3600.0;

/// Defines inputs that have all these fields, and perhaps one more before them.
macro_rules! inputs {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)? })+) => { $(
        $(#[$doc])*
        #[derive(Input)]
        struct $name {
            /// The address, `http://…` or `https://…`; the workflow must grant its host.
            url: String,
            $($(#[$field_doc])* $field: $ty,)?
            /// Headers by name.
            #[serde(default)]
            headers: BTreeMap<String, String>,
            /// What is added to the address behind `?`, encoded; a list repeats its name.
            #[serde(default)]
            query: BTreeMap<String, Value>,
            /// A body of text.
            body: Option<String>,
            /// A body of JSON.
            json: Option<Value>,
            /// A body of form fields.
            form: Option<BTreeMap<String, Value>>,
            /// The longest wait for a connection, for the answer, and between two pieces of it.
            timeout_seconds: Option<f64>,
            /// Go where redirects lead, ten at most. Default true.
            follow_redirects: Option<bool>,
            /// The statuses that are no error: 2xx by default; a number, `2xx`, `200-299`, or a list of them.
            expect_status: Option<Expect>,
            /// Write the body to this file, not into the output.
            save_to: Option<String>,
        }

        impl From<$name> for Call {
            fn from(input: $name) -> Self {
                Self {
                    url: input.url,
                    headers: input.headers,
                    query: input.query,
                    body: input.body,
                    json: input.json,
                    form: input.form,
                    timeout_seconds: input.timeout_seconds,
                    follow_redirects: input.follow_redirects.unwrap_or(true),
                    expect: input.expect_status.unwrap_or_default(),
                    save_to: input.save_to,
                }
            }
        }
    )+ };
}

inputs! {
    /// What is asked, and how.
    Request {
        /// GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, or another.
        method: String,
    }
    /// What is asked.
    Plain {}
}

/// What all actions have in common.
struct Call {
    url: String,
    headers: BTreeMap<String, String>,
    query: BTreeMap<String, Value>,
    body: Option<String>,
    json: Option<Value>,
    form: Option<BTreeMap<String, Value>>,
    timeout_seconds: Option<f64>,
    follow_redirects: bool,
    expect: Expect,
    save_to: Option<String>,
}

/// Sends an HTTP request of any method.
///
/// The body of the answer is JSON by its content type, else text, else base64. A status that is not expected is the error `http_status`;
/// 408, 425, 429, 5xx and failed connections are retryable, and `Retry-After` is honoured.
#[action(title = "Send an HTTP request")]
fn request(input: Request) -> Result<Answer, TaskError> {
    let method = input.method.clone();
    send(&method, input.into())
}

/// Sends a GET request. As `core/http.request`.
#[action(idempotent, title = "GET from an address")]
fn get(input: Plain) -> Result<Answer, TaskError> {
    send("GET", input.into())
}

/// Sends a POST request. As `core/http.request`.
#[action(title = "POST to an address")]
fn post(input: Plain) -> Result<Answer, TaskError> {
    send("POST", input.into())
}

/// Sends a PUT request. As `core/http.request`.
#[action(idempotent, title = "PUT to an address")]
fn put(input: Plain) -> Result<Answer, TaskError> {
    send("PUT", input.into())
}

/// Sends a PATCH request. As `core/http.request`.
#[action(title = "PATCH an address")]
fn patch(input: Plain) -> Result<Answer, TaskError> {
    send("PATCH", input.into())
}

/// Sends a DELETE request. As `core/http.request`.
#[action(idempotent, title = "DELETE an address")]
fn delete(input: Plain) -> Result<Answer, TaskError> {
    send("DELETE", input.into())
}

/// Sends a HEAD request. As `core/http.request`.
#[action(idempotent, title = "HEAD of an address")]
fn head(input: Plain) -> Result<Answer, TaskError> {
    send("HEAD", input.into())
}

fn send(method: &str, call: Call) -> Result<Answer, TaskError> {
    let mut request = Outgoing::new(method, &call.url);
    for (name, value) in &call.headers {
        request = request.header(name, value.as_bytes());
    }
    for (name, value) in texts(&call.query) {
        request = request.query(name, value);
    }
    request = match (&call.body, &call.json, &call.form) {
        (None, None, None) => request,
        (Some(body), None, None) => request.body(body.as_bytes()),
        (None, Some(json), None) => request.json(json),
        (None, None, Some(form)) => {
            let fields = texts(form);
            request.form(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        }
        _ => return Err(TaskError::new("invalid_input", "give one of `body`, `json` and `form`")),
    };
    if let Some(seconds) = call.timeout_seconds {
        if !(0.001..=TIMEOUT_SECONDS_MAX).contains(&seconds) {
            return Err(TaskError::new(
                "invalid_input",
                "`timeoutSeconds` must be from 0.001 to 3600",
            ));
        }
        request = request.timeout(Duration::from_secs_f64(seconds));
    }
    if !call.follow_redirects {
        request = request.redirects(0);
    }
    let response = request.send()?;
    let what = format!("{method} {}", call.url);
    if !call.expect.accepts(response.status()) {
        return Err(answer::unexpected(&what, response));
    }
    Answer::read(response, method, call.save_to).map_err(|error| error.context(what))
}

/// Names with values as text; a list repeats its name, null leaves it out.
fn texts(values: &BTreeMap<String, Value>) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let mut found = Vec::new();
    for (name, value) in values {
        match value {
            Value::Array(items) => found.extend(items.iter().filter_map(text).map(|item| (name.clone(), item))),
            value => found.extend(text(value).map(|value| (name.clone(), value))),
        }
    }
    found
}

plugin! {
    name: "core/http",
    actions: [request, get, post, put, patch, delete, head],
}
