//! From a name to a connection: resolved by the host, checked, and connected to the very address that was checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use autokestra_model::NetworkPattern;
use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::Error;

use super::Traffic;
use super::address::is_public;
use super::error::ConnectError;

/// Open connections of one attempt.
const CONNECTIONS_MAX: usize = 16;

/// The longest wait for one connection, names and all.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(30);

/// Where a request goes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// A name or an address, without brackets.
    host: String,
    port: u16,
    pub(super) secure: bool,
}

impl Target {
    pub(super) fn of(uri: &Uri) -> Result<Self, Error> {
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(Error::HttpRequestUriInvalid)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        // A user in the address is a secret in every log on the way.
        if authority.contains('@') {
            return Err(Error::HttpRequestUriInvalid);
        }
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self {
            host: bare.trim_end_matches('.').to_ascii_lowercase(),
            port,
            secure,
        })
    }

    pub(super) fn is_meant_by(&self, pattern: &NetworkPattern) -> bool {
        pattern.matches(&self.host, self.port, if self.secure { 443 } else { 80 })
    }

    /// The entry of `permissions.network` that would grant it.
    pub(super) fn entry(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether a grant that means this target lets it lead to `address`.
    pub(super) fn may_lead_to(&self, address: IpAddr, grants: &[NetworkPattern]) -> bool {
        let mut meant = grants.iter().filter(|pattern| self.is_meant_by(pattern));
        if is_public(address) {
            meant.next().is_some()
        } else {
            meant.any(|pattern| pattern.allows_private(address))
        }
    }
}

/// Opens connections for one attempt. Clones share its limits.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    grants: Arc<[NetworkPattern]>,
    traffic: Arc<Traffic>,
    free: Arc<Semaphore>,
}

impl Connector {
    pub(super) fn new(grants: Arc<[NetworkPattern]>, traffic: Arc<Traffic>) -> Self {
        Self {
            grants,
            traffic,
            free: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }

    async fn connect(self, uri: Uri) -> Result<Metered, ConnectError> {
        let target = Target::of(&uri).map_err(|_| ConnectError::Name(io::Error::other("the address names no host")))?;
        let permit = Arc::clone(&self.free).try_acquire_owned();
        let permit = permit.map_err(|_| ConnectError::TooMany)?;
        let connecting = async {
            let addresses = resolve(&target).await.map_err(ConnectError::Name)?;
            let mut last = None;
            let mut refused = false;
            for address in addresses {
                if !target.may_lead_to(address.ip(), &self.grants) {
                    refused = true;
                    continue;
                }
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = Some(error),
                }
            }
            Err(match last {
                Some(error) => ConnectError::Io(error),
                None if refused => ConnectError::PrivateAddress,
                None => ConnectError::Name(io::Error::other("the name has no address")),
            })
        };
        let stream = tokio::time::timeout(CONNECT_TIME_MAX, connecting).await;
        let stream = stream.map_err(|_| ConnectError::Timeout)??;
        // Small requests should not wait for more.
        stream.set_nodelay(true).map_err(ConnectError::Io)?;
        Ok(Metered {
            stream: TokioIo::new(stream),
            traffic: self.traffic,
            _permit: permit,
        })
    }
}

async fn resolve(target: &Target) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = target.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, target.port)]);
    }
    let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await?;
    Ok(found.collect())
}

impl tower_service::Service<Uri> for Connector {
    type Response = Metered;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Metered, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection whose bytes are counted.
#[derive(Debug)]
pub(super) struct Metered {
    stream: TokioIo<TcpStream>,
    traffic: Arc<Traffic>,
    _permit: OwnedSemaphorePermit,
}

impl Connection for Metered {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let before = cursor.remaining();
        // A cursor is consumed by its reader, so a buffer stands between: it tells how much came.
        let mut piece = [0; 16 << 10];
        let room = before.min(piece.len());
        let mut buffer = hyper::rt::ReadBuf::new(piece.get_mut(..room).unwrap_or_default());
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer.unfilled());
        let filled = buffer.filled();
        cursor.put_slice(filled);
        self.traffic.received.fetch_add(filled.len() as u64, Ordering::Relaxed);
        polled
    }
}

impl Write for Metered {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            self.traffic.sent.fetch_add(written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(entries: &[(&str, bool)]) -> Vec<NetworkPattern> {
        let parse = |(text, private): &(&str, bool)| NetworkPattern::parse(text, *private).expect("a good pattern");
        entries.iter().map(parse).collect()
    }

    fn may(url: &str, address: &str, entries: &[(&str, bool)]) -> bool {
        let target = Target::of(&url.parse().expect("an address")).expect("it names a host");
        target.may_lead_to(address.parse().expect("an address"), &grants(entries))
    }

    #[test]
    fn a_name_that_leads_home_is_refused() {
        let named = [("api.example.com", false)];
        assert!(may("https://api.example.com/x", "93.184.216.34", &named));
        for inside in [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "::1",
            "::ffff:192.168.0.1",
            "fd00:ec2::254",
        ] {
            assert!(!may("https://api.example.com/x", inside, &named), "{inside}");
            assert!(!may("https://api.example.com/x", inside, &[("*", false)]), "{inside}");
            assert!(
                may("https://api.example.com/x", inside, &[("api.example.com", true)]),
                "{inside}"
            );
        }
        assert!(may("http://localhost:8080", "127.0.0.1", &[("localhost:8080", false)]));
        assert!(!may("http://localhost:8080", "10.0.0.1", &[("localhost:8080", false)]));
        assert!(may("http://10.1.2.3:5432", "10.1.2.3", &[("10.0.0.0/8:5432", false)]));
    }

    #[test]
    fn targets_are_read_as_clients_mean_them() {
        let of = |url: &str| Target::of(&url.parse().expect("an address"));
        assert_eq!(of("https://EXAMPLE.com./x").expect("a host").entry(), "example.com:443");
        assert_eq!(of("http://[::1]/x").expect("a host").entry(), "[::1]:80");
        assert_eq!(
            of("http://example.com:8080").expect("a host").entry(),
            "example.com:8080"
        );
        assert!(of("http://user:word@example.com").is_err());
    }
}
