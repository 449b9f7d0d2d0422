//! Which of the host's functions a component can reach, proved from its bytes before it runs.
//!
//! The component is instantiated on paper ([`scope`]): each import of each core module leads to the function behind it. From
//! what the component exports, and what runs when it is instantiated, all calls are followed ([`graph`]). A call through a
//! table leads to the one function in its slot where the slot is a constant and nothing writes to the table; else to all
//! that the table may hold. What is not understood proves nothing: then the imports bound what it could do.

mod budget;
mod component;
mod error;
mod graph;
mod items;
mod module;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub(crate) use error::Unproved;

/// The host's functions, as `interface#function`, that the component in `bytes` can reach. Linear in their number.
///
/// # Errors
/// [`Unproved`] where the component is built in a way that is not followed, or cannot be read.
pub(crate) fn reachable(bytes: &[u8]) -> Result<BTreeSet<String>, Unproved> {
    let mut budget = budget::Budget::default();
    let component = component::read(bytes, &mut budget)?;
    scope::instantiate(&component, &mut budget)?.reach(&mut budget)
}
