//! From a name to addresses.

use std::fmt;
use std::io;
use std::net::IpAddr;

use futures::future::BoxFuture;

/// Finds the addresses of a name. What it says is not trusted: each address is checked before it is connected to.
pub trait Resolver: Send + Sync + fmt::Debug {
    /// The addresses of `name`, which is a host name in lower case.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The system's own resolver: `/etc/hosts`, DNS, whatever the machine is set up for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
