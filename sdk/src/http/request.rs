use std::time::Duration;

use serde::Serialize;
use url::Url;

use super::{Error, ErrorKind, Response, wire};

/// Most redirects that are followed unless a request says otherwise.
const REDIRECTS: u32 = 10;

/// Headers that speak for the caller, so another origin must not see them.
const SECRET_HEADERS: &[&str] = &["authorization", "cookie", "proxy-authorization"];

/// Headers that belong to a body.
const BODY_HEADERS: &[&str] = &["content-type", "content-length", "content-encoding"];

/// A request that is being made.
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
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "only a guest sends it"))]
pub(super) struct Hop<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a Url,
    pub(super) headers: &'a [(String, Vec<u8>)],
    pub(super) body: &'a [u8],
    pub(super) timeout: Option<Duration>,
}

impl Request {
    /// A request of any method.
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
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST request.
    #[must_use]
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into().to_ascii_lowercase(), value.into()));
        self
    }

    /// Adds a pair to the URL's query, encoded.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Ok(bytes.into());
        self
    }

    /// Sets a JSON body, and its content type unless a header did.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.body = serde_json::to_vec(value).map_err(|error| error.to_string());
        self.content_type("application/json")
    }

    /// Sets a form as the body, and its content type unless a header did.
    #[must_use]
    pub fn form<'a>(mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        self.body = Ok(form.finish().into_bytes());
        self.content_type("application/x-www-form-urlencoded")
    }

    /// Limits the wait for the connection, the first byte, and the time between two.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Sets how many redirects are followed; 0 returns the redirect itself.
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
            let response = wire::send(&Hop {
                method: &chain.method,
                url: &chain.url,
                headers: &chain.headers,
                body: &chain.body,
                timeout: self.timeout,
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

/// What is sent next.
struct Chain {
    url: Url,
    method: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Chain {
    /// Goes where a redirect points, with what may go there.
    fn follow(&mut self, next: Url, status: u16) {
        if next.origin() != self.url.origin() {
            self.headers
                .retain(|(name, _)| !SECRET_HEADERS.contains(&name.as_str()) && name != "host");
        }
        // 303 asks for a GET; of 301 and 302 after a POST everybody makes one.
        if status == 303 && self.method != "HEAD" || matches!(status, 301 | 302) && self.method == "POST" {
            "GET".clone_into(&mut self.method);
            self.body.clear();
            self.headers.retain(|(name, _)| !BODY_HEADERS.contains(&name.as_str()));
        }
        self.url = next;
    }
}

fn target(url: &str, query: &[(String, String)]) -> Result<Url, Error> {
    let wrong = |why: &str| Error::new(ErrorKind::Request, format!("`{url}` is no URL to ask: {why}"));
    let mut parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(wrong("it must begin with http:// or https://"));
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it names no host"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(wrong("put the user and the password into an `authorization` header"));
    }
    if !query.is_empty() {
        parsed.query_pairs_mut().extend_pairs(query);
    }
    parsed.set_fragment(None);
    Ok(parsed)
}

/// Where a response sends its caller, if it does.
fn redirect(url: &Url, response: &Response) -> Result<Option<Url>, Error> {
    if !matches!(response.status(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.header("location") else {
        return Ok(None);
    };
    let next = url.join(location).map_err(|error| {
        Error::new(
            ErrorKind::Protocol,
            format!("`{url}` redirects to `{location}`: {error}"),
        )
    })?;
    target(next.as_str(), &[]).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(url: &str, method: &str) -> Chain {
        let headers = ["authorization", "cookie", "accept", "content-type"];
        Chain {
            url: Url::parse(url).unwrap(),
            method: method.to_owned(),
            headers: headers.iter().map(|name| ((*name).to_owned(), b"x".to_vec())).collect(),
            body: b"body".to_vec(),
        }
    }

    fn names(chain: &Chain) -> Vec<&str> {
        chain.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn another_origin_does_not_see_who_asks() {
        let mut same = chain("https://a.example/x", "GET");
        same.follow(Url::parse("https://a.example/y").unwrap(), 302);
        assert_eq!(names(&same), ["authorization", "cookie", "accept", "content-type"]);
        for other in ["https://b.example/y", "http://a.example/y", "https://a.example:444/y"] {
            let mut changed = chain("https://a.example/x", "GET");
            changed.follow(Url::parse(other).unwrap(), 302);
            assert_eq!(names(&changed), ["accept", "content-type"], "{other}");
        }
    }

    #[test]
    fn a_post_becomes_a_get_where_the_status_says_so() {
        for (status, method, body) in [
            (301, "GET", 0),
            (302, "GET", 0),
            (303, "GET", 0),
            (307, "POST", 4),
            (308, "POST", 4),
        ] {
            let mut chain = chain("https://a.example/x", "POST");
            chain.follow(Url::parse("https://a.example/y").unwrap(), status);
            assert_eq!((chain.method.as_str(), chain.body.len()), (method, body), "{status}");
        }
    }

    #[test]
    fn targets_are_web_addresses_without_users() {
        for wrong in [
            "",
            "example.com",
            "ftp://example.com",
            "https://",
            "https://u:p@example.com",
            "file:///etc/passwd",
        ] {
            assert_eq!(target(wrong, &[]).unwrap_err().kind(), ErrorKind::Request, "{wrong}");
        }
        let query = [("a b".to_owned(), "ü&=".to_owned())];
        assert_eq!(
            target("https://example.com/x?y=1#z", &query).unwrap().as_str(),
            "https://example.com/x?y=1&a+b=%C3%BC%26%3D"
        );
    }

    #[test]
    fn nothing_leaves_a_native_test() {
        let error = Request::get("https://example.com").send().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}
