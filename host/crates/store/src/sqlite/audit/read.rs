//! The trail as it is read across executions, in the order of the events' numbers.

use std::path::Path;

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};
use tokio::sync::mpsc;

use crate::error::StoreError;
use crate::row::AuditEventRow;
use crate::sqlite::connection::sqlite_error;
use crate::sqlite::decode;
use crate::sqlite::queries::{Where, count, text};
use crate::trail::{AuditFilter, AuditPage};

const COLUMNS: &str = "sequence, task, at, type, metadata, previous_hash, hash, execution";

/// The type of nearly all events.
const COMMON: &str = "STATE_CHANGE";

/// What a filter asks for: the index that finds it, and the conditions.
struct Search {
    index: &'static str,
    conditions: Where,
}

/// The way to the events of a filter; none where no event is of its time.
///
/// A time is looked up once, as the first and the last number of its events: then events come in the order of their numbers
/// without being sorted, however many there are.
fn search(connection: &Connection, path: &Path, filter: &AuditFilter) -> Result<Option<Search>, StoreError> {
    let mut conditions = Where::default();
    if let Some(execution) = &filter.execution {
        conditions.and("execution = ?", [text(execution)]);
    }
    conditions.one_of("type", filter.types.iter().map(text).collect());
    let rare = !filter.types.is_empty() && filter.types.iter().all(|kind| kind != COMMON);
    if rare {
        // What the index of types is made for.
        conditions.and("type <> 'STATE_CHANGE'", []);
    }
    if filter.since.is_some() || filter.until.is_some() {
        let since = filter.since.map_or(i64::MIN, |since| since.as_millis());
        let until = filter.until.map_or(i64::MAX, |until| until.as_millis());
        if filter.execution.is_none() && !rare {
            let sql = "SELECT min(sequence), max(sequence) FROM audit_events INDEXED BY audit_events_by_time \
                       WHERE at >= ?1 AND at < ?2";
            let found = connection.query_row(sql, [since, until], |row| {
                Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
            });
            let (Some(first), Some(last)) = found.map_err(|source| sqlite_error(path, source))? else {
                return Ok(None);
            };
            let bounds = [SqlValue::Integer(first), SqlValue::Integer(last)];
            conditions.and("sequence BETWEEN ? AND ?", bounds);
        }
        // The sign keeps the time's own index out of it, which would have to be sorted.
        conditions.and("+at >= ?", [SqlValue::Integer(since)]);
        conditions.and("+at < ?", [SqlValue::Integer(until)]);
    }
    let index = match (&filter.execution, rare) {
        (Some(_), _) => "INDEXED BY audit_events_by_execution",
        (None, true) => "INDEXED BY audit_events_by_type",
        (None, false) => "NOT INDEXED",
    };
    Ok(Some(Search { index, conditions }))
}

/// The newest events, the newest last.
pub(in crate::sqlite) fn page(
    connection: &Connection,
    path: &Path,
    filter: &AuditFilter,
    (limit, offset): (u64, u64),
) -> Result<AuditPage, StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    // The count and the events belong to one moment.
    let snapshot = connection.unchecked_transaction().map_err(sqlite)?;
    let Some(Search { index, mut conditions }) = search(&snapshot, path, filter)? else {
        return Ok(AuditPage {
            events: Vec::new(),
            total: 0,
        });
    };
    let is_all = conditions.sql.is_empty();
    // All of them are counted in the smallest index there is.
    let counted = if is_all { "" } else { index };
    let sql = format!("SELECT count(*) FROM audit_events {counted}{}", conditions.sql);
    let total: i64 = snapshot
        .query_row(&sql, params_from_iter(&conditions.values), |row| row.get(0))
        .map_err(sqlite)?;
    let sql = format!(
        "SELECT {COLUMNS} FROM audit_events {index}{} ORDER BY sequence DESC LIMIT ? OFFSET ?",
        conditions.sql
    );
    conditions.values.extend([count(limit), count(offset)]);
    let mut statement = snapshot.prepare(&sql).map_err(sqlite)?;
    let rows = statement
        .query_map(params_from_iter(&conditions.values), decode::audit_event)
        .map_err(sqlite)?;
    let mut events = rows.collect::<Result<Vec<_>, _>>().map_err(sqlite)?;
    events.reverse();
    Ok(AuditPage {
        events,
        total: u64::try_from(total).unwrap_or_default(),
    })
}

/// Sends events, oldest first, until there are no more or nobody takes them.
pub(in crate::sqlite) fn send(
    connection: &Connection,
    path: &Path,
    filter: &AuditFilter,
    sender: &mpsc::Sender<Result<AuditEventRow, StoreError>>,
) -> Result<(), StoreError> {
    let sqlite = |source| sqlite_error(path, source);
    let snapshot = connection.unchecked_transaction().map_err(sqlite)?;
    let Some(Search { index, conditions }) = search(&snapshot, path, filter)? else {
        return Ok(());
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM audit_events {index}{} ORDER BY sequence",
        conditions.sql
    );
    let mut statement = snapshot.prepare(&sql).map_err(sqlite)?;
    let mut rows = statement.query(params_from_iter(&conditions.values)).map_err(sqlite)?;
    while let Some(row) = rows.next().map_err(sqlite)? {
        let event = decode::audit_event(row).map_err(sqlite)?;
        if sender.blocking_send(Ok(event)).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use autokestra_model::Timestamp;

    use super::*;
    use crate::sqlite::migrations::migrate;

    /// The steps by which SQLite finds what a filter takes.
    fn plan(connection: &Connection, filter: &AuditFilter) -> String {
        let path = Path::new("a test");
        let found = search(connection, path, filter)
            .expect("it is looked up")
            .expect("there are events");
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT {COLUMNS} FROM audit_events {}{} ORDER BY sequence DESC LIMIT 5",
            found.index, found.conditions.sql
        );
        let mut statement = connection.prepare(&sql).expect("good SQL");
        let values = params_from_iter(&found.conditions.values);
        let rows = statement
            .query_map(values, |row| row.get::<_, String>(3))
            .expect("a plan");
        rows.map(|row| row.expect("a step")).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn no_filter_reads_what_it_does_not_take() {
        let mut connection = Connection::open_in_memory().expect("a database");
        migrate(&mut connection, Path::new("a test")).expect("its schema");
        let event = "INSERT INTO audit_events (execution, at, type, metadata, previous_hash, hash) \
                     VALUES ('exec-1', 5, 'CREATED', '{}', x'', x'')";
        connection.execute(event, []).expect("an event");
        let since = AuditFilter {
            since: Some(Timestamp::from_millis(5)),
            ..AuditFilter::default()
        };
        let kinds = |kinds: &[&str]| AuditFilter {
            types: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            ..AuditFilter::default()
        };
        let of = AuditFilter {
            execution: Some(autokestra_model::ExecutionId::new(Timestamp::from_millis(5), 7)),
            ..AuditFilter::default()
        };
        for (filter, wanted) in [
            (AuditFilter::default(), "SCAN audit_events"),
            (since, "SEARCH audit_events USING INTEGER PRIMARY KEY"),
            (
                kinds(&["FAILED"]),
                "SEARCH audit_events USING INDEX audit_events_by_type",
            ),
            (of, "SEARCH audit_events USING INDEX audit_events_by_execution"),
        ] {
            let plan = plan(&connection, &filter);
            assert!(
                plan.starts_with(wanted) && !plan.contains("B-TREE"),
                "{filter:?}: {plan}"
            );
        }
        // Several types are put into order; there are few of them.
        let plan = plan(&connection, &kinds(&["FAILED", "TIMEOUT"]));
        assert!(plan.contains("USING INDEX audit_events_by_type"), "{plan}");
        let none = AuditFilter {
            until: Some(Timestamp::from_millis(5)),
            ..AuditFilter::default()
        };
        assert!(
            search(&connection, Path::new("a test"), &none)
                .expect("it is looked up")
                .is_none()
        );
    }
}
