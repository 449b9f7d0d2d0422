//! What a workflow may grant: the patterns of `permissions`, as written. Opening them is the sandbox's part.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::address::is_public_range;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::reader::{Fields, string};
use crate::yaml::{Node, NodeKind};

/// What a task may reach. The default is nothing at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Permissions {
    /// Hosts and ports.
    pub network: Vec<NetworkPattern>,
    /// Folders and files that may be read.
    pub read: Vec<String>,
    /// Folders and files that may be read and written.
    pub write: Vec<String>,
    /// Variables of the host's environment.
    pub env: Vec<String>,
}

impl Permissions {
    /// Whether nothing is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.network.is_empty() && self.read.is_empty() && self.write.is_empty() && self.env.is_empty()
    }
}

/// Whether a variable holds a secret of the engine's own, or the key to them: no grant opens it, since it would reach a task
/// past all masking.
#[must_use]
pub fn is_reserved_variable(name: &str) -> bool {
    // `WORKFLOW_SECRET_<NAME>`, `WORKFLOW_SECRETS_KEY`.
    name.starts_with("WORKFLOW_SECRET")
        || name == "WORKFLOW_STORAGE_PASSWORD"
        // Who asks the collector of traces, by what token.
        || matches!(name, "OTEL_EXPORTER_OTLP_HEADERS" | "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
}

/// What the host part of a network pattern matches.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    /// This name and no other.
    Name(String),
    /// One label and more to the left of this name, never the name itself.
    Below(String),
    /// Any name or address; private ones are refused all the same.
    Any,
    /// Addresses, written as such.
    Range(IpNet),
}

/// One entry of `permissions.network`: a host, a wildcard or a range, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPattern {
    host: HostPattern,
    /// None: the default port of the request's scheme.
    port: Option<Port>,
    private: bool,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Number(u16),
    Any,
}

/// Why a text is no network pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl NetworkPattern {
    /// Reads `host`, `host:port`, `*.domain:port`, `address`, `[v6]:port` or `range/bits:port`; the port may be `*`.
    ///
    /// # Errors
    /// [`PatternError`], with what would have been right.
    pub fn parse(text: &str, private: bool) -> Result<Self, PatternError> {
        let wrong = |why: String| Err(PatternError(why));
        if text.contains("://") {
            let host = text
                .split("://")
                .nth(1)
                .unwrap_or_default()
                .split('/')
                .next()
                .unwrap_or_default();
            return wrong(format!("a host is expected, not a URL: write `{host}`"));
        }
        let (host, port) = split_port(text)?;
        let host = host.to_ascii_lowercase();
        // A dot at the end is the root of all names, and says nothing.
        let name = host.strip_suffix('.').unwrap_or(&host);
        let host = if let Some(range) = addresses(&host) {
            HostPattern::Range(range)
        } else if name == "*" {
            HostPattern::Any
        } else if let Some(domain) = name.strip_prefix("*.") {
            check_name(domain)?;
            HostPattern::Below(domain.to_owned())
        } else {
            check_name(name)?;
            HostPattern::Name(name.to_owned())
        };
        Ok(Self {
            host,
            port,
            private,
            text: text.to_owned(),
        })
    }

    /// Reads one entry of a list: a text, or `{ host, private }`.
    pub fn read(node: &Node, errors: &mut Diagnostics) -> Option<Self> {
        let (text, private, span) = if matches!(node.kind, NodeKind::Mapping(_)) {
            let fields = Fields::read(node, "a network permission", &["host", "private"], errors)?;
            let host = fields.required("host", errors)?;
            (
                string(host, "host", errors)?,
                fields.boolean("private", errors).unwrap_or(false),
                host.span,
            )
        } else {
            (string(node, "network", errors)?, false, node.span)
        };
        match Self::parse(text, private) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let label = "expected a host, `*.domain`, address or range, with `:port` where it is not the default";
                errors.push(Diagnostic::error("invalid_network", span, error.to_string()).label(label));
                None
            }
        }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the entry names hosts that may be private.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// Whether a request to `host` (a name or an address, as in a URL) and `port` is meant. `default_port` is that of its scheme.
    #[must_use]
    pub fn matches(&self, host: &str, port: u16, default_port: u16) -> bool {
        let port_fits = match self.port {
            None => port == default_port,
            Some(Port::Any) => true,
            Some(Port::Number(number)) => port == number,
        };
        port_fits && self.means_host(host)
    }

    /// Whether `host` (a name or an address) is meant at any port.
    #[must_use]
    pub fn means_host(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        match &self.host {
            HostPattern::Any => true,
            HostPattern::Name(name) => *name == host,
            HostPattern::Below(domain) => host
                .strip_suffix(domain.as_str())
                .and_then(|left| left.strip_suffix('.'))
                .is_some_and(|left| !left.is_empty() && !left.starts_with('.')),
            HostPattern::Range(range) => {
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                bare.parse::<IpAddr>()
                    .is_ok_and(|address| range.contains(&address.to_canonical()))
            }
        }
    }

    /// Whether a connection to `address` is meant even where the address is not public: the entry is that address or
    /// range, is `localhost` and the address loopback, or says `private: true`.
    #[must_use]
    pub fn allows_private(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match &self.host {
            HostPattern::Range(range) => range.contains(&address),
            HostPattern::Name(name) if name == "localhost" => address.is_loopback() || self.private,
            HostPattern::Name(_) | HostPattern::Below(_) | HostPattern::Any => self.private,
        }
    }

    /// Whether the entry opens addresses that are not public.
    #[must_use]
    pub fn reaches_private(&self) -> bool {
        self.private
            || match &self.host {
                HostPattern::Range(range) => !is_public_range(range),
                HostPattern::Name(name) => name.trim_end_matches('.') == "localhost",
                HostPattern::Below(_) | HostPattern::Any => false,
            }
    }

    /// Whether all that `other` opens is opened by this one too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let port_fits = self.port == Some(Port::Any) || self.port == other.port;
        let host_fits = match (&self.host, &other.host) {
            // That name opens loopback addresses, and a wildcard does not.
            (HostPattern::Any, HostPattern::Name(name)) => name != "localhost" || self.private,
            (HostPattern::Any, _) => true,
            (HostPattern::Name(ours), HostPattern::Name(theirs)) => ours == theirs,
            (HostPattern::Below(_), HostPattern::Name(name)) => self.means_host(name),
            (HostPattern::Below(ours), HostPattern::Below(theirs)) => ours == theirs || self.means_host(theirs),
            (HostPattern::Range(ours), HostPattern::Range(theirs)) => ours.contains(theirs),
            (HostPattern::Name(_) | HostPattern::Below(_) | HostPattern::Range(_), _) => false,
        };
        // A wildcard does not open private addresses, so it covers none that are named. A name or a range that does covers its like.
        let named = matches!(
            (&self.host, &other.host),
            (HostPattern::Range(_), HostPattern::Range(_)) | (HostPattern::Name(_), HostPattern::Name(_))
        );
        let reach = self.private || !other.reaches_private() || (named && !other.private);
        port_fits && host_fits && reach
    }
}

fn split_port(text: &str) -> Result<(&str, Option<Port>), PatternError> {
    let after_bracket = text.rfind(']').map_or(0, |at| at + 1);
    let tail = text.get(after_bracket..).unwrap_or_default();
    // An address of version 6 without brackets has colons of its own.
    if after_bracket == 0 && (text.parse::<IpAddr>().is_ok() || text.parse::<IpNet>().is_ok()) {
        return Ok((text, None));
    }
    let Some(colon) = tail.rfind(':') else {
        return Ok((text, None));
    };
    let (host, port) = text.split_at(after_bracket + colon);
    let port = port.trim_start_matches(':');
    if port == "*" {
        return Ok((host, Some(Port::Any)));
    }
    match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok((host, Some(Port::Number(number))))
        }
        Ok(_) | Err(_) => Err(PatternError(format!(
            "`{port}` is no port: expected a number from 1 to 65535, or `*`"
        ))),
    }
}

/// The address or range that a host is, if it is one. An address of version 4 in one of version 6 is the former.
fn addresses(host: &str) -> Option<IpNet> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let range = match bare.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => bare.parse::<IpNet>().ok()?.trunc(),
    };
    let carried = match range {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => v6.network().to_ipv4_mapped().map(|v4| (v4, v6.prefix_len() - 96)),
        IpNet::V6(_) | IpNet::V4(_) => None,
    };
    match carried {
        Some((v4, bits)) => IpNet::new(v4.into(), bits).ok(),
        None => Some(range),
    }
}

fn check_name(name: &str) -> Result<(), PatternError> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !name.is_empty() && name.len() <= 253 && name.split('.').all(label) {
        return Ok(());
    }
    if name.contains('*') {
        return Err(PatternError(
            "`*` stands for whole labels at the left only, as in `*.example.org`".to_owned(),
        ));
    }
    Err(PatternError(format!("`{name}` is no host name, address or range")))
}

/// Whether a granted path reaches `path`: it is the same, or a folder above it.
#[must_use]
pub fn path_covers(granted: &str, path: &str) -> bool {
    fn parts(path: &str) -> impl Iterator<Item = &str> {
        path.split('/').filter(|part| !part.is_empty() && *part != ".")
    }
    let mut inner = parts(path);
    granted.starts_with('/') == path.starts_with('/') && parts(granted).all(|part| inner.next() == Some(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, host: &str, port: u16, expected: bool) {
        let pattern = NetworkPattern::parse(pattern, false).expect("a good pattern");
        assert_eq!(
            pattern.matches(host, port, 443),
            expected,
            "{pattern:?} against {host}:{port}"
        );
    }

    #[test]
    fn patterns_match_what_they_say() {
        check("api.example.com:443", "API.example.com", 443, true);
        check("api.example.com", "api.example.com", 443, true);
        check("api.example.com", "api.example.com", 8443, false);
        check("api.example.com:*", "api.example.com", 8443, true);
        check("*.example.org", "a.example.org", 443, true);
        check("*.example.org", "a.b.example.org", 443, true);
        check("*.example.org", "example.org", 443, false);
        check("*.example.org", "badexample.org", 443, false);
        check("*.example.org", ".example.org", 443, false);
        check("10.0.0.0/8:5432", "10.1.2.3", 5432, true);
        check("10.0.0.0/8:5432", "11.1.2.3", 5432, false);
        check("10.0.0.0/8:5432", "ten.example", 5432, false);
        check("[::1]:80", "[::1]", 80, true);
        check("::1", "::1", 443, true);
        check("127.0.0.1:80", "[::ffff:127.0.0.1]", 80, true);
        check("[::ffff:127.0.0.1]:80", "127.0.0.1", 80, true);
        check("[::ffff:10.0.0.0/104]:80", "10.1.2.3", 80, true);
        check("api.example.com.", "api.example.com", 443, true);
    }

    #[test]
    fn private_addresses_need_to_be_named() {
        let allows = |pattern: &str, private, address: &str| {
            let pattern = NetworkPattern::parse(pattern, private).expect("a good pattern");
            pattern.allows_private(address.parse().expect("an address"))
        };
        assert!(allows("localhost:80", false, "127.0.0.1"));
        assert!(!allows("localhost:80", false, "10.0.0.1"));
        assert!(!allows("db.corp", false, "10.0.0.1"));
        assert!(allows("db.corp", true, "10.0.0.1"));
        assert!(allows("10.0.0.0/8", false, "::ffff:10.0.0.1"));
        assert!(!allows("*", false, "127.0.0.1"));
        assert!(allows("LocalHost.", false, "127.0.0.1"));
    }

    #[test]
    fn a_wildcard_covers_nothing_that_opens_private_addresses() {
        let parse = |text, private| NetworkPattern::parse(text, private).expect("a good pattern");
        let covers = |ours, private, theirs| parse(ours, private).covers(&parse(theirs, false));
        assert!(covers("*:*", false, "api.example.com:443") && covers("*:*", true, "localhost:80"));
        assert!(!covers("*:*", false, "localhost:80") && !covers("*:*", false, "10.0.0.1:80"));
    }

    #[test]
    fn wrong_patterns_say_why() {
        for bad in [
            "https://a.example/x",
            "a.example:0",
            "a.example:http",
            "",
            "a..b",
            "a.*.example",
            "a b",
            "a..",
            "a.example:+80",
            "[10.0.0.1",
            "10.0.0.1]",
            "[10.0.0.1]/8",
            "[[::1]]",
        ] {
            assert!(NetworkPattern::parse(bad, false).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn paths_cover_what_is_below_them() {
        assert!(path_covers("./data", "data/in/a.txt"));
        assert!(path_covers(".", "./data"));
        assert!(!path_covers("./data", "./database"));
        assert!(!path_covers("./data", "/data"));
    }
}
