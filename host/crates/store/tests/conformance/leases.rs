//! Who drives an execution, who may begin, and who hears of a cancel.

use autokestra_model::ExecutionState;
use autokestra_secrets::Masked;
use autokestra_store::{AcquireError, Admission, CancelAnswer, SqliteStore, Store as _, StoreError};

use super::{Fixture, at, create, execution_change, fixture, id, options};

/// The same database, as another process has it.
fn other(fixture: &Fixture) -> SqliteStore {
    SqliteStore::open(&options(&fixture.folder)).expect("the database")
}

#[tokio::test]
async fn one_process_drives_an_execution_and_an_old_lease_is_refused() {
    let fixture = fixture();
    let store = &*fixture.store;
    let lease = create(store, 1).await;
    let execution = lease.execution();
    let thief = other(&fixture);
    let refused = thief.acquire(execution, at(50_000), at(200_000)).await;
    assert!(matches!(refused, Err(AcquireError::Owned { .. })), "{refused:?}");
    // Past the lease's end it is anyone's, even though its process lives: it may be stopped for good.
    let taken = thief
        .acquire(execution, at(100_001), at(200_000))
        .await
        .expect("the lease has ended");
    let begin = || vec![execution_change(ExecutionState::Pending, ExecutionState::Running, 2)];
    let fenced = store.commit(&lease, begin()).await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })), "{fenced:?}");
    thief.commit(&taken, begin()).await.expect("the new owner writes");
    let end = vec![execution_change(ExecutionState::Running, ExecutionState::Failed, 3)];
    thief.commit(&taken, end).await.expect("it ends");
    let ended = store.acquire(execution, at(300_000), at(400_000)).await;
    assert!(
        matches!(
            ended,
            Err(AcquireError::Ended {
                state: ExecutionState::Failed,
                ..
            })
        ),
        "{ended:?}"
    );
    let missing = store.acquire(id(99), at(1), at(2)).await;
    assert!(matches!(missing, Err(AcquireError::NotFound { .. })), "{missing:?}");
}

#[tokio::test]
async fn what_a_process_leaves_behind_is_an_orphan_at_once() {
    let fixture = fixture();
    let dying = other(&fixture);
    let execution = create(&dying, 1).await.execution();
    let store = &*fixture.store;
    assert!(store.orphans(at(5)).await.expect("they are read").is_empty());
    store
        .renew(at(500))
        .await
        .expect("a sign of life of another process is none of this one");
    // Closing gives back the lock, as the end of a process does.
    dying.close().await.expect("it closes");
    assert_eq!(store.orphans(at(5)).await.expect("they are read"), [execution]);
    store
        .acquire(execution, at(5), at(500))
        .await
        .expect("long before the lease's end");
    assert!(store.orphans(at(5)).await.expect("they are read").is_empty());
}

#[tokio::test]
async fn a_request_to_cancel_reaches_the_process_that_drives() {
    let fixture = fixture();
    let store = &*fixture.store;
    let lease = create(store, 1).await;
    let execution = lease.execution();
    assert!(store.cancel_requests().await.expect("they are read").is_empty());
    let asking = other(&fixture);
    let actor = Masked::literal("user:someone");
    let answer = asking
        .request_cancel(execution, actor.clone(), at(7))
        .await
        .expect("it is there");
    assert_eq!(answer, CancelAnswer::Asked);
    assert!(
        asking.cancel_requests().await.expect("they are read").is_empty(),
        "it drives nothing"
    );
    assert_eq!(
        store.cancel_requests().await.expect("they are read"),
        [(execution, actor.clone())]
    );
    let end = vec![execution_change(ExecutionState::Pending, ExecutionState::Cancelled, 8)];
    store.commit(&lease, end).await.expect("it ends");
    assert!(store.cancel_requests().await.expect("they are read").is_empty());
    let late = asking
        .request_cancel(execution, actor.clone(), at(9))
        .await
        .expect("it is there");
    assert_eq!(late, CancelAnswer::Ended(ExecutionState::Cancelled));
    assert!(asking.request_cancel(id(99), actor, at(9)).await.is_err());
}

#[tokio::test]
async fn as_many_executions_of_a_workflow_begin_as_may() {
    let fixture = fixture();
    let store = &*fixture.store;
    let (first, second) = (create(store, 1).await, create(store, 2).await);
    let begin = || vec![execution_change(ExecutionState::Pending, ExecutionState::Running, 3)];
    let full = store.admit(&second, 1, at(3), begin()).await.expect("it is asked");
    assert_eq!(
        full,
        Admission::Full(vec![first.execution()]),
        "the older one comes first, though it has not begun"
    );
    assert_eq!(
        store.admit(&first, 1, at(3), begin()).await.expect("it is asked"),
        Admission::Begun
    );
    let full = store.admit(&second, 1, at(3), begin()).await.expect("it is asked");
    assert_eq!(full, Admission::Full(vec![first.execution()]));
    let end = vec![execution_change(ExecutionState::Running, ExecutionState::Success, 4)];
    store.commit(&first, end).await.expect("it ends");
    assert_eq!(
        store.admit(&second, 1, at(5), begin()).await.expect("it is asked"),
        Admission::Begun
    );
}
