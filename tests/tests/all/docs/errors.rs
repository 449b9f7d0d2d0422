//! A page for every code, a code for every page, and in each an example that gives the code.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;
use std::sync::{Mutex, mpsc};

use autokestra_model::ReasonCode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use regex::Regex;
use serde_json::Value;

use super::made::made;
use super::{below, blocks, document, pages};
use crate::process::{Place, wait_for_line};
use crate::server::{Server, response};
use crate::support::repository;

/// Codes without an example, and where they are produced instead.
const NOT_SHOWN: &[(&str, &str)] = &[
    (
        "alias_expansion",
        "the file is too long for a page; host/crates/model/tests/broken.rs",
    ),
    (
        "file_too_large",
        "the file is too long for a page; host/crates/model/tests/broken.rs",
    ),
    (
        "too_many_tasks",
        "the file is too long for a page; host/crates/model/tests/broken.rs",
    ),
    (
        "expression_too_long",
        "the text is too long for a page; tests/tests/all/fuzz/expression.rs",
    ),
    (
        "not_locked",
        "needs an installed plugin and a lock; tests/tests/all/installed.rs",
    ),
    (
        "unusable_plugin",
        "needs a plugin that is damaged; tests/tests/all/programs.rs",
    ),
    (
        "limit_handles",
        "needs a program that opens many; tests/tests/all/programs.rs",
    ),
    ("internal", "needs a fault of the machine; tests/tests/all/faults.rs"),
];

/// Codes of diagnostics that are not written where the diagnostic is made, by the variable that holds them.
const BY_VARIABLE: &[(&str, &[&str])] = &[
    (
        "host/crates/model/src/workflow/parts.rs",
        &["out_of_range", "invalid_value"],
    ),
    (
        "host/crates/model/src/workflow/actions.rs",
        &["unknown_plugin", "unknown_action", "unusable_plugin"],
    ),
];

/// The codes of all diagnostics, as the sources have them.
fn diagnostics() -> BTreeSet<String> {
    let call = Regex::new(r"Diagnostic::(?:error|warning)\(\s*([^,)]+),").expect("a good pattern");
    let (mut codes, mut by_variable) = (BTreeSet::new(), BTreeSet::new());
    below(&repository().join("host"), &mut |path| {
        let path = path
            .strip_prefix(repository())
            .expect("it is below")
            .to_string_lossy()
            .into_owned();
        if !path.ends_with(".rs") || !path.contains("/src/") {
            return;
        }
        let text = document(&path);
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for found in call.captures_iter(text) {
            match found[1].strip_prefix('"').and_then(|code| code.strip_suffix('"')) {
                Some(code) => drop(codes.insert(code.to_owned())),
                None => drop(by_variable.insert(path.clone())),
            }
        }
        for code in BY_VARIABLE
            .iter()
            .filter(|(file, _)| path == *file)
            .flat_map(|(_, codes)| codes.iter())
        {
            assert!(
                text.contains(&format!("\"{code}\"")),
                "{path} has no code `{code}` any more"
            );
            codes.insert((*code).to_owned());
        }
    });
    let known: BTreeSet<String> = BY_VARIABLE.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(by_variable, known, "say here which codes these files give");
    codes
}

fn reasons() -> BTreeSet<String> {
    ReasonCode::ALL.iter().map(ToString::to_string).collect()
}

fn page(code: &str) -> String {
    format!("docs/errors/{code}.md")
}

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    let codes: BTreeSet<String> = diagnostics().union(&reasons()).map(|code| page(code)).collect();
    let there = pages()
        .into_iter()
        .filter(|page| page.starts_with("docs/errors/") && !page.ends_with("/index.md"));
    assert_eq!(there.collect::<BTreeSet<_>>(), codes);
    for page in codes {
        let text = document(&page);
        let code = page.trim_start_matches("docs/errors/").trim_end_matches(".md");
        for part in [format!("# `{code}`\n").as_str(), "\n**Why.** ", "\n**What to do.** "] {
            assert!(text.contains(part), "{page} has no `{part}`");
        }
        let shown = NOT_SHOWN.iter().all(|(hidden, _)| *hidden != code);
        assert_eq!(text.contains("\n## An example\n"), shown, "{page}");
    }
}

#[test]
fn the_index_has_every_code() {
    let table = |codes: &BTreeSet<String>| {
        let rows = codes.iter().map(|code| {
            let text = document(&page(code));
            let what = text
                .lines()
                .find(|line| !line.is_empty() && !line.starts_with('#'))
                .unwrap_or_default();
            format!("| [`{code}`]({code}.md) | {} |\n", what.replace('|', "\\|"))
        });
        format!("| code | what happened |\n| --- | --- |\n{}", rows.collect::<String>())
    };
    made("docs/errors/index.md", "reason codes", &table(&reasons()));
    made("docs/errors/index.md", "diagnostics", &table(&diagnostics()));
}

/// A place with the files of a page, and the name of the one that is to be run.
fn place_of(code: &str, service: &Server) -> (Place, String) {
    let mut place = Place::new();
    place.set("WORKFLOW_SECRET_API_TOKEN", "correct-horse-battery");
    let text = document(&page(code)).replace("localhost:8080", &format!("localhost:{}", service.port));
    let mut main = None;
    for block in blocks(&text, "yaml") {
        let named = block
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# ")?.strip_suffix(".yaml"));
        let name = named.map_or_else(|| format!("{code}.yaml"), |name| format!("{name}.yaml"));
        place.write(&name, &block);
        main.get_or_insert(name);
    }
    for block in blocks(&text, "wat") {
        let name = block
            .lines()
            .next()
            .and_then(|line| line.strip_prefix(";; "))
            .expect("a name");
        let program = wat::parse_str(&block).unwrap_or_else(|error| panic!("{code}: {error}"));
        std::fs::write(place.path(name), program).expect("write a program");
    }
    (place, main.unwrap_or_default())
}

/// A service, and word of each request that it never answers.
fn service() -> (Server, mpsc::Receiver<()>) {
    let (hangs, hanging) = mpsc::channel();
    let hangs = Mutex::new(hangs);
    let server = Server::start_concurrent(move |_, request| {
        if request.line.contains("/large") {
            return "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\nconnection: close\r\n\r\n".to_owned();
        }
        if request.line.contains("/hang") {
            // Nobody listens where the test is over.
            let _heard = hangs.lock().expect("no test panics with the lock").send(());
            loop {
                std::thread::park();
            }
        }
        response("503 Service Unavailable", "text/plain", "busy")
    });
    (server, hanging)
}

#[test]
fn the_example_of_a_diagnostic_gives_it() {
    let (service, _) = service();
    for code in diagnostics().iter().filter(|code| is_shown(code)) {
        let (place, main) = place_of(code, &service);
        let run = place.run(&format!("validate {main}"));
        let named = Regex::new(&format!(r"(?m)^\s*{code}$")).expect("a good pattern");
        assert!(named.is_match(&run.stderr), "{code}: {}{}", run.stdout, run.stderr);
        let warns = document(&page(code)).contains("\n*A warning");
        assert_eq!(run.code, if warns { 0 } else { 2 }, "{code}: {}", run.stderr);
    }
}

fn is_shown(code: &str) -> bool {
    NOT_SHOWN.iter().all(|(hidden, _)| *hidden != code)
}

#[test]
fn the_example_of_a_reason_gives_it() {
    let (service, hanging) = service();
    let diagnostics = diagnostics();
    // One that is both is shown as a mistake of the file.
    for code in reasons()
        .iter()
        .filter(|code| is_shown(code) && !diagnostics.contains(*code))
    {
        let (place, main) = place_of(code, &service);
        bring_about(code, &place, &main, &hanging);
        let found = codes_of(&place);
        assert!(found.contains(code), "{code}: {found:?}");
    }
}

/// Runs an example in the way that its page describes.
fn bring_about(code: &str, place: &Place, main: &str, hanging: &mpsc::Receiver<()>) {
    let start = || -> Child {
        let mut child = place.spawn(&format!("run {main}"));
        wait_for_line(&mut child, "started");
        child
    };
    let end_by = |child: Child, signal| {
        let id = i32::try_from(child.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("it is told");
        drop(place.finish(child));
    };
    match code {
        "cancelled_by_user" => end_by(start(), Signal::SIGINT),
        "shutdown" => end_by(start(), Signal::SIGTERM),
        "interrupted" => {
            let child = start();
            // Its attempt is under way once the service was asked.
            hanging.recv().expect("the service lives");
            end_by(child, Signal::SIGKILL);
            drop(place.run("execution resume last").code(1));
        }
        "kept" => {
            drop(place.run(&format!("run {main}")).code(1));
            drop(place.run("execution retry last").code(1));
        }
        "concurrency_limit" => {
            let first = start();
            drop(place.run(&format!("run {main}")).code(4));
            end(first);
        }
        "superseded" => {
            let first = start();
            drop(place.run(&format!("run {main} --input seconds=0.05")).code(0));
            drop(place.finish(first));
        }
        "policy_denied" => {
            std::os::unix::fs::symlink("/etc", place.path("data")).expect("a link");
            drop(place.run(&format!("run {main}")).code(1));
        }
        _ => {
            let run = place.run(&format!("run {main}"));
            assert!(run.code <= 1, "{code}: {run:?}");
        }
    }
}

fn end(mut child: Child) {
    // It may have ended.
    drop(child.kill());
    drop(child.wait());
}

/// Every code that any execution of a place has anywhere.
fn codes_of(place: &Place) -> BTreeSet<String> {
    let list = place.run("execution list --json").code(0).json();
    let mut found = BTreeSet::new();
    for execution in list["executions"].as_array().expect("a list") {
        let id = execution["executionId"].as_str().expect("an id");
        let whole = place
            .run(&format!("execution inspect {id} --with-audit --json"))
            .code(0)
            .json();
        collect(&whole, &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value.as_str() {
                    Some(text) if key == "reasonCode" || key == "reason" => drop(found.insert(text.to_owned())),
                    _ => collect(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn what_is_not_shown_has_a_reason_that_holds() {
    let known: BTreeSet<String> = diagnostics().union(&reasons()).cloned().collect();
    let told: BTreeMap<&str, &str> = NOT_SHOWN.iter().copied().collect();
    for (code, reason) in told {
        assert!(known.contains(code), "{code} is no code");
        let (_, place) = reason.rsplit_once("; ").expect("a reason and a place");
        assert!(repository().join(place).exists(), "{code}: {place} is not there");
    }
}
