//! Runs every attack of `tests/hostile/attacks/`, and looks at the host after each.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use autokestra_model::{Source, Workflow};
use autokestra_sandbox::{Sandbox, SandboxOptions};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::attack::{Attack, Must, folder, of_area};
use super::component;
use super::host::Host;
use super::servers::Hostile;
use super::setup;
use crate::process;
use crate::sockets::Names;
use crate::support::{Kept, Place, denied_targets, hostile_component};

/// The folders of attacks. Each is a test of its own, so that they run beside each other.
const AREAS: [&str; 13] = [
    "authoring",
    "paths",
    "links",
    "network",
    "http",
    "limits",
    "handles",
    "loading",
    "manifests",
    "yaml",
    "expressions",
    "secrets",
    "terminal",
];

/// Fewest attacks that there are.
const ATTACKS_MIN: usize = 60;

/// The longest that one attack may hold the host up.
const ATTACK_TIME_MAX: Duration = Duration::from_secs(45);

/// The value of the secret that every attack may list.
const SECRET: &str = "hunter2-hunter2";

/// Runs all attacks of one area in this process, and tells of all that did not end as they must.
fn area(name: &str) {
    let warm = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    warm.block_on(async {
        let place = Place::new(1);
        let kept = place
            .run("id: warm\ntasks:\n  - { id: ok, type: test/hostile.ok }\n")
            .await;
        assert_eq!(kept.task("ok").state.as_str(), "SUCCESS");
        // The compiler's threads stay, so they are there before anything is counted. Without a cache it has something to do.
        let path = place.path("plugins/made.wasm");
        component::put(&component::Made::plain(), &path);
        let sandbox = Sandbox::new(SandboxOptions::default()).expect("wasmtime runs here");
        sandbox.load_file(&path).await.expect("it is a good one");
    });
    warm.shutdown_timeout(ATTACK_TIME_MAX);
    let host = Host::now();
    let mut wrong = Vec::new();
    for path in of_area(name) {
        let mut complaints = once(&Attack::read(&path));
        complaints.extend(host.changed());
        let title = path.strip_prefix(folder()).expect("below it").display().to_string();
        wrong.extend(complaints.into_iter().map(|complaint| format!("{title}: {complaint}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn once(attack: &Attack) -> Vec<String> {
    Host::mark();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let server = attack.server.map(|kind| runtime.block_on(Hostile::start(kind)));
    let port = server.as_ref().map_or(1, |server| server.port);
    let mut complaints = if attack.program.is_empty() {
        match runtime.block_on(async { tokio::time::timeout(ATTACK_TIME_MAX, inside(attack, port)).await }) {
            Ok(complaints) => complaints,
            Err(_) => vec![format!("it held the engine up for {ATTACK_TIME_MAX:?}")],
        }
    } else {
        by_program(attack, port)
    };
    if let Some(server) = server {
        complaints.extend(judge_server(&server, &attack.must, &runtime));
    }
    runtime.shutdown_timeout(ATTACK_TIME_MAX);
    complaints
}

/// What the server saw, and that nobody is connected to it any more.
fn judge_server(server: &Hostile, must: &Must, runtime: &Runtime) -> Vec<String> {
    let gone = async {
        while server.open() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let mut complaints = Vec::new();
    if runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(5), gone).await })
        .is_err()
    {
        complaints.push(format!("{} connections outlived the attempt", server.open()));
    }
    if let Some(asked) = must.asked
        && asked != server.taken()
    {
        complaints.push(format!("{} connections reached the server", server.taken()));
    }
    let heard = server.heard();
    let unasked = must.unasked.iter().filter(|text| heard.contains(text.as_str()));
    complaints.extend(unasked.map(|text| format!("the server was told `{text}`: {heard}")));
    complaints
}

/// Runs an attack in the engine, as a library.
async fn inside(attack: &Attack, port: u16) -> Vec<String> {
    let names = attack.names.iter().fold(Names::default(), |names, (name, answers)| {
        let answers: Vec<Vec<&str>> = answers
            .iter()
            .map(|answer| answer.iter().map(String::as_str).collect())
            .collect();
        let answers: Vec<&[&str]> = answers.iter().map(Vec::as_slice).collect();
        names.with(name, &answers)
    });
    let place = Place::with(4, Some(Arc::new(names))).secret("TOKEN", SECRET);
    let root = place.path("");
    let beside = setup::make(&root, &attack.setup);
    let mut complaints = Vec::new();
    let made = attack.component.as_ref().map(|made| {
        let path = place.path("plugins/made.wasm");
        component::put(made, &path);
        path
    });
    let refused = || attack.must.refused.as_ref().and_then(|_| attack.flow(port));
    if let Some(text) = attack.text(port).or_else(refused) {
        complaints.extend(parse(&text, &attack.must));
    } else if let Some(flow) = attack.flow(port) {
        let kept = place.run(&flow).await;
        complaints.extend(judge(attack, &kept, &place));
    } else {
        let path = made.clone().expect("an attack has a task, a text, or a component");
        complaints.extend(load(&place, &path, &attack.must).await);
    }
    drop(beside);
    complaints.extend(left(&root, &attack.must));
    if let Some(path) = made.filter(|_| attack.must.refused.is_some()) {
        // One file that cannot be used is told; without it all others are.
        remove(&path);
    }
    let after = place
        .run("id: after\ntasks:\n  - { id: ok, type: test/hostile.ok }\n")
        .await;
    if after.task("ok").state.as_str() != "SUCCESS" {
        complaints.push(format!(
            "the engine does not run a plain task any more: {:?}",
            after.task("ok").message
        ));
    }
    complaints
}

fn remove(path: &Path) {
    if path.is_dir() {
        std::fs::remove_dir(path).expect("it is empty");
    } else {
        std::fs::remove_file(path).expect("it is there");
    }
}

/// A text that is no workflow says why, in a report that a person can read.
fn parse(text: &str, must: &Must) -> Vec<String> {
    let source = Source::new("flow.yaml", text);
    let style = autokestra_model::RenderStyle {
        color: false,
        width: 100,
    };
    let wanted = must.refused.as_deref().unwrap_or_default();
    match Workflow::parse(&source) {
        Ok(_) => vec!["it was taken for a workflow".to_owned()],
        Err(errors) => {
            let report = errors.render(&source, style);
            let mut complaints = part("the report", &report, Some(wanted));
            if report.len() > 64 << 10 {
                complaints.push(format!("the report has {} bytes", report.len()));
            }
            complaints
        }
    }
}

async fn load(place: &Place, path: &Path, must: &Must) -> Vec<String> {
    let loaded = place.sandbox.load_file(path).await;
    match (loaded, &must.refused) {
        (Err(error), Some(_)) => part("the refusal", &error.to_string(), must.refused.as_deref()),
        (Err(error), None) => vec![format!("it was refused: {error}")],
        (Ok(_), Some(_)) => vec!["it was loaded".to_owned()],
        (Ok(_), None) => Vec::new(),
    }
}

/// Whether a text has a part.
fn part(what: &str, text: &str, wanted: Option<&str>) -> Vec<String> {
    match wanted {
        Some(wanted) if !text.contains(wanted) => vec![format!("{what} has no `{wanted}`: {}", short(text))],
        _ => Vec::new(),
    }
}

fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(2000)).unwrap_or(text)
}

fn judge(attack: &Attack, kept: &Kept, place: &Place) -> Vec<String> {
    let must = &attack.must;
    let mut complaints = Vec::new();
    if kept.task("bystander").state.as_str() != "SUCCESS" {
        complaints.push(format!(
            "the bystander was harmed: {:?}",
            kept.task("bystander").message
        ));
    }
    for number in 0..attack.attackers() {
        let id = if attack.attackers() > 1 {
            format!("attack-{number}")
        } else {
            "attack".to_owned()
        };
        let found = kept
            .detail
            .tasks
            .iter()
            .find(|task| task.task.as_str() == id || task.task.as_str() == "attack-0");
        let task = found.map_or_else(|| kept.task("attack"), |_| kept.task(&id));
        let said = task
            .message
            .as_ref()
            .map(|message| message.as_str().to_owned())
            .unwrap_or_default();
        let output = task.output.as_ref().map(|output| output.value().clone());
        let ended = (
            task.state.as_str(),
            task.reason.map(|reason| reason.as_str().to_owned()),
        );
        let state = must.state.as_deref().unwrap_or("FAILED");
        if ended.0 != state || (must.reason.is_some() && must.reason != ended.1) {
            complaints.push(format!(
                "{id} ended {ended:?}: {said} {}",
                short(&format!("{output:?}"))
            ));
        }
        complaints.extend(part(&format!("the message of {id}"), &said, must.message.as_deref()));
        if must.output.is_some() && must.output != output {
            complaints.push(format!("{id} gave {}", output.unwrap_or(Value::Null)));
        }
    }
    if let Some(denied) = &must.denied {
        let (mut wanted, mut found) = (denied.clone(), denied_targets(kept));
        wanted.sort();
        found.sort();
        if wanted != found {
            complaints.push(format!("denied were {found:?}"));
        }
    }
    if let Some(log) = &must.log
        && !kept
            .logs
            .iter()
            .any(|entry| entry.message.as_str().contains(log.as_str()))
    {
        let all: Vec<&str> = kept.logs.iter().map(|entry| entry.message.as_str()).collect();
        complaints.push(format!("no log entry has `{log}`: {}", short(&all.join("\n"))));
    }
    complaints.extend(nowhere(kept, place, &must.nowhere));
    complaints
}

/// What must stand in no log, output, message or file of the database.
fn nowhere(kept: &Kept, place: &Place, texts: &[String]) -> Vec<String> {
    let said = format!("{:?} {:?} {:?}", kept.detail, kept.logs, kept.audit);
    let found = texts
        .iter()
        .filter(|text| said.contains(text.as_str()) || place.database_holds(text));
    found.map(|text| format!("`{text}` was kept")).collect()
}

/// What is in the place afterwards.
fn left(root: &Path, must: &Must) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in &must.leaves {
        let found = std::fs::read_to_string(root.join(path)).map_err(|error| error.to_string());
        if found.as_ref() != Ok(text) {
            complaints.push(format!("in {path} is {found:?}"));
        }
    }
    let there = must
        .without
        .iter()
        .filter(|path| root.join(path).symlink_metadata().is_ok());
    complaints.extend(there.map(|path| format!("{path} is there")));
    complaints
}

/// Runs an attack by the program, as a process.
fn by_program(attack: &Attack, port: u16) -> Vec<String> {
    let must = &attack.must;
    let mut place = process::Place::new();
    place.set("WORKFLOW_SECRET_TOKEN", SECRET);
    place.write("config.yaml", "plugins: { directories: [plugins] }\n");
    place.write("plugins/.kept", "");
    std::fs::copy(hostile_component(), place.path("plugins/hostile.wasm")).expect("copied");
    let _beside = setup::make(place.root(), &attack.setup);
    if let Some(made) = &attack.component {
        component::put(made, &place.path("plugins/made.wasm"));
    }
    let flow = attack.text(port).or_else(|| attack.flow(port)).unwrap_or_default();
    place.write("flow.yaml", &flow);
    let (mut complaints, mut shown) = (Vec::new(), String::new());
    for (number, line) in attack.program.iter().enumerate() {
        let run = place.run(line);
        let code = must.codes.get(number).copied().unwrap_or_default();
        // A guest's own panic stands behind the time of its log line.
        if run.code != code || run.stderr.lines().any(|line| line.starts_with("thread '")) {
            complaints.push(format!(
                "`{line}` ended with {}: {}{}",
                run.code,
                short(&run.stdout),
                short(&run.stderr)
            ));
        }
        for (stream, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
            if let Some(c) = text.chars().find(|c| moves(*c)) {
                complaints.push(format!(
                    "`{line}` wrote {:?} to {stream}: {}",
                    c,
                    short(text).escape_debug()
                ));
            }
            shown.push_str(text);
        }
    }
    for wanted in &must.shows {
        complaints.extend(part("what it prints", &shown, Some(wanted)));
    }
    let told = must.nowhere.iter().filter(|text| shown.contains(text.as_str()));
    complaints.extend(told.map(|text| format!("`{text}` was printed")));
    complaints.extend(left(place.root(), must));
    complaints
}

/// Whether a terminal obeys a character, or reads on in another direction.
fn moves(c: char) -> bool {
    let direction =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    direction || (c.is_control() && c != '\n' && c != '\t')
}

#[test]
fn there_are_enough_attacks_and_none_is_forgotten() {
    let found = std::fs::read_dir(folder()).expect("the attacks are there").flatten();
    let mut names: Vec<String> = found
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut areas = AREAS.to_vec();
    areas.sort_unstable();
    assert_eq!(names, areas, "a folder has no test");
    let paths: Vec<_> = AREAS.iter().flat_map(|area| of_area(area)).collect();
    for path in &paths {
        assert!(
            path.extension().is_some_and(|extension| extension == "yaml"),
            "{} is not run",
            path.display()
        );
        assert!(Attack::read(path).way.len() > 20, "{} says too little", path.display());
    }
    assert!(paths.len() >= ATTACKS_MIN, "{} attacks", paths.len());
}

#[test]
fn paths_lead_nowhere() {
    area("paths");
}

#[test]
fn links_lead_nowhere() {
    area("links");
}

#[test]
fn addresses_lead_nowhere() {
    area("network");
}

#[test]
fn hostile_servers_harm_nobody() {
    area("http");
}

#[test]
fn limits_end_what_has_no_end() {
    area("limits");
}

#[test]
fn handles_are_what_they_are() {
    area("handles");
}

#[test]
fn files_that_are_no_plugins_are_refused() {
    area("loading");
}

#[test]
fn manifests_that_lie_are_refused() {
    area("manifests");
}

#[test]
fn files_that_explode_are_refused() {
    area("yaml");
}

#[test]
fn expressions_end() {
    area("expressions");
}

#[test]
fn secrets_stay() {
    area("secrets");
}

#[test]
fn projects_stay_where_they_are() {
    area("authoring");
}

#[test]
fn terminals_are_not_moved() {
    area("terminal");
}
