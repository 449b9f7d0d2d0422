//! One call into a guest: set up, run, take apart.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use autokestra_model::{Limits, ReasonCode};
use autokestra_secrets::{BoundSecret, Masked, Masker};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use tokio::sync::mpsc;
use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi_http::WasiHttpCtx;

use crate::attempt::{Attempt, Context, Failure, GuestEvent, Report, Stream, Usage};
use crate::bindings::{Context as GuestContext, GuestPre, Manifest, TaskError};
use crate::bound::Bound;
use crate::capture::{Capture, LogBudget, SharedBudget, locked};
use crate::denial::Denials;
use crate::error::{GrantError, LoadError};
use crate::failure::{self, Wreck};
use crate::files::Files;
use crate::grants::Grants;
use crate::guest::{GuestState, HostSide};
use crate::http::{Egress, Http};
use crate::limiter::Limiter;
use crate::network::{Gate, Sockets, Traffic};
use crate::outside::Outside;
use crate::pinned::Pinned;
use crate::sandbox::Sandbox;

/// The longest that a plugin may take to say what it is.
const DESCRIBE_TIME_MAX: Duration = Duration::from_secs(5);

/// Handles of all kinds that one instance may hold. A program holds a few; one that leaks them stops here.
const RESOURCES_MAX: usize = 10_000;

/// Events of a plugin that describes itself; nobody reads them.
const DESCRIBE_EVENTS: usize = 1;

/// A store and the streams of its guest.
struct Prepared {
    store: Store<GuestState>,
    stdout: Capture,
    stderr: Capture,
    budget: SharedBudget,
    traffic: Arc<Traffic>,
}

impl Sandbox {
    /// Runs one attempt in an instance of its own. Dropping the future stops the guest, in whatever it is doing.
    pub async fn run(&self, mut attempt: Attempt) -> Report {
        attempt.grants.hidden.clone_from(&self.inner.options.hidden);
        let code = match attempt.limits.fuel {
            None => &attempt.plugin.code,
            Some(_) => match self.fueled(&attempt.plugin).await {
                Ok(code) => code,
                Err(error) => return refused(ReasonCode::PluginUnusable, attempt.masker.mask(&error.to_string())),
            },
        };
        let mut prepared = match prepare(code, &attempt, &self.inner.outside) {
            Ok(prepared) => prepared,
            Err(error) => return refused(ReasonCode::GrantUnusable, attempt.masker.mask(&error.to_string())),
        };
        let mut cpu = Duration::ZERO;
        let traffic = Arc::clone(&prepared.traffic);
        let input = attempt.input.to_string();
        let call = call(code, &mut prepared.store, &attempt.action, &attempt.context, input);
        let called = tokio::time::timeout(
            attempt.context.timeout,
            Timed {
                call: pin!(call),
                cpu: &mut cpu,
            },
        )
        .await;
        prepared.stdout.finish().await;
        let panic = prepared.stderr.finish().await;
        let result = judge(called.ok(), &prepared, panic, &attempt);
        let dropped = locked(&prepared.budget).dropped;
        if dropped > 0 {
            // Whoever listened may be gone.
            drop(attempt.events.send(GuestEvent::LogTruncated { bytes: dropped }).await);
        }
        let fuel = attempt
            .limits
            .fuel
            .and_then(|fuel| Some(fuel - prepared.store.get_fuel().ok()?));
        let usage = Usage {
            fuel,
            peak_memory: prepared.store.data().limiter.peak as u64,
            cpu,
            log_bytes: locked(&prepared.budget).kept,
            bytes_in: traffic.received(),
            bytes_out: traffic.sent(),
        };
        let state = std::mem::take(&mut prepared.store.data_mut().host.changes);
        Report {
            state: if result.is_ok() { state } else { Vec::new() },
            result,
            usage,
        }
    }

    /// Asks a plugin what it is: with no permission, little memory and little time.
    pub(crate) async fn describe(&self, code: &GuestPre<GuestState>, origin: &str) -> Result<Manifest, LoadError> {
        tracing::debug!(origin, "asked what it is");
        let failed = |reason: String| LoadError::NotDescribed {
            origin: origin.to_owned(),
            reason,
        };
        let limits = Limits {
            log_bytes: 0,
            ..Limits::default()
        };
        let (events, _unread) = mpsc::channel(DESCRIBE_EVENTS);
        let masker = Masker::none();
        let budget = LogBudget::new(0);
        let streams = (
            Capture::new(Stream::Stdout, &masker, events.clone(), Arc::clone(&budget)),
            Capture::new(Stream::Stderr, &masker, events, Arc::clone(&budget)),
        );
        let host = HostSide {
            masker,
            events: None,
            budget,
            source: None,
            changes: Vec::new(),
        };
        let setting = Setting {
            grants: &Grants::none(),
            limits: &limits,
            bound: &Arc::default(),
            pinned: None,
            outside: &Outside::default(),
        };
        let made = store(code, &setting, streams, host);
        let (mut store, _) = made.map_err(|error| failed(error.to_string()))?;
        let describe = async {
            let guest = code.instantiate_async(&mut store).await?;
            guest.call_describe(&mut store).await
        };
        match tokio::time::timeout(DESCRIBE_TIME_MAX, describe).await {
            Ok(Ok(manifest)) => Ok(manifest),
            Ok(Err(error)) => Err(failed(error.root_cause().to_string())),
            Err(_) => Err(failed(format!("it took longer than {DESCRIBE_TIME_MAX:?}"))),
        }
    }
}

fn refused(reason: ReasonCode, message: Masked) -> Report {
    Report {
        result: Err(Box::new(failure::found(reason, message, false))),
        usage: Usage::default(),
        state: Vec::new(),
    }
}

fn prepare(code: &GuestPre<GuestState>, attempt: &Attempt, outside: &Outside) -> Result<Prepared, GrantError> {
    let budget = LogBudget::new(attempt.limits.log_bytes);
    let capture = |stream| Capture::new(stream, &attempt.masker, attempt.events.clone(), Arc::clone(&budget));
    let (stdout, stderr) = (capture(Stream::Stdout), capture(Stream::Stderr));
    let host = HostSide {
        masker: attempt.masker.clone(),
        events: Some(attempt.events.clone()),
        budget: Arc::clone(&budget),
        source: Some(Arc::clone(&attempt.state)),
        changes: Vec::new(),
    };
    let streams = (stdout.clone(), stderr.clone());
    let setting = Setting {
        grants: &attempt.grants,
        limits: &attempt.limits,
        bound: &attempt.bound,
        pinned: attempt.pinned,
        outside,
    };
    let (store, traffic) = store(code, &setting, streams, host)?;
    Ok(Prepared {
        store,
        stdout,
        stderr,
        budget,
        traffic,
    })
}

/// What a store is made for.
struct Setting<'a> {
    grants: &'a Grants,
    limits: &'a Limits,
    bound: &'a Arc<[BoundSecret]>,
    pinned: Option<Pinned>,
    outside: &'a Outside,
}

fn store(
    code: &GuestPre<GuestState>,
    setting: &Setting<'_>,
    (stdout, stderr): (Capture, Capture),
    host: HostSide,
) -> Result<(Store<GuestState>, Arc<Traffic>), GrantError> {
    let Setting {
        grants,
        limits,
        bound,
        pinned,
        outside,
    } = setting;
    let mut builder = WasiCtxBuilder::new();
    builder.stdout(stdout).stderr(stderr);
    builder.envs(&grants.env);
    if let Some(pinned) = pinned {
        pinned.apply(&mut builder);
    }
    let denials = Denials::new(host.masker.clone(), host.events.clone());
    let gate = Gate::new(
        Arc::clone(&grants.network),
        denials.clone(),
        Arc::clone(&outside.resolver),
    );
    let (traffic, bound) = (Arc::<Traffic>::default(), Bound::new(bound, denials.clone()));
    let sockets = Sockets::new(gate.clone(), Arc::clone(&traffic), bound.clone(), &mut builder);
    let http = Http {
        context: WasiHttpCtx::new(),
        egress: Egress::new(gate, Arc::clone(&traffic), bound, &outside.http),
    };
    let mut table = ResourceTable::new();
    table.set_max_capacity(RESOURCES_MAX);
    let state = GuestState {
        wasi: builder.build(),
        table,
        limiter: Limiter::new(limits.memory),
        host,
        http,
        files: Files::new(grants.mounts.clone(), grants.base.clone(), denials).hiding(&grants.hidden),
        sockets,
    };
    let mut store = Store::new(code.engine(), state);
    store.limiter(|state| &mut state.limiter);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    if let Some(fuel) = limits.fuel {
        // Only an engine that counts fuel takes any.
        let set = store.set_fuel(fuel);
        set.map_err(|error| GrantError::Unsupported {
            what: format!("fuel ({error})"),
        })?;
    }
    Ok((store, traffic))
}

async fn call(
    code: &GuestPre<GuestState>,
    store: &mut Store<GuestState>,
    action: &str,
    context: &Context,
    input: String,
) -> wasmtime::Result<Result<String, TaskError>> {
    let guest = code.instantiate_async(&mut *store).await?;
    let context = GuestContext {
        execution_id: context.execution.to_string(),
        workflow_id: context.workflow.to_string(),
        task_id: context.task.to_string(),
        attempt: context.attempt,
        index: context.index,
        deadline_ms: u64::try_from(context.timeout.as_millis()).ok(),
        idempotency_key: context.idempotency_key.clone(),
    };
    guest.call_run(store, action, &context, &input).await
}

/// What came of a call: none where it took too long.
fn judge(
    called: Option<wasmtime::Result<Result<String, TaskError>>>,
    prepared: &Prepared,
    panic: Option<Masked>,
    attempt: &Attempt,
) -> Result<Value, Box<Failure>> {
    let masker = &attempt.masker;
    match called {
        None => {
            let text = format!(
                "it took longer than {:?}; raise `timeoutSeconds`",
                attempt.context.timeout
            );
            Err(Box::new(failure::found(ReasonCode::Timeout, masker.mask(&text), true)))
        }
        Some(Err(error)) => {
            let memory_refused = prepared.store.data().limiter.refused;
            let wreck = Wreck {
                error: &error,
                memory_refused,
                panic,
            };
            Err(Box::new(failure::of_call(&wreck, &attempt.limits, masker)))
        }
        Some(Ok(Err(error))) => {
            let mut failure = failure::of_plugin(&error, masker);
            if failure.reason == ReasonCode::PluginError {
                failure.reason = limit_passed(prepared.store.data()).unwrap_or(failure.reason);
            }
            Err(Box::new(failure))
        }
        Some(Ok(Ok(output))) => {
            if output.len() as u64 > attempt.limits.output {
                let (size, limit) = (output.len(), attempt.limits.output);
                let text = format!("its output has {size} bytes, and {limit} are allowed; raise `limits.output`");
                return Err(Box::new(failure::found(
                    ReasonCode::LimitOutput,
                    masker.mask(&text),
                    false,
                )));
            }
            serde_json::from_str(&output).map_err(|error| {
                let text = format!("what it returned is no JSON: {error}");
                Box::new(failure::found(ReasonCode::InvalidOutput, masker.mask(&text), false))
            })
        }
    }
}

/// The limit that a guest met and told of in its own words.
fn limit_passed(guest: &GuestState) -> Option<ReasonCode> {
    if guest.files.over_quota() {
        Some(ReasonCode::LimitFiles)
    } else if guest.files.refused || guest.sockets.over_limit() {
        Some(ReasonCode::LimitHandles)
    } else if guest.http.egress.over_limit() {
        Some(ReasonCode::LimitBody)
    } else {
        None
    }
}

/// Counts the processor time of a future's polls.
struct Timed<'a, F> {
    call: Pin<&'a mut F>,
    cpu: &'a mut Duration,
}

impl<F: Future> Future for Timed<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<F::Output> {
        let before = thread_time();
        let polled = self.call.as_mut().poll(context);
        *self.cpu += thread_time().saturating_sub(before);
        polled
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
