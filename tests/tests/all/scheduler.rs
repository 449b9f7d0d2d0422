//! The scheduler against a model of a few lines: random graphs, failures, conditions, retries and cancels.

use std::collections::HashMap;

use autokestra_engine::{RunEvent, StopReason};
use autokestra_model::{ExecutionState, ReasonCode, TaskState};
use proptest::prelude::*;

use crate::support::{Kept, Place};

/// Attempts at a time.
const SLOTS: usize = 3;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Succeed,
    /// Fails once and for all.
    Fail,
    /// Fails, and is tried twice more.
    FailAgain,
}

/// One task of a random graph.
#[derive(Clone, Debug)]
struct Spec {
    does: Does,
    /// Tasks before it, and whether any of their ends will do.
    needs: Vec<(usize, bool)>,
    when: Option<bool>,
    may_fail: bool,
}

fn graph() -> impl Strategy<Value = Vec<Spec>> {
    let does = prop_oneof![6 => Just(Does::Succeed), 1 => Just(Does::Fail), 1 => Just(Does::FailAgain)];
    let needs = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..4);
    let when = prop_oneof![5 => Just(None), 1 => Just(Some(true)), 1 => Just(Some(false))];
    let task = (does, needs, when, any::<bool>());
    prop::collection::vec(task, 1..200).prop_map(|tasks| {
        let spec = |(index, (does, needs, when, may_fail)): (usize, (_, Vec<(prop::sample::Index, bool)>, _, _))| {
            let mut needs: Vec<(usize, bool)> = match index {
                0 => Vec::new(),
                _ => needs
                    .into_iter()
                    .map(|(need, always)| (need.index(index), always))
                    .collect(),
            };
            needs.sort_unstable();
            needs.dedup_by_key(|(need, _)| *need);
            Spec {
                does,
                needs,
                when,
                may_fail,
            }
        };
        tasks.into_iter().enumerate().map(spec).collect()
    })
}

fn yaml(tasks: &[Spec]) -> String {
    let mut text = "id: random\ntasks:\n".to_owned();
    for (index, task) in tasks.iter().enumerate() {
        let (action, retry) = match task.does {
            Does::Succeed => ("ok", ""),
            Does::Fail => ("plugin-error", ""),
            Does::FailAgain => (
                "exit",
                ", retry: { max: 2, backoff: constant, initialSeconds: 0.001, jitter: false }",
            ),
        };
        let needs = task.needs.iter().map(|(need, always)| {
            let on = if *always { "always" } else { "success" };
            format!("{{ task: t{need}, on: {on} }}")
        });
        let needs = needs.collect::<Vec<_>>().join(", ");
        let when = task.when.map(|when| format!(", when: {when}")).unwrap_or_default();
        let on_error = if task.may_fail { "continue" } else { "fail" };
        text.extend([format!(
            "  - {{ id: t{index}, type: test/hostile.{action}, needs: [{needs}], onError: {on_error}{when}{retry} }}\n"
        )]);
    }
    text
}

/// How each task ends, and the whole: the rules of the language, one after the other.
fn model(tasks: &[Spec]) -> (Vec<(TaskState, Option<ReasonCode>)>, ExecutionState) {
    let mut ends: Vec<(TaskState, Option<ReasonCode>)> = Vec::new();
    let mut whole = ExecutionState::Success;
    for task in tasks {
        let mut blocked = None;
        for (need, always) in &task.needs {
            let (state, reason) = ends[*need];
            let why = match state {
                _ if *always => None,
                TaskState::Success => None,
                TaskState::Failed if tasks[*need].may_fail => None,
                TaskState::Skipped if reason != Some(ReasonCode::DependencyFailed) => {
                    Some(ReasonCode::DependencySkipped)
                }
                _ => Some(ReasonCode::DependencyFailed),
            };
            // A failure behind it tells more than a skip.
            if why == Some(ReasonCode::DependencyFailed) || blocked.is_none() {
                blocked = why.or(blocked);
            }
        }
        let end = match (blocked, task.when, task.does) {
            (Some(reason), ..) => (TaskState::Skipped, Some(reason)),
            (None, Some(false), _) => (TaskState::Skipped, Some(ReasonCode::ConditionFalse)),
            (None, _, Does::Succeed) => (TaskState::Success, None),
            (None, _, Does::Fail) => (TaskState::Failed, Some(ReasonCode::PluginError)),
            (None, _, Does::FailAgain) => (TaskState::Failed, Some(ReasonCode::ExitNonzero)),
        };
        if end.0 == TaskState::Failed && !task.may_fail {
            whole = ExecutionState::Failed;
        }
        ends.push(end);
    }
    (ends, whole)
}

/// Runs a graph, cancels it after so many ends, and holds what is told on the way against the rules.
async fn run(place: &Place, tasks: &[Spec], cancel_after: Option<usize>) -> Kept {
    let (handle, mut events) = place.start(&yaml(tasks), &[]).await;
    let mut ended: HashMap<usize, TaskState> = HashMap::new();
    let (mut running, mut ends) = (0, 0);
    let number = |task: &autokestra_model::TaskId| task.as_str()[1..].parse::<usize>().expect("t and a number");
    while let Some(event) = events.recv().await {
        match event {
            RunEvent::AttemptStarted { task, .. } => {
                running += 1;
                assert!(running <= SLOTS, "{running} at a time");
                let needs = &tasks[number(&task)].needs;
                assert!(
                    needs.iter().all(|(need, _)| ended.contains_key(need)),
                    "`{task}` began before its needs ended"
                );
            }
            RunEvent::RetryPlanned { .. } => running -= 1,
            RunEvent::TaskEnded(summary) => {
                let waited = summary.state == TaskState::Cancelled && summary.attempts > 0;
                let attempted = summary.attempts > 0 && summary.state != TaskState::Skipped;
                // One that is cancelled between two attempts has none that runs.
                if attempted && !(waited && tasks[number(&summary.task)].does == Does::FailAgain) {
                    running -= 1;
                }
                ended.insert(number(&summary.task), summary.state);
                ends += 1;
                if cancel_after == Some(ends) {
                    handle.canceller().cancel(StopReason::User);
                }
            }
            _ => {}
        }
    }
    place.kept(handle.wait().await.expect("the store works")).await
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_task_ends_as_the_model_says(tasks in graph()) {
        let kept = runtime().block_on(run(&Place::new(SLOTS), &tasks, None));
        let (ends, whole) = model(&tasks);
        let found: Vec<_> = kept.detail.tasks.iter().map(|task| (task.state, task.reason)).collect();
        prop_assert_eq!(found, ends);
        prop_assert_eq!(kept.outcome.state, whole);
        for (row, task) in kept.detail.tasks.iter().zip(&tasks) {
            let expected = match (row.state, task.does) {
                (TaskState::Skipped, _) => 0,
                (_, Does::FailAgain) => 3,
                _ => 1,
            };
            prop_assert_eq!(row.attempts.len(), expected);
        }
    }

    #[test]
    fn a_cancelled_execution_leaves_every_task_ended(tasks in graph(), after in 1_usize..50) {
        let kept = runtime().block_on(run(&Place::new(SLOTS), &tasks, Some(after)));
        let (ends, whole) = model(&tasks);
        let state = kept.outcome.state;
        // The cancel may have come when all was over.
        prop_assert!(state == ExecutionState::Cancelled || state == whole);
        for (row, end) in kept.detail.tasks.iter().zip(ends) {
            prop_assert!((row.state, row.reason) == end || row.state == TaskState::Cancelled, "{:?}", row);
            prop_assert!(row.attempts.iter().all(|attempt| attempt.ended_at.is_some()), "{:?}", row);
        }
    }
}
