//! Databases that are new, old, damaged, closed or of another version.

use autokestra_store::{SqliteOptions, SqliteStore, Store as _, StoreError, Synchronous};
use serde_json::json;

use super::{create, fixture, json_of, options};

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_as_it_was() {
    let fixture = fixture();
    create(&*fixture.store, 1).await;
    fixture.store.close().await.expect("it closes");
    let path = options(&fixture.folder).path;
    let connection = rusqlite::Connection::open(&path).expect("a connection");
    connection.pragma_update(None, "user_version", 99).expect("it is set");
    connection.close().expect("it closes");
    let before = std::fs::read(&path).expect("the file");
    let refused = SqliteStore::open(&options(&fixture.folder));
    assert!(
        matches!(refused, Err(StoreError::NewerVersion { found: 99, .. })),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(&path).expect("the file"), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told_and_left() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = SqliteOptions {
        path: folder.path().join("notes.txt"),
        synchronous: Synchronous::Full,
        size_max: None,
        slow_queries: None,
    };
    let text = "these are notes, and by no means a database".repeat(50);
    std::fs::write(&options.path, &text).expect("written");
    let refused = SqliteStore::open(&options);
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&options.path).expect("the file"), text);
}

#[test]
fn many_may_open_a_new_database_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| SqliteStore::open(&options(&folder)).expect("each finds it, or makes it"));
        }
    });
}

#[tokio::test]
async fn a_closed_store_says_so_and_its_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let fixture = fixture();
    let lease = create(&*fixture.store, 1).await;
    fixture.store.close().await.expect("it closes");
    assert!(matches!(
        fixture.store.commit(&lease, Vec::new()).await,
        Err(StoreError::Closed)
    ));
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    let path = options(&fixture.folder).path;
    assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(&folder);
    std::fs::create_dir_all(options.path.parent().expect("a folder")).expect("it is made");
    let step = include_str!("../../src/sqlite/migrations/0001_initial.sql");
    let connection = rusqlite::Connection::open(&options.path).expect("a connection");
    connection.execute_batch(step).expect("the first schema");
    let digest = blake3::hash(step.as_bytes()).to_hex().to_string();
    connection
        .execute("INSERT INTO migrations VALUES (1, ?1)", [digest])
        .expect("its digest");
    connection.pragma_update(None, "user_version", 1).expect("its version");
    let rows = "INSERT INTO executions (key, id, workflow, state, trigger, inputs, created_at) \
                VALUES (1, 'exec-00000000000000000000000001', 'old', 'SUCCESS', 'manual', '{}', 1); \
                INSERT INTO task_runs (execution, position, task, action, state, needs, output) \
                VALUES (1, 0, 'only', 'core/console.log', 'SUCCESS', '[]', '5'); \
                INSERT INTO attempts (execution, position, attempt, started_at, ended_at) VALUES (1, 0, 1, 2, 3);";
    connection.execute_batch(rows).expect("its rows");
    connection.close().expect("it closes");
    let store = SqliteStore::open(&options).expect("it is brought up to date");
    let id = "exec-00000000000000000000000001".parse().expect("an id");
    let detail = store.execution(id).await.expect("it is read").expect("it is there");
    assert_eq!(detail.source, None);
    assert_eq!((detail.tasks.len(), detail.tasks[0].attempts.len()), (1, 1));
    assert_eq!(detail.tasks[0].output, Some(json_of(&json!(5))));
}
