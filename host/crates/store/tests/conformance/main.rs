//! What every store must do, written against the trait. PostgreSQL will run the same.

mod cleanup;
mod leases;
mod opening;
mod plans;
mod secrets;
mod state;
mod upkeep;

use std::sync::Arc;

use autokestra_model::{Digest, ExecutionId, ExecutionState, ReasonCode, TaskId, TaskState, Timestamp};
use autokestra_secrets::{Masked, MaskedJson, Masker, SealedJson};
use autokestra_store::{
    AuditEvent, Change, ExecutionFilter, ExecutionRef, FindError, Lease, LogEntry, LogFilter, LogLevel, LogSource,
    NewExecution, NewTaskRun, ParentLink, RunKey, SourceFilter, SqliteOptions, SqliteStore, Store, StoreError,
    Synchronous, Usage, WorkflowSource,
};
use serde_json::json;

struct Fixture {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
}

fn options(folder: &tempfile::TempDir) -> SqliteOptions {
    SqliteOptions {
        path: folder.path().join("data/db.sqlite"),
        synchronous: Synchronous::Normal,
        size_max: None,
        slow_queries: None,
    }
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(&options(&folder)).expect("a new database");
    Fixture {
        folder,
        store: Arc::new(store),
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn id(number: i64) -> ExecutionId {
    ExecutionId::new(at(1_000_000 + number), 7)
}

fn task() -> TaskId {
    "first".parse().expect("a good id")
}

fn run() -> RunKey {
    RunKey {
        position: 0,
        item: None,
        task: task(),
    }
}

fn sealed(value: &serde_json::Value) -> SealedJson {
    Masker::none().seal(value)
}

fn json_of(value: &serde_json::Value) -> MaskedJson {
    Masker::none().mask_json(value)
}

async fn create(store: &dyn Store, number: i64) -> Lease {
    create_of(store, number, None, None).await
}

/// One that another started, or that retries another.
async fn create_of(
    store: &dyn Store,
    number: i64,
    parent: Option<ExecutionId>,
    retry_of: Option<ExecutionId>,
) -> Lease {
    let task_run = |name: &str, needs: Vec<TaskId>| NewTaskRun {
        task: name.parse().expect("a good id"),
        action: "core/console.log".parse().expect("a good name"),
        needs,
    };
    let new = NewExecution {
        id: id(number),
        workflow: "flow".parse().expect("a good id"),
        trigger: "manual".to_owned(),
        inputs: sealed(&json!({ "a": 1 })),
        source: WorkflowSource {
            name: "flow.yaml".to_owned(),
            text: sealed(&json!("id: flow")),
            base: "/work".to_owned(),
        },
        parent: parent.map(|execution| ParentLink { execution, run: run() }),
        retry_of,
        tasks: vec![task_run("first", Vec::new()), task_run("second", vec![task()])],
        at: at(number),
    };
    store.create_execution(new, at(100_000)).await.expect("it is created")
}

fn execution_change(from: ExecutionState, to: ExecutionState, when: i64) -> Change {
    let reason = (to == ExecutionState::Failed).then_some(ReasonCode::TaskFailed);
    let transition = from.to(to, reason).expect("a legal transition");
    Change::Execution {
        transition,
        at: at(when),
        message: None,
        outputs: None,
    }
}

fn task_change(from: TaskState, to: TaskState, when: i64) -> Change {
    let transition = from.to(to, None).expect("a legal transition");
    let output = (to == TaskState::Success).then(|| sealed(&json!({ "out": [1, 2] })));
    Change::Task {
        run: run(),
        transition,
        at: at(when),
        message: None,
        inputs: None,
        output,
        due: None,
    }
}

fn log(execution: ExecutionId, level: LogLevel, source: LogSource, message: &str, when: i64) -> LogEntry {
    LogEntry {
        execution: Some(execution),
        task: Some(task()),
        attempt: Some(1),
        at: at(when),
        level,
        source,
        message: Masker::none().mask(message),
        metadata: Some(json_of(&json!({ "stream": "stdout" }))),
    }
}

async fn read(store: &dyn Store, filter: LogFilter) -> Vec<String> {
    let mut rows = store.logs(filter);
    let mut found = Vec::new();
    while let Some(row) = rows.recv().await {
        found.push(row.expect("a row").message.into_string());
    }
    found
}

#[tokio::test]
async fn an_execution_is_kept_from_its_creation_to_its_end() {
    let fixture = fixture();
    let store = &*fixture.store;
    let lease = create(store, 1).await;
    let id = lease.execution();
    let usage = Usage {
        peak_memory: 5,
        cpu_ms: 1.5,
        ..Usage::default()
    };
    store
        .commit(
            &lease,
            vec![
                execution_change(ExecutionState::Pending, ExecutionState::Running, 2),
                task_change(TaskState::Pending, TaskState::Running, 3),
                Change::AttemptStarted {
                    run: run(),
                    attempt: 1,
                    at: at(3),
                    digest: None,
                },
                Change::AttemptLoaded {
                    run: run(),
                    attempt: 1,
                    digest: Digest::of(b"a program"),
                },
                Change::AttemptEnded {
                    run: run(),
                    attempt: 1,
                    at: at(9),
                    error: None,
                    usage: usage.clone(),
                },
                task_change(TaskState::Running, TaskState::Success, 9),
                execution_change(ExecutionState::Running, ExecutionState::Success, 12),
            ],
        )
        .await
        .expect("it is stored");
    let detail = store.execution(id).await.expect("it is read").expect("it is there");
    assert_eq!(detail.row.state, ExecutionState::Success);
    assert_eq!(detail.row.duration().map(|duration| duration.as_millis()), Some(10));
    assert_eq!(detail.inputs.value(), &json!({ "a": 1 }));
    assert_eq!(detail.tasks.len(), 2);
    assert_eq!(
        detail.tasks[0].output.as_ref().map(MaskedJson::value),
        Some(&json!({ "out": [1, 2] }))
    );
    assert_eq!(detail.tasks[0].attempts[0].usage, Some(usage));
    assert_eq!(
        detail.tasks[0].attempts[0].digest,
        Some(Digest::of(b"a program").to_string())
    );
    assert_eq!(
        (detail.tasks[1].state, detail.tasks[1].needs.as_slice()),
        (TaskState::Pending, &["first".to_owned()][..])
    );
    let events = store.audit_events(id).await.expect("they are read");
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    let expected = [
        "CREATED",
        "STATE_CHANGE",
        "STARTED",
        "STATE_CHANGE",
        "STATE_CHANGE",
        "STATE_CHANGE",
        "COMPLETED",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(events[6].metadata.value(), &json!({ "duration": 10 }));
    // Each event holds the hash of the one before it.
    for pair in events.windows(2) {
        assert_eq!(pair[0].hash, pair[1].previous_hash);
    }
}

#[tokio::test]
async fn the_same_change_twice_changes_nothing_and_another_end_is_refused() {
    let fixture = fixture();
    let store = &*fixture.store;
    let lease = create(store, 1).await;
    let id = lease.execution();
    let start = || vec![execution_change(ExecutionState::Pending, ExecutionState::Running, 2)];
    let end = |to| vec![execution_change(ExecutionState::Running, to, 3)];
    store.commit(&lease, start()).await.expect("it starts");
    store.commit(&lease, start()).await.expect("once more is nothing");
    store
        .commit(&lease, end(ExecutionState::Cancelled))
        .await
        .expect("it ends");
    let events = store.audit_events(id).await.expect("they are read").len();
    store
        .commit(&lease, end(ExecutionState::Cancelled))
        .await
        .expect("once more is nothing");
    let refused = store.commit(&lease, end(ExecutionState::Success)).await;
    assert!(matches!(refused, Err(StoreError::StaleState { .. })), "{refused:?}");
    assert_eq!(store.audit_events(id).await.expect("they are read").len(), events);
    let detail = store.execution(id).await.expect("it is read").expect("it is there");
    assert_eq!(detail.row.state, ExecutionState::Cancelled);
}

#[tokio::test]
async fn changes_are_all_made_or_none() {
    let fixture = fixture();
    let store = &*fixture.store;
    let lease = create(store, 1).await;
    let id = lease.execution();
    let refused = store
        .commit(
            &lease,
            vec![
                task_change(TaskState::Pending, TaskState::Running, 2),
                execution_change(ExecutionState::Running, ExecutionState::Success, 3),
            ],
        )
        .await;
    assert!(matches!(refused, Err(StoreError::StaleState { .. })), "{refused:?}");
    let detail = store.execution(id).await.expect("it is read").expect("it is there");
    assert_eq!(detail.tasks[0].state, TaskState::Pending);
}

#[tokio::test]
async fn many_callers_at_once_are_each_told_of_their_own() {
    let fixture = fixture();
    let store = &fixture.store;
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..200 {
        let store = Arc::clone(store);
        callers.spawn(async move {
            let lease = create(&*store, number).await;
            let to = if number % 2 == 0 {
                ExecutionState::Running
            } else {
                ExecutionState::Cancelled
            };
            store
                .commit(&lease, vec![execution_change(ExecutionState::Pending, to, 5)])
                .await
                .expect("it is stored");
            // Every caller's second change is refused, and harms nobody else's.
            let stale = execution_change(ExecutionState::Waiting, ExecutionState::Failed, 6);
            assert!(store.commit(&lease, vec![stale]).await.is_err());
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.expect("no caller panics");
    }
    let states = vec![ExecutionState::Running];
    let page = store
        .list_executions(ExecutionFilter {
            states,
            limit: 5,
            offset: 98,
            ..ExecutionFilter::default()
        })
        .await;
    let page = page.expect("it is read");
    assert_eq!((page.total, page.executions.len()), (100, 2));
}

#[tokio::test]
async fn executions_are_found_by_id_beginning_and_last() {
    let fixture = fixture();
    let store = &*fixture.store;
    let find = |text: &str| store.find_execution(text.parse::<ExecutionRef>().expect("a reference"));
    assert!(matches!(find("last").await, Err(FindError::Empty)));
    let (first, second) = (create(store, 1).await.execution(), create(store, 2).await.execution());
    assert_eq!(find("last").await.expect("it is there"), second);
    assert_eq!(find(&first.to_string()).await.expect("it is there"), first);
    assert_eq!(
        find(&first.to_string()[5..20].to_uppercase())
            .await
            .expect("without its prefix"),
        first
    );
    assert!(matches!(find("exec-0").await, Err(FindError::Ambiguous { candidates, .. }) if candidates.len() == 2));
    assert!(matches!(find("exec-zz").await, Err(FindError::NotFound { .. })));
    assert!("no id!".parse::<ExecutionRef>().is_err());
}

/// Four entries of two executions.
async fn with_logs(store: &dyn Store) -> (ExecutionId, ExecutionId) {
    let (one, two) = (create(store, 1).await.execution(), create(store, 2).await.execution());
    let entries = vec![
        log(one, LogLevel::Info, plugin(one), "a first", 10),
        log(one, LogLevel::Error, LogSource::Worker, "a second", 20),
        log(one, LogLevel::Error, plugin(one), "a third", 30),
        log(two, LogLevel::Warn, plugin(two), "b fourth", 40),
    ];
    store.append_logs(entries).await.expect("they are stored");
    (one, two)
}

fn plugin(execution: ExecutionId) -> LogSource {
    LogSource::Plugin {
        execution,
        task: task(),
    }
}

#[tokio::test]
async fn log_entries_are_read_by_execution_and_source() {
    let fixture = fixture();
    let store = &*fixture.store;
    let (one, two) = with_logs(store).await;
    let all = LogFilter::default;
    assert_eq!(read(store, all()).await, ["a first", "a second", "a third", "b fourth"]);
    assert_eq!(
        read(
            store,
            LogFilter {
                execution: Some(two),
                ..all()
            }
        )
        .await,
        ["b fourth"]
    );
    let exact = Some(SourceFilter::from(plugin(one).to_string().as_str()));
    assert_eq!(
        read(
            store,
            LogFilter {
                source: exact,
                task: Some(task()),
                ..all()
            }
        )
        .await,
        ["a first", "a third"]
    );
    let nobody = Some(SourceFilter::from("nobody"));
    assert!(
        read(
            store,
            LogFilter {
                source: nobody,
                ..all()
            }
        )
        .await
        .is_empty()
    );
}

#[tokio::test]
async fn all_log_filters_hold_at_once() {
    let fixture = fixture();
    let store = &*fixture.store;
    with_logs(store).await;
    let all = LogFilter::default;
    let plugins = Some(SourceFilter::from("plugin"));
    let errors = LogFilter {
        levels: vec![LogLevel::Error, LogLevel::Warn],
        source: plugins,
        ..all()
    };
    assert_eq!(read(store, errors.clone()).await, ["a third", "b fourth"]);
    assert_eq!(
        read(
            store,
            LogFilter {
                since: Some(at(35)),
                ..errors
            }
        )
        .await,
        ["b fourth"]
    );
    let grep = Some(regex::Regex::new("^a .*d$").expect("a pattern"));
    let second = LogFilter {
        grep,
        offset: 1,
        limit: Some(1),
        ..all()
    };
    assert_eq!(read(store, second).await, ["a third"]);
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_the_audit_trail() {
    let fixture = fixture();
    let lease = create(&*fixture.store, 1).await;
    let event = AuditEvent::TriggeredBy {
        actor: Masked::literal("someone"),
    };
    let audit = Change::Audit {
        task: None,
        at: at(2),
        event,
    };
    fixture.store.commit(&lease, vec![audit]).await.expect("it is stored");
    let connection = rusqlite::Connection::open(options(&fixture.folder).path).expect("a second connection");
    for sql in ["UPDATE audit_events SET type = 'X'", "DELETE FROM audit_events"] {
        let refused = connection.execute(sql, []).expect_err("a trigger refuses");
        assert!(refused.to_string().contains("cannot be"), "{refused}");
    }
}

#[tokio::test]
async fn a_task_without_output_costs_at_most_eight_rows() {
    let fixture = fixture();
    let store = &*fixture.store;
    let lease = create(store, 1).await;
    let id = lease.execution();
    let path = options(&fixture.folder).path;
    let changed = || {
        let connection = rusqlite::Connection::open(&path).expect("a second connection");
        let sql = "SELECT (SELECT COUNT(*) FROM attempts) + (SELECT COUNT(*) FROM logs) + (SELECT COUNT(*) FROM audit_events)";
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .expect("a count")
    };
    let before = changed();
    let closing = vec![
        log(id, LogLevel::Info, LogSource::Worker, "ended", 4),
        log(
            id,
            LogLevel::Info,
            LogSource::Plugin {
                execution: id,
                task: task(),
            },
            "ended",
            4,
        ),
    ];
    let start = vec![
        task_change(TaskState::Pending, TaskState::Running, 2),
        Change::AttemptStarted {
            run: run(),
            attempt: 1,
            at: at(2),
            digest: None,
        },
    ];
    let end = vec![
        Change::Logs(closing),
        Change::AttemptEnded {
            run: run(),
            attempt: 1,
            at: at(4),
            error: None,
            usage: Usage::default(),
        },
        task_change(TaskState::Running, TaskState::Success, 4),
    ];
    store.commit(&lease, start).await.expect("it starts");
    store.commit(&lease, end).await.expect("it ends");
    // Three rows besides are changed in place: the task's twice, the attempt's once.
    assert!(changed() - before + 3 <= 8, "{} rows", changed() - before + 3);
}

#[tokio::test]
async fn an_element_is_made_by_its_first_change() {
    let fixture = fixture();
    let store = &*fixture.store;
    let lease = create(store, 1).await;
    let element = |from: TaskState, to: TaskState, when| Change::Task {
        run: RunKey { item: Some(7), ..run() },
        transition: from.to(to, None).expect("a legal transition"),
        at: at(when),
        message: None,
        inputs: None,
        output: None,
        due: (to == TaskState::Waiting).then(|| at(50)),
    };
    let skips = element(TaskState::Running, TaskState::Success, 3);
    assert!(store.commit(&lease, vec![skips]).await.is_err(), "it has not begun");
    let changes = vec![
        element(TaskState::Pending, TaskState::Running, 2),
        element(TaskState::Running, TaskState::Waiting, 3),
    ];
    store.commit(&lease, changes).await.expect("it is stored");
    let detail = store
        .execution(lease.execution())
        .await
        .expect("it is read")
        .expect("it is there");
    let rows: Vec<_> = detail
        .tasks
        .iter()
        .map(|row| (row.task.as_str(), row.item, row.state, row.due_at))
        .collect();
    let expected = [
        ("first", None, TaskState::Pending, None),
        ("first", Some(7), TaskState::Waiting, Some(at(50))),
        ("second", None, TaskState::Pending, None),
    ];
    assert_eq!(rows, expected);
}
