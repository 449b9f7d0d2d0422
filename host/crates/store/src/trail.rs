//! What is asked of the whole audit trail, and what is said of it: lists, heads, and whether it is intact.

use std::fmt;
use std::str::FromStr;

use autokestra_model::{ExecutionId, IdError, Timestamp};

use crate::row::AuditEventRow;

/// Which events to read. All conditions hold at once.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of this execution.
    pub execution: Option<ExecutionId>,
    /// Of one of these types; empty: any.
    pub types: Vec<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// The newest events that a filter takes, less those that were skipped.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditPage {
    /// The events of this page, the newest last.
    pub events: Vec<AuditEventRow>,
    /// How many there are in all.
    pub total: u64,
}

/// A point of the audit trail: the hash over all events of all executions up to one of them.
///
/// It is no secret. Kept where whoever writes the database cannot change it, it tells later whether what was there then is
/// still there: nothing else does against somebody who puts an older copy of the whole database back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// The number of its last event; 0 before the first.
    pub sequence: i64,
    /// The hash over all of them.
    pub hash: [u8; 32],
}

impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, hex(&self.hash))
    }
}

impl FromStr for AuditHead {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parsed = || {
            let (sequence, digits) = text.split_once(':')?;
            let sequence = sequence.parse::<i64>().ok()?;
            let mut hash = [0; 32];
            if digits.len() != 64 || !digits.is_ascii() || sequence < 0 {
                return None;
            }
            for (index, byte) in hash.iter_mut().enumerate() {
                *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
            }
            Some(Self { sequence, hash })
        };
        parsed().ok_or_else(|| IdError {
            text: text.to_owned(),
            expected: "a head of the audit trail, as `workflow audit head` prints it: a number, `:`, and 64 hex digits",
        })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How an event does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Its hash is not that of what it says.
    Hash,
    /// It does not follow the event before it in its execution.
    Link,
    /// At least one event of its execution before it is missing.
    Missing,
    /// A column of it cannot be read.
    Unreadable,
}

/// The first event of an execution that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenEvent {
    /// The execution, as the event names it.
    pub execution: String,
    /// Its number in the trail.
    pub sequence: i64,
    /// The task that it is about.
    pub task: Option<String>,
    /// Its type.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// How it does not fit.
    pub flaw: Flaw,
}

/// The state of one execution's chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainState {
    /// Events that were read: all of them.
    pub events: u64,
    /// The first that does not fit.
    pub broken: Option<BrokenEvent>,
    /// The execution is in the store, and its last event is not its end, or it has none at all.
    pub cut: Option<Cut>,
}

impl ChainState {
    /// Whether all events are there, and as they were written.
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        self.broken.is_none() && self.cut.is_none()
    }
}

/// What of an execution's events is missing at their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// All of them.
    All,
    /// That of its end.
    End,
}

/// What one head vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadState {
    /// The first of its events.
    pub from: i64,
    /// The last of its events.
    pub to: i64,
    /// The key that it was made by, in hex.
    pub key: String,
    /// Whether it holds.
    pub proof: Proof,
}

/// Whether a head holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The key made it, and it is that of the events.
    Holds,
    /// It was made by a key that is not here; it is that of the events.
    NoKey,
    /// It is not that of the events: some were removed, added, or put in another place.
    OtherEvents,
    /// The key did not make it.
    Forged,
}

/// What was found about the whole trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailState {
    /// Events that were read: all of them.
    pub events: u64,
    /// Executions that they belong to.
    pub executions: u64,
    /// Of the events that do not fit the first in the trail; further ones of the same execution are not looked for.
    pub broken: Option<BrokenEvent>,
    /// Executions of which an event does not fit.
    pub broken_executions: u64,
    /// The first execution in the store whose events do not reach to its end.
    pub cut: Option<(ExecutionId, Cut)>,
    /// The first numbers that no event has: the first and the last.
    pub gap: Option<(i64, i64)>,
    /// The heads, in order.
    pub heads: Vec<HeadState>,
    /// Events that no head vouches for: the first and the last.
    pub uncovered: Option<(i64, i64)>,
    /// Of the kept heads those that no point of the trail has.
    pub lost: Vec<AuditHead>,
    /// The last event up to which a kept head vouches.
    pub kept_to: i64,
    /// The newest point of the trail, as it was read.
    pub head: Option<AuditHead>,
}

impl TrailState {
    /// Whether something was changed, removed or added.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.is_chain_broken() || self.is_head_broken()
    }

    /// Whether the chain of an execution is not whole.
    #[must_use]
    pub const fn is_chain_broken(&self) -> bool {
        self.broken.is_some() || self.cut.is_some()
    }

    /// Whether the trail as a whole is not as a head says.
    #[must_use]
    pub fn is_head_broken(&self) -> bool {
        // A point that was kept elsewhere says more than a head in the database.
        let fails = |head: &HeadState| match head.proof {
            Proof::OtherEvents => true,
            Proof::Forged => head.to > self.kept_to,
            Proof::Holds | Proof::NoKey => false,
        };
        let uncovered = self.uncovered.is_some_and(|(_, to)| to > self.kept_to);
        uncovered || !self.lost.is_empty() || self.heads.iter().any(fails)
    }

    /// The first head that cannot be checked, as its key is not here and no kept head stands for it.
    #[must_use]
    pub fn unchecked(&self) -> Option<&HeadState> {
        let unchecked = |head: &&HeadState| head.proof == Proof::NoKey && head.to > self.kept_to;
        self.heads.iter().find(unchecked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_printed() {
        let head = AuditHead {
            sequence: 1042,
            hash: std::array::from_fn(|index| u8::try_from(index * 7).unwrap_or(u8::MAX)),
        };
        assert_eq!(head.to_string().parse(), Ok(head));
        for wrong in [
            "",
            "1042",
            ":00",
            "-1:00",
            "x:00",
            "1:zz",
            &format!("1:{}", "é".repeat(32)),
        ] {
            assert!(wrong.parse::<AuditHead>().is_err(), "{wrong}");
        }
    }
}
