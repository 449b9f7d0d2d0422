//! Room is given back to the disk, what takes long is told of, and a claim is had by one.

use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{Clock, ExecutionState, Timestamp};
use autokestra_store::{
    Change, CleanupFilter, LogFilter, LogLevel, LogSource, Shrunk, SlowQueries, SqliteOptions, SqliteStore, Store,
};

use super::{at, create, execution_change, log, options, read};

/// Fills a store and removes it all.
async fn filled_and_emptied(store: &dyn Store) {
    let lease = create(store, 1).await;
    let text = "x".repeat(500);
    let entries = (0..4000).map(|when| log(lease.execution(), LogLevel::Info, LogSource::Worker, &text, when));
    let changes = vec![
        Change::Logs(entries.collect()),
        execution_change(ExecutionState::Pending, ExecutionState::Running, 2),
        execution_change(ExecutionState::Running, ExecutionState::Success, 3),
    ];
    store.commit(&lease, changes).await.expect("it is stored");
    store.settle().await.expect("it is put in its place");
}

async fn emptied(store: &dyn Store) {
    let filter = CleanupFilter {
        ended_before: at(10),
        states: Vec::new(),
    };
    while store.remove_some(filter.clone()).await.expect("it is removed").more {}
}

fn size(options: &SqliteOptions) -> u64 {
    std::fs::metadata(&options.path).expect("the file").len()
}

#[tokio::test]
async fn the_file_shrinks_a_step_at_a_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(&folder);
    let store = SqliteStore::open(&options).expect("a new database");
    filled_and_emptied(&store).await;
    emptied(&store).await;
    let full = size(&options);
    let mut given = 0;
    loop {
        let shrunk = store.shrink_some().await.expect("it shrinks");
        given += shrunk.bytes;
        if !shrunk.more {
            assert_eq!(shrunk.unused, 0);
            break;
        }
    }
    store.settle().await.expect("it is put in its place");
    assert!(given > 2_000_000, "{given} bytes");
    assert_eq!(size(&options) + given, full);
    let wal = options.path.with_extension("sqlite-wal");
    assert_eq!(
        std::fs::metadata(wal).map_or(0, |wal| wal.len()),
        0,
        "the write-ahead log is cut"
    );
    assert_eq!(store.shrink_some().await.expect("nothing is left"), Shrunk::default());
}

#[tokio::test]
async fn a_file_of_an_older_version_is_written_anew_where_that_is_asked_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(&folder);
    std::fs::create_dir_all(options.path.parent().expect("a folder")).expect("it is made");
    // One that has a table before it is told how to shrink does not take it up.
    let old = rusqlite::Connection::open(&options.path).expect("a connection");
    old.execute_batch("CREATE TABLE x (y); DROP TABLE x").expect("a page");
    old.close().expect("it closes");
    let store = SqliteStore::open(&options).expect("it is brought up to date");
    filled_and_emptied(&store).await;
    emptied(&store).await;
    store.settle().await.expect("it is put in its place");
    let full = size(&options);
    let shrunk = store.shrink_some().await.expect("it is looked at");
    assert!(
        !shrunk.more && shrunk.bytes == 0 && shrunk.unused > 2_000_000,
        "{shrunk:?}"
    );
    assert_eq!(
        store.compact().await.expect("it is written anew"),
        full - size(&options)
    );
    assert!(size(&options) < full / 4);
    filled_and_emptied_again(&store).await;
    assert!(
        store.shrink_some().await.expect("it shrinks").bytes > 0,
        "from now on without that"
    );
}

async fn filled_and_emptied_again(store: &dyn Store) {
    let lease = create(store, 2).await;
    let entries = (0..500).map(|when| {
        log(
            lease.execution(),
            LogLevel::Info,
            LogSource::Worker,
            &"x".repeat(500),
            when,
        )
    });
    let changes = vec![
        Change::Logs(entries.collect()),
        execution_change(ExecutionState::Pending, ExecutionState::Cancelled, 3),
    ];
    store.commit(&lease, changes).await.expect("it is stored");
    emptied(store).await;
}

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        at(43_200_000)
    }
}

#[tokio::test]
async fn what_takes_long_is_told_of_once_in_a_while_and_not_of_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(&SqliteOptions {
        // Everything takes so long.
        slow_queries: Some(SlowQueries {
            from: Duration::ZERO,
            clock: Arc::new(Noon),
        }),
        ..options(&folder)
    });
    let store = store.expect("a new database");
    let lease = create(&store, 1).await;
    store
        .commit(
            &lease,
            vec![execution_change(ExecutionState::Pending, ExecutionState::Running, 2)],
        )
        .await
        .expect("it is");
    let mut rows = store.logs(LogFilter {
        execution: Some(lease.execution()),
        ..LogFilter::default()
    });
    let row = rows.recv().await.expect("one").expect("a row");
    assert_eq!(
        (row.level, row.source.as_str(), row.at),
        (LogLevel::Warn, "system", at(43_200_000))
    );
    assert!(
        row.message
            .as_str()
            .starts_with("Slow database query detected: a commit (create) took"),
        "{row:?}"
    );
    let metadata = row.metadata.expect("it has some");
    assert_eq!(
        (&metadata.value()["kind"], &metadata.value()["statement"]),
        (&"commit".into(), &"create".into())
    );
    assert!(metadata.value()["duration"].is_u64() && metadata.value()["waited"].is_u64());
    assert!(rows.recv().await.is_none(), "the second commit came too soon after it");
    assert_eq!(read(&store, LogFilter::default()).await.len(), 1);
}

#[tokio::test]
async fn reading_that_takes_long_is_told_of_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    drop(SqliteStore::open(&options(&folder)).expect("a new database"));
    let slow_queries = Some(SlowQueries {
        from: Duration::ZERO,
        clock: Arc::new(Noon),
    });
    let store = SqliteStore::open(&SqliteOptions {
        slow_queries,
        ..options(&folder)
    })
    .expect("the database");
    store
        .list_executions(autokestra_store::ExecutionFilter::default())
        .await
        .expect("a list");
    let told = read(
        &store,
        LogFilter {
            levels: vec![LogLevel::Warn],
            ..LogFilter::default()
        },
    )
    .await;
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("Slow database query detected: reading (list) took"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_claim_is_had_by_one_until_its_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, two) = (
        SqliteStore::open(&options(&folder)),
        SqliteStore::open(&options(&folder)),
    );
    let (one, two) = (one.expect("a new database"), two.expect("the same"));
    assert!(one.claim("it", at(5), at(10)).await.expect("it is asked"));
    assert!(!two.claim("it", at(9), at(20)).await.expect("it is asked"));
    assert!(two.claim("other", at(9), at(20)).await.expect("it is asked"));
    assert!(two.claim("it", at(10), at(20)).await.expect("it is asked"));
    assert!(!one.claim("it", at(19), at(30)).await.expect("it is asked"));
}
