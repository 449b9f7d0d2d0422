//! What the sandbox costs: one attempt, one opened file, one connection, each against bare wasmtime doing the same in this run.
//!
//! Both sides have one engine's settings and one component; they take turns, so that both see the same machine.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench measures the clock, prints what it found, and may stop at anything"
)]

#[path = "../../host/crates/sandbox/src/codegen.rs"]
mod codegen;
mod report;
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "guest",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use autokestra_model::{Ceiling, ExecutionId, Folders, Limits, NetworkPattern, Permissions, Policy, Timestamp};
use autokestra_sandbox::{Attempt, Context, Grants, Plugin, Sandbox, SandboxOptions, StateSource, Work};
use autokestra_secrets::Masker;
use bindings::autokestra::plugin::types::Context as GuestContext;
use bindings::autokestra::plugin::{log, progress, state, types};
use futures::future::BoxFuture;
use report::{machine, median, update};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

/// Attempts of each side.
const ATTEMPTS: usize = 3000;

/// Rounds of a guest that measures its own calls.
const ROUNDS: usize = 15;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut table = String::from("| what | bare wasmtime | the sandbox | |\n| --- | --- | --- | --- |\n");
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "x").unwrap();
        let ours = Ours::new(folder.path()).await;
        let bare = Bare::new().await;
        for line in [
            attempt(&ours, &bare).await,
            calls(
                "a file opened",
                "measure-open",
                "/d/file 2000",
                &ours,
                &bare,
                folder.path(),
            )
            .await,
            connections(&ours, &bare, folder.path()).await,
        ] {
            println!("{line}");
            table.push_str(&line);
            table.push('\n');
        }
    });
    let machine = machine();
    println!("{machine}");
    update("sandbox", &table, &machine);
}

async fn attempt(ours: &Ours, bare: &Bare) -> String {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for round in 0..ATTEMPTS + 200 {
        let start = Instant::now();
        bare.call("ok", "{}", None).await;
        let took = start.elapsed();
        let start = Instant::now();
        ours.call("ok", "{}", &Permissions::default()).await;
        if round >= 200 {
            first.push(took);
            second.push(start.elapsed());
        }
    }
    let (floor, took) = (median(first), median(second));
    let ratio = took.as_secs_f64() / floor.as_secs_f64();
    format!("| one attempt: instance, call, capture, drop | {floor:.1?} | {took:.1?} | {ratio:.2} times |")
}

async fn connections(ours: &Ours, bare: &Bare, folder: &Path) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    calls(
        "a connection by a socket",
        "measure-connect",
        &format!("127.0.0.1:{port} 300"),
        ours,
        bare,
        folder,
    )
    .await
}

/// A guest does one thing many times and gives the nanoseconds of one.
async fn calls(what: &str, action: &str, input: &str, ours: &Ours, bare: &Bare, folder: &Path) -> String {
    let input = json!({ "what": input }).to_string();
    let permissions = Permissions {
        network: vec![NetworkPattern::parse("127.0.0.1:*", false).unwrap()],
        read: vec!["d".to_owned()],
        ..Permissions::default()
    };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        first.push(nanos(&bare.call(action, &input, Some(folder)).await));
        second.push(nanos(&ours.call(action, &input, &permissions).await.to_string()));
    }
    let (floor, took) = (median(first), median(second));
    let more = took.saturating_sub(floor);
    format!("| {what} | {floor:.2?} | {took:.2?} | {more:.2?} more |")
}

fn nanos(text: &str) -> Duration {
    Duration::from_nanos(text.trim().parse().unwrap())
}

/// The sandbox with the hostile component, which has what is measured.
struct Ours {
    sandbox: Sandbox,
    plugin: Arc<Plugin>,
    base: std::path::PathBuf,
}

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

impl Ours {
    async fn new(folder: &Path) -> Self {
        let base = folder.join("base");
        std::fs::create_dir(&base).unwrap();
        std::os::unix::fs::symlink(folder, base.join("d")).unwrap();
        let everything = Folders {
            listed: Ceiling::new(vec!["/".into()], "the bench"),
            of_workflow: true,
        };
        let any = NetworkPattern::parse("*:*", true).unwrap();
        let options = SandboxOptions {
            max_attempts: 1,
            policy: Policy {
                network: Some(Ceiling::new(vec![any], "the bench")),
                read: everything.clone(),
                write: everything,
                ..Policy::default()
            },
            ..SandboxOptions::default()
        };
        let sandbox = Sandbox::new(options).unwrap();
        let plugin = sandbox.load_file(&component()).await.unwrap();
        Self { sandbox, plugin, base }
    }

    async fn call(&self, action: &str, input: &str, permissions: &Permissions) -> Value {
        let (events, mut said) = mpsc::channel(64);
        let grants = Grants::resolve(permissions, &self.base, &|_| None, self.sandbox.policy()).unwrap();
        let attempt = Attempt {
            work: Work::Action {
                plugin: Arc::clone(&self.plugin),
                action: action.to_owned(),
                input: serde_json::from_str(input).unwrap(),
            },
            context: Context {
                execution: ExecutionId::new(Timestamp::from_millis(0), 0),
                workflow: "bench".parse().unwrap(),
                task: "task".parse().unwrap(),
                attempt: 1,
                index: None,
                timeout: Duration::from_secs(60),
                idempotency_key: "key".to_owned(),
            },
            grants,
            limits: Limits::default(),
            masker: Masker::none(),
            bound: Arc::default(),
            pinned: None,
            trace: None,
            events,
            state: Arc::new(NoState),
        };
        let (report, ()) = tokio::join!(self.sandbox.run(attempt), async {
            while said.recv().await.is_some() {}
        });
        report.result.unwrap()
    }
}

/// wasmtime with the same settings, and WASI as it comes.
struct Bare {
    engine: Engine,
    code: bindings::GuestPre<State>,
}

struct State {
    wasi: WasiCtx,
    http: (WasiHttpCtx, NoRequests),
    table: ResourceTable,
}

/// The component can ask by HTTP as well; what is measured does not.
struct NoRequests;

type Sent = Result<
    (
        http::Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiHttpHooks for NoRequests {
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.http.1,
            table: &mut self.table,
            ctx: &mut self.http.0,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl types::Host for State {}

/// What is measured calls none of these.
impl log::Host for State {
    async fn emit(&mut self, _: log::Level, _: String, _: Vec<(String, String)>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl progress::Host for State {
    async fn report(&mut self, _: u64, _: Option<u64>, _: Option<String>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl state::Host for State {
    async fn get(&mut self, _: String) -> wasmtime::Result<Result<Option<String>, String>> {
        Ok(Ok(None))
    }

    async fn set(&mut self, _: String, _: String) -> wasmtime::Result<Result<(), String>> {
        Ok(Ok(()))
    }

    async fn delete(&mut self, _: String) -> wasmtime::Result<Result<(), String>> {
        Ok(Ok(()))
    }

    async fn keys(&mut self, _: String) -> wasmtime::Result<Result<Vec<String>, String>> {
        Ok(Ok(Vec::new()))
    }
}

impl Bare {
    async fn new() -> Self {
        let mut config = Config::new();
        codegen::configure(&mut config, false);
        let mut pool = PoolingAllocationConfig::new();
        pool.linear_memory_keep_resident(1 << 20);
        pool.table_keep_resident(1 << 20);
        pool.pagemap_scan(Enabled::Auto);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).unwrap();
        let component = Component::from_file(&engine, component()).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        bindings::Guest::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).unwrap();
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).unwrap();
        let code = linker
            .instantiate_pre(&component)
            .and_then(bindings::GuestPre::new)
            .unwrap();
        Self { engine, code }
    }

    async fn call(&self, action: &str, input: &str, folder: Option<&Path>) -> String {
        let mut builder = WasiCtxBuilder::new();
        if let Some(folder) = folder {
            // The hardest floor: no other thread has a part in opening.
            builder.allow_blocking_current_thread(true);
            builder.preopened_dir(folder, "/d", FsPerms::ReadOnly).unwrap();
            builder
                .allow_tcp(true)
                .socket_addr_check(|_, _| Box::pin(async { true }));
        }
        let state = State {
            wasi: builder.build(),
            http: (WasiHttpCtx::new(), NoRequests),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&self.engine, state);
        store.set_epoch_deadline(1_000_000);
        let guest = self.code.instantiate_async(&mut store).await.unwrap();
        let context = GuestContext {
            execution_id: String::new(),
            workflow_id: "bench".to_owned(),
            task_id: "task".to_owned(),
            attempt: 1,
            index: None,
            deadline_ms: None,
            idempotency_key: "key".to_owned(),
        };
        guest
            .call_run(&mut store, action, &context, &input.to_owned())
            .await
            .unwrap()
            .unwrap()
    }
}

/// The component of `tests/hostile`, built from source.
fn component() -> std::path::PathBuf {
    let toolchain = autokestra_toolchain::Toolchain::find().unwrap();
    let root = report::repository();
    let options = autokestra_toolchain::BuildOptions::new(root.join("tests/hostile"), root.join("target/plugins"));
    toolchain.build(&options).unwrap()
}
