//! Limits by the sandbox's own face: what is pinned is the same each time.

use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{ExecutionId, Limits, Timestamp};
use autokestra_sandbox::{
    Attempt, Context, Grants, Pinned, Plugin, Report, Sandbox, SandboxOptions, StateSource, Work,
};
use autokestra_secrets::Masker;
use futures::future::BoxFuture;
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::hostile_component;

#[derive(Debug)]
struct NoState;

impl StateSource for NoState {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<String>, String>> {
        Box::pin(async { Ok(None) })
    }

    fn keys<'a>(&'a self, _: &'a str, _: usize) -> BoxFuture<'a, Result<Vec<String>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

async fn run(sandbox: &Sandbox, plugin: &Arc<Plugin>, fuel: Option<u64>, pinned: Option<Pinned>) -> Report {
    let (events, mut said) = mpsc::channel(16);
    let attempt = Attempt {
        work: Work::Action {
            plugin: Arc::clone(plugin),
            action: "chance".to_owned(),
            input: json!({}),
        },
        context: Context {
            execution: ExecutionId::new(Timestamp::from_millis(0), 0),
            workflow: "limits".parse().expect("a name"),
            task: "task".parse().expect("a name"),
            attempt: 1,
            index: None,
            timeout: Duration::from_secs(60),
            idempotency_key: "key".to_owned(),
        },
        grants: Grants::none(),
        limits: Limits {
            fuel,
            ..Limits::default()
        },
        masker: Masker::none(),
        bound: Arc::default(),
        pinned,
        trace: None,
        events,
        state: Arc::new(NoState),
    };
    let (report, ()) = tokio::join!(sandbox.run(attempt), async { while said.recv().await.is_some() {} });
    report
}

#[tokio::test]
async fn fuel_is_the_same_to_the_unit_where_time_and_chance_are_pinned() {
    let sandbox = Sandbox::new(SandboxOptions {
        max_attempts: 1,
        cache: autokestra_sandbox::CacheOptions {
            folder: hostile_component().with_file_name("cache-of-tests"),
            bytes_max: 64 << 20,
        },
        ..SandboxOptions::default()
    })
    .expect("wasmtime runs here");
    let plugin = sandbox.load_file(hostile_component()).await.expect("it is a plugin");
    let mut runs = Vec::new();
    let pinned = Pinned {
        now: Timestamp::from_millis(1_700_000_000_000),
        seed: 7,
    };
    for pinned in [Some(pinned), None] {
        let mut seen = Vec::new();
        for _ in 0..20 {
            let report = run(&sandbox, &plugin, Some(1 << 40), pinned).await;
            seen.push((
                report.usage.fuel.expect("it is counted"),
                report.result.expect("it succeeds"),
            ));
        }
        runs.push(seen);
    }
    assert!(runs[0].windows(2).all(|pair| pair[0] == pair[1]), "{:?}", runs[0]);
    // What is not pinned differs: the guest's work follows its randomness.
    assert!(runs[1].windows(2).any(|pair| pair[0] != pair[1]), "{:?}", runs[1]);
    let uncounted = run(&sandbox, &plugin, None, None).await;
    assert_eq!(uncounted.usage.fuel, None, "fuel is counted only where it is asked for");
}
