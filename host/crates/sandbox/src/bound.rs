//! Secrets with `onlyTo` on their way: where a placeholder is seen, and whether its value may go there.

use std::fmt;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use autokestra_secrets::{BoundSecret, Masker, Secrets};

use crate::attempt::Capability;
use crate::denial::Denials;
use crate::network::Target;

/// The bound secrets of one attempt, and what finds their placeholders.
pub(crate) struct Bound {
    secrets: Arc<[BoundSecret]>,
    finder: AhoCorasick,
    /// Finds their values in what comes back.
    masker: Masker,
    denials: Denials,
    runtime: tokio::runtime::Handle,
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("secrets", &self.secrets.len())
            .finish_non_exhaustive()
    }
}

/// A placeholder in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'b> {
    pub(crate) secret: &'b BoundSecret,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Bound {
    /// None where there are no such secrets.
    pub(crate) fn new(secrets: &Arc<[BoundSecret]>, denials: Denials) -> Option<Arc<Self>> {
        if secrets.is_empty() {
            return None;
        }
        let finder = AhoCorasick::new(secrets.iter().map(BoundSecret::placeholder)).ok()?;
        let values: Secrets = secrets
            .iter()
            .map(|secret| (secret.name().clone(), secret.value().clone()))
            .collect();
        Some(Arc::new(Self {
            secrets: Arc::clone(secrets),
            finder,
            masker: Masker::new(&values),
            denials,
            runtime: tokio::runtime::Handle::try_current().ok()?,
        }))
    }

    /// Finds the values in what comes back.
    pub(crate) const fn masker(&self) -> &Masker {
        &self.masker
    }

    /// Whether the value of any of them goes to `target`.
    pub(crate) fn serves(&self, target: &Target) -> bool {
        self.secrets.iter().any(|secret| goes_to(secret, target))
    }

    /// The placeholders in `text`, in order.
    pub(crate) fn find<'b>(&'b self, text: &'b [u8]) -> impl Iterator<Item = Seen<'b>> {
        self.finder.find_iter(text).filter_map(|found| {
            Some(Seen {
                secret: self.secrets.get(found.pattern().as_usize())?,
                start: found.start(),
                end: found.end(),
            })
        })
    }

    /// How many bytes at the end of `text` could be the beginning of a placeholder. Those of a whole one are not: it may end with
    /// the letter that each begins with.
    pub(crate) fn begun(&self, text: &[u8]) -> usize {
        let whole = self.find(text).last().map_or(0, |seen| seen.end);
        let text = text.get(whole..).unwrap_or_default();
        let longest = self
            .secrets
            .iter()
            .map(|secret| secret.placeholder().len())
            .max()
            .unwrap_or_default();
        let could_begin = |length: &usize| {
            let end = text.get(text.len() - length..).unwrap_or_default();
            self.secrets
                .iter()
                .any(|secret| secret.placeholder().as_bytes().starts_with(end))
        };
        let most = text.len().min(longest.saturating_sub(1));
        (1..=most).rev().find(could_begin).unwrap_or_default()
    }

    /// Tells that a secret was about to be sent where it does not go: to `target`, or by a socket, where no value is ever put in.
    pub(crate) async fn deny(&self, secret: &BoundSecret, target: Option<&Target>) {
        let name = secret.name();
        let to = target.map_or_else(|| "a socket".to_owned(), ToString::to_string);
        let (message, yaml) = match target {
            Some(target) => (
                format!("the secret `{name}` is not for `{target}`, so nothing was sent there"),
                format!("secrets:\n  - {{ name: {name}, onlyTo: [\"{target}\"] }}"),
            ),
            None => (
                format!("the secret `{name}` goes out by HTTP only, so nothing was sent by a socket"),
                format!("secrets:\n  - {name}"),
            ),
        };
        let what = format!("secret {name} to {to}");
        self.denials.tell(Capability::Secret, &what, &message, &yaml).await;
    }

    /// Looks for placeholders in a stream that their values never go into.
    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        Watch {
            bound: Arc::clone(self),
            held: Vec::new(),
        }
    }
}

/// Whether the value of `secret` goes to `target`.
pub(crate) fn goes_to(secret: &BoundSecret, target: &Target) -> bool {
    secret.only_to().iter().any(|pattern| target.is_meant_by(pattern))
}

/// Watches one stream.
pub(crate) struct Watch {
    bound: Arc<Bound>,
    /// The end of what came, where it could be the beginning of a placeholder.
    held: Vec<u8>,
}

impl Watch {
    /// Whether a placeholder ends in `piece`. It is told.
    pub(crate) fn sees(&mut self, piece: &[u8]) -> bool {
        self.held.extend_from_slice(piece);
        let seen = self.bound.find(&self.held).next().map(|seen| seen.secret.clone());
        if let Some(secret) = seen {
            let bound = Arc::clone(&self.bound);
            // A stream's write cannot wait; there are few denials that are told.
            self.bound.runtime.spawn(async move { bound.deny(&secret, None).await });
            return true;
        }
        let begun = self.bound.begun(&self.held);
        self.held.drain(..self.held.len() - begun);
        false
    }
}
