//! A plugin that attacks: each way must end with the right reason, and harm nothing else.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;

use crate::support::{Place, repository, target, task};

/// The component of `tests/hostile`, built from source once for all tests.
fn component() -> PathBuf {
    static COMPONENT: LazyLock<PathBuf> = LazyLock::new(|| {
        let toolchain = autokestra_toolchain::Toolchain::find().expect("a wasm toolchain: run `make setup`");
        let options = autokestra_toolchain::BuildOptions::new(repository().join("tests/hostile"), target().join("plugins"));
        toolchain.build(&options).expect("the hostile plugin builds")
    });
    COMPONENT.clone()
}

/// A place that finds the hostile plugin, with a workflow of one attack and one task beside it that must not be harmed.
fn attacked(action: &str, more: &str) -> (Place, Value) {
    let place = Place::with_flow(&format!(
        "id: attacked\ntasks:\n  - id: attack\n    type: test/hostile.{action}\n{more}  - id: bystander\n    type: \
         core/console.log\n    inputs: {{ message: unharmed }}\n"
    ));
    install(&place);
    let run = place.run("run flow.yaml").code(if OUTLIVED.contains(&action) { 0 } else { 1 });
    assert!(!run.stderr.contains('\u{1b}'), "an escape reached the terminal: {}", run.stderr);
    let execution = place.inspect();
    assert_eq!(task(&execution, "bystander")["state"], "SUCCESS", "{execution:#}");
    (place, execution)
}

/// Ways that are no failure: the host lives with them.
const OUTLIVED: &[&str] =
    &["flood-stdout", "flood-log", "invalid-utf8", "long-line", "read-env", "terminal-escape", "ok"];

fn install(place: &Place) {
    std::fs::create_dir_all(place.path("plugins")).expect("create a folder");
    std::fs::copy(component(), place.path("plugins/hostile.wasm")).expect("copy the component");
    place.write("config.yaml", "plugins:\n  directories: [./plugins]\n");
}

/// The one place that asks how an attack ended: its reason code, and a part of its message.
#[track_caller]
fn check(action: &str, more: &str, reason: &str, message: &str) -> (Place, Value) {
    let (place, execution) = attacked(action, more);
    let attack = task(&execution, "attack");
    assert_eq!((attack["state"].as_str(), attack["reasonCode"].as_str()), (Some("FAILED"), Some(reason)), "{attack:#}");
    let said = attack["attempts"][0]["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(said.contains(message), "{action} said: {said}");
    (place, execution)
}

#[track_caller]
fn outlived(action: &str, more: &str) -> (Place, Value) {
    let (place, execution) = attacked(action, more);
    assert_eq!(task(&execution, "attack")["state"], "SUCCESS", "{execution:#}");
    (place, execution)
}

fn plugin_lines(execution: &Value) -> Vec<&str> {
    let logs = execution["logs"].as_array().expect("logs are a list");
    let of_attack = |log: &&Value| log["taskId"] == "attack" && log["metadata"]["stream"].is_string();
    logs.iter().filter(of_attack).filter_map(|log| log["message"].as_str()).collect()
}

#[test]
fn a_loop_ends_at_its_timeout() {
    check("loop-forever", "    timeoutSeconds: 1\n", "timeout", "timeoutSeconds");
}

#[test]
fn memory_without_bound_ends_at_the_limit() {
    let (_, execution) = check("allocate", "", "limit_memory", "limits.memory");
    let peak = task(&execution, "attack")["attempts"][0]["usage"]["peakMemory"].as_u64();
    assert!(peak.is_some_and(|peak| peak > 32 << 20 && peak <= 64 << 20), "{peak:?}");
}

#[test]
fn recursion_without_bound_ends_at_the_stack() {
    check("recurse", "", "limit_stack", "stack");
}

#[test]
fn fuel_ends_a_loop() {
    check("loop-forever", "    limits: { fuel: 1_000_000 }\n", "limit_fuel", "limits.fuel");
}

#[test]
fn a_flood_of_output_is_cut_and_counted() {
    let (_, execution) = outlived("flood-stdout", "    limits: { logBytes: 1MiB }\n");
    let kept: usize = plugin_lines(&execution).iter().map(|line| line.len()).sum();
    assert!(kept <= 1 << 20, "{kept} bytes were kept");
    let logs = execution["logs"].as_array().expect("logs are a list");
    let warned = logs.iter().any(|log| {
        log["level"] == "WARN" && log["message"].as_str().is_some_and(|text| text.contains("limits.logBytes"))
    });
    assert!(warned, "no entry says what was cut");
}

#[test]
fn a_flood_of_log_calls_is_cut() {
    let (_, execution) = outlived("flood-log", "    limits: { logBytes: 64KiB }\n");
    assert!(plugin_lines(&execution).len() < 64 << 10);
}

#[test]
fn invalid_utf8_is_replaced() {
    let (_, execution) = outlived("invalid-utf8", "");
    let lines = plugin_lines(&execution);
    assert_eq!(lines.first(), Some(&"before \u{fffd}\u{fffd}\u{fffd} after"), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn a_line_of_50_mb_is_split_and_cut() {
    let (_, execution) = outlived("long-line", "");
    let lines = plugin_lines(&execution);
    let longest = lines.iter().map(|line| line.len()).max().unwrap_or_default();
    assert!(longest <= (64 << 10) + 64, "a line of {longest} bytes");
    let kept: usize = lines.iter().map(|line| line.len()).sum();
    assert!(kept > 9 << 20 && kept <= 11 << 20, "{kept} bytes were kept of 50 MiB");
}

#[test]
fn a_trap_is_told() {
    check("trap", "", "trap", "unreachable");
}

#[test]
fn a_panic_is_told_with_its_words() {
    check("panic", "", "trap", "the guest gave up on purpose");
}

#[test]
fn an_exit_with_a_code_is_told() {
    let (_, execution) = check("exit", "", "exit_nonzero", "7");
    assert_eq!(plugin_lines(&execution), ["about to leave"]);
}

#[test]
fn an_exit_without_an_answer_is_a_failure() {
    check("exit-zero", "", "invalid_output", "exit");
}

#[test]
fn an_answer_that_is_no_json_is_a_failure() {
    check("invalid-json", "", "invalid_output", "JSON");
}

#[test]
fn an_answer_past_its_limit_is_a_failure() {
    check("large-output", "", "limit_output", "limits.output");
}

#[test]
fn an_error_of_the_plugin_is_its_own() {
    let (_, execution) = check("plugin-error", "", "plugin_error", "it did not work");
    assert_eq!(task(&execution, "attack")["attempts"][0]["error"]["retryable"], false);
}

#[test]
fn a_file_outside_is_denied_and_the_yaml_is_shown() {
    let (_, execution) = check("read-file", "    inputs: { path: /etc/hostname }\n", "permission_denied", "");
    let logs = execution["logs"].as_array().expect("logs are a list");
    let shown = logs.iter().any(|log| {
        let text = log["message"].as_str().unwrap_or_default();
        log["level"] == "WARN" && text.contains("filesystem:") && text.contains("read: [\"/etc/hostname\"]")
    });
    assert!(shown, "no entry shows what to add: {logs:#?}");
    let events = execution["auditEvents"].as_array().expect("events are a list");
    assert!(events.iter().any(|event| event["type"] == "PERMISSION_DENIED"), "{events:#?}");
}

#[test]
fn a_path_that_leaves_the_grant_is_denied() {
    let grant = "    permissions: { filesystem: { read: [\"./plugins\"] } }\n    inputs: { path: \"/plugins/../../../etc/passwd\" }\n";
    check("read-file", grant, "permission_denied", "");
}

#[test]
fn a_link_that_leaves_the_grant_is_denied() {
    let place = Place::with_flow(
        "id: attacked\npermissions: { filesystem: { read: [\"./in\"] } }\ntasks:\n  - id: attack\n    type: \
         test/hostile.read-file\n    inputs: { path: /in/link }\n",
    );
    install(&place);
    place.write("secret.txt", "outside");
    place.write("in/file.txt", "inside");
    std::os::unix::fs::symlink(place.path("secret.txt"), place.path("in/link")).expect("make a link");
    place.run("run flow.yaml").code(1);
    let execution = place.inspect();
    assert_eq!(task(&execution, "attack")["state"], "FAILED", "{execution:#}");
}

#[test]
fn a_write_through_a_read_grant_is_denied() {
    let grant = "    permissions: { filesystem: { read: [\"./plugins\"] } }\n    inputs: { path: /plugins/new.txt }\n";
    let (place, _) = check("write-file", grant, "permission_denied", "");
    assert!(!place.path("plugins/new.txt").exists());
}

#[test]
fn the_root_is_not_listed() {
    check("list-root", "", "permission_denied", "");
}

#[test]
fn the_environment_is_empty() {
    let (_, execution) = outlived("read-env", "");
    assert_eq!(task(&execution, "attack")["output"], 0);
}

#[test]
fn open_files_have_a_limit() {
    let grant = "    permissions: { filesystem: { read: [\"./plugins\"] } }\n    inputs: { path: /plugins/hostile.wasm }\n";
    check("open-many", grant, "limit_handles", "64");
}

#[test]
fn terminal_escapes_do_not_reach_the_terminal() {
    let (place, _) = outlived("terminal-escape", "");
    let shown = place.run("execution logs last").code(0).stdout;
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
    assert!(shown.contains("cleared"), "{shown}");
}

#[test]
fn kept_state_has_a_limit() {
    check("state-flood", "", "plugin_error", "keys");
}
