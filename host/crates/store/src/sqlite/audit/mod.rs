//! The audit trail as rows: two chains over the same events.
//!
//! The events of one execution are chained by their own hashes: each covers the hash before it and all that the event says.
//! Who changes, removes or inserts an event in the middle breaks it. Whoever removes the *last* events of an execution, or
//! all of them, does not; so there is a second chain over all events of the store, in the order of their numbers
//! ([`Running`]), whose end is kept in `audit_heads` under a MAC by a key that is not in the database (`heads.rs`, `key.rs`).
//!
//! What this shows: any event of any execution changed, removed, added or renumbered in the database by somebody who has
//! not the key; and the same for a tail of the trail, as the head with the MAC of the shorter trail is not at hand.
//!
//! What it does not show: the work of somebody who has both the database and the key (the process's own user, who is
//! trusted), and a database put back whole, or its last events and its head together, from an older copy. Against that
//! helps a head that is kept elsewhere (`workflow audit head`, `workflow audit verify --head`), which needs no key. It
//! does not prevent anything, and it says nothing of events that were never written.

mod append;
mod heads;
mod key;
mod read;
mod verify;

pub(super) use append::append;
pub(super) use heads::{Trail, head};
pub(crate) use key::path_of as key_file;
pub(super) use read::{page, send};
pub(super) use verify::{chain, trail};

/// The chain over all events, up to one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Running {
    /// The number of the last event.
    sequence: i64,
    /// How many events there were.
    events: u64,
    hash: [u8; 32],
}

impl Running {
    /// Takes the next event in: blake3 over the hash so far, the event's number, and its hash.
    fn extend(&mut self, sequence: i64, hash: &[u8]) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.hash);
        hasher.update(&sequence.to_be_bytes());
        hasher.update(hash);
        self.hash = *hasher.finalize().as_bytes();
        self.sequence = sequence;
        self.events += 1;
    }
}
