//! OpenTelemetry: the spans of executions, exported over OTLP/HTTP as JSON, where the environment names a collector.
//!
//! Read from the variables of the standard, as every other program does. A collector that is slow, away or wrong never holds
//! up or fails an execution: spans wait in a queue with a bound, and what could not be sent is told once, at the end.

mod client;
mod exporter;
mod otlp;

use std::time::Duration;

use autokestra_model::TraceContext;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

pub(crate) use exporter::Exporter;

/// How long one request may take where the environment does not say.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where spans go, and what they say of this process.
#[derive(Clone)]
pub(crate) struct Telemetry {
    endpoint: Uri,
    /// Sent with each request; may hold a token, so it is shown nowhere.
    headers: HeaderMap,
    timeout: Duration,
    /// What is known of this process, by the names of the semantic conventions.
    resource: Vec<(String, String)>,
    /// The span that the process itself is a part of.
    parent: Option<TraceContext>,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry")
            .field("endpoint", &self.shown_endpoint())
            .finish_non_exhaustive()
    }
}

impl Telemetry {
    /// What the environment asks for; none where it asks for nothing. With a sentence for each variable that is wrong.
    pub(crate) fn read(variable: &dyn Fn(&str) -> Option<String>) -> (Option<Self>, Vec<String>) {
        let read = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is = |name: &str, wanted: &str| read(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted));
        let mut wrong = Vec::new();
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return (None, wrong);
        }
        let own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let of_all = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let (name, address) = match (read(own), read(of_all)) {
            (Some(address), _) => (own, address),
            (None, Some(base)) => (of_all, format!("{}/v1/traces", base.trim().trim_end_matches('/'))),
            (None, None) => return (None, wrong),
        };
        let Some(endpoint) = endpoint(address.trim()) else {
            let expected = "expected the address of an OTLP/HTTP collector, as in http://localhost:4318";
            wrong.push(format!(
                "no traces are exported: the environment variable `{name}` is wrong: {expected}"
            ));
            return (None, wrong);
        };
        let protocol = read("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| read("OTEL_EXPORTER_OTLP_PROTOCOL"));
        if protocol.is_some_and(|protocol| protocol.trim() == "grpc") {
            wrong.push(
                "OTLP is spoken over HTTP, as JSON, and not by gRPC: name the collector's HTTP port, often 4318"
                    .to_owned(),
            );
        }
        let headers = read("OTEL_EXPORTER_OTLP_TRACES_HEADERS").or_else(|| read("OTEL_EXPORTER_OTLP_HEADERS"));
        let headers = headers.map_or_else(HeaderMap::new, |text| {
            let (headers, refused) = headers_of(&text);
            if refused {
                // What it holds may be a token.
                wrong.push(
                    "a part of OTEL_EXPORTER_OTLP_HEADERS is no header, and is left out: write name=value,name=value"
                        .to_owned(),
                );
            }
            headers
        });
        let timeout = read("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT").or_else(|| read("OTEL_EXPORTER_OTLP_TIMEOUT"));
        let timeout = timeout
            .and_then(|text| text.trim().parse().ok())
            .map(Duration::from_millis);
        let parent = read("TRACEPARENT");
        let parent = parent.and_then(|text| {
            let parsed = text.parse();
            wrong.extend(
                parsed
                    .is_err()
                    .then(|| "the environment variable `TRACEPARENT` is no trace context, and is left out".to_owned()),
            );
            parsed.ok()
        });
        let telemetry = Self {
            endpoint,
            headers,
            timeout: timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(TIMEOUT),
            resource: resource(read("OTEL_SERVICE_NAME"), read("OTEL_RESOURCE_ATTRIBUTES").as_ref()),
            parent,
        };
        (Some(telemetry), wrong)
    }

    /// The collector, without what an address may hold of secrets.
    fn shown_endpoint(&self) -> String {
        let host = self.endpoint.host().unwrap_or_default();
        let port = self.endpoint.port().map(|port| format!(":{port}")).unwrap_or_default();
        let scheme = self.endpoint.scheme_str().unwrap_or_default();
        format!("{scheme}://{host}{port}{}", self.endpoint.path())
    }
}

fn endpoint(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    (known && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

/// Pairs of `name=value` with commas between them, the values percent-encoded.
fn pairs(text: &str) -> impl Iterator<Item = Option<(String, String)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| {
        let (name, value) = part.split_once('=')?;
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name.trim().to_owned(), value.into_owned()))
    })
}

/// Headers, and whether one was left out.
fn headers_of(text: &str) -> (HeaderMap, bool) {
    let mut headers = HeaderMap::new();
    let mut refused = false;
    for pair in pairs(text) {
        let header = pair.and_then(|(name, value)| {
            let name: HeaderName = name.parse().ok()?;
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        match header {
            Some((name, value)) => drop(headers.insert(name, value)),
            None => refused = true,
        }
    }
    (headers, refused)
}

/// What is known of this process. The variable of the name wins over that of all attributes.
fn resource(name: Option<String>, attributes: Option<&String>) -> Vec<(String, String)> {
    let mut resource = vec![
        ("service.name".to_owned(), "autokestra".to_owned()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let given: Vec<_> = attributes.into_iter().flat_map(|text| pairs(text)).flatten().collect();
    let name = name.map(|name| ("service.name".to_owned(), name));
    for (key, value) in given.into_iter().chain(name) {
        match resource.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => resource.push((key, value)),
        }
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Option<Telemetry>, Vec<String>) {
        Telemetry::read(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_says_where_spans_go() {
        assert!(read(&[]).0.is_none());
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert!(read(&[base, off]).0.is_none(), "{off:?}");
        }
        let telemetry = read(&[base]).0.expect("it is on");
        assert_eq!(telemetry.endpoint, "http://collector:4318/v1/traces");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://me:word@other/x?key=1");
        let telemetry = read(&[base, own]).0.expect("it is on");
        assert_eq!(telemetry.endpoint.path(), "/x");
        assert_eq!(telemetry.shown_endpoint(), "https://other/x");
        for wrong in ["collector", "ftp://collector", "http://", "://"] {
            let (telemetry, said) = read(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", wrong)]);
            assert!(telemetry.is_none() && said.len() == 1, "{wrong}: {said:?}");
        }
    }

    #[test]
    fn headers_and_attributes_are_lists_of_pairs() {
        let (telemetry, said) = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Basic%20a%3D, x-team = blue ,broken,b ad=1",
            ),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=other,deployment.environment=test%2C1",
            ),
            ("OTEL_SERVICE_NAME", "mine"),
            ("TRACEPARENT", "nonsense"),
        ]);
        let telemetry = telemetry.expect("it is on");
        assert_eq!(telemetry.headers["authorization"], "Basic a=");
        assert_eq!(telemetry.headers["x-team"], "blue");
        assert_eq!(telemetry.headers.len(), 2);
        assert_eq!(said.len(), 2, "{said:?}");
        let value = |key: &str| {
            telemetry
                .resource
                .iter()
                .find(|(known, _)| known == key)
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(value("service.name"), Some("mine"));
        assert_eq!(value("deployment.environment"), Some("test,1"));
        assert!(!format!("{telemetry:?}").contains("Basic"));
    }
}
