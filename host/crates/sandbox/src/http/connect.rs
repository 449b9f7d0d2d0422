//! From a granted target to a connection: to the very address that the gate checked, through the operator's proxy where there
//! is one.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tower_service::Service as _;

use super::error::ConnectError;
use crate::network::{Gate, Refused, Target, Traffic};

/// The longest wait for one connection, names and all.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(30);

/// Opens connections for one attempt. Clones share its limits.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    gate: Gate,
    traffic: Arc<Traffic>,
    proxy: Option<Uri>,
}

impl Connector {
    pub(super) fn new(gate: Gate, traffic: Arc<Traffic>, proxy: Option<Uri>) -> Self {
        Self { gate, traffic, proxy }
    }

    async fn connect(self, uri: Uri) -> Result<Metered, ConnectError> {
        let target = Target::of(&uri).map_err(|_| ConnectError::Name(io::Error::other("the address names no host")));
        let (target, _) = target?;
        let permit = self.gate.slot().ok_or(ConnectError::TooMany)?;
        let connecting = async {
            let addresses = self.gate.addresses(&target).await.map_err(|refused| match refused {
                Refused::Denied => ConnectError::PrivateAddress,
                Refused::Name(error) => ConnectError::Name(error),
            })?;
            let mut last = io::Error::other("the name has no address");
            for address in addresses {
                match self.reach(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = error,
                }
            }
            Err(ConnectError::Io(last))
        };
        let stream = tokio::time::timeout(CONNECT_TIME_MAX, connecting).await;
        let stream = stream.map_err(|_| ConnectError::Timeout)??;
        // Small requests should not wait for more.
        stream.inner().set_nodelay(true).map_err(ConnectError::Io)?;
        Ok(Metered {
            stream,
            traffic: self.traffic,
            _permit: permit,
        })
    }

    /// Connects to an address that was checked. A proxy is asked for the address, not for the name: it could resolve it otherwise.
    async fn reach(&self, address: SocketAddr) -> io::Result<TokioIo<TcpStream>> {
        let Some(proxy) = &self.proxy else {
            return TcpStream::connect(address).await.map(TokioIo::new);
        };
        let uri = Uri::builder()
            .scheme("http")
            .authority(address.to_string())
            .path_and_query("/");
        let uri = uri.build().map_err(io::Error::other)?;
        Tunnel::new(proxy.clone(), ToProxy).call(uri).await.map_err(|error| {
            // The words of the proxy's own error say little; whose it was says more.
            io::Error::other(format!("the proxy of the configuration did not connect: {error}"))
        })
    }
}

/// Connects to the proxy that the operator named.
#[derive(Clone, Copy, Debug)]
struct ToProxy;

impl tower_service::Service<Uri> for ToProxy {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<TcpStream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, proxy: Uri) -> Self::Future {
        Box::pin(async move {
            let host = proxy
                .host()
                .unwrap_or_default()
                .trim_start_matches('[')
                .trim_end_matches(']');
            let port = proxy.port_u16().unwrap_or(80);
            TcpStream::connect((host, port)).await.map(TokioIo::new)
        })
    }
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
        self.traffic.count_received(filled.len());
        polled
    }
}

impl Write for Metered {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            self.traffic.count_sent(written);
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
