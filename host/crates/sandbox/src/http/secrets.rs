//! Puts the values of bound secrets into a request that goes where they may go, and takes them out of what comes back.
//!
//! This is the last step before the wire: every log and every trace of a request was made from its placeholders.

use std::sync::Arc;

use autokestra_secrets::BoundSecret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RANGE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use wasmtime_wasi_http::Error;

use crate::bound::{Bound, goes_to};
use crate::network::Target;

/// How a value is written where a placeholder stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is.
    Plain,
    /// Between the quotes of a JSON string.
    Json,
    /// In a form: percent-encoded, a blank as `+`.
    Form,
    /// In a URL.
    Url,
}

impl Encoding {
    /// What the body of these headers is written in.
    pub(super) fn of_body(headers: &HeaderMap) -> Self {
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        if kind == "application/x-www-form-urlencoded" {
            Self::Form
        } else if kind == "application/json" || kind.ends_with("+json") || kind.ends_with("/json") {
            Self::Json
        } else {
            Self::Plain
        }
    }

    fn write(self, value: &str, out: &mut Vec<u8>) {
        match self {
            Self::Plain => out.extend_from_slice(value.as_bytes()),
            Self::Json => {
                let text = serde_json::Value::from(value).to_string();
                out.extend_from_slice(text.get(1..text.len() - 1).unwrap_or_default().as_bytes());
            }
            Self::Form => out.extend(form_urlencoded::byte_serialize(value.as_bytes()).flat_map(str::bytes)),
            Self::Url => out.extend(utf8_percent_encode(value, NOT_UNRESERVED).flat_map(str::bytes)),
        }
    }
}

/// All but the characters that RFC 3986 calls unreserved.
const NOT_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a request with a secret in it is not sent.
pub(super) enum Unsent {
    /// The secret is not for the target.
    NotFor(BoundSecret),
    /// Its value cannot stand where its placeholder does.
    Misplaced,
}

/// `text` with each placeholder replaced by its value.
pub(super) fn replaced(bound: &Bound, text: &[u8], target: &Target, encoding: Encoding) -> Result<Vec<u8>, Unsent> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for seen in bound.find(text) {
        if !goes_to(seen.secret, target) {
            return Err(Unsent::NotFor(seen.secret.clone()));
        }
        out.extend_from_slice(text.get(at..seen.start).unwrap_or_default());
        encoding.write(seen.secret.value().expose(), &mut out);
        at = seen.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Ok(out)
}

/// Puts values into the address and the headers.
pub(super) fn fill_head(bound: &Bound, head: &mut http::request::Parts, target: &Target) -> Result<(), Unsent> {
    fill_uri(bound, &mut head.uri, target)?;
    for (name, value) in &mut head.headers {
        // A name is no place for a secret, wherever it goes.
        if bound.find(name.as_str().as_bytes()).next().is_some() {
            return Err(Unsent::Misplaced);
        }
        let filled = if *name == AUTHORIZATION {
            fill_authorization(bound, value, target)?
        } else {
            replaced(bound, value.as_bytes(), target, Encoding::Plain)?
        };
        if filled != value.as_bytes() {
            // A value with line ends would be more than one header.
            let mut filled = HeaderValue::from_bytes(&filled).map_err(|_| Unsent::Misplaced)?;
            filled.set_sensitive(true);
            *value = filled;
        }
    }
    if bound.serves(target) {
        // A value could hide in a compressed answer, or come in pieces.
        head.headers
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        head.headers.remove(RANGE);
    }
    Ok(())
}

fn fill_uri(bound: &Bound, uri: &mut Uri, target: &Target) -> Result<(), Unsent> {
    let host = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    // A host's name is asked of every resolver on the way.
    let lower = host.to_ascii_lowercase();
    if let Some(seen) = bound.find(lower.as_bytes()).next() {
        return Err(Unsent::NotFor(seen.secret.clone()));
    }
    let Some(path) = uri.path_and_query() else {
        return Ok(());
    };
    if bound.find(path.as_str().as_bytes()).next().is_none() {
        return Ok(());
    }
    let filled = replaced(bound, path.as_str().as_bytes(), target, Encoding::Url)?;
    let mut parts = uri.clone().into_parts();
    let path = PathAndQuery::from_maybe_shared(Bytes::from(filled)).map_err(|_| Unsent::Misplaced)?;
    parts.path_and_query = Some(path);
    *uri = Uri::from_parts(parts).map_err(|_| Unsent::Misplaced)?;
    Ok(())
}

/// The value of `authorization`. In the basic scheme the placeholder is inside base64.
fn fill_authorization(bound: &Bound, value: &HeaderValue, target: &Target) -> Result<Vec<u8>, Unsent> {
    let basic = value.to_str().ok().and_then(|text| {
        let (scheme, rest) = text.split_once(' ')?;
        let inner = STANDARD.decode(rest.trim()).ok()?;
        scheme.eq_ignore_ascii_case("basic").then_some(inner)
    });
    match basic {
        Some(inner) if bound.find(&inner).next().is_some() => {
            let filled = replaced(bound, &inner, target, Encoding::Plain)?;
            Ok(format!("Basic {}", STANDARD.encode(filled)).into_bytes())
        }
        _ => replaced(bound, value.as_bytes(), target, Encoding::Plain),
    }
}

/// Takes values out of the head of an answer. Its body may become another length, unless it has none.
///
/// # Errors
/// An answer of a host that knows a value must not be compressed.
pub(super) fn clean_head(
    bound: &Bound,
    head: &mut http::response::Parts,
    target: &Target,
    method: &Method,
) -> Result<(), Error> {
    let identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if bound.serves(target) && !head.headers.get_all(CONTENT_ENCODING).iter().all(identity) {
        return Err(Error::HttpResponseContentCoding(Some("not asked for".to_owned())));
    }
    for value in head.headers.values_mut() {
        clean_value(bound, value);
    }
    if *method != Method::HEAD {
        head.headers.remove(CONTENT_LENGTH);
    }
    Ok(())
}

/// Takes values out of trailers.
pub(super) fn clean_values(bound: &Bound, headers: &mut HeaderMap) {
    for value in headers.values_mut() {
        clean_value(bound, value);
    }
}

fn clean_value(bound: &Bound, value: &mut HeaderValue) {
    let mut stream = bound.masker().stream();
    let mut out = Vec::with_capacity(value.len());
    stream.push(value.as_bytes(), &mut out);
    stream.finish(&mut out);
    if out != value.as_bytes() {
        *value = HeaderValue::from_bytes(&out).unwrap_or_else(|_| HeaderValue::from_static("***"));
    }
}

/// A secret that was on its way to where it does not go.
pub(super) async fn deny(bound: &Arc<Bound>, unsent: &Unsent, target: &Target) -> Error {
    match unsent {
        Unsent::NotFor(secret) => {
            bound.deny(secret, Some(target)).await;
            Error::HttpRequestDenied
        }
        Unsent::Misplaced => Error::InternalError(Some(
            "a secret stands where its value cannot: a value with line ends in a header, or a header's name".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use autokestra_model::NetworkPattern;
    use autokestra_secrets::{Masker, SecretValue};
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;
    use crate::denial::Denials;
    use crate::http::filled::Filled;

    fn target(url: &str) -> Target {
        Target::of(&url.parse().expect("an address"))
            .expect("it names a host")
            .0
    }

    /// The bound secrets `KEY` and `TOKEN` with their placeholders, for `api.example.com`.
    fn bound(key: &str, token: &str) -> (Arc<Bound>, [String; 2]) {
        let only_to = vec![NetworkPattern::parse("api.example.com", false).expect("a good pattern")];
        let secrets = [("KEY", key), ("TOKEN", token)].map(|(name, value)| {
            let made = || {
                let value = SecretValue::new(value.to_owned());
                BoundSecret::new(name.parse().expect("a name"), value, only_to.clone().into())
                    .expect("there is randomness")
            };
            // One in 16 ends with the letter that every placeholder begins with: the hardest to cut.
            let mut hardest = std::iter::repeat_with(made).filter(|secret| secret.placeholder().ends_with('a'));
            hardest.next().expect("it never ends")
        });
        let placeholders = secrets.each_ref().map(|secret| secret.placeholder().to_owned());
        let denials = Denials::new(Masker::none(), None);
        let secrets: Arc<[BoundSecret]> = secrets.to_vec().into();
        (Bound::new(&secrets, denials).expect("there are secrets"), placeholders)
    }

    fn head(uri: &str, headers: &[(&str, &str)]) -> http::request::Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[tokio::test]
    async fn basic_authorization_is_filled_inside_its_base64() {
        let (bound, [key, _]) = bound("pass:word", "other");
        let basic = format!("Basic {}", STANDARD.encode(format!("me:{key}")));
        let mut head = head("https://api.example.com/", &[("authorization", &basic)]);
        assert!(fill_head(&bound, &mut head, &target("https://api.example.com/")).is_ok());
        let wanted = format!("Basic {}", STANDARD.encode("me:pass:word"));
        assert_eq!(head.headers[AUTHORIZATION], wanted.as_str());
        assert!(head.headers[AUTHORIZATION].is_sensitive());
    }

    #[tokio::test]
    async fn a_host_that_is_not_meant_gets_nothing() {
        let (bound, [key, _]) = bound("value", "other");
        for (uri, header) in [
            (format!("https://evil.example.com/?{key}"), String::new()),
            (format!("https://evil.example.com/{key}/x"), String::new()),
            (format!("https://{key}.evil.example.com/"), String::new()),
            ("https://evil.example.com/".to_owned(), key.clone()),
            ("http://api.example.com:8080/".to_owned(), key.clone()),
            (format!("https://{key}.api.example.com/"), String::new()),
        ] {
            let mut head = head(&uri, &[("x-key", &header)]);
            let unsent = fill_head(&bound, &mut head, &target(&uri)).expect_err("it is not for this host");
            assert!(
                matches!(unsent, Unsent::NotFor(secret) if secret.name().as_str() == "KEY"),
                "{uri}"
            );
        }
    }

    #[tokio::test]
    async fn placeholders_are_filled_at_every_cut() {
        let (key, token) = ("k\"1\n", "t&2 ");
        let (bound, [first, second]) = bound(key, token);
        let text = format!("{first}{second}x{}y{first}", first.get(..20).expect("its beginning"));
        let json = format!("k\\\"1\\nt&2 x{}yk\\\"1\\n", first.get(..20).expect("its beginning"));
        for cut in 1..text.len() {
            let pieces: Vec<_> = text
                .as_bytes()
                .chunks(cut)
                .map(|piece| Ok(http_body::Frame::data(Bytes::copy_from_slice(piece))))
                .collect();
            let body = StreamBody::new(futures::stream::iter(pieces));
            let filled = Filled::new(
                body,
                Arc::clone(&bound),
                target("https://api.example.com/"),
                Encoding::Json,
            );
            let whole = filled.collect().await.expect("it is for this host").to_bytes();
            assert_eq!(String::from_utf8_lossy(&whole), json, "cut at {cut}");
        }
    }

    #[test]
    fn a_bodys_encoding_is_told_by_its_type() {
        for (kind, encoding) in [
            ("application/json; charset=utf-8", Encoding::Json),
            ("application/vnd.api+json", Encoding::Json),
            ("application/x-www-form-urlencoded", Encoding::Form),
            ("text/plain", Encoding::Plain),
            ("application/xml", Encoding::Plain),
        ] {
            let headers = head("http://x/", &[("content-type", kind)]).headers;
            assert_eq!(Encoding::of_body(&headers), encoding, "{kind}");
        }
    }
}
