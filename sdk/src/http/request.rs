use std::time::Duration;

use serde::Serialize;
use url::Url;

use super::redirect::{Chain, redirect, target};
use super::{Error, ErrorKind, Response, wire};
use crate::limit;

/// Most redirects that are followed unless a request says otherwise.
const REDIRECTS: u32 = 10;

/// A request that is being made.
///
/// ```
/// # use std::time::Duration;
/// # use autokestra_sdk::{json, http::Request};
/// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
/// # let host = FakeHost::new().expect(
/// #     Expected::post("https://api.example.com/items?dry=true").header("authorization", "Bearer token").json(&json!({ "name": "tea" })),
/// #     Reply::status(201),
/// # );
/// let response = Request::post("https://api.example.com/items")
///     .query("dry", "true")
///     .header("authorization", "Bearer token")
///     .json(&json!({ "name": "tea" }))
///     .timeout(Duration::from_secs(10))
///     .send()?;
/// assert_eq!(response.status(), 201);
/// # Ok::<_, autokestra_sdk::TaskError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    url: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, Vec<u8>)>,
    body: Result<Vec<u8>, String>,
    timeout: Option<Duration>,
    redirects: u32,
}

/// One request of a chain of redirects.
#[cfg_attr(
    not(target_family = "wasm"),
    expect(dead_code, reason = "nothing waits outside of the sandbox")
)]
pub(super) struct Hop<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a Url,
    pub(super) headers: &'a [(String, Vec<u8>)],
    pub(super) body: &'a [u8],
    pub(super) timeout: Option<Duration>,
}

impl Request {
    /// A request of any method.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::new("OPTIONS", "https://example.com");
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// # assert_eq!(asked.method, "OPTIONS");
    /// ```
    #[must_use]
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into().to_ascii_uppercase(),
            url: url.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Ok(Vec::new()),
            timeout: None,
            redirects: REDIRECTS,
        }
    }

    /// A GET request.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::get("https://example.com/items/7");
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// # assert_eq!(asked.method, "GET");
    /// ```
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST request.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::post("https://example.com/items/7");
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// # assert_eq!(asked.method, "POST");
    /// ```
    #[must_use]
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// A PUT request.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::put("https://example.com/items/7");
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// # assert_eq!(asked.method, "PUT");
    /// ```
    #[must_use]
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// A PATCH request.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::patch("https://example.com/items/7");
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// # assert_eq!(asked.method, "PATCH");
    /// ```
    #[must_use]
    pub fn patch(url: impl Into<String>) -> Self {
        Self::new("PATCH", url)
    }

    /// A DELETE request.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::delete("https://example.com/items/7");
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// # assert_eq!(asked.method, "DELETE");
    /// ```
    #[must_use]
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// A HEAD request.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::head("https://example.com/items/7");
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// # assert_eq!(asked.method, "HEAD");
    /// ```
    #[must_use]
    pub fn head(url: impl Into<String>) -> Self {
        Self::new("HEAD", url)
    }

    /// Adds a header.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::get("https://example.com/").header("accept", "text/html");
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// assert_eq!(asked.header("accept"), Some("text/html"));
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into().to_ascii_lowercase(), value.into()));
        self
    }

    /// Adds a pair to the URL's query, encoded.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::get("https://example.com/search").query("q", "tea & cake");
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// assert_eq!(asked.url, "https://example.com/search?q=tea+%26+cake");
    /// ```
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::put("https://example.com/").body("plain text");
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// assert_eq!(asked.body, b"plain text");
    /// ```
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Ok(bytes.into());
        self
    }

    /// Sets a JSON body, and its content type unless a header did.
    ///
    /// ```
    /// # use autokestra_sdk::json;
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::post("https://example.com/").json(&json!({ "name": "tea" }));
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// assert_eq!(asked.body, br#"{"name":"tea"}"#);
    /// ```
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.body = serde_json::to_vec(value).map_err(|error| error.to_string());
        self.content_type("application/json")
    }

    /// Sets a form as the body, and its content type unless a header did.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::post("https://example.com/").form([("user", "ada"), ("again", "yes & no")]);
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// assert_eq!(asked.body, b"user=ada&again=yes+%26+no");
    /// ```
    #[must_use]
    pub fn form<'a>(mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        self.body = Ok(form.finish().into_bytes());
        self.content_type("application/x-www-form-urlencoded")
    }

    /// Limits the wait for the connection, the first byte, and the time between two. An action's own `timeout` limits them as well.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(200));
    /// let request = Request::get("https://example.com/").timeout(Duration::from_secs(5));
    /// # request.send().unwrap();
    /// # let asked = &host.requests()[0];
    /// # assert_eq!(asked.method, "GET");
    /// ```
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Sets how many redirects are followed; 0 returns the redirect itself.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(302).header("location", "/there"));
    /// let response = Request::get("https://example.com/here").redirects(0).send()?;
    /// assert_eq!(response.header("location"), Some("/there"));
    /// # Ok::<_, autokestra_sdk::TaskError>(())
    /// ```
    #[must_use]
    pub fn redirects(mut self, most: u32) -> Self {
        self.redirects = most;
        self
    }

    fn content_type(self, value: &str) -> Self {
        if self.headers.iter().any(|(name, _)| name == "content-type") {
            return self;
        }
        self.header("content-type", value)
    }

    /// Sends it, and waits for the head of the response.
    ///
    /// ```
    /// # use autokestra_sdk::http::Request;
    /// # use autokestra_sdk::testing::{Expected, FakeHost, Reply};
    /// # let host = FakeHost::new().expect(Expected::any(), Reply::status(404));
    /// let response = Request::get("https://example.com/nothing").send()?;
    /// assert_eq!(response.status(), 404);
    /// # Ok::<_, autokestra_sdk::TaskError>(())
    /// ```
    ///
    /// # Errors
    /// [`Error`]; a response of any status is none.
    pub fn send(self) -> Result<Response, Error> {
        let body = self.body.map_err(|error| Error::new(ErrorKind::Request, error))?;
        let mut chain = Chain {
            url: target(&self.url, &self.query)?,
            method: self.method,
            headers: self.headers,
            body,
        };
        let mut left = self.redirects;
        loop {
            let timeout = timeout(self.timeout, &chain.url)?;
            let response = wire::send(&Hop {
                method: &chain.method,
                url: &chain.url,
                headers: &chain.headers,
                body: &chain.body,
                timeout,
            })?;
            let Some(next) = redirect(&chain.url, &response)? else {
                return Ok(response);
            };
            if self.redirects == 0 {
                return Ok(response);
            }
            if left == 0 {
                let text = format!("`{}` redirects more than {} times", self.url, self.redirects);
                return Err(Error::new(ErrorKind::Redirects, text));
            }
            left -= 1;
            chain.follow(next, response.status());
        }
    }
}

/// What a request may take: what it says itself, and what is left to the action.
fn timeout(own: Option<Duration>, url: &Url) -> Result<Option<Duration>, Error> {
    let left = limit::left();
    if left == Some(Duration::ZERO) {
        let text = format!("the time of the action was over before `{}` was asked", url.authority());
        return Err(Error::new(ErrorKind::Timeout, text));
    }
    Ok(match (own, left) {
        (Some(own), Some(left)) => Some(own.min(left)),
        (own, left) => own.or(left),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_no_more_time_than_its_action() {
        let url = Url::parse("https://a.example/x").unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(timeout(Some(second), &url).unwrap(), Some(second));
        assert_eq!(timeout(None, &url).unwrap(), None);
        let _hour = limit::limit(3_600_000);
        assert_eq!(timeout(Some(second), &url).unwrap(), Some(second));
        assert!(timeout(None, &url).unwrap().is_some_and(|left| left > second));
        let _none = limit::limit(0);
        assert_eq!(timeout(Some(second), &url).unwrap_err().kind(), ErrorKind::Timeout);
    }

    #[test]
    fn nothing_leaves_a_native_test() {
        let error = Request::get("https://example.com").send().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}
