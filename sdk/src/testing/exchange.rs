use std::fmt;
use std::io::Cursor;

use serde::Serialize;
use serde_json::Value;

use crate::http::{Error, ErrorKind, Response};

/// A request that was made.
///
/// ```
/// # use autokestra_sdk::{json, http::Request};
/// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
/// let host = FakeHost::new().expect(Expected::any(), Reply::status(201));
/// Request::post("https://example.com/items").json(&json!({ "name": "tea" })).send().unwrap();
/// let asked = &host.requests()[0];
/// assert_eq!((asked.method.as_str(), asked.url.as_str()), ("POST", "https://example.com/items"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// The method, e.g. `GET`.
    pub method: String,
    /// The URL, with its query.
    pub url: String,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Asked {
    pub(crate) fn new(method: &str, url: &str, headers: &[(String, Vec<u8>)], body: &[u8]) -> Self {
        Self {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: headers.to_vec(),
            body: body.to_vec(),
        }
    }

    /// The first header of a name, where it is text. `name` is in lower case.
    ///
    /// ```
    /// # use autokestra_sdk::{json, http::Request};
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(201));
    /// # Request::post("https://example.com/items").json(&json!({ "name": "tea" })).send().unwrap();
    /// assert_eq!(host.requests()[0].header("content-type"), Some("application/json"));
    /// ```
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The body as JSON; null where it is none.
    ///
    /// ```
    /// # use autokestra_sdk::{json, http::Request};
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(201));
    /// # Request::post("https://example.com/items").json(&json!({ "name": "tea" })).send().unwrap();
    /// assert_eq!(host.requests()[0].json()["name"], "tea");
    /// ```
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// A request that is expected: what it does not name may be anything.
///
/// ```
/// # use autokestra_sdk::json;
/// # use autokestra_sdk::testing::Expected;
/// let creation = Expected::post("https://example.com/items")
///     .header("authorization", "Bearer token")
///     .json(&json!({ "name": "tea" }));
/// assert_eq!(creation.to_string(), "POST https://example.com/items");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Expected {
    target: Option<(String, String)>,
    headers: Vec<(String, String)>,
    json: Option<Value>,
    body: Option<Vec<u8>>,
}

impl Expected {
    /// Any request at all.
    ///
    /// ```
    /// # use autokestra_sdk::testing::Expected;
    /// assert_eq!(Expected::any().to_string(), "any request");
    /// ```
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// A request of a method to a URL, with its query.
    ///
    /// ```
    /// # use autokestra_sdk::testing::Expected;
    /// let removal = Expected::new("DELETE", "https://example.com/items/7");
    /// # assert_eq!(removal.to_string(), "DELETE https://example.com/items/7");
    /// ```
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            target: Some((method.to_ascii_uppercase(), url.to_owned())),
            ..Self::default()
        }
    }

    /// A GET request.
    ///
    /// ```
    /// # use autokestra_sdk::testing::Expected;
    /// let page = Expected::get("https://example.com/items?page=2");
    /// # assert_eq!(page.to_string(), "GET https://example.com/items?page=2");
    /// ```
    #[must_use]
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// A POST request.
    ///
    /// ```
    /// # use autokestra_sdk::testing::Expected;
    /// let creation = Expected::post("https://example.com/items");
    /// # assert_eq!(creation.to_string(), "POST https://example.com/items");
    /// ```
    #[must_use]
    pub fn post(url: &str) -> Self {
        Self::new("POST", url)
    }

    /// Asks for a header.
    ///
    /// ```
    /// # use autokestra_sdk::testing::Expected;
    /// let known = Expected::any().header("authorization", "Bearer token");
    /// # assert_eq!(known.to_string(), "any request with authorization: Bearer token");
    /// ```
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Asks for a body of JSON that is equal to this.
    ///
    /// ```
    /// # use autokestra_sdk::{json, testing::Expected};
    /// let creation = Expected::post("https://example.com/items").json(&json!({ "name": "tea" }));
    /// # drop(creation);
    /// ```
    ///
    /// # Panics
    /// Where the value has no JSON.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.json = Some(serde_json::to_value(value).expect("an expected body has a JSON"));
        self
    }

    /// Asks for a body.
    ///
    /// ```
    /// # use autokestra_sdk::testing::Expected;
    /// let form = Expected::post("https://example.com/login").body("user=ada&again=1");
    /// # drop(form);
    /// ```
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Some(bytes.into());
        self
    }

    /// How a request differs; none where it is this one.
    pub(super) fn misfit(&self, asked: &Asked) -> Option<String> {
        if let Some((method, url)) = &self.target {
            if *method != asked.method {
                return Some(format!("the method is {} and not {method}", asked.method));
            }
            if *url != asked.url {
                return Some("the URL is another".to_owned());
            }
        }
        for (name, value) in &self.headers {
            match asked.header(name) {
                Some(found) if found == value => {}
                Some(found) => return Some(format!("the header `{name}` is `{found}` and not `{value}`")),
                None => return Some(format!("the header `{name}` is missing")),
            }
        }
        if let Some(json) = &self.json
            && *json != asked.json()
        {
            let body = String::from_utf8_lossy(&asked.body);
            return Some(format!("the body is `{body}` and not `{json}`"));
        }
        if let Some(expected) = &self.body
            && *expected != asked.body
        {
            let (body, expected) = (String::from_utf8_lossy(&asked.body), String::from_utf8_lossy(expected));
            return Some(format!("the body is `{body}` and not `{expected}`"));
        }
        None
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Some((method, url)) => write!(f, "{method} {url}")?,
            None => f.write_str("any request")?,
        }
        if self.target.is_none()
            && let Some((name, value)) = self.headers.first()
        {
            write!(f, " with {name}: {value}")?;
        }
        Ok(())
    }
}

/// What comes back.
///
/// ```
/// # use autokestra_sdk::http::{ErrorKind, Request};
/// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
/// let host = FakeHost::new()
///     .expect(Expected::any(), Reply::status(429).header("retry-after", "7"))
///     .expect(Expected::any(), Reply::fails(ErrorKind::Timeout));
/// let error = Request::get("https://example.com").send().unwrap().error_for_status().unwrap_err();
/// assert_eq!((error.status(), error.is_retryable()), (Some(429), true));
/// assert_eq!(Request::get("https://example.com").send().unwrap_err().kind(), ErrorKind::Timeout);
/// ```
#[derive(Clone, Debug)]
pub struct Reply(Result<Answer, ErrorKind>);

#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Reply {
    /// A response of a status, without a body.
    ///
    /// ```
    /// # use autokestra_sdk::testing::Reply;
    /// let missing = Reply::status(404);
    /// # drop(missing);
    /// ```
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self(Ok(Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }))
    }

    /// A response of status 200 with a text.
    ///
    /// ```
    /// # use autokestra_sdk::testing::Reply;
    /// let page = Reply::text("<h1>Hello</h1>").header("content-type", "text/html");
    /// # drop(page);
    /// ```
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::status(200).header("content-type", "text/plain").body(text)
    }

    /// A response of status 200 with JSON.
    ///
    /// ```
    /// # use autokestra_sdk::{json, testing::Reply};
    /// let items = Reply::json(&json!([1, 2]));
    /// # drop(items);
    /// ```
    ///
    /// # Panics
    /// Where the value has no JSON.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        let body = serde_json::to_vec(value).expect("a reply has a JSON");
        Self::status(200).header("content-type", "application/json").body(body)
    }

    /// No response, for this reason.
    ///
    /// ```
    /// # use autokestra_sdk::{http::ErrorKind, testing::Reply};
    /// let denied = Reply::fails(ErrorKind::Denied);
    /// # drop(denied);
    /// ```
    #[must_use]
    pub fn fails(kind: ErrorKind) -> Self {
        Self(Err(kind))
    }

    /// Sets a header, in the place of one of that name.
    ///
    /// ```
    /// # use autokestra_sdk::testing::Reply;
    /// let moved = Reply::status(301).header("location", "/new");
    /// # drop(moved);
    /// ```
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        if let Ok(answer) = &mut self.0 {
            let name = name.to_ascii_lowercase();
            answer.headers.retain(|(known, _)| *known != name);
            answer.headers.push((name, value.into()));
        }
        self
    }

    /// Sets the body.
    ///
    /// ```
    /// # use autokestra_sdk::testing::Reply;
    /// let failed = Reply::status(500).body("out of paper");
    /// # drop(failed);
    /// ```
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        if let Ok(answer) = &mut self.0 {
            answer.body = bytes.into();
        }
        self
    }

    pub(super) fn into_response(self, url: &str) -> Result<Response, Error> {
        match self.0 {
            Ok(answer) => Ok(Response::new(answer.status, answer.headers, Cursor::new(answer.body))),
            Err(kind) => Err(Error::new(kind, format!("`{url}`: the test says {kind:?}"))),
        }
    }
}
