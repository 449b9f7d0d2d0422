//! The places that lines of the documents run in: databases of real executions that the binary made, and old ones that the store's own interface wrote.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, mpsc};

use autokestra_model::{Clock as _, ExecutionId, ExecutionState, ReasonCode, Timestamp};
use autokestra_secrets::Masker;
use autokestra_store::{
    Change, Lease, LogEntry, LogLevel, LogSource, NewExecution, SqliteOptions, SqliteStore, Store, Synchronous,
    WorkflowSource,
};
use serde_json::{Value, json};

use super::scratch;
use crate::process::{Place, Run, wait_for_line, workflow_binary};
use crate::server::{Server, response};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// How long the slow execution took, in milliseconds.
pub(super) const SLOW_MS: i64 = 400_000;

/// A service of which `/ok` answers, `/busy` does not want to, and `/hang` answers once it is told to.
pub(super) struct Service {
    server: Server,
    release: mpsc::Sender<()>,
}

impl Service {
    pub(super) fn start() -> Self {
        let (release, released) = mpsc::channel();
        let released = Mutex::new(released);
        let server = Server::start_concurrent(move |_, request| {
            if request.line.contains("/busy") {
                return response("503 Service Unavailable", "text/plain", "busy");
            }
            if request.line.contains("/hang") {
                // The other end goes away with the test.
                let _told = released.lock().expect("no test panics with the lock").recv();
            }
            response("200 OK", "text/plain", "ok")
        });
        Self { server, release }
    }

    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// Lets one request to `/hang` be answered.
    pub(super) fn release(&self) {
        let _heard = self.release.send(());
    }
}

/// Where lines run, and which execution is meant by `exec-123`.
pub(super) struct Scene {
    pub(super) place: Place,
    pub(super) execution: String,
    pub(super) live: Option<Child>,
    pub(super) service: Service,
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(mut child) = self.live.take() {
            // It may have ended.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Scene {
    /// A database with executions that succeeded, failed, timed out and were cancelled, some of them an hour old and one slow.
    /// `exec-123` is one of `my-workflow` that failed; the last one is of `flow`, and left files.
    pub(super) fn ended() -> Self {
        let place = Place::new();
        scratch::files(&place);
        let service = Service::start();
        let store = Written::open(&place);
        for number in 0..24 {
            let (state, lasted) = match number {
                5 => (ExecutionState::Success, SLOW_MS),
                number if number % 3 == 0 => (ExecutionState::Failed, 10_000),
                _ => (ExecutionState::Success, 10_000),
            };
            store.execution("my-workflow", state, 90 * MINUTE - number, lasted);
        }
        store.close();
        let run = |mode: &str| {
            let line = format!(
                "run my-workflow.yaml --input mode={mode} --input service={}",
                service.address()
            );
            place.run(&line)
        };
        drop(run("ok").code(0));
        place.write(
            "waits.yaml",
            "id: waits\ntimeoutSeconds: 600\ntasks: [{ id: nap, type: core/time.sleep, inputs: { seconds: 500 } }]\n",
        );
        let mut waiting = place.spawn("run waits.yaml");
        wait_for_line(&mut waiting, "started");
        let cancelled = place.run("execution cancel last");
        assert!(cancelled.code == 0, "{cancelled:?}");
        drop(place.finish(waiting));
        place.write(
            "late.yaml",
            "id: late\ntimeoutSeconds: 0.2\ntasks: [{ id: nap, type: core/time.sleep, inputs: { seconds: 500 } }]\n",
        );
        drop(place.run("run late.yaml").code(1));
        drop(run("busy").code(1));
        let execution = last(&place);
        drop(
            place
                .run_with_input("secret set API_TOKEN", b"correct-horse-battery\n")
                .code(0),
        );
        drop(place.run("run flow.yaml").code(0));
        Self {
            place,
            execution,
            live: None,
            service,
        }
    }

    /// The same in another folder, for lines that change something.
    pub(super) fn copy(&self) -> Self {
        let place = Place::new();
        let from = format!("{}/.", self.place.root().display());
        let copied = Command::new("cp").arg("-a").arg(from).arg(place.root()).status();
        assert!(copied.expect("start cp").success());
        Self {
            place,
            execution: self.execution.clone(),
            live: None,
            service: Service::start(),
        }
    }

    /// A project of a plugin, and the same once more in the folder `hello`, with what builds need.
    pub(super) fn project() -> Self {
        let place = Place::new().with_tools();
        // One in C builds in a second.
        drop(place.run("plugin new hello --lang c").code(0));
        let copied = Command::new("cp")
            .arg("-a")
            .arg(place.path("hello/."))
            .arg(place.root())
            .status();
        assert!(copied.expect("start cp").success());
        Self {
            place,
            execution: String::new(),
            live: None,
            service: Service::start(),
        }
    }

    /// A place with nothing in it, and with what builds need.
    pub(super) fn empty() -> Self {
        Self {
            place: Place::new().with_tools(),
            execution: String::new(),
            live: None,
            service: Service::start(),
        }
    }

    /// With an execution that runs, and goes on once its service is released. It is the last one.
    pub(super) fn with_live(mut self) -> Self {
        let line = format!(
            "run my-workflow.yaml --input mode=hang --input service={}",
            self.service.address()
        );
        let mut child = self.place.spawn(&line);
        wait_for_line(&mut child, "started");
        self.live = Some(child);
        self
    }

    /// With an execution of `flow` whose task `publish` failed, and would not fail now. It is the last one.
    pub(super) fn with_failed(self) -> Self {
        std::fs::remove_file(self.place.path("ready.txt")).expect("it was there");
        drop(self.place.run("run flow.yaml").code(1));
        self.place.write("ready.txt", "yes\n");
        self
    }

    /// With the last execution as `exec-123`.
    pub(super) fn of_last(mut self) -> Self {
        self.execution = last(&self.place);
        self
    }

    /// With its live process killed. What it asked for is answered for whoever asks again.
    pub(super) fn with_dead(mut self) -> Self {
        let mut child = self.live.take().expect("one lives");
        child.kill().expect("it is killed");
        child.wait().expect("it ended");
        // One for the dead, one for whoever takes it up.
        self.service.release();
        self.service.release();
        self
    }

    /// Three that succeeded, two that failed and one that was cancelled ten days ago, each with two log entries; one of yesterday.
    pub(super) fn old() -> Self {
        let place = Place::new();
        scratch::files(&place);
        let store = Written::open(&place);
        let states = [
            ExecutionState::Success,
            ExecutionState::Success,
            ExecutionState::Success,
            ExecutionState::Failed,
            ExecutionState::Failed,
            ExecutionState::Cancelled,
        ];
        for state in states {
            store.execution("my-workflow", state, 10 * DAY, 1000);
        }
        let execution = store.execution("my-workflow", ExecutionState::Success, DAY, 1000);
        store.close();
        Self {
            place,
            execution: execution.to_string(),
            live: None,
            service: Service::start(),
        }
    }

    /// Runs a line by `bash` to its end.
    pub(super) fn bash(&self, line: &str) -> Run {
        let child = self.command(line).spawn().expect("start bash");
        let mut child = child;
        let mut stdin = child.stdin.take().expect("a pipe");
        // Whoever asks for a value is told one; the others do not listen.
        drop(std::io::Write::write_all(&mut stdin, b"correct-horse-battery\n"));
        drop(stdin);
        self.place.finish(child)
    }

    /// A line as a command of `bash`, with the binary on its path.
    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-o", "pipefail", "-c", line]);
        let folder = workflow_binary().parent().expect("a folder").display();
        let own = self.place.path("bin");
        // What the binary itself is given, by the one function that knows it.
        let given = self.place.command(["run"]);
        let tools = given
            .get_envs()
            .find(|(name, _)| *name == "PATH")
            .and_then(|(_, path)| path);
        let tools = tools.unwrap_or_default().to_string_lossy().into_owned();
        command
            .env_clear()
            .envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
            .env("PATH", format!("{folder}:{}:/usr/local/bin:{tools}", own.display()))
            .current_dir(self.place.root())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command
    }

    /// A line with the ids of the examples replaced by real ones.
    pub(super) fn substituted(&self, line: &str) -> String {
        let beginning: String = self.execution.chars().take(29).collect();
        line.replace("https://example.com/report.wasm --digest 5c2b…", "my_plugin.wasm")
            .replace("./report.wasm", "./my_plugin.wasm")
            .replace(
                "workflow plugin remove acme/report",
                "workflow plugin install my_plugin.wasm && workflow plugin remove test/hostile",
            )
            .replace(
                "workflow plugin lock flow.yaml --also acme/report",
                "workflow plugin install my_plugin.wasm && workflow plugin lock flow.yaml --also test/hostile \
                 && workflow plugin remove test/hostile",
            )
            .replace("exec-123", &self.execution)
            .replace("exec-01ke", &beginning)
            .replace("/etc/autokestra.yaml", "etc/autokestra.yaml")
    }

    /// What a command prints as JSON.
    pub(super) fn json(&self, line: &str) -> Value {
        self.place.run(line).code(0).json()
    }
}

fn last(place: &Place) -> String {
    let list = place.run("execution list --limit 1 --json").code(0).json();
    list["executions"][0]["executionId"].as_str().expect("an id").to_owned()
}

/// A database that is written by the store's own interface, so that times may be past.
struct Written {
    store: Arc<dyn Store>,
    runtime: tokio::runtime::Runtime,
    number: std::cell::Cell<u128>,
}

impl Written {
    fn open(place: &Place) -> Self {
        std::fs::create_dir_all(place.path("data")).expect("make a folder");
        let options = SqliteOptions {
            path: place.path("data/db.sqlite"),
            synchronous: Synchronous::Normal,
            size_max: None,
            slow_queries: None,
        };
        Self {
            store: Arc::new(SqliteStore::open(&options).expect("a new database")),
            runtime: tokio::runtime::Runtime::new().expect("a runtime"),
            number: std::cell::Cell::new(0),
        }
    }

    /// An execution that began so many milliseconds ago.
    fn execution(&self, workflow: &str, state: ExecutionState, ago: i64, lasted: i64) -> ExecutionId {
        let began = autokestra_engine::SystemClock.now().as_millis() - ago;
        let at = |millis: i64| Timestamp::from_millis(began + millis);
        self.number.set(self.number.get() + 1);
        let id = ExecutionId::new(at(0), self.number.get());
        let new = NewExecution {
            id,
            workflow: workflow.parse().expect("a good id"),
            trigger: "manual".to_owned(),
            inputs: Masker::none().seal(&json!({})),
            source: WorkflowSource {
                name: "my-workflow.yaml".to_owned(),
                text: Masker::none().seal(&json!(scratch::MY_WORKFLOW)),
                base: "/nowhere".to_owned(),
            },
            parent: None,
            retry_of: None,
            tasks: Vec::new(),
            at: at(0),
        };
        let change = |from: ExecutionState, to: ExecutionState, millis| Change::Execution {
            transition: from
                .to(to, (to == ExecutionState::Failed).then_some(ReasonCode::TaskFailed))
                .expect("in the table"),
            at: at(millis),
            message: None,
            outputs: None,
        };
        let log = |millis, text| LogEntry {
            execution: Some(id),
            task: None,
            attempt: None,
            at: at(millis),
            level: LogLevel::Info,
            source: LogSource::Scheduler,
            message: Masker::none().mask(text),
            metadata: None,
        };
        self.runtime.block_on(async {
            let lease: Lease = self
                .store
                .create_execution(new, at(MINUTE))
                .await
                .expect("it is created");
            let changes = vec![
                change(ExecutionState::Pending, ExecutionState::Running, 0),
                Change::Logs(vec![log(0, "Execution started"), log(lasted, "Execution ended")]),
                change(ExecutionState::Running, state, lasted),
            ];
            self.store.commit(&lease, changes).await.expect("they are made");
        });
        id
    }

    fn close(self) {
        self.runtime.block_on(self.store.close()).expect("it closes");
    }
}

/// The size of a file in bytes.
pub(super) fn size(path: &Path) -> u64 {
    std::fs::metadata(path).expect("it is there").len()
}
