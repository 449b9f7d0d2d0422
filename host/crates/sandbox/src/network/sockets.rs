//! `wasi:sockets`: what `wasmtime-wasi` does, behind the gate. Names are looked up here, sockets are counted here, and each
//! address is asked about before it is connected to or sent to. Nothing listens.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::vec;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::{tcp, tcp_create_socket, udp, udp_create_socket};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, Network, Pollable, SocketError, TcpSocket, UdpSocket, subscribe,
};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsView as _};

use super::Traffic;
use super::gate::{Gate, Refused};
use super::stream::{Incoming, Outgoing};
use crate::bound::Bound;
use crate::guest::GuestState;

/// The version of `wasi:sockets` that `wasmtime-wasi` links: what is linked here stands in place of its own.
const VERSION: &str = "0.2.12";

/// The sockets of one attempt.
pub(crate) struct Sockets {
    gate: Gate,
    traffic: Arc<Traffic>,
    bound: Option<Arc<Bound>>,
    /// The room that each open socket takes, by its number in the table.
    open: HashMap<u32, OwnedSemaphorePermit>,
}

impl Sockets {
    /// Sets up `builder` so that every address of a socket is asked about.
    pub(crate) fn new(
        gate: Gate,
        traffic: Arc<Traffic>,
        bound: Option<Arc<Bound>>,
        builder: &mut WasiCtxBuilder,
    ) -> Self {
        let asked = gate.clone();
        builder.socket_addr_check(move |address, use_| {
            let gate = asked.clone();
            Box::pin(async move { may(&gate, address, use_).await })
        });
        builder.allow_tcp(true).allow_udp(true).allow_ip_name_lookup(false);
        Self {
            gate,
            traffic,
            bound,
            open: HashMap::new(),
        }
    }
}

impl Sockets {
    /// Whether the attempt wanted more connections and sockets than it may have.
    pub(crate) fn over_limit(&self) -> bool {
        self.gate.over_limit()
    }

    /// Keeps the room of a socket that was made.
    fn keep<T: 'static>(
        &mut self,
        created: Result<Resource<T>, SocketError>,
        slot: OwnedSemaphorePermit,
    ) -> wasmtime::Result<Result<Resource<T>, ErrorCode>> {
        match created {
            Ok(socket) => {
                self.open.insert(socket.rep(), slot);
                Ok(Ok(socket))
            }
            Err(error) => Ok(Err(error.downcast()?)),
        }
    }
}

impl GuestState {
    /// The two halves of a connection, counted and watched.
    fn counted(
        &mut self,
        (input, output): (Resource<DynInputStream>, Resource<DynOutputStream>),
        socket: &Resource<TcpSocket>,
    ) -> wasmtime::Result<(Resource<DynInputStream>, Resource<DynOutputStream>)> {
        let traffic = &self.sockets.traffic;
        let watch = self.sockets.bound.as_ref().map(Bound::watch);
        let incoming = Incoming::new(self.table.delete(input)?, Arc::clone(traffic));
        let outgoing = Outgoing::new(self.table.delete(output)?, Arc::clone(traffic), watch);
        let (incoming, outgoing): (DynInputStream, DynOutputStream) = (Box::new(incoming), Box::new(outgoing));
        let input = self.table.push_child(incoming, socket)?;
        Ok((input, self.table.push_child(outgoing, socket)?))
    }
}

/// Whether a socket may be used so.
async fn may(gate: &Gate, address: SocketAddr, use_: SocketAddrUse) -> bool {
    match use_ {
        // Connecting and sending bind to a port of the system's choice; any other port would be there to be found.
        SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => address.ip().is_unspecified() && address.port() == 0,
        SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
        SocketAddrUse::UdpReceive => gate.may_reach(address),
        SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend => {
            let may = gate.may_reach(address);
            if !may {
                gate.deny_address(address).await;
            }
            may
        }
    }
}

/// The addresses of a name, handed out one by one.
struct Found(vec::IntoIter<IpAddr>);

#[wasmtime_wasi::async_trait]
impl Pollable for Found {
    // They were found before it was made.
    async fn ready(&mut self) {}
}

/// Puts our own in place of what `wasmtime-wasi` links. Shadowing must be allowed.
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    link_names(linker)?;
    link_creation(linker)?;
    link_ends(linker)
}

fn link_names(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut names = linker.instance(&format!("wasi:sockets/ip-name-lookup@{VERSION}"))?;
    names.resource(
        "resolve-address-stream",
        ResourceType::host::<Found>(),
        |mut store: StoreContextMut<'_, GuestState>, rep| {
            store.data_mut().table.delete(Resource::<Found>::new_own(rep))?;
            Ok(())
        },
    )?;
    names.func_wrap_async(
        "resolve-addresses",
        |mut store: StoreContextMut<'_, GuestState>, (network, name): (Resource<Network>, String)| {
            Box::new(async move {
                store.data_mut().table.get(&network)?;
                let gate = store.data_mut().sockets.gate.clone();
                let found = match gate.look_up(&name).await {
                    Ok(found) => Ok(store.data_mut().table.push(Found(found.into_iter()))?),
                    Err(Refused::Denied) => Err(ErrorCode::AccessDenied),
                    Err(Refused::Name(_)) => Err(ErrorCode::NameUnresolvable),
                };
                Ok((found,))
            })
        },
    )?;
    names.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |mut store: StoreContextMut<'_, GuestState>, (found,): (Resource<Found>,)| {
            let next = store.data_mut().table.get_mut(&found)?.0.next();
            Ok((Ok::<_, ErrorCode>(next.map(IpAddress::from)),))
        },
    )?;
    names.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: StoreContextMut<'_, GuestState>,
         (found,): (Resource<Found>,)|
         -> wasmtime::Result<(Resource<DynPollable>,)> {
            Ok((subscribe(&mut store.data_mut().table, found)?,))
        },
    )
}

fn link_creation(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut sockets = linker.instance(&format!("wasi:sockets/tcp-create-socket@{VERSION}"))?;
    sockets.func_wrap(
        "create-tcp-socket",
        |mut store: StoreContextMut<'_, GuestState>, (family,): (IpAddressFamily,)| {
            let guest = store.data_mut();
            let Some(slot) = guest.sockets.gate.slot() else {
                return Ok((Err(ErrorCode::NewSocketLimit),));
            };
            let created = tcp_create_socket::Host::create_tcp_socket(&mut guest.sockets(), family);
            Ok((guest.sockets.keep(created, slot)?,))
        },
    )?;
    let mut sockets = linker.instance(&format!("wasi:sockets/udp-create-socket@{VERSION}"))?;
    sockets.func_wrap_async(
        "create-udp-socket",
        |mut store: StoreContextMut<'_, GuestState>, (family,): (IpAddressFamily,)| {
            Box::new(async move {
                let guest = store.data_mut();
                let Some(slot) = guest.sockets.gate.slot() else {
                    return Ok((Err(ErrorCode::NewSocketLimit),));
                };
                let created = udp_create_socket::Host::create_udp_socket(&mut guest.sockets(), family).await;
                Ok((guest.sockets.keep(created, slot)?,))
            })
        },
    )
}

fn link_ends(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut instance = linker.instance(&format!("wasi:sockets/tcp@{VERSION}"))?;
    instance.resource(
        "tcp-socket",
        ResourceType::host::<TcpSocket>(),
        |mut store: StoreContextMut<'_, GuestState>, rep| {
            store.data_mut().sockets.open.remove(&rep);
            tcp::HostTcpSocket::drop(&mut store.data_mut().sockets(), Resource::new_own(rep))
        },
    )?;
    instance.func_wrap(
        "[method]tcp-socket.finish-connect",
        |mut store: StoreContextMut<'_, GuestState>, (socket,): (Resource<TcpSocket>,)| {
            let guest = store.data_mut();
            let below = Resource::<TcpSocket>::new_borrow(socket.rep());
            let streams = match tcp::HostTcpSocket::finish_connect(&mut guest.sockets(), socket) {
                Ok(streams) => Ok(guest.counted(streams, &below)?),
                Err(error) => Err(error.downcast()?),
            };
            Ok((streams,))
        },
    )?;
    let mut instance = linker.instance(&format!("wasi:sockets/udp@{VERSION}"))?;
    instance.resource(
        "udp-socket",
        ResourceType::host::<UdpSocket>(),
        |mut store: StoreContextMut<'_, GuestState>, rep| {
            store.data_mut().sockets.open.remove(&rep);
            udp::HostUdpSocket::drop(&mut store.data_mut().sockets(), Resource::new_own(rep))
        },
    )
}
