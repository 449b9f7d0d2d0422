//! Every combination of filters: what it gives, and that the database looks for it in an index, sorts nothing and reads no
//! table from end to end.

use autokestra_model::{ExecutionId, ExecutionState};
use autokestra_store::{
    Change, CleanupFilter, ExecutionFilter, ExecutionRef, LogEntry, LogFilter, LogLevel, LogSource, Plan, Question,
    SourceFilter, SqliteStore, Store as _,
};

use super::{at, create, execution_change, log, options, plugin, read};

/// Executions, and entries of each.
const EXECUTIONS: i64 = 2;
/// So many that each range of a task is read in several pieces.
const ENTRIES: i64 = 1600;

/// A store with entries of every source and level, of several executions at the same time, committed out of order.
async fn filled(folder: &tempfile::TempDir) -> (SqliteStore, Vec<LogEntry>) {
    let store = SqliteStore::open(&options(folder)).expect("a new database");
    let mut entries = Vec::new();
    for number in 0..EXECUTIONS {
        let lease = create(&store, number).await;
        let id = lease.execution();
        for entry in 0..ENTRIES {
            let source = match entry % 4 {
                0 => LogSource::Scheduler,
                1 => LogSource::Worker,
                2 => LogSource::System,
                _ => plugin(id),
            };
            let level = LogLevel::ALL[usize::try_from(entry / 4 % 4).expect("small")];
            // Later commits have older times too, and several entries share a millisecond.
            let when = 1000 + (entry * 37 % ENTRIES) / 3;
            let mut made = log(id, level, source, &format!("e{number} entry {entry}"), when);
            made.task = match entry % 5 {
                0 => None,
                1 => Some("second".parse().expect("a good id")),
                _ => made.task,
            };
            entries.push(made);
        }
        if number == 0 {
            let ends = vec![
                execution_change(ExecutionState::Pending, ExecutionState::Running, 2),
                execution_change(ExecutionState::Running, ExecutionState::Success, 1500),
            ];
            store.commit(&lease, ends).await.expect("it ends");
        }
    }
    let mut own = log(
        ExecutionId::new(at(0), 0),
        LogLevel::Warn,
        LogSource::System,
        "of none",
        1010,
    );
    (own.execution, own.task) = (None, None);
    entries.push(own);
    // Small commits, so that keys and times are not in the same order.
    for some in entries.chunks(70) {
        store.append_logs(some.to_vec()).await.expect("they are stored");
    }
    (store, entries)
}

fn takes(filter: &LogFilter, entry: &LogEntry) -> bool {
    let source = entry.source.to_string();
    filter.execution.is_none_or(|id| entry.execution == Some(id))
        && (filter.levels.is_empty() || filter.levels.contains(&entry.level))
        && filter.since.is_none_or(|since| entry.at >= since)
        && filter.until.is_none_or(|until| entry.at < until)
        && filter
            .task
            .as_ref()
            .is_none_or(|task| entry.task.as_ref() == Some(task))
        && match &filter.source {
            None => true,
            Some(SourceFilter::AnyPlugin) => source.starts_with("plugin:"),
            Some(SourceFilter::Exact(exact)) if exact.starts_with("plugin:") => {
                // A plugin's entry is known by its execution and its task.
                let named = entry.task.as_ref().zip(entry.execution);
                source.starts_with("plugin:") && named.is_some_and(|(task, id)| *exact == format!("plugin:{id}/{task}"))
            }
            Some(SourceFilter::Exact(exact)) => source == *exact,
        }
        && filter
            .grep
            .as_ref()
            .is_none_or(|grep| grep.is_match(entry.message.as_str()))
}

fn every_filter(execution: ExecutionId) -> Vec<LogFilter> {
    let mut filters = vec![LogFilter::default()];
    let mut vary = |with: &dyn Fn(&LogFilter) -> Vec<LogFilter>| {
        filters = filters
            .iter()
            .flat_map(|filter| [vec![filter.clone()], with(filter)].concat())
            .collect();
    };
    vary(&|filter| {
        vec![LogFilter {
            execution: Some(execution),
            ..filter.clone()
        }]
    });
    let levels = |levels: &[LogLevel], filter: &LogFilter| LogFilter {
        levels: levels.to_vec(),
        ..filter.clone()
    };
    vary(&|filter| {
        vec![
            levels(&[LogLevel::Error], filter),
            levels(&[LogLevel::Error, LogLevel::Warn, LogLevel::Error], filter),
            levels(&[LogLevel::Info], filter),
        ]
    });
    vary(&|filter| {
        vec![LogFilter {
            since: Some(at(1100)),
            ..filter.clone()
        }]
    });
    vary(&|filter| {
        vec![LogFilter {
            until: Some(at(1400)),
            ..filter.clone()
        }]
    });
    vary(&|filter| {
        vec![LogFilter {
            task: Some("second".parse().expect("an id")),
            ..filter.clone()
        }]
    });
    let source = |text: &str, filter: &LogFilter| LogFilter {
        source: Some(SourceFilter::from(text)),
        ..filter.clone()
    };
    let exact = format!("plugin:{execution}/second");
    vary(&|filter| {
        vec![
            source("plugin", filter),
            source("system", filter),
            source(&exact, filter),
        ]
    });
    vary(&|filter| {
        vec![LogFilter {
            grep: Some(regex::Regex::new("entry .*3$").expect("a pattern")),
            ..filter.clone()
        }]
    });
    vary(&|filter| {
        vec![LogFilter {
            limit: Some(5),
            offset: 3,
            ..filter.clone()
        }]
    });
    filters
}

/// What is no way to look for entries among a million.
fn is_costly(step: &str) -> bool {
    // The executions that have a task are put in order: there are fewer of them than entries.
    step.starts_with("SCAN") || step.contains("TEMP B-TREE") || step.contains("AUTOMATIC")
}

fn show(plans: &[Plan]) -> String {
    let shown = plans
        .iter()
        .map(|plan| format!("{}\n    {}\n", plan.sql, plan.steps.join("\n    ")));
    shown.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_combination_gives_what_fits_oldest_first_by_an_index() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (store, entries) = filled(&folder).await;
    let execution = entries[0].execution.expect("it has one");
    let filters = every_filter(execution);
    assert_eq!(filters.len(), 2 * 4 * 2 * 2 * 2 * 4 * 2 * 2);
    let mut statements = std::collections::BTreeMap::new();
    for filter in filters {
        let mut expected: Vec<&LogEntry> = entries.iter().filter(|entry| takes(&filter, entry)).collect();
        // The sort is stable: of the same millisecond that is first which was committed first.
        expected.sort_by_key(|entry| entry.at);
        let limit = filter
            .limit
            .map_or(usize::MAX, |limit| usize::try_from(limit).expect("small"));
        let skip = usize::try_from(filter.offset).expect("small");
        let expected: Vec<&str> = expected
            .iter()
            .skip(skip)
            .take(limit)
            .map(|entry| entry.message.as_str())
            .collect();
        assert_eq!(read(&store, filter.clone()).await, expected, "{filter:?}");
        for plan in store
            .plans(&Question::Logs(Box::new(filter.clone())))
            .expect("it is asked")
        {
            statements.insert(plan.sql, plan.steps);
        }
    }
    let plans: Vec<Plan> = statements.into_iter().map(|(sql, steps)| Plan { sql, steps }).collect();
    let of_logs: Vec<&Plan> = plans
        .iter()
        .filter(|plan| plan.sql.contains("FROM logs INDEXED BY"))
        .collect();
    // Across, of an execution, of a task in one: each from its beginning, and from where the last batch ended.
    assert_eq!(of_logs.len(), 6, "{}", show(&plans));
    for plan in &plans {
        let ordered = plan.sql.contains("FROM task_runs");
        let costly = plan
            .steps
            .iter()
            .filter(|step| is_costly(step) && !(ordered && step.contains("ORDER BY")));
        assert_eq!(costly.count(), 0, "{}", show(&plans));
    }
    for plan in of_logs {
        assert_eq!(plan.steps.len(), 1, "{}", show(&plans));
        assert!(
            plan.steps[0].contains("source=? AND level=? AND at"),
            "{}",
            show(&plans)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_reads_what_is_new_by_its_key() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (store, entries) = filled(&folder).await;
    let filter = LogFilter {
        execution: entries[0].execution,
        follow: true,
        ..LogFilter::default()
    };
    let plans = store.plans(&Question::Logs(Box::new(filter))).expect("it is asked");
    let costly = plans
        .iter()
        .flat_map(|plan| &plan.steps)
        .filter(|step| is_costly(step))
        .count();
    assert_eq!(costly, 0, "{}", show(&plans));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_entries_are_read_from_the_end() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (store, entries) = filled(&folder).await;
    let id = entries[0].execution.expect("it has one");
    for task in [None, Some("second".parse().expect("a good id"))] {
        let filter = LogFilter {
            execution: Some(id),
            task: task.clone(),
            ..LogFilter::default()
        };
        let all = read(&store, filter).await;
        let counted = store.count_logs(id, task.clone()).await.expect("they are counted");
        assert_eq!(counted, all.len() as u64);
        for limit in [0, 1, 7, 100, all.len(), all.len() + 1] {
            let last = store
                .last_logs(id, task.clone(), limit as u64)
                .await
                .expect("they are read");
            let last: Vec<&str> = last.iter().map(|row| row.message.as_str()).collect();
            assert_eq!(last, all[all.len().saturating_sub(limit)..], "{limit} of {task:?}");
        }
        let plans = store.plans(&Question::LastLogs(id, task)).expect("it is asked");
        let costly = plans.iter().flat_map(|plan| &plan.steps).find(|step| is_costly(step));
        assert_eq!(costly, None, "{}", show(&plans));
    }
    let nothing = ExecutionId::new(at(0), 0);
    assert_eq!(store.last_logs(nothing, None, 5).await.expect("it is asked").len(), 0);
    assert_eq!(store.count_logs(nothing, None).await.expect("it is asked"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_are_found_listed_and_shown_without_reading_a_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (store, entries) = filled(&folder).await;
    let id = entries[0].execution.expect("it has one");
    let mut questions = vec![
        Question::Find(ExecutionRef::Last),
        Question::Find(ExecutionRef::Prefix("exec-0".to_owned())),
        Question::Inspect(id),
        Question::Audit(id),
        Question::Removable(CleanupFilter {
            ended_before: at(1),
            states: Vec::new(),
        }),
    ];
    let workflow = Some("flow".parse().expect("an id"));
    for (workflow, states) in [
        (None, vec![]),
        (workflow.clone(), vec![]),
        (None, vec![ExecutionState::Success]),
        (None, vec![ExecutionState::Success, ExecutionState::Failed]),
        (workflow, vec![ExecutionState::Success]),
    ] {
        questions.push(Question::List(ExecutionFilter {
            workflow,
            states,
            limit: 50,
            offset: 0,
        }));
    }
    for question in &questions {
        let plans = store.plans(question).expect("it is asked");
        assert!(!plans.is_empty());
        for plan in &plans {
            // All executions are counted where none is asked for: an index of them is read, and never a log.
            let counts = plan.sql == "SELECT COUNT(*) FROM executions";
            let newest = plan.sql.contains("ORDER BY id DESC LIMIT");
            for step in &plan.steps {
                let scans = step.starts_with("SCAN") && step.contains("INDEX") && (counts || newest);
                assert!(
                    !step.contains("logs") || step.contains("SEARCH"),
                    "{question:?}\n{}",
                    show(&plans)
                );
                assert!(
                    step.starts_with("SEARCH")
                        || scans
                        || step == "SCAN CONSTANT ROW"
                        || step.contains("SUBQUERY")
                        || step.contains("TEMP B-TREE") && step.contains("ORDER BY"),
                    "{question:?}\n{}",
                    show(&plans)
                );
            }
        }
    }
}

#[tokio::test]
async fn a_key_is_never_used_twice_so_that_who_follows_misses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(&options(&folder)).expect("a new database");
    let (old, new) = (create(&store, 1).await, create(&store, 2).await);
    let id = old.execution();
    store
        .append_logs(
            (0..50)
                .map(|when| log(new.execution(), LogLevel::Info, LogSource::Worker, "before", when))
                .collect(),
        )
        .await
        .expect("they are stored");
    let changes = vec![
        Change::Logs(
            (0..50)
                .map(|when| log(id, LogLevel::Info, LogSource::Worker, "old", when))
                .collect(),
        ),
        execution_change(ExecutionState::Pending, ExecutionState::Running, 2),
        execution_change(ExecutionState::Running, ExecutionState::Success, 3),
    ];
    store.commit(&old, changes).await.expect("it ends");
    let begin = vec![execution_change(ExecutionState::Pending, ExecutionState::Running, 2)];
    store.commit(&new, begin).await.expect("it begins");
    let mut followed = store.logs(LogFilter {
        execution: Some(new.execution()),
        follow: true,
        ..LogFilter::default()
    });
    for _ in 0..50 {
        followed.recv().await.expect("it is there").expect("a row");
    }
    // The newest entries go, and others come before whoever follows looks again: they are not taken for known ones.
    let filter = CleanupFilter {
        ended_before: at(10),
        states: Vec::new(),
    };
    while store.remove_some(filter.clone()).await.expect("it is removed").more {}
    let end = vec![
        Change::Logs(vec![log(
            new.execution(),
            LogLevel::Info,
            LogSource::Worker,
            "after",
            60,
        )]),
        execution_change(ExecutionState::Running, ExecutionState::Success, 61),
    ];
    store.commit(&new, end).await.expect("it ends");
    let last = followed.recv().await.expect("it is sent").expect("a row");
    assert_eq!(last.message.as_str(), "after");
    assert!(followed.recv().await.is_none(), "the execution has ended");
}
