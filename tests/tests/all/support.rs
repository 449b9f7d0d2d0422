//! A place of its own for each test: a temporary folder, a database, an engine, and the plugin of `tests/hostile`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use autokestra_engine::{
    Artifacts, Environment, Flow, FlowError, Flows, Given, Outcome, RunEvent, RunHandle, Runner, RunnerOptions,
    StartRequest, SystemClock,
};
use autokestra_model::{Ceiling, Folders, GivenInput, NetworkPattern, Policy, Source, Workflow};
use autokestra_sandbox::{CacheOptions, Program, Resolver, Sandbox, SandboxOptions};
use autokestra_secrets::{Masked, SecretValue, Secrets};
use autokestra_store::{
    AuditEventRow, ExecutionDetail, LogFilter, LogRow, SqliteOptions, SqliteStore, Store, Synchronous, TaskRunRow,
    WorkflowSource,
};
use futures::future::BoxFuture;
use tokio::sync::mpsc;

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ stands in the repository")
        .to_path_buf()
}

/// The component of `tests/hostile`, built from source once in this process; cargo builds it once in all.
pub(crate) fn hostile_component() -> &'static Path {
    static COMPONENT: LazyLock<PathBuf> = LazyLock::new(|| {
        let exe = std::env::current_exe().expect("the test knows its own path");
        let target = exe
            .ancestors()
            .nth(3)
            .expect("<target>/<profile>/deps/<test>")
            .to_path_buf();
        let toolchain = autokestra_toolchain::Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
        let folder = repository().join("tests/hostile");
        let options = autokestra_toolchain::BuildOptions::new(folder, target.join("plugins"));
        toolchain.build(&options).unwrap_or_else(|error| panic!("{error}"))
    });
    &COMPONENT
}

/// What workflows of tests may grant: hosts of this machine, by any name, and all folders.
pub(crate) fn this_machine() -> Policy {
    let any = NetworkPattern::parse("*:*", true).expect("a good pattern");
    let folders = || Folders {
        listed: Ceiling::new(vec!["/".into()], "the test"),
        of_workflow: true,
    };
    Policy {
        network: Some(Ceiling::new(vec![any], "the test")),
        read: folders(),
        write: folders(),
        env: Ceiling::new(vec!["*".to_owned()], "the test"),
        plugins: None,
    }
}

/// A temporary folder with a database, and an engine that finds the hostile plugin.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sandbox: Sandbox,
    runner: Runner,
    secrets: Vec<(&'static str, &'static str)>,
}

/// What is left of an execution: how it ended, and all that was kept of it.
pub(crate) struct Kept {
    pub(crate) outcome: Outcome,
    pub(crate) detail: ExecutionDetail,
    pub(crate) logs: Vec<LogRow>,
    pub(crate) audit: Vec<AuditEventRow>,
}

impl Kept {
    /// The task run of a name.
    #[track_caller]
    pub(crate) fn task(&self, id: &str) -> &TaskRunRow {
        let found = self.detail.tasks.iter().find(|task| task.task.as_str() == id);
        found.unwrap_or_else(|| panic!("no task `{id}`"))
    }

    /// What a task's plugin printed or logged.
    pub(crate) fn lines(&self, id: &str) -> Vec<&str> {
        let said = |log: &&LogRow| {
            let metadata = log
                .metadata
                .as_ref()
                .map(|metadata| metadata.value()["stream"].is_string());
            log.task.as_deref() == Some(id) && metadata == Some(true)
        };
        self.logs.iter().filter(said).map(|log| log.message.as_str()).collect()
    }
}

/// What the audit trail says was denied, in order.
pub(crate) fn denied_targets(kept: &Kept) -> Vec<String> {
    let events = kept.audit.iter().filter(|event| event.kind == "PERMISSION_DENIED");
    events
        .map(|event| event.metadata.value()["target"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// These tests start no other workflows.
#[derive(Debug)]
struct NoFlows;

impl Flows for NoFlows {
    fn find<'a>(&'a self, _: &'a Path, name: &'a str) -> BoxFuture<'a, Result<Flow, FlowError>> {
        Box::pin(async move { Err(format!("no workflow `{name}`").into()) })
    }

    fn reopen<'a>(&'a self, source: &'a WorkflowSource) -> BoxFuture<'a, Result<Flow, FlowError>> {
        self.find(Path::new("/"), &source.name)
    }

    fn check_program(&self, _: &Path, _: &str, _: &Program) -> Result<(), String> {
        Ok(())
    }
}

impl Place {
    /// A place in which `tasks` tasks run at a time.
    pub(crate) fn new(tasks: usize) -> Self {
        Self::with(tasks, None)
    }

    /// A place for one task at a time, whose names lead where `resolver` says.
    pub(crate) fn resolving(resolver: Arc<dyn Resolver>) -> Self {
        Self::with(1, Some(resolver))
    }

    /// A place in which `tasks` tasks run at a time, whose names lead where `resolver` says.
    pub(crate) fn with(tasks: usize, resolver: Option<Arc<dyn Resolver>>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins).expect("create a folder");
        std::fs::copy(hostile_component(), plugins.join("hostile.wasm")).expect("copy the component");
        let path = folder.path().join("db.sqlite");
        let store = SqliteStore::open(&SqliteOptions {
            path,
            synchronous: Synchronous::Normal,
            size_max: None,
            slow_queries: None,
        });
        let store: Arc<dyn Store> = Arc::new(store.expect("a new database"));
        // One cache for all tests: the component is compiled once.
        let cache = CacheOptions {
            folder: hostile_component().with_file_name("cache-of-tests"),
            bytes_max: 64 << 20,
        };
        let options = SandboxOptions {
            directories: vec![plugins],
            cache,
            max_attempts: tasks,
            // Tests have only this machine to connect to; what a workflow may grant itself has tests of its own.
            policy: this_machine(),
            resolver,
            ..SandboxOptions::default()
        };
        let sandbox = Sandbox::new(options).expect("wasmtime runs here");
        let options = RunnerOptions {
            max_concurrent_workflows: 4,
            max_concurrent_tasks: tasks,
            default_timeout: Duration::from_secs(60),
            default_fuel: None,
            log_buffer: 100,
            log_debug: false,
            log_flush: Duration::from_millis(50),
            artifacts: Artifacts::new(folder.path().join("artifacts")),
            lease: Duration::from_secs(15),
        };
        let runner = Runner::new(options, Arc::clone(&store), sandbox.clone(), Arc::new(SystemClock), 7);
        Self {
            folder,
            store,
            sandbox,
            runner,
            secrets: Vec::new(),
        }
    }

    /// Gives a secret its value.
    pub(crate) fn secret(mut self, name: &'static str, value: &'static str) -> Self {
        self.secrets.push((name, value));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a workflow, and says what its observer is told.
    pub(crate) async fn start(&self, yaml: &str, inputs: &[(&str, &str)]) -> (RunHandle, mpsc::Receiver<RunEvent>) {
        let source = Source::new("flow.yaml", yaml);
        let style = autokestra_model::RenderStyle {
            color: false,
            width: 100,
        };
        let parsed = Workflow::parse(&source).unwrap_or_else(|errors| panic!("{}", errors.render(&source, style)));
        let given = inputs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), GivenInput::Text((*value).to_owned())));
        let inputs = parsed
            .workflow
            .bind_inputs(&given.collect::<BTreeMap<_, _>>())
            .expect("the inputs fit");
        let secrets = self.secrets.iter().map(|(name, value)| {
            (
                name.parse().expect("a good name"),
                SecretValue::new((*value).to_owned()),
            )
        });
        let (observer, events) = mpsc::channel(10_000);
        let request = StartRequest {
            given: Given {
                workflow: Arc::new(parsed.workflow),
                secrets: secrets.collect::<Secrets>(),
                base: self.folder.path().to_path_buf(),
                environment: Environment::new(|_| None),
                actor: Masked::literal("a test"),
                observer: Some(observer),
                flows: Arc::new(NoFlows),
            },
            inputs,
            source: (source.name().to_owned(), source.text().to_owned()),
            trigger: "manual",
            retry: None,
        };
        (self.runner.start(request).await.expect("it starts"), events)
    }

    /// Runs a workflow to its end.
    pub(crate) async fn run(&self, yaml: &str) -> Kept {
        self.run_with(yaml, &[]).await
    }

    /// Runs a workflow with inputs to its end.
    pub(crate) async fn run_with(&self, yaml: &str, inputs: &[(&str, &str)]) -> Kept {
        let (handle, mut events) = self.start(yaml, inputs).await;
        let listening = tokio::spawn(async move { while events.recv().await.is_some() {} });
        let outcome = handle.wait().await.expect("the store works");
        listening.await.expect("the listener ends");
        self.kept(outcome).await
    }

    /// What was kept of an execution that ended.
    pub(crate) async fn kept(&self, outcome: Outcome) -> Kept {
        let detail = self
            .store
            .execution(outcome.execution)
            .await
            .expect("it is read")
            .expect("it is there");
        let filter = LogFilter {
            execution: Some(outcome.execution),
            ..LogFilter::default()
        };
        let mut rows = self.store.logs(filter);
        let mut logs = Vec::new();
        while let Some(row) = rows.recv().await {
            logs.push(row.expect("a row"));
        }
        let audit = self.store.audit_events(outcome.execution).await.expect("they are read");
        Kept {
            outcome,
            detail,
            logs,
            audit,
        }
    }

    /// Whether the bytes of the database or its log hold `text`.
    pub(crate) fn database_holds(&self, text: &str) -> bool {
        ["db.sqlite", "db.sqlite-wal"]
            .iter()
            .filter_map(|name| std::fs::read(self.path(name)).ok())
            .any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
    }
}
