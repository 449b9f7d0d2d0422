//! Sealed secrets: who saw the newest changes them, all of them or none.

use autokestra_model::{ExecutionState, SecretName};
use autokestra_secrets::vault::{DataKey, DataKeyId};
use autokestra_store::{
    CleanupFilter, DataKeyRow, LogEntry, LogFilter, LogLevel, LogSource, SecretChange, SecretRows, SecretUpdate, Store,
    StoreError,
};

use super::{at, create, execution_change, fixture, read};

fn key(when: i64) -> DataKeyRow {
    DataKeyRow {
        id: DataKey::random().expect("a key").id(),
        sealed: b"a sealed key".to_vec(),
        created_at: at(when),
    }
}

fn name(text: &str) -> SecretName {
    text.parse().expect("a good name")
}

fn update(seen: u64, change: SecretChange, when: i64) -> SecretUpdate {
    let entry = LogEntry {
        execution: None,
        task: None,
        attempt: None,
        at: at(when),
        level: LogLevel::Info,
        source: LogSource::System,
        message: autokestra_secrets::Masker::none().mask(&format!("change {when}")),
        metadata: None,
    };
    SecretUpdate { seen, change, entry }
}

fn set(text: &str, sealed: &[u8], key: Option<DataKeyRow>) -> SecretChange {
    SecretChange::Set {
        name: name(text),
        sealed: sealed.to_vec(),
        key,
    }
}

async fn change(store: &dyn Store, update: SecretUpdate) -> bool {
    store.change_secrets(update).await.expect("the store works")
}

async fn rows(store: &dyn Store) -> SecretRows {
    store.secrets().await.expect("they are read")
}

/// Each secret: its name, key, bytes and times.
fn told(rows: &SecretRows) -> Vec<(&str, DataKeyId, &[u8], i64, i64)> {
    let secrets = rows.secrets.iter();
    secrets
        .map(|row| {
            let (created, updated) = (row.created_at.as_millis(), row.updated_at.as_millis());
            (row.name.as_str(), row.key, row.sealed.as_slice(), created, updated)
        })
        .collect()
}

#[tokio::test]
async fn secrets_are_set_replaced_rotated_and_deleted() {
    let fixture = fixture();
    let store = &*fixture.store;
    assert_eq!(rows(store).await, SecretRows::default());
    let (first, second) = (key(1), key(5));
    assert!(change(store, update(0, set("B", b"b1", Some(first.clone())), 1)).await);
    assert!(change(store, update(1, set("A", b"a1", None), 2)).await);
    assert!(change(store, update(2, set("B", b"b2", None), 3)).await);
    let found = rows(store).await;
    assert_eq!((found.revision, found.key.as_ref()), (3, Some(&first)));
    assert_eq!(
        told(&found),
        [("A", first.id, &b"a1"[..], 2, 2), ("B", first.id, b"b2", 1, 3)]
    );
    let rotate = SecretChange::Rotate {
        key: second.clone(),
        sealed: vec![(name("A"), b"a2".to_vec()), (name("B"), b"b3".to_vec())],
    };
    assert!(change(store, update(3, rotate, 5)).await);
    let found = rows(store).await;
    assert_eq!((found.revision, found.key.as_ref()), (4, Some(&second)));
    let kept = [("A", second.id, &b"a2"[..], 2, 2), ("B", second.id, b"b3", 1, 3)];
    assert_eq!(told(&found), kept, "when they were set stays as it was");
    assert!(change(store, update(4, SecretChange::Delete { name: name("A") }, 6)).await);
    assert_eq!(told(&rows(store).await), [("B", second.id, &b"b3"[..], 1, 3)]);
    let entries = read(store, LogFilter::default()).await;
    assert_eq!(entries, ["change 1", "change 2", "change 3", "change 5", "change 6"]);
}

#[tokio::test]
async fn who_did_not_see_the_newest_changes_nothing() {
    let fixture = fixture();
    let store = &*fixture.store;
    assert!(change(store, update(0, set("A", b"a1", Some(key(1))), 1)).await);
    let before = rows(store).await;
    for (seen, late) in [
        (0, set("A", b"late", Some(key(2)))),
        (0, SecretChange::Delete { name: name("A") }),
        (2, set("A", b"early", None)),
    ] {
        assert!(!change(store, update(seen, late, 2)).await);
    }
    assert_eq!(rows(store).await, before);
    assert_eq!(
        read(store, LogFilter::default()).await,
        ["change 1"],
        "nor is it logged"
    );
}

#[tokio::test]
async fn one_of_many_at_once_is_first() {
    let fixture = fixture();
    let store = &*fixture.store;
    let made = (0..20).map(|number| change(store, update(0, set("A", &[number], Some(key(1))), 1)));
    let made = futures::future::join_all(made).await;
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
}

#[tokio::test]
async fn a_change_that_cannot_be_whole_is_refused() {
    let fixture = fixture();
    let store = &*fixture.store;
    let no_key = store.change_secrets(update(0, set("A", b"a", None), 1)).await;
    assert!(matches!(no_key, Err(StoreError::Missing { .. })), "{no_key:?}");
    assert!(change(store, update(0, set("A", b"a1", Some(key(1))), 1)).await);
    assert!(change(store, update(1, set("B", b"b1", None), 2)).await);
    let before = rows(store).await;
    let rotate = |sealed: &[&str]| SecretChange::Rotate {
        key: key(3),
        sealed: sealed.iter().map(|text| (name(text), b"new".to_vec())).collect(),
    };
    for (refused, why) in [
        (set("C", b"c1", Some(key(3))), "two secrets are sealed by the old key"),
        (rotate(&["A"]), "one was left out"),
        (rotate(&["A", "B", "C"]), "there is no third"),
        (SecretChange::Delete { name: name("C") }, "there is no third"),
    ] {
        let refused = store.change_secrets(update(2, refused, 3)).await;
        assert!(refused.is_err(), "{why}: {refused:?}");
    }
    assert_eq!(rows(store).await, before);
    assert_eq!(read(store, LogFilter::default()).await, ["change 1", "change 2"]);
}

#[tokio::test]
async fn without_a_secret_a_new_key_takes_the_place_of_the_old() {
    let fixture = fixture();
    let store = &*fixture.store;
    let second = key(3);
    assert!(change(store, update(0, set("A", b"a1", Some(key(1))), 1)).await);
    assert!(change(store, update(1, SecretChange::Delete { name: name("A") }, 2)).await);
    assert!(rows(store).await.secrets.is_empty());
    assert!(change(store, update(2, set("A", b"a2", Some(second.clone())), 3)).await);
    let found = rows(store).await;
    assert_eq!((found.revision, found.key.as_ref()), (3, Some(&second)));
    assert_eq!(told(&found), [("A", second.id, &b"a2"[..], 3, 3)]);
}

#[tokio::test]
async fn cleanup_leaves_secrets_alone() {
    let fixture = fixture();
    let store = &*fixture.store;
    assert!(change(store, update(0, set("A", b"a1", Some(key(1))), 1)).await);
    let before = rows(store).await;
    let lease = create(store, 1).await;
    let end = vec![execution_change(ExecutionState::Pending, ExecutionState::Cancelled, 2)];
    store.commit(&lease, end).await.expect("it ends");
    let filter = CleanupFilter {
        ended_before: at(1000),
        states: Vec::new(),
    };
    let removed = store.remove_some(filter).await.expect("it is removed");
    assert_eq!((removed.executions, removed.more), (1, false));
    assert_eq!(rows(store).await, before);
}
