//! What is said of a plugin before it runs, against plugins that try each thing: who calls a function can do what it does, and
//! who only imports it cannot.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{ExecutionId, Limits};
use autokestra_sandbox::{
    Ability, Attempt, Context, Grants, GuestEvent, Plugin, Proof, Report, Sandbox, SandboxOptions, StateSource, Work,
};
use autokestra_secrets::Masker;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::process;
use crate::support::{hostile_component, repository};
use crate::tries::{Contract, Way, with_more_in_it};

const OPEN: &str = "wasi:filesystem/types#[method]descriptor.open-at";

/// For each ability, every set of functions that it takes. A new ability does not compile without an entry.
fn tries(ability: Ability) -> Vec<Vec<&'static str>> {
    let each = |names: &[&'static str]| names.iter().map(|name| vec![*name]).collect();
    let opened = |names: &[&'static str]| names.iter().map(|name| vec![OPEN, *name]).collect();
    match ability {
        Ability::OpenFiles => each(&[OPEN]),
        Ability::SeeFiles => each(&[
            OPEN,
            "wasi:filesystem/types#[method]descriptor.read-directory",
            "wasi:filesystem/types#[method]descriptor.stat",
            "wasi:filesystem/types#[method]descriptor.stat-at",
            "wasi:filesystem/types#[method]descriptor.readlink-at",
            "wasi:filesystem/types#[method]descriptor.metadata-hash-at",
        ]),
        Ability::ReadFiles => opened(&[
            "wasi:filesystem/types#[method]descriptor.read",
            "wasi:filesystem/types#[method]descriptor.read-via-stream",
        ]),
        Ability::ChangeFiles => each(&[
            OPEN,
            "wasi:filesystem/types#[method]descriptor.create-directory-at",
            "wasi:filesystem/types#[method]descriptor.link-at",
            "wasi:filesystem/types#[method]descriptor.remove-directory-at",
            "wasi:filesystem/types#[method]descriptor.rename-at",
            "wasi:filesystem/types#[method]descriptor.set-times-at",
            "wasi:filesystem/types#[method]descriptor.symlink-at",
            "wasi:filesystem/types#[method]descriptor.unlink-file-at",
        ]),
        Ability::WriteFiles => opened(&[
            "wasi:filesystem/types#[method]descriptor.write",
            "wasi:filesystem/types#[method]descriptor.write-via-stream",
            "wasi:filesystem/types#[method]descriptor.append-via-stream",
        ]),
        Ability::Http => each(&["wasi:http/outgoing-handler#handle"]),
        Ability::Tcp => each(&["wasi:sockets/tcp-create-socket#create-tcp-socket"]),
        Ability::Udp => each(&["wasi:sockets/udp-create-socket#create-udp-socket"]),
        Ability::Listen => vec![vec![
            "wasi:sockets/tcp-create-socket#create-tcp-socket",
            "wasi:sockets/tcp#[method]tcp-socket.start-listen",
        ]],
        Ability::LookUp => each(&["wasi:sockets/ip-name-lookup#resolve-addresses"]),
        Ability::Environment => each(&["wasi:cli/environment#get-environment"]),
        Ability::Arguments => each(&["wasi:cli/environment#get-arguments"]),
        Ability::Stdin => [
            "wasi:io/streams#[method]input-stream.read",
            "wasi:io/streams#[method]input-stream.blocking-read",
            "wasi:io/streams#[method]input-stream.skip",
            "wasi:io/streams#[method]output-stream.splice",
        ]
        .map(|name| vec!["wasi:cli/stdin#get-stdin", name])
        .to_vec(),
        Ability::Clock => each(&[
            "wasi:clocks/monotonic-clock#now",
            "wasi:clocks/monotonic-clock#subscribe-duration",
            "wasi:clocks/wall-clock#now",
        ]),
        Ability::Random => each(&[
            "wasi:random/random#get-random-bytes",
            "wasi:random/random#get-random-u64",
            "wasi:random/insecure#get-insecure-random-u64",
            "wasi:random/insecure-seed#insecure-seed",
        ]),
        Ability::State => each(&[
            "autokestra:plugin/state#get",
            "autokestra:plugin/state#set",
            "autokestra:plugin/state#delete",
            "autokestra:plugin/state#keys",
        ]),
        Ability::Log => vec![
            vec!["autokestra:plugin/log#emit"],
            vec![
                "wasi:cli/stdout#get-stdout",
                "wasi:io/streams#[method]output-stream.write",
            ],
            vec![
                "wasi:cli/stderr#get-stderr",
                "wasi:io/streams#[method]output-stream.blocking-write-and-flush",
            ],
        ],
        Ability::Progress => each(&["autokestra:plugin/progress#report"]),
        Ability::Exit => each(&["wasi:cli/exit#exit"]),
    }
}

/// A sandbox of its own, and a folder for plugins.
struct Bench {
    sandbox: Sandbox,
    contract: Contract,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let options = SandboxOptions {
            cache: autokestra_sandbox::CacheOptions {
                folder: hostile_component().with_file_name("cache-of-tests"),
                bytes_max: 64 << 20,
            },
            max_attempts: 2,
            ..SandboxOptions::default()
        };
        Self {
            sandbox: Sandbox::new(options).expect("wasmtime runs here"),
            contract: Contract::read(),
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn file(&self, component: &[u8]) -> PathBuf {
        let path = self.folder.path().join("tries.wasm");
        std::fs::write(&path, component).expect("write a component");
        path
    }

    async fn load(&self, component: &[u8]) -> Arc<Plugin> {
        let plugin = self.sandbox.load_file(&self.file(component)).await;
        plugin.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn tries(&self, functions: &[&str], way: Way) -> Arc<Plugin> {
        self.load(&self.contract.plugin(functions, way)).await
    }

    /// Runs the plugin's action without any grant: what is left, and what it said meanwhile.
    async fn run(&self, plugin: &Arc<Plugin>) -> (Report, Vec<GuestEvent>) {
        let (events, mut said) = mpsc::channel(100);
        let attempt = Attempt {
            work: Work::Action {
                plugin: Arc::clone(plugin),
                action: "go".to_owned(),
                input: json!({}),
            },
            context: Context {
                execution: "exec-00000000000000000000000000".parse::<ExecutionId>().expect("an id"),
                workflow: "w".parse().expect("an id"),
                task: "t".parse().expect("an id"),
                attempt: 1,
                index: None,
                timeout: Duration::from_secs(60),
                idempotency_key: "k".to_owned(),
            },
            grants: Grants::none(),
            limits: Limits::default(),
            masker: Masker::none(),
            bound: Arc::default(),
            pinned: None,
            trace: None,
            events,
            state: Arc::new(NothingKept),
        };
        let report = self.sandbox.run(attempt).await;
        let mut all = Vec::new();
        while let Ok(event) = said.try_recv() {
            all.push(event);
        }
        (report, all)
    }
}

#[derive(Debug)]
struct NothingKept;

impl StateSource for NothingKept {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<String>, String>> {
        Box::pin(async { Ok(None) })
    }

    fn keys<'a>(&'a self, _: &'a str, _: usize) -> BoxFuture<'a, Result<Vec<String>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Names without the versions of their interfaces.
fn unversioned<'f>(functions: impl IntoIterator<Item = &'f str>) -> Vec<String> {
    let short = |name: &str| {
        let (interface, function) = name.split_once('#').expect("interface#function");
        format!("{}#{function}", interface.split('@').next().unwrap_or_default())
    };
    functions.into_iter().map(short).collect()
}

fn statement(can: bool, ability: Ability) -> String {
    format!("{} {}", if can { "can" } else { "cannot" }, ability.words())
}

#[track_caller]
fn says(plugin: &Arc<Plugin>, can: bool, ability: Ability) {
    let statements = plugin.capabilities.statements();
    let said = statement(can, ability);
    assert!(
        statements
            .iter()
            .any(|found| ["", ", where granted", ", which is always denied"]
                .iter()
                .any(|end| *found == format!("{said}{end}"))),
        "{said:?} is not said: {statements:?}"
    );
    assert_eq!(plugin.capabilities.can(ability), can);
}

#[tokio::test]
async fn who_tries_it_can() {
    let bench = Bench::new();
    for ability in Ability::ALL {
        for functions in tries(ability) {
            for way in [Way::Call, Way::Table] {
                let plugin = bench.tries(&functions, way).await;
                assert_eq!(plugin.proof, Proof::CallGraph, "{functions:?}");
                assert_eq!(plugin.unreachable().count(), 0, "{functions:?}");
                says(&plugin, true, ability);
            }
        }
    }
}

#[tokio::test]
async fn who_never_calls_it_cannot_and_runs_all_the_same() {
    let bench = Bench::new();
    for ability in Ability::ALL {
        for functions in tries(ability) {
            for way in [Way::Never, Way::TableNever] {
                let plugin = bench.tries(&functions, way).await;
                assert_eq!(plugin.proof, Proof::CallGraph, "{functions:?}");
                let mut expected = functions.clone();
                expected.sort_unstable();
                let mut found = unversioned(plugin.unreachable());
                found.sort_unstable();
                assert_eq!(found, expected);
                for ability in Ability::ALL {
                    says(&plugin, false, ability);
                }
                let (report, said) = bench.run(&plugin).await;
                assert_eq!(report.result.expect("it did nothing"), Value::Null, "{functions:?}");
                assert_eq!(said, [], "{functions:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_tried_is_what_happens() {
    let bench = Bench::new();
    let ends = |functions: &'static [&'static str], way| {
        let bench = &bench;
        async move { bench.run(&bench.tries(functions, way).await).await }
    };
    for way in [Way::Call, Way::Table] {
        let (_, said) = ends(&["autokestra:plugin/log#emit"], way).await;
        assert!(matches!(said.as_slice(), [GuestEvent::Log { .. }]), "{said:?}");
        let (_, said) = ends(&["autokestra:plugin/progress#report"], way).await;
        assert!(matches!(said.as_slice(), [GuestEvent::Progress { .. }]), "{said:?}");
        // A handle that it was never given.
        for function in [OPEN, "wasi:io/streams#[method]input-stream.read"] {
            let plugin = bench.tries(&[function], way).await;
            let failure = bench.run(&plugin).await.0.result.expect_err("it trapped");
            assert!(failure.message.as_str().contains("handle"), "{failure:?}");
        }
    }
}

#[tokio::test]
async fn what_only_describes_itself_is_a_way_in_too() {
    let bench = Bench::new();
    let random = &["wasi:random/random#get-random-u64"];
    says(&bench.tries(random, Way::Never).await, false, Ability::Random);
    says(&bench.tries(random, Way::Describe).await, true, Ability::Random);
}

#[tokio::test]
async fn what_is_not_followed_is_bounded_by_its_imports() {
    let bench = Bench::new();
    let component = bench
        .contract
        .plugin(&["wasi:http/outgoing-handler#handle"], Way::Never);
    says(&bench.load(&component).await, false, Ability::Http);
    let plugin = bench.load(&with_more_in_it(component)).await;
    let Proof::Imports { reason } = &plugin.proof else {
        panic!("it was followed");
    };
    assert!(reason.contains("from around it"), "{reason}");
    says(&plugin, true, Ability::Http);
    says(&plugin, false, Ability::Tcp);
    assert_eq!(plugin.reachable, plugin.imports);
    assert_eq!(plugin.unreachable().count(), 0);
}

/// What the program says of a plugin.
fn inspected(place: &process::Place, plugin: &str) -> Value {
    place.run(&format!("plugin inspect {plugin} --json")).code(0).json()
}

#[test]
fn the_first_party_plugins_can_do_this_at_most() {
    let place = process::Place::new();
    let list = place.run("plugin list --json").code(0).json();
    let mut text = String::new();
    for plugin in list.as_array().expect("a list") {
        let name = plugin["name"].as_str().expect("a name");
        let whole = inspected(&place, name);
        // Those of the engine itself are no components.
        if whole["digest"].is_null() {
            continue;
        }
        assert_eq!(whole["proof"], json!({ "by": "callGraph" }), "{name}");
        let statements = whole["capabilities"].as_array().expect("a list");
        let cans = statements
            .iter()
            .filter_map(Value::as_str)
            .filter(|said| said.starts_with("can "));
        text.extend([format!("{name}\n")]);
        text.extend(cans.map(|said| format!("  {said}\n")));
    }
    insta::assert_snapshot!("first-party-plugins-can", text);
}

#[tokio::test]
async fn what_the_build_proved_is_what_the_program_would_prove() {
    let bench = Bench::new();
    let toolchain = autokestra_toolchain::Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
    let folder = repository().join("plugins/core/console");
    let target = process::target().join("plugins");
    let built = toolchain.build(&autokestra_toolchain::BuildOptions::new(folder, target));
    let fresh = bench
        .sandbox
        .load_file(Path::new(&built.expect("it builds")))
        .await
        .expect("it loads");
    let place = process::Place::new();
    let embedded = inspected(&place, "core/console");
    assert_eq!(embedded["imports"], json!(fresh.imports));
    assert_eq!(embedded["capabilities"], json!(fresh.capabilities.statements()));
    assert_eq!(embedded["unreachable"], json!(fresh.unreachable().collect::<Vec<_>>()));
}

const IDLE: &str = "id: idle
permissions:
  network: [\"api.example.com:443\"]
  filesystem:
    read: [./in]
    write: [./out, ./more]
tasks:
  - { id: say, type: core/console.log, inputs: { message: m } }
  - { id: sure, type: core/flow.assert, inputs: { condition: true } }
  - id: keep
    type: core/file.write
    inputs: { path: out/a.txt, content: a }
    permissions: { filesystem: { write: [./out/deep] } }
finally:
  - id: last
    type: core/text.render
    inputs: { template: t }
    permissions:
      network: [\"api.example.com:443\"]
";

#[test]
fn grants_that_nothing_can_use_are_told() {
    let place = process::Place::with_flow(IDLE);
    let validated = place.run("validate flow.yaml").code(0);
    insta::assert_snapshot!("validate-unused", validated.redacted(&place));
    let run = place.run("run flow.yaml --no-progress");
    assert!(run.stderr.contains("unused_permission"), "{run:?}");
}

#[test]
fn the_examples_grant_nothing_that_is_not_used() {
    let place = process::Place::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(repository().join("examples")).expect("the examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let run = place.run(&format!("validate {}", path.display())).code(0);
            assert!(!run.stderr.contains("unused_permission"), "{run:?}");
            seen += 1;
        }
    }
    assert!(seen > 3);
}

#[test]
fn inspect_tells_people_what_it_cannot_reach() {
    let contract = Contract::read();
    let functions = [
        "wasi:http/outgoing-handler#handle",
        "wasi:cli/environment#get-environment",
    ];
    let place = process::Place::new();
    std::fs::write(place.root().join("a.wasm"), contract.plugin(&functions, Way::Never)).expect("write a component");
    insta::assert_snapshot!(
        "inspect-unreachable",
        place.run("plugin inspect a.wasm").redacted(&place)
    );
    let unfollowed = with_more_in_it(contract.plugin(&functions, Way::Never));
    std::fs::write(place.root().join("b.wasm"), unfollowed).expect("write a component");
    insta::assert_snapshot!(
        "inspect-by-imports",
        place.run("plugin inspect b.wasm").redacted(&place)
    );
    let whole = inspected(&place, "b.wasm");
    assert_eq!(whole["proof"]["by"], "imports");
}
