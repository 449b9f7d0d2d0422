//! What may be connected to. A name is resolved here, and only addresses that were checked come out.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use autokestra_model::{NetworkPattern, is_public};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::resolver::Resolver;
use super::target::{Target, plain};
use crate::attempt::Capability;
use crate::capture::locked;
use crate::denial::Denials;

/// Open connections and sockets of one attempt.
const CONNECTIONS_MAX: usize = 16;

/// Addresses whose names are remembered for the attempt's sockets.
const NAMED_ADDRESSES_MAX: usize = 1024;

/// Why a target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No grant means it.
    NotGranted,
    /// It leads to addresses that are not public, and no grant says that it may.
    PrivateAddress,
}

/// Why there is no address to connect to.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It is not granted, or leads to addresses that are not public.
    Denied,
    /// The name leads nowhere.
    Name(io::Error),
}

/// The gate of one attempt. Clones are the same gate.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    grants: Arc<[NetworkPattern]>,
    denials: Denials,
    resolver: Arc<dyn Resolver>,
    free: Arc<Semaphore>,
    /// The granted names that led to an address, so that a socket's connection to it is known by its name.
    names: Mutex<HashMap<IpAddr, BTreeSet<String>>>,
    over_limit: AtomicBool,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("grants", &self.0.grants)
            .finish_non_exhaustive()
    }
}

impl Gate {
    pub(crate) fn new(grants: Arc<[NetworkPattern]>, denials: Denials, resolver: Arc<dyn Resolver>) -> Self {
        Self(Arc::new(Inner {
            grants,
            denials,
            resolver,
            free: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            names: Mutex::default(),
            over_limit: AtomicBool::new(false),
        }))
    }

    /// Whether a grant means `target`, wherever it leads.
    pub(crate) fn grants(&self, target: &Target) -> bool {
        self.0.grants.iter().any(|pattern| target.is_meant_by(pattern))
    }

    /// The addresses of a target that may be connected to, in the resolver's order. Those that may not are left out.
    pub(crate) async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Refused> {
        let found = match target.literal() {
            Some(address) => vec![address],
            None => self.0.resolver.resolve(target.host()).await.map_err(Refused::Name)?,
        };
        if found.is_empty() {
            return Err(Refused::Name(io::Error::other("the name has no address")));
        }
        let allowed = found
            .into_iter()
            .filter(|address| target.may_lead_to(*address, &self.0.grants));
        let allowed: Vec<SocketAddr> = allowed.map(|address| target.at(address)).collect();
        if allowed.is_empty() {
            return Err(Refused::Denied);
        }
        Ok(allowed)
    }

    /// Room for one more connection or socket, which it holds until it is dropped; none where there are too many.
    pub(crate) fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let slot = Arc::clone(&self.0.free).try_acquire_owned().ok();
        if slot.is_none() {
            self.0.over_limit.store(true, Ordering::Relaxed);
        }
        slot
    }

    /// Whether the attempt wanted more connections than it may have.
    pub(crate) fn over_limit(&self) -> bool {
        self.0.over_limit.load(Ordering::Relaxed)
    }

    /// Tells that a target was denied, with the line that would grant it.
    pub(crate) async fn deny(&self, target: &Target, refusal: Refusal) {
        let entry = target.to_string();
        let (message, yaml) = match refusal {
            Refusal::NotGranted => (
                format!("a connection to `{entry}` is not granted"),
                format!("permissions:\n  network: [\"{entry}\"]"),
            ),
            Refusal::PrivateAddress => (
                format!("`{entry}` leads to an address that is not public, and the grant does not say that it may"),
                format!("permissions:\n  network: [{{ host: \"{entry}\", private: true }}]"),
            ),
        };
        let told = self.0.denials.tell(Capability::Network, &entry, &message, &yaml);
        told.await;
    }

    /// The addresses of a name, for a guest that opens sockets. A name that no grant means is not asked about: the question
    /// itself would carry data out.
    pub(super) async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Refused> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(vec![address]);
        }
        let name = plain(name);
        let meant: Vec<&NetworkPattern> = self
            .0
            .grants
            .iter()
            .filter(|pattern| pattern.means_host(&name))
            .collect();
        if meant.is_empty() {
            self.deny_name(&name, Refusal::NotGranted).await;
            return Err(Refused::Denied);
        }
        let found = self.0.resolver.resolve(&name).await.map_err(Refused::Name)?;
        let allowed =
            |address: &IpAddr| is_public(*address) || meant.iter().any(|pattern| pattern.allows_private(*address));
        let found_any = !found.is_empty();
        let allowed: Vec<IpAddr> = found.into_iter().filter(allowed).collect();
        if allowed.is_empty() && found_any {
            self.deny_name(&name, Refusal::PrivateAddress).await;
            return Err(Refused::Denied);
        }
        let mut names = locked(&self.0.names);
        for address in &allowed {
            if names.len() < NAMED_ADDRESSES_MAX || names.contains_key(address) {
                names.entry(*address).or_default().insert(name.clone());
            }
        }
        Ok(allowed)
    }

    async fn deny_name(&self, name: &str, refusal: Refusal) {
        let (message, yaml) = match refusal {
            Refusal::NotGranted => (
                format!("looking up `{name}` is not granted"),
                format!("permissions:\n  network: [\"{name}:<port>\"]"),
            ),
            Refusal::PrivateAddress => (
                format!("`{name}` leads to an address that is not public, and the grant does not say that it may"),
                format!("permissions:\n  network: [{{ host: \"{name}:<port>\", private: true }}]"),
            ),
        };
        let told = self.0.denials.tell(Capability::Network, name, &message, &yaml);
        told.await;
    }

    /// Whether a socket may reach `address`, by itself or by a granted name that led to it.
    pub(super) fn may_reach(&self, address: SocketAddr) -> bool {
        self.ways_to(address)
            .iter()
            .any(|target| target.may_lead_to(address.ip(), &self.0.grants))
    }

    /// Tells that a socket may not reach `address`.
    pub(super) async fn deny_address(&self, address: SocketAddr) {
        let ways = self.ways_to(address);
        let meant = ways.iter().find(|target| self.grants(target));
        let refusal = if meant.is_some() {
            Refusal::PrivateAddress
        } else {
            Refusal::NotGranted
        };
        // The name that led there says more than the address.
        if let Some(target) = meant.or_else(|| ways.first()) {
            self.deny(target, refusal).await;
        }
    }

    /// What an address is known by: the names that led to it, then itself.
    fn ways_to(&self, address: SocketAddr) -> Vec<Target> {
        let ip = address.ip().to_canonical();
        let names = locked(&self.0.names);
        let known = [address.ip(), ip].into_iter().filter_map(|ip| names.get(&ip)).flatten();
        let mut ways: Vec<Target> = known.map(|name| Target::of_socket(name, address.port())).collect();
        ways.push(Target::of_socket(&ip.to_string(), address.port()));
        ways
    }
}
