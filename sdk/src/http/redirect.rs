//! Where a request goes, and where it is sent from there.

use url::Url;

use super::{Error, ErrorKind, Response};

/// Headers that speak for the caller, so another origin must not see them.
const SECRET_HEADERS: &[&str] = &["authorization", "cookie", "proxy-authorization"];

/// Headers that belong to a body.
const BODY_HEADERS: &[&str] = &["content-type", "content-length", "content-encoding"];

/// What is sent next.
pub(super) struct Chain {
    pub(super) url: Url,
    pub(super) method: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Chain {
    /// Goes where a redirect points, with what may go there.
    pub(super) fn follow(&mut self, next: Url, status: u16) {
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

/// The URL of a request, if it is one to ask.
pub(super) fn target(url: &str, query: &[(String, String)]) -> Result<Url, Error> {
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
pub(super) fn redirect(url: &Url, response: &Response) -> Result<Option<Url>, Error> {
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
}
