//! Holds the trail against its hashes and heads: reads each event twice, in constant memory, at one moment of the database.

use std::path::Path;

use autokestra_model::{ExecutionId, Timestamp};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Row, params_from_iter};
use serde_json::Value;

use super::Running;
use super::heads::{self, Head};
use super::key::Key;
use crate::audit::{Covered, END_TYPES, chain_hash};
use crate::error::StoreError;
use crate::sqlite::connection::sqlite_error;
use crate::trail::{AuditHead, BrokenEvent, ChainState, Cut, Flaw, HeadState, Proof, TrailState, hex};

/// Events at an execution's end of which one must be that of its end. What was under way may be told after it.
const END_EVENTS: usize = 20;

/// The chain of one execution.
pub(in crate::sqlite) fn chain(
    connection: &Connection,
    path: &Path,
    id: ExecutionId,
) -> Result<ChainState, StoreError> {
    let snapshot = connection
        .unchecked_transaction()
        .map_err(|source| sqlite_error(path, source))?;
    let chains = Chains::read(&snapshot, path, Some(id))?;
    Ok(ChainState {
        events: chains.events,
        broken: chains.broken,
        cut: cut(&snapshot, path, Some(id))?.map(|(_, cut)| cut),
    })
}

/// The whole trail. `kept` are points of it that were kept elsewhere.
pub(in crate::sqlite) fn trail(
    connection: &Connection,
    path: &Path,
    kept: Vec<AuditHead>,
) -> Result<TrailState, StoreError> {
    let snapshot = connection
        .unchecked_transaction()
        .map_err(|source| sqlite_error(path, source))?;
    let chains = Chains::read(&snapshot, path, None)?;
    let mut whole = Whole::new(heads::all(&snapshot, path)?, kept);
    whole.read(&snapshot, path)?;
    let key = Key::look(path)?;
    Ok(TrailState {
        events: chains.events,
        executions: chains.executions,
        broken: chains.broken,
        broken_executions: chains.broken_executions,
        cut: cut(&snapshot, path, None)?,
        ..whole.judge(key.as_ref())
    })
}

/// The first execution, or the one, that is in the store while its events do not reach to its end.
fn cut(
    connection: &Connection,
    path: &Path,
    only: Option<ExecutionId>,
) -> Result<Option<(ExecutionId, Cut)>, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let one = if only.is_some() { "e.id = ? AND" } else { "" };
    let ends = END_TYPES.join("', '");
    let none = "NOT EXISTS (SELECT 1 FROM audit_events WHERE execution = e.id)";
    let sql = format!(
        "SELECT e.id, {none} FROM executions AS e WHERE {one} ({none} OR (e.ended_at IS NOT NULL AND NOT EXISTS \
         (SELECT 1 FROM (SELECT type FROM audit_events WHERE execution = e.id ORDER BY sequence DESC LIMIT {END_EVENTS}) \
         WHERE type IN ('{ends}')))) ORDER BY e.id LIMIT 1"
    );
    let values = only.map(|id| SqlValue::Text(id.to_string()));
    let mut statement = connection.prepare(&sql).map_err(sqlite)?;
    let mut rows = statement.query(params_from_iter(values)).map_err(sqlite)?;
    let Some(row) = rows.next().map_err(sqlite)? else {
        return Ok(None);
    };
    let id: String = row.get(0).map_err(sqlite)?;
    let all: bool = row.get(1).map_err(sqlite)?;
    let id = id.parse().map_err(|error: autokestra_model::IdError| StoreError::Row {
        table: "executions",
        reason: error.to_string(),
    })?;
    Ok(Some((id, if all { Cut::All } else { Cut::End })))
}

/// The chains of executions, one after another.
#[derive(Default)]
struct Chains {
    /// The execution that is read, and the number and hash of its event before.
    execution: Option<String>,
    before: Option<(i64, [u8; 32])>,
    /// One of its events did not fit: what follows from that is not told.
    passed: bool,
    events: u64,
    executions: u64,
    broken: Option<BrokenEvent>,
    broken_executions: u64,
}

impl Chains {
    fn read(connection: &Connection, path: &Path, only: Option<ExecutionId>) -> Result<Self, StoreError> {
        let sqlite = |source| sqlite_error(path, source);
        let condition = if only.is_some() { "WHERE execution = ?" } else { "" };
        let sql = format!(
            "SELECT execution, sequence, task, at, type, metadata, previous_hash, hash FROM audit_events {condition} \
             ORDER BY execution, sequence"
        );
        let values = only.map(|id| SqlValue::Text(id.to_string()));
        let mut statement = connection.prepare(&sql).map_err(sqlite)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(sqlite)?;
        let mut chains = Self::default();
        while let Some(row) = rows.next().map_err(sqlite)? {
            if let Some(flaw) = chains.next(row, connection, path)? {
                chains.note(row, flaw).map_err(sqlite)?;
            }
        }
        Ok(chains)
    }

    /// Takes one event, and says how it does not fit.
    fn next(&mut self, row: &Row<'_>, connection: &Connection, path: &Path) -> Result<Option<Flaw>, StoreError> {
        self.events += 1;
        let execution = row.get_ref(0).ok().and_then(|value| value.as_str().ok());
        if self.execution.as_deref() != execution || execution.is_none() {
            self.execution = execution.map(str::to_owned);
            self.before = None;
            self.passed = false;
            self.executions += 1;
        }
        if self.passed {
            return Ok(None);
        }
        let Some(Hashes {
            sequence,
            previous,
            hash,
            computed,
        }) = hashes(row)
        else {
            return Ok(Some(Flaw::Unreadable));
        };
        let expected = self.before.map_or([0; 32], |(_, hash)| hash);
        let flaw = if computed != hash {
            Some(Flaw::Hash)
        } else if previous == expected {
            None
        } else {
            let missing = match self.before {
                None => true,
                Some((before, _)) => has_gap(connection, path, before, sequence)?,
            };
            Some(if missing { Flaw::Missing } else { Flaw::Link })
        };
        self.before = Some((sequence, hash));
        Ok(flaw)
    }

    fn note(&mut self, row: &Row<'_>, flaw: Flaw) -> rusqlite::Result<()> {
        self.passed = true;
        self.broken_executions += 1;
        let sequence: i64 = row.get(1)?;
        if self.broken.as_ref().is_none_or(|broken| sequence < broken.sequence) {
            let text = |at: usize| row.get::<_, Option<String>>(at).ok().flatten();
            self.broken = Some(BrokenEvent {
                execution: text(0).unwrap_or_default(),
                sequence,
                task: text(2),
                kind: text(4).unwrap_or_default(),
                at: Timestamp::from_millis(row.get(3).unwrap_or_default()),
                flaw,
            });
        }
        Ok(())
    }
}

/// An event's number, the hash before it, its own hash, and what that should be.
struct Hashes {
    sequence: i64,
    previous: [u8; 32],
    hash: [u8; 32],
    computed: [u8; 32],
}

/// The hashes of an event; none where a column is no such thing as was written.
fn hashes(row: &Row<'_>) -> Option<Hashes> {
    let text = |at: usize| row.get_ref(at).ok()?.as_str().ok();
    let metadata: Value = serde_json::from_str(text(5)?).ok()?;
    let task = row.get_ref(2).ok()?.as_str_or_null().ok()?;
    let (previous, hash) = (row.get(6).ok()?, row.get(7).ok()?);
    let covered = Covered {
        execution: text(0)?,
        task,
        at: Timestamp::from_millis(row.get(3).ok()?),
        kind: text(4)?,
        metadata: &metadata,
    };
    Some(Hashes {
        sequence: row.get(1).ok()?,
        previous,
        hash,
        computed: chain_hash(&previous, &covered),
    })
}

/// Whether a number between two is that of no event.
fn has_gap(connection: &Connection, path: &Path, after: i64, before: i64) -> Result<bool, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let sql = "SELECT count(*) FROM audit_events WHERE sequence > ?1 AND sequence < ?2";
    let found: i64 = connection
        .query_row(sql, [after, before], |row| row.get(0))
        .map_err(sqlite)?;
    Ok(found < before.saturating_sub(after).saturating_sub(1))
}

/// The one chain over all events, held against heads and kept points.
struct Whole {
    running: Running,
    heads: Vec<Head>,
    /// The points of heads that are still to come, the next one last: where, which head, and what it should be.
    marks: Vec<(usize, Running)>,
    /// Heads that a point of the trail is not as they say.
    other: Vec<usize>,
    kept: Vec<AuditHead>,
    kept_to: i64,
    gap: Option<(i64, i64)>,
}

impl Whole {
    fn new(heads: Vec<Head>, kept: Vec<AuditHead>) -> Self {
        let points = heads.iter().enumerate();
        let mut marks: Vec<_> = points
            .flat_map(|(index, head)| [(index, head.from), (index, head.to)])
            .collect();
        marks.sort_by_key(|(_, point)| std::cmp::Reverse(point.sequence));
        Self {
            running: Running::default(),
            heads,
            marks,
            other: Vec::new(),
            kept,
            kept_to: 0,
            gap: None,
        }
    }

    fn read(&mut self, connection: &Connection, path: &Path) -> Result<(), StoreError> {
        let sqlite = |source| sqlite_error(path, source);
        let sql = "SELECT sequence, hash FROM audit_events ORDER BY sequence";
        let mut statement = connection.prepare(sql).map_err(sqlite)?;
        let mut rows = statement.query([]).map_err(sqlite)?;
        self.compare();
        while let Some(row) = rows.next().map_err(sqlite)? {
            let sequence: i64 = row.get(0).map_err(sqlite)?;
            let last = self.running.sequence;
            if sequence > last.saturating_add(1) && self.gap.is_none() {
                self.gap = Some((last + 1, sequence - 1));
            }
            // A hash that is none fits no head.
            let hash = row.get_ref(1).map_err(sqlite)?;
            self.running.extend(sequence, hash.as_blob().unwrap_or_default());
            self.compare();
        }
        // The points of heads behind the last event.
        self.other.extend(self.marks.drain(..).map(|(head, _)| head));
        Ok(())
    }

    /// Holds the point that was reached against those that are to be met there.
    fn compare(&mut self) {
        while let Some((head, point)) = self.marks.pop() {
            if point.sequence > self.running.sequence {
                self.marks.push((head, point));
                break;
            }
            if point != self.running {
                self.other.push(head);
            }
        }
        let reached = AuditHead {
            sequence: self.running.sequence,
            hash: self.running.hash,
        };
        let before = self.kept.len();
        self.kept.retain(|kept| *kept != reached);
        if self.kept.len() < before {
            self.kept_to = reached.sequence;
        }
    }

    fn judge(self, key: Option<&Key>) -> TrailState {
        let mut covered_to = 0;
        let mut uncovered = None;
        let mut states = Vec::with_capacity(self.heads.len());
        for (index, head) in self.heads.iter().enumerate() {
            if head.from.sequence > covered_to {
                uncovered = uncovered.or(Some((covered_to + 1, head.from.sequence)));
            }
            covered_to = covered_to.max(head.to.sequence);
            let proof = if self.other.contains(&index) {
                Proof::OtherEvents
            } else if key.is_some_and(|key| head.is_of(key)) {
                Proof::Holds
            } else if key.is_some_and(|key| key.id() == head.key) {
                Proof::Forged
            } else {
                Proof::NoKey
            };
            states.push(HeadState {
                from: head.from.sequence.saturating_add(1),
                to: head.to.sequence,
                key: hex(&head.key),
                proof,
            });
        }
        if self.running.sequence > covered_to {
            uncovered = uncovered.or(Some((covered_to + 1, self.running.sequence)));
        }
        TrailState {
            gap: self.gap,
            heads: states,
            uncovered,
            lost: self.kept,
            kept_to: self.kept_to,
            head: Some(AuditHead {
                sequence: self.running.sequence,
                hash: self.running.hash,
            }),
            ..TrailState::default()
        }
    }
}
