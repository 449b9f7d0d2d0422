//! A plugin that attacks: each way must end with the right reason, and harm nothing beside it.

mod attack;
mod cache;
mod component;
mod host;
mod run;
mod servers;
mod setup;

use std::sync::mpsc;

use autokestra_model::{ReasonCode, TaskState};

use crate::process::peak_mib;
use crate::server::{Server, response};
use crate::support::{Kept, Place, hostile_component};

/// Runs one attack beside a task that must not be harmed.
async fn attack(action: &str, more: &str) -> Kept {
    let yaml = format!(
        "id: attacked\ntasks:\n  - id: attack\n    type: test/hostile.{action}\n{more}  - id: bystander\n    type: \
         test/hostile.ok\n"
    );
    let kept = Place::new(4).run(&yaml).await;
    assert_eq!(kept.task("bystander").state, TaskState::Success);
    kept
}

/// The one place that asks how an attack failed: its reason, and a part of what it says.
async fn check(action: &str, more: &str, reason: ReasonCode, message: &str) -> Kept {
    let kept = attack(action, more).await;
    let task = kept.task("attack");
    let said = task
        .message
        .as_ref()
        .map(|message| message.as_str().to_owned())
        .unwrap_or_default();
    assert_eq!(
        (task.state, task.reason),
        (TaskState::Failed, Some(reason)),
        "{action} said: {said}"
    );
    assert!(said.contains(message), "{action} said: {said}");
    kept
}

/// For ways that are no failure: the host lives with them.
async fn outlived(action: &str, more: &str) -> Kept {
    let kept = attack(action, more).await;
    let task = kept.task("attack");
    assert_eq!(task.state, TaskState::Success, "{action}: {:?}", task.message);
    kept
}

#[tokio::test]
async fn a_loop_ends_at_its_timeout() {
    check(
        "loop-forever",
        "    timeoutSeconds: 0.3\n",
        ReasonCode::Timeout,
        "timeoutSeconds",
    )
    .await;
}

#[tokio::test]
async fn fuel_ends_a_loop() {
    let kept = check(
        "loop-forever",
        "    limits: { fuel: 1_000_000 }\n",
        ReasonCode::LimitFuel,
        "limits.fuel",
    )
    .await;
    let usage = kept.task("attack").attempts[0].usage.clone().expect("it ended");
    assert_eq!(usage.fuel, Some(1_000_000));
}

#[tokio::test]
async fn memory_without_bound_ends_at_the_limit() {
    let kept = check("allocate", "", ReasonCode::LimitMemory, "limits.memory").await;
    let peak = kept.task("attack").attempts[0]
        .usage
        .clone()
        .expect("it ended")
        .peak_memory;
    assert!(peak > 32 << 20 && peak <= 64 << 20, "{peak}");
}

#[tokio::test]
async fn recursion_without_bound_ends_at_the_stack() {
    check("recurse", "", ReasonCode::LimitStack, "stack").await;
    check("recurse-with-frames", "", ReasonCode::Trap, "recursion").await;
}

#[tokio::test]
async fn a_flood_of_output_is_cut_and_counted() {
    let kept = outlived("flood-stdout", "    limits: { logBytes: 1MiB }\n").await;
    let lines: usize = kept.lines("attack").iter().map(|line| line.len()).sum();
    assert!(lines > 1 << 19 && lines <= 1 << 20, "{lines} bytes were kept");
    let warned = kept
        .logs
        .iter()
        .any(|log| log.message.as_str().contains("limits.logBytes"));
    assert!(warned, "no entry says what was cut");
}

#[tokio::test]
async fn a_flood_of_log_calls_is_cut() {
    let kept = outlived("flood-log", "    limits: { logBytes: 64KiB }\n").await;
    assert!(kept.lines("attack").len() < 64 << 10);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_replaced() {
    let kept = outlived("invalid-utf8", "").await;
    let lines = kept.lines("attack");
    assert_eq!(
        (lines.len(), lines[0]),
        (2, "before \u{fffd}\u{fffd}\u{fffd} after"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_line_of_50_mb_is_split_and_cut() {
    let kept = outlived("long-line", "").await;
    let lines = kept.lines("attack");
    let longest = lines.iter().map(|line| line.len()).max().unwrap_or_default();
    assert!(longest <= (64 << 10) + 16, "a line of {longest} bytes");
    let all: usize = lines.iter().map(|line| line.len()).sum();
    assert!(all > 9 << 20 && all <= 10 << 20, "{all} bytes were kept of 50 MiB");
}

#[tokio::test]
async fn traps_and_panics_are_told_with_their_words() {
    check("trap", "", ReasonCode::Trap, "unreachable").await;
    check("panic", "", ReasonCode::Trap, "the guest gave up on purpose").await;
}

#[tokio::test]
async fn an_exit_is_told_with_its_code() {
    let kept = check("exit", "", ReasonCode::ExitNonzero, "exit(1)").await;
    assert_eq!(kept.lines("attack"), ["about to leave"]);
    check("exit-zero", "", ReasonCode::InvalidOutput, "exit(0)").await;
}

#[tokio::test]
async fn answers_that_are_none_are_refused() {
    check("invalid-json", "", ReasonCode::InvalidOutput, "JSON").await;
    check("large-output", "", ReasonCode::LimitOutput, "limits.output").await;
}

#[tokio::test]
async fn an_error_of_the_plugin_is_its_own() {
    let kept = check("plugin-error", "", ReasonCode::PluginError, "it did not work").await;
    let error = kept.task("attack").attempts[0].error.clone().expect("it failed");
    assert_eq!(error.code.as_str(), "bad_code__31m");
    assert!(!error.retryable);
}

/// The denials that the audit trail has, and the lines that would have granted them.
fn denials(kept: &Kept) -> (Vec<String>, Vec<String>) {
    let events = kept.audit.iter().filter(|event| event.kind == "PERMISSION_DENIED");
    let targets = events.map(|event| event.metadata.value()["target"].as_str().unwrap_or_default().to_owned());
    let lines = kept
        .logs
        .iter()
        .filter_map(|log| log.message.as_str().split_once("permissions:\n"));
    (
        targets.collect(),
        lines.map(|(_, yaml)| yaml.trim().to_owned()).collect(),
    )
}

#[tokio::test]
async fn files_outside_the_grants_are_denied_by_name() {
    let read = |path: &str| format!("    inputs: {{ path: {path} }}\n");
    let plugins = "    permissions: { filesystem: { read: [\"./plugins\"] } }\n";
    for (action, grants, path, target, yaml) in [
        (
            "read-file",
            "",
            "/etc/hostname",
            "/etc/hostname",
            "filesystem: { read: [\"/etc/hostname\"] }",
        ),
        (
            "read-file",
            plugins,
            "/db.sqlite",
            "/db.sqlite",
            "filesystem: { read: [\"./db.sqlite\"] }",
        ),
        (
            "write-file",
            plugins,
            "/plugins/new.txt",
            "/plugins/new.txt",
            "filesystem: { write: [\"./plugins\"] }",
        ),
        ("list-root", "", "/", "/", "filesystem: { read: [\".\"] }"),
    ] {
        let kept = check(action, &format!("{grants}{}", read(path)), ReasonCode::PluginError, "").await;
        assert_eq!(
            denials(&kept),
            (vec![target.to_owned()], vec![yaml.to_owned()]),
            "{action} {path}"
        );
    }
    // These never were paths of the grant: the system itself lets none lead out of a folder.
    for path in ["/plugins/../../../etc/passwd", "/plugins/../db.sqlite"] {
        check(
            "read-file",
            &format!("{plugins}{}", read(path)),
            ReasonCode::PluginError,
            "",
        )
        .await;
    }
    outlived("read-file", &format!("{plugins}{}", read("/plugins/hostile.wasm"))).await;
}

#[tokio::test]
async fn a_granted_file_opens_nothing_beside_it() {
    let file = "    permissions: { filesystem: { read: [\"./plugins/hostile.wasm\"] } }\n";
    outlived(
        "read-file",
        &format!("{file}    inputs: {{ path: /plugins/hostile.wasm }}\n"),
    )
    .await;
    for beside in [
        "/plugins/other.wasm",
        "/plugins/./../plugins/hostile.wasm/..",
        "/plugins",
    ] {
        let more = format!("{file}    inputs: {{ path: {beside} }}\n");
        check("read-file", &more, ReasonCode::PluginError, "").await;
    }
}

#[tokio::test]
async fn open_files_have_a_limit() {
    let more =
        "    permissions: { filesystem: { read: [\"./plugins\"] } }\n    inputs: { path: /plugins/hostile.wasm }\n";
    check("open-many", more, ReasonCode::LimitHandles, "64 files, then").await;
}

#[tokio::test]
async fn a_link_does_not_lead_out_of_its_folder() {
    let place = Place::new(1);
    std::fs::write(place.path("outside.txt"), "outside").expect("written");
    std::fs::create_dir(place.path("in")).expect("created");
    std::os::unix::fs::symlink(place.path("outside.txt"), place.path("in/absolute")).expect("linked");
    std::os::unix::fs::symlink("../outside.txt", place.path("in/relative")).expect("linked");
    for link in ["absolute", "relative"] {
        let yaml = format!(
            "id: attacked\ntasks:\n  - id: attack\n    type: test/hostile.read-file\n    permissions: {{ filesystem: {{ \
             read: [\"./in\"] }} }}\n    inputs: {{ path: /in/{link} }}\n"
        );
        let kept = place.run(&yaml).await;
        assert_eq!(kept.task("attack").state, TaskState::Failed, "{link}");
    }
}

#[tokio::test]
async fn no_link_can_take_the_place_of_a_granted_folder() {
    let place = Place::new(1);
    for folder in ["work/inner", "work/other", "outside"] {
        std::fs::create_dir_all(place.path(folder)).expect("created");
    }
    for secret in ["work/other/secret.txt", "outside/secret.txt"] {
        std::fs::write(place.path(secret), "not granted").expect("written");
    }
    for (target, said) in [
        // It would lead out: for this attempt, or for the next that is granted the folder.
        ("../outside", "EPERM"),
        ("x/../../outside", "EPERM"),
        // It leads to a folder beside it, and what was opened once is not opened again.
        ("other", "ENOENT"),
    ] {
        let kept = place
            .run(&format!(
                "id: attacked\ntasks:\n  - id: attack\n    type: test/hostile.swap-folder\n    inputs: {{ path: {target} \
                 }}\n    permissions: {{ filesystem: {{ read: [\"./work/inner\"], write: [\"./work\"] }} }}\n"
            ))
            .await;
        let task = kept.task("attack");
        assert_eq!(task.state, TaskState::Failed, "{target}: it read {:?}", task.output);
        let message = task.message.as_ref().map_or("", |message| message.as_str());
        assert!(message.contains(said), "{target}: {message}");
        drop(std::fs::remove_file(place.path("work/inner")));
        std::fs::rename(place.path("work/aside"), place.path("work/inner")).expect("as before");
    }
}

#[tokio::test]
async fn the_environment_is_empty() {
    let kept = outlived("read-env", "").await;
    let output = kept.task("attack").output.as_ref().map(|output| output.value().clone());
    assert_eq!(output, Some(0.into()));
}

#[tokio::test]
async fn kept_values_have_a_limit() {
    check("state-flood", "", ReasonCode::PluginError, "100 keys, then").await;
}

/// The first and the last task ask a server, and while it has not answered the host's memory is read.
#[test]
fn the_hosts_memory_stays_flat() {
    let place = crate::process::Place::with_flow("id: warm\ntasks:\n  - { id: ok, type: test/hostile.ok }\n");
    std::fs::create_dir(place.path("plugins")).expect("create a folder");
    std::fs::copy(hostile_component(), place.path("plugins/hostile.wasm")).expect("copy the component");
    place.write("config.yaml", "plugins: { directories: [plugins] }\n");
    // Compiles the component, which takes more memory than running it.
    let warm = place.run("run flow.yaml --config config.yaml").code(0);
    assert!(warm.stdout.contains("SUCCESS"), "{warm:?}");
    let (process, given) = mpsc::channel();
    let (tell, peaks) = mpsc::channel();
    let server = Server::start({
        let mut running = None;
        move |_, _| {
            let running = *running.get_or_insert_with(|| given.recv().expect("it was started"));
            tell.send(peak_mib(running)).expect("the test listens");
            response("200 OK", "text/plain", "ok")
        }
    });
    let ask = format!(
        "type: core/http.get, inputs: {{ url: 'http://127.0.0.1:{0}/' }}, permissions: {{ network: ['127.0.0.1:{0}'] }}",
        server.port
    );
    let mut flow = format!("id: floods\ntasks:\n  - {{ id: before, {ask} }}\n");
    let mut last = "before".to_owned();
    for (number, action) in ["flood-stdout", "flood-log", "long-line", "large-output", "flood-stdout"]
        .iter()
        .enumerate()
    {
        let id = format!("attack-{number}");
        flow.extend([format!(
            "  - {{ id: {id}, type: test/hostile.{action}, needs: [{{ task: {last}, on: always }}] }}\n"
        )]);
        last = id;
    }
    flow.extend([format!(
        "  - {{ id: after, {ask}, needs: [{{ task: {last}, on: always }}] }}\n"
    )]);
    place.write("flow.yaml", &flow);
    let child = place.spawn("run flow.yaml --config config.yaml --no-progress");
    process.send(child.id()).expect("the server waits for it");
    let run = place.finish(child).code(1);
    let peaks: Vec<u64> = peaks.try_iter().collect();
    let [before, after] = peaks.as_slice() else {
        panic!("both tasks ask: {peaks:?}\n{run:?}");
    };
    // One guest at a time may have 64 MiB, and 4 MiB of output.
    assert!(*after < *before + 96, "the host went from {before} MiB to {after} MiB");
}
