//! What is removed with an execution, and what is not.

use autokestra_model::{Digest, ExecutionState};
use autokestra_store::{Change, CleanupFilter, LogFilter, LogLevel, LogSource, Removed, Store};

use super::{at, create, create_of, execution_change, fixture, log, read, run};

/// More than one transaction removes.
const LOGS: u64 = 5000;

/// How many executions and entries were removed, in how many transactions.
async fn remove_all(store: &dyn Store, filter: &CleanupFilter) -> (u64, u64, u32) {
    let (mut executions, mut logs, mut calls) = (0, 0, 0);
    loop {
        let some = store.remove_some(filter.clone()).await.expect("they are removed");
        (executions, logs, calls) = (executions + some.executions, logs + some.logs, calls + 1);
        if !some.more {
            return (executions, logs, calls);
        }
    }
}

#[tokio::test]
async fn executions_go_a_few_rows_at_a_time_and_their_audit_trail_stays() {
    let fixture = fixture();
    let store = &*fixture.store;
    let (old, running) = (create(store, 1).await, create(store, 2).await);
    let entries = (0..LOGS).map(|number| {
        log(
            old.execution(),
            LogLevel::Info,
            LogSource::Scheduler,
            "m",
            number.try_into().expect("small"),
        )
    });
    let changes = vec![
        execution_change(ExecutionState::Pending, ExecutionState::Running, 2),
        Change::Logs(entries.collect()),
        Change::File {
            run: run(),
            name: "a".to_owned(),
            digest: Digest::of(b"a"),
            size: 1,
        },
        execution_change(ExecutionState::Running, ExecutionState::Failed, 3),
    ];
    store.commit(&old, changes).await.expect("they are made");
    let begin = vec![execution_change(ExecutionState::Pending, ExecutionState::Running, 2)];
    store.commit(&running, begin).await.expect("it is made");
    let named = || store.named_files(vec![Digest::of(b"a"), Digest::of(b"b")]);
    assert_eq!(named().await.expect("they are read"), [Digest::of(b"a")]);
    let filter = |ended_before, states: &[ExecutionState]| CleanupFilter {
        ended_before: at(ended_before),
        states: states.to_vec(),
    };
    let none = store.remove_some(filter(3, &[])).await.expect("nothing is old");
    assert_eq!(none, Removed::default());
    let none = store.remove_some(filter(4, &[ExecutionState::Success])).await;
    assert_eq!(none.expect("none succeeded"), Removed::default());
    let whole = Removed {
        executions: 1,
        logs: LOGS,
        more: false,
    };
    assert_eq!(
        store.count_removable(filter(4, &[])).await.expect("they are counted"),
        whole
    );
    let (executions, logs, calls) = remove_all(store, &filter(4, &[])).await;
    assert_eq!((executions, logs), (1, LOGS));
    assert!(calls > 2, "{calls} transactions");
    assert!(store.execution(old.execution()).await.expect("it is read").is_none());
    assert!(
        store
            .execution(running.execution())
            .await
            .expect("it is read")
            .is_some()
    );
    assert!(
        read(
            store,
            LogFilter {
                execution: Some(old.execution()),
                ..LogFilter::default()
            }
        )
        .await
        .is_empty()
    );
    assert!(named().await.expect("they are read").is_empty());
    assert!(
        !store
            .audit_events(old.execution())
            .await
            .expect("they are read")
            .is_empty()
    );
}

#[tokio::test]
async fn what_one_that_has_not_ended_may_ask_for_stays() {
    let fixture = fixture();
    let store = &*fixture.store;
    let end = |lease| {
        let changes = vec![
            execution_change(ExecutionState::Pending, ExecutionState::Running, 2),
            execution_change(ExecutionState::Running, ExecutionState::Failed, 3),
        ];
        async move { store.commit(&lease, changes).await.expect("it ends") }
    };
    let retried = create(store, 1).await;
    let retried_id = retried.execution();
    end(retried).await;
    let above = create(store, 2).await;
    let above_id = above.execution();
    end(above).await;
    let retry = create_of(store, 3, None, Some(retried_id)).await;
    let below = create_of(store, 4, Some(above_id), None).await;
    let filter = CleanupFilter {
        ended_before: at(100),
        states: Vec::new(),
    };
    assert!(!store.is_removable(filter.clone()).await.expect("it is asked"));
    assert_eq!(remove_all(store, &filter).await.0, 0);
    end(retry).await;
    end(below).await;
    assert!(store.is_removable(filter.clone()).await.expect("it is asked"));
    assert_eq!(remove_all(store, &filter).await.0, 4);
}
