//! One call into a guest: set up, run, take apart.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use autokestra_model::{Limits, ReasonCode, TraceContext};
use autokestra_secrets::{BoundSecret, Masked, Masker};
use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use tokio::sync::mpsc;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi_http::WasiHttpCtx;

use crate::attempt::{Attempt, Context, Failure, GuestEvent, Report, Stream, Usage, Work};
use crate::bindings::{Context as GuestContext, GuestPre, Manifest, TaskError};
use crate::bound::Bound;
use crate::capture::{Capture, LogBudget, SharedBudget, locked};
use crate::denial::Denials;
use crate::error::{GrantError, LoadError};
use crate::failure::{self, Wreck};
use crate::files::{Files, OPEN_MAX};
use crate::grants::Grants;
use crate::guest::{GuestState, HostSide};
use crate::http::{Egress, Http};
use crate::limiter::Limiter;
use crate::network::{Gate, Sockets, Traffic};
use crate::outside::Outside;
use crate::pinned::Pinned;
use crate::plugin::Plugin;
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

/// What came of a call: none where it took too long.
pub(crate) type Called<T> = Option<wasmtime::Result<T>>;

/// What is called in a guest, and what comes of it.
pub(crate) trait Call: Sync {
    /// What it returns.
    type Returned: Send;

    /// Makes an instance and calls it.
    fn call(&self, store: &mut Store<GuestState>) -> impl Future<Output = wasmtime::Result<Self::Returned>> + Send;

    /// The output, or why there is none.
    fn judge(&self, called: Called<Self::Returned>, remains: &Remains<'_>) -> Result<Value, Box<Failure>>;
}

/// What surrounds a program besides what is granted. A plugin has none of it.
#[derive(Default)]
pub(crate) struct Surroundings {
    pub(crate) args: Vec<String>,
    /// Each wins over a granted variable of the same name.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) stdin: Bytes,
    /// So many bytes of stdout are kept as its output; none: it is in the log alone.
    pub(crate) stdout_bytes_max: Option<u64>,
}

/// How a guest ended, and what is asked of it then.
pub(crate) struct Remains<'a> {
    pub(crate) store: &'a Store<GuestState>,
    pub(crate) stdout: &'a Capture,
    pub(crate) stderr: &'a Capture,
    pub(crate) panic: Option<Masked>,
    pub(crate) attempt: &'a Attempt,
}

impl Remains<'_> {
    /// Why a call that did not return failed.
    pub(crate) fn failure(&self, error: &wasmtime::Error) -> Failure {
        let wreck = Wreck {
            error,
            memory_refused: self.store.data().limiter.refused,
            panic: self.panic.clone(),
        };
        failure::of_call(&wreck, &self.attempt.limits, &self.attempt.masker)
    }

    /// The failure of a guest that ended by itself after it met a limit.
    pub(crate) fn limit(&self) -> Option<Failure> {
        let (guest, attempt) = (self.store.data(), self.attempt);
        if guest.limiter.refused {
            return Some(failure::of_memory(&attempt.limits, &attempt.masker));
        }
        let reason = limit_passed(guest)?;
        let text = match reason {
            ReasonCode::LimitFiles => "it wanted to leave more than 1 GiB".to_owned(),
            ReasonCode::LimitBody => "the body of a request or a response was longer than 64 MiB".to_owned(),
            _ => format!("it wanted more than its {OPEN_MAX} open files, or than its 16 connections"),
        };
        Some(failure::found(reason, attempt.masker.mask(&text), false))
    }

    /// The failure of a call that took too long.
    pub(crate) fn timeout(&self) -> Failure {
        let timeout = self.attempt.context.timeout;
        let text = format!("it took longer than {timeout:?}; raise `timeoutSeconds`");
        failure::found(ReasonCode::Timeout, self.attempt.masker.mask(&text), true)
    }
}

impl Sandbox {
    /// Runs one attempt in an instance of its own. Dropping the future stops the guest, in whatever it is doing.
    pub async fn run(&self, mut attempt: Attempt) -> Report {
        attempt.grants.hidden.clone_from(&self.inner.options.hidden);
        match &attempt.work {
            Work::Action { plugin, action, input } => self.run_action(plugin, action, input, &attempt).await,
            Work::Program { program, call } => self.run_program(program, call, &attempt).await,
        }
    }

    async fn run_action(&self, plugin: &Plugin, action: &str, input: &Value, attempt: &Attempt) -> Report {
        let code = match attempt.limits.fuel {
            None => &plugin.code,
            Some(_) => match self.fueled(plugin).await {
                Ok(code) => code,
                Err(error) => return refused(ReasonCode::PluginUnusable, attempt.masker.mask(&error.to_string())),
            },
        };
        let call = ActionCall {
            code,
            action,
            context: &attempt.context,
            input: input.to_string(),
        };
        let guest = (code.engine(), &attempt.grants);
        self.carry_out(attempt, guest, Surroundings::default(), &call).await
    }

    /// Carries an attempt out: `call` in a store of its own under the attempt's limits, its output captured.
    pub(crate) async fn carry_out(
        &self,
        attempt: &Attempt,
        (engine, grants): (&Engine, &Grants),
        surroundings: Surroundings,
        call: &impl Call,
    ) -> Report {
        let mut prepared = match prepare(engine, attempt, grants, surroundings, &self.inner.outside) {
            Ok(prepared) => prepared,
            Err(error) => return refused(ReasonCode::GrantUnusable, attempt.masker.mask(&error.to_string())),
        };
        let mut cpu = Duration::ZERO;
        let traffic = Arc::clone(&prepared.traffic);
        let called = tokio::time::timeout(
            attempt.context.timeout,
            Timed {
                call: pin!(call.call(&mut prepared.store)),
                cpu: &mut cpu,
            },
        )
        .await;
        prepared.stdout.finish().await;
        let panic = prepared.stderr.finish().await;
        let result = call.judge(
            called.ok(),
            &Remains {
                store: &prepared.store,
                stdout: &prepared.stdout,
                stderr: &prepared.stderr,
                panic,
                attempt,
            },
        );
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
            trace: None,
            outside: &Outside::default(),
        };
        let made = store(code.engine(), &setting, Surroundings::default(), streams, host);
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

pub(crate) fn refused(reason: ReasonCode, message: Masked) -> Report {
    Report {
        result: Err(Box::new(failure::found(reason, message, false))),
        usage: Usage::default(),
        state: Vec::new(),
    }
}

fn prepare(
    engine: &Engine,
    attempt: &Attempt,
    grants: &Grants,
    surroundings: Surroundings,
    outside: &Outside,
) -> Result<Prepared, GrantError> {
    let budget = LogBudget::new(attempt.limits.log_bytes);
    let capture = |stream| Capture::new(stream, &attempt.masker, attempt.events.clone(), Arc::clone(&budget));
    let (stdout, stderr) = (capture(Stream::Stdout), capture(Stream::Stderr));
    if let Some(limit) = surroundings.stdout_bytes_max {
        stdout.keep(limit);
    }
    let host = HostSide {
        masker: attempt.masker.clone(),
        events: Some(attempt.events.clone()),
        budget: Arc::clone(&budget),
        source: Some(Arc::clone(&attempt.state)),
        changes: Vec::new(),
    };
    let streams = (stdout.clone(), stderr.clone());
    let setting = Setting {
        grants,
        limits: &attempt.limits,
        bound: &attempt.bound,
        pinned: attempt.pinned,
        trace: attempt.trace,
        outside,
    };
    let (store, traffic) = store(engine, &setting, surroundings, streams, host)?;
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
    trace: Option<TraceContext>,
    outside: &'a Outside,
}

fn store(
    engine: &Engine,
    setting: &Setting<'_>,
    surroundings: Surroundings,
    (stdout, stderr): (Capture, Capture),
    host: HostSide,
) -> Result<(Store<GuestState>, Arc<Traffic>), GrantError> {
    let Setting {
        grants,
        limits,
        bound,
        pinned,
        trace,
        outside,
    } = setting;
    let mut builder = WasiCtxBuilder::new();
    builder.stdout(stdout).stderr(stderr);
    if let Some(pinned) = pinned {
        pinned.apply(&mut builder);
    }
    let given = |name: &String| surroundings.env.iter().any(|(given, _)| given == name);
    for (name, value) in grants.env.iter().filter(|(name, _)| !given(name)) {
        builder.env(name, value);
    }
    builder.envs(&surroundings.env).args(&surroundings.args);
    builder.stdin(MemoryInputPipe::new(surroundings.stdin));
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
        egress: Egress::new(gate, Arc::clone(&traffic), bound, &outside.http).traced(*trace),
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
    let mut store = Store::new(engine, state);
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

/// A call of an action.
struct ActionCall<'a> {
    code: &'a GuestPre<GuestState>,
    action: &'a str,
    context: &'a Context,
    input: String,
}

impl Call for ActionCall<'_> {
    type Returned = Result<String, TaskError>;

    async fn call(&self, store: &mut Store<GuestState>) -> wasmtime::Result<Self::Returned> {
        let guest = self.code.instantiate_async(&mut *store).await?;
        let context = GuestContext {
            execution_id: self.context.execution.to_string(),
            workflow_id: self.context.workflow.to_string(),
            task_id: self.context.task.to_string(),
            attempt: self.context.attempt,
            index: self.context.index,
            deadline_ms: u64::try_from(self.context.timeout.as_millis()).ok(),
            idempotency_key: self.context.idempotency_key.clone(),
        };
        guest.call_run(store, self.action, &context, &self.input).await
    }

    fn judge(&self, called: Called<Self::Returned>, remains: &Remains<'_>) -> Result<Value, Box<Failure>> {
        let (attempt, masker) = (remains.attempt, &remains.attempt.masker);
        match called {
            None => Err(Box::new(remains.timeout())),
            Some(Err(error)) => Err(Box::new(remains.failure(&error))),
            Some(Ok(Err(error))) => {
                let mut failure = failure::of_plugin(&error, masker);
                if failure.reason == ReasonCode::PluginError {
                    failure.reason = limit_passed(remains.store.data()).unwrap_or(failure.reason);
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
