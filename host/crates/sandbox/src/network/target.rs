//! Where a connection goes, as it was asked for.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use autokestra_model::{NetworkPattern, is_public};
use http::Uri;
use wasmtime_wasi_http::Error;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// A name in lower case or an address, without brackets.
    host: String,
    port: u16,
    /// The port that a grant without one means; none for a socket, where it means no port at all.
    default_port: Option<u16>,
}

impl Target {
    /// Where a request goes, and whether by TLS.
    pub(crate) fn of(uri: &Uri) -> Result<(Self, bool), Error> {
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(Error::HttpRequestUriInvalid)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        // A user in the address is a secret in every log on the way.
        if authority.contains('@') {
            return Err(Error::HttpRequestUriInvalid);
        }
        let default_port = if secure { 443 } else { 80 };
        let target = Self {
            host: plain(bare),
            port: uri.port_u16().unwrap_or(default_port),
            default_port: Some(default_port),
        };
        Ok((target, secure))
    }

    /// A socket's way to an address, by a name that led to it or by the address itself.
    pub(crate) fn of_socket(host: &str, port: u16) -> Self {
        Self {
            host: plain(host),
            port,
            default_port: None,
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The address that the target is, where it is none that must be resolved.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    pub(crate) fn at(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, self.port)
    }

    pub(crate) fn is_meant_by(&self, pattern: &NetworkPattern) -> bool {
        // No grant names port 0, so a grant without a port means no socket.
        pattern.matches(&self.host, self.port, self.default_port.unwrap_or(0))
    }

    /// Whether a grant that means this target lets it lead to `address`.
    pub(crate) fn may_lead_to(&self, address: IpAddr, grants: &[NetworkPattern]) -> bool {
        let mut meant = grants.iter().filter(|pattern| self.is_meant_by(pattern));
        if is_public(address) {
            meant.next().is_some()
        } else {
            meant.any(|pattern| pattern.allows_private(address))
        }
    }
}

/// The entry of `permissions.network` that would grant it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

/// A host as it is compared: a name's last dot and its case say nothing.
pub(super) fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(entries: &[(&str, bool)]) -> Vec<NetworkPattern> {
        let parse = |(text, private): &(&str, bool)| NetworkPattern::parse(text, *private).expect("a good pattern");
        entries.iter().map(parse).collect()
    }

    fn of(url: &str) -> Result<Target, Error> {
        Target::of(&url.parse().expect("an address")).map(|(target, _)| target)
    }

    fn may(url: &str, address: &str, entries: &[(&str, bool)]) -> bool {
        let address = address.parse().expect("an address");
        of(url).expect("it names a host").may_lead_to(address, &grants(entries))
    }

    #[test]
    fn a_name_leads_to_public_addresses_only() {
        let entries = [("api.example.com:443", false)];
        assert!(may("https://api.example.com/x", "93.184.216.34", &entries));
        assert!(!may("https://api.example.com/x", "127.0.0.1", &entries));
        assert!(!may("https://api.example.com/x", "::ffff:10.0.0.1", &entries));
        assert!(!may("https://api.example.com/x", "64:ff9b::10.0.0.1", &entries));
        assert!(!may("https://api.example.com:444/x", "93.184.216.34", &entries));
        assert!(!may("http://api.example.com/x", "93.184.216.34", &entries));
    }

    #[test]
    fn private_addresses_must_be_meant() {
        let literal = [("127.0.0.1:8080", false)];
        assert!(may("http://127.0.0.1:8080/", "127.0.0.1", &literal));
        assert!(!may("http://localhost:8080/", "127.0.0.1", &literal));
        let mapped = [("db.corp:5432", true)];
        assert!(may("http://db.corp:5432/", "10.1.2.3", &mapped));
        // One entry grants the port, another the private name: neither grants both.
        let both = [("db.corp:5432", true), ("db.corp:80", false)];
        assert!(!may("http://db.corp/", "10.1.2.3", &both));
    }

    #[test]
    fn targets_are_read_as_clients_mean_them() {
        let text = |url: &str| of(url).expect("a host").to_string();
        assert_eq!(text("https://EXAMPLE.com./x"), "example.com:443");
        assert_eq!(text("http://[::1]/x"), "[::1]:80");
        assert_eq!(text("http://example.com:8080"), "example.com:8080");
        assert!(of("http://user:word@example.com").is_err());
    }

    #[test]
    fn a_socket_needs_a_grant_with_a_port() {
        let socket = |entry: &str| {
            let public = "93.184.216.34".parse().expect("an address");
            Target::of_socket("example.com", 443).may_lead_to(public, &grants(&[(entry, false)]))
        };
        assert!(socket("example.com:443") && socket("*:*"));
        assert!(!socket("example.com") && !socket("*"));
    }
}
