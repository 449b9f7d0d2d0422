//! What a guest asked for and was not granted: told once for each target, with the lines that would grant it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use autokestra_secrets::Masker;
use tokio::sync::mpsc;

use crate::attempt::{Capability, Denial, GuestEvent};
use crate::capture::locked;

/// Most denials of one attempt that are told; a guest that tries every address would fill the audit trail.
const DENIALS_MAX: usize = 50;

/// Tells the denials of one attempt. Clones tell to the same.
#[derive(Clone)]
pub(crate) struct Denials {
    masker: Masker,
    /// None while a plugin describes itself.
    events: Option<mpsc::Sender<GuestEvent>>,
    told: Arc<Mutex<BTreeSet<String>>>,
}

impl fmt::Debug for Denials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Denials")
    }
}

impl Denials {
    pub(crate) fn new(masker: Masker, events: Option<mpsc::Sender<GuestEvent>>) -> Self {
        Self {
            masker,
            events,
            told: Arc::default(),
        }
    }

    /// Tells that `target` was denied, unless it was told before.
    pub(crate) async fn tell(&self, capability: Capability, target: &str, message: &str, yaml: &str) {
        {
            let mut told = locked(&self.told);
            if told.len() >= DENIALS_MAX || !told.insert(format!("{capability} {target}")) {
                return;
            }
        }
        if let Some(events) = &self.events {
            let denial = Denial {
                capability,
                target: self.masker.mask(target),
                message: self.masker.mask(message),
                yaml: self.masker.mask(yaml),
            };
            // Whoever listened may have stopped the attempt; then nobody needs it.
            drop(events.send(GuestEvent::Denied(denial)).await);
        }
    }
}
