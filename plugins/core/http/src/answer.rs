//! What comes back.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};

use autokestra_sdk::http::Response;
use autokestra_sdk::prelude::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// How much of a body an error tells, in bytes.
const ERROR_BYTES_MAX: u64 = 2048;

/// How much of that stands in its message, in characters.
const MESSAGE_CHARS_MAX: usize = 200;

/// An answer.
#[derive(Output)]
pub(crate) struct Answer {
    /// The status, e.g. 200.
    status: u16,
    /// The headers, their names in lower case; several of one name are joined by `, `.
    headers: BTreeMap<String, String>,
    /// JSON by the content type, else text, else base64; null where it was saved.
    body: Value,
    /// Where the body was saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    saved_to: Option<Saved>,
}

/// A saved body.
#[derive(Output)]
struct Saved {
    /// The file.
    path: String,
    /// Its size in bytes.
    size: u64,
}

impl Answer {
    pub(crate) fn read(response: Response, method: &str, save_to: Option<String>) -> Result<Self, TaskError> {
        let (status, headers) = (response.status(), headers(&response));
        let kind = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let mut answer = Self {
            status,
            headers,
            body: Value::Null,
            saved_to: None,
        };
        if method.eq_ignore_ascii_case("HEAD") {
            return Ok(answer);
        }
        match save_to {
            Some(path) => {
                let size = File::create(&path).and_then(|mut file| io::copy(&mut response.into_body(), &mut file));
                let size = size.map_err(|error| TaskError::from(error).context(&path))?;
                answer.saved_to = Some(Saved { path, size });
            }
            None => answer.body = body(response.bytes()?, &kind)?,
        }
        Ok(answer)
    }
}

fn headers(response: &Response) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value);
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    headers
}

fn body(bytes: Vec<u8>, kind: &str) -> Result<Value, TaskError> {
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence == "application/json" || essence.ends_with("+json") {
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        let text = std::str::from_utf8(&bytes)?;
        return read_json(text);
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) => BASE64.encode(error.into_bytes()).into(),
    })
}

fn read_json(text: &str) -> Result<Value, TaskError> {
    serde_json::from_str(text).map_err(|error| {
        TaskError::new(
            "invalid_json",
            format!("the body says that it is JSON, and is not: {error}"),
        )
    })
}

/// A status that nobody expected.
pub(crate) fn unexpected(what: &str, response: Response) -> TaskError {
    let (status, headers, wait) = (response.status(), headers(&response), response.retry_after());
    let mut bytes = Vec::new();
    // What can be read of it is told; a body that breaks off changes nothing.
    let _read = response.into_body().take(ERROR_BYTES_MAX).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let begin: String = text.trim().chars().take(MESSAGE_CHARS_MAX).collect();
    let begin = if begin.is_empty() {
        String::new()
    } else {
        format!(": {begin}")
    };
    let message = format!("{what} gave the status {status}{begin}");
    let passes = matches!(status, 408 | 425 | 429 | 500..=599);
    let mut error = if passes {
        TaskError::retryable("http_status", message)
    } else {
        TaskError::new("http_status", message)
    };
    if let Some(wait) = wait {
        error = error.retry_after(wait);
    }
    error.details(json!({ "status": status, "headers": headers, "body": text }))
}
