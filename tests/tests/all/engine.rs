//! Executions: order, conditions, retries, time limits, cancelling, secrets, and what is kept of them.

use autokestra_engine::{RunEvent, StopReason};
use autokestra_model::{ExecutionState, ReasonCode, TaskState};
use serde_json::json;

use crate::support::{Kept, Place};

fn states(kept: &Kept) -> Vec<(&str, TaskState, Option<ReasonCode>)> {
    kept.detail
        .tasks
        .iter()
        .map(|task| (task.task.as_str(), task.state, task.reason))
        .collect()
}

#[tokio::test]
async fn a_chain_runs_in_order_and_gives_its_outputs() {
    let yaml = r#"
id: chain
inputs: [{ id: count, type: integer, default: 2 }]
tasks:
  - { id: second, type: test/hostile.ok, needs: [first], when: "{{ tasks.first.output == 'ok' }}" }
  - { id: first, type: test/hostile.ok }
outputs: { said: "{{ tasks.second.output }}", count: "{{ inputs.count }}" }
"#;
    let kept = Place::new(4).run_with(yaml, &[("count", "5")]).await;
    assert_eq!(kept.outcome.state, ExecutionState::Success);
    assert_eq!(
        kept.outcome.outputs.as_ref().map(|outputs| outputs.value()),
        Some(&json!({ "said": "ok", "count": 5 }))
    );
    let kinds: Vec<&str> = kept.audit.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds[..4], ["CREATED", "TRIGGERED_BY", "STATE_CHANGE", "STARTED"]);
    assert_eq!(kinds.last(), Some(&"COMPLETED"));
    let ended = |id: &str| kept.task(id).ended_at;
    assert!(ended("first") <= kept.task("second").started_at);
    let source = format!("plugin:{}/first", kept.outcome.execution);
    let closing = kept
        .logs
        .iter()
        .find(|log| log.source == source)
        .expect("a closing entry");
    assert!(
        closing
            .metadata
            .as_ref()
            .is_some_and(|metadata| metadata.value()["duration"].is_u64())
    );
}

#[tokio::test]
async fn a_failure_skips_what_needs_it_and_nothing_else() {
    let yaml = r"
id: branches
tasks:
  - { id: bad, type: test/hostile.plugin-error }
  - { id: after, type: test/hostile.ok, needs: [bad] }
  - { id: behind, type: test/hostile.ok, needs: [after] }
  - { id: always, type: test/hostile.ok, needs: [{ task: bad, on: always }] }
  - { id: other, type: test/hostile.ok }
";
    let kept = Place::new(2).run(yaml).await;
    assert_eq!(
        (kept.outcome.state, kept.outcome.reason),
        (ExecutionState::Failed, Some(ReasonCode::TaskFailed))
    );
    let expected = [
        ("bad", TaskState::Failed, Some(ReasonCode::PluginError)),
        ("after", TaskState::Skipped, Some(ReasonCode::DependencyFailed)),
        ("behind", TaskState::Skipped, Some(ReasonCode::DependencyFailed)),
        ("always", TaskState::Success, None),
        ("other", TaskState::Success, None),
    ];
    assert_eq!(states(&kept), expected);
}

#[tokio::test]
async fn a_false_condition_skips_and_a_continued_failure_does_not() {
    let yaml = r#"
id: conditions
inputs: [{ id: on, type: boolean, default: false }]
tasks:
  - { id: maybe, type: test/hostile.ok, when: "{{ inputs.on }}" }
  - { id: then, type: test/hostile.ok, needs: [maybe] }
  - { id: bad, type: test/hostile.plugin-error, onError: continue }
  - { id: after, type: test/hostile.ok, needs: [bad], when: "{{ tasks.bad.state == 'FAILED' }}" }
"#;
    let place = Place::new(2);
    let kept = place.run(yaml).await;
    assert_eq!(kept.outcome.state, ExecutionState::Success);
    let expected = [
        ("maybe", TaskState::Skipped, Some(ReasonCode::ConditionFalse)),
        ("then", TaskState::Skipped, Some(ReasonCode::DependencySkipped)),
        ("bad", TaskState::Failed, Some(ReasonCode::PluginError)),
        ("after", TaskState::Success, None),
    ];
    assert_eq!(states(&kept), expected);
    let kept = place.run_with(yaml, &[("on", "true")]).await;
    assert_eq!(kept.task("then").state, TaskState::Success);
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again_and_waits_between() {
    let yaml = r"
id: retried
tasks:
  - { id: flaky, type: test/hostile.exit, retry: { max: 2, backoff: constant, initialSeconds: 0.01, jitter: false } }
  - { id: hopeless, type: test/hostile.plugin-error, retry: { max: 5, initialSeconds: 0.01 } }
";
    let kept = Place::new(2).run(yaml).await;
    assert_eq!(kept.task("flaky").attempts.len(), 3);
    assert_eq!(kept.task("flaky").reason, Some(ReasonCode::ExitNonzero));
    assert_eq!(
        kept.task("hopeless").attempts.len(),
        1,
        "it says itself that another attempt is of no use"
    );
    let waited = kept
        .audit
        .iter()
        .filter(|event| event.metadata.value()["to"] == "WAITING" && event.task.is_some());
    assert_eq!(waited.count(), 2);
    assert_eq!(kept.audit.iter().filter(|event| event.kind == "RETRIED").count(), 2);
}

#[tokio::test]
async fn an_execution_ends_at_its_time_limit() {
    let yaml = r"
id: slow
timeoutSeconds: 0.3
tasks:
  - { id: loops, type: test/hostile.loop-forever }
  - { id: after, type: test/hostile.ok, needs: [loops] }
";
    let kept = Place::new(2).run(yaml).await;
    assert_eq!(
        (kept.outcome.state, kept.outcome.reason),
        (ExecutionState::Failed, Some(ReasonCode::Timeout))
    );
    let cancelled = Some(ReasonCode::Timeout);
    assert_eq!(
        states(&kept),
        [
            ("loops", TaskState::Cancelled, cancelled),
            ("after", TaskState::Cancelled, cancelled)
        ]
    );
    assert_eq!(kept.audit.last().map(|event| event.kind.as_str()), Some("TIMEOUT"));
}

#[tokio::test]
async fn a_cancelled_execution_stops_at_once_and_says_so() {
    let place = Place::new(1);
    let yaml = r"
id: long
tasks:
  - { id: loops, type: test/hostile.loop-forever }
  - { id: waits, type: test/hostile.ok }
";
    let (handle, mut events) = place.start(yaml, &[]).await;
    let canceller = handle.canceller();
    while let Some(event) = events.recv().await {
        if matches!(event, RunEvent::AttemptStarted { .. }) {
            canceller.cancel(StopReason::User);
        }
    }
    let kept = place.kept(handle.wait().await.expect("the store works")).await;
    assert_eq!(kept.outcome.state, ExecutionState::Cancelled);
    let reason = Some(ReasonCode::CancelledByUser);
    assert_eq!(
        states(&kept),
        [
            ("loops", TaskState::Cancelled, reason),
            ("waits", TaskState::Cancelled, reason)
        ]
    );
    assert_eq!(kept.audit.last().map(|event| event.kind.as_str()), Some("CANCELLED"));
}

#[tokio::test]
async fn more_tasks_than_slots_all_run() {
    let mut yaml = "id: wide\ntasks:\n".to_owned();
    for number in 0..300 {
        yaml.push_str("  - { id: t");
        yaml.push_str(&number.to_string());
        yaml.push_str(", type: test/hostile.ok }\n");
    }
    let kept = Place::new(8).run(&yaml).await;
    assert_eq!(kept.outcome.state, ExecutionState::Success);
    assert!(
        kept.detail
            .tasks
            .iter()
            .all(|task| task.state == TaskState::Success && task.attempts.len() == 1)
    );
}

#[tokio::test]
async fn a_secret_is_kept_nowhere() {
    let secret = "s3cr3t-Value/with+odd=chars";
    let place = Place::new(2).secret("API_TOKEN", secret);
    let yaml = r#"
id: secretive
secrets: [API_TOKEN]
tasks:
  - { id: fails, type: test/hostile.read-file, onError: continue, inputs: { path: "/{{ secrets.API_TOKEN }}" } }
outputs: { token: "{{ secrets.API_TOKEN }}" }
"#;
    let kept = place.run(yaml).await;
    assert_eq!(
        kept.outcome.outputs.as_ref().map(|outputs| outputs.value()),
        Some(&json!({ "token": "***" }))
    );
    let inputs = kept.task("fails").inputs.as_ref().map(|inputs| inputs.value().clone());
    assert_eq!(inputs, Some(json!({ "path": "/{{ secrets.API_TOKEN }}" })));
    assert!(
        kept.audit
            .iter()
            .any(|event| event.kind == "SECRET_ACCESSED" && event.metadata.value()["name"] == "API_TOKEN")
    );
    assert!(!place.database_holds(secret));
    assert!(place.database_holds("secretive"), "the check looks at the right bytes");
}
