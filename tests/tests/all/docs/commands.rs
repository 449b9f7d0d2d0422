//! Every `bash` line of the README and the guide, run as it stands there, and what must come out.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};

use regex::Regex;
use serde_json::{Value, json};

use super::scenes::{SLOW_MS, Scene, size};
use super::{blocks, document, oracle, pages};
use crate::process::Run;

/// What begins lines that are not run here, and why.
const NOT_RUN: &[(&str, &str)] = &[
    (
        "git clone <repository-url>",
        "the address stands for one, and no test uses the network",
    ),
    ("cd autokestra", "goes into what the line before it cloned"),
    (
        "make ",
        "builds what this test runs; that its target is there is a test of its own",
    ),
    (
        "workflow plugin new hello --lang js &&",
        "its tools come from npm; `languages.rs` runs the line",
    ),
    (
        "workflow plugin new hello --lang python &&",
        "its tools come from PyPI; `languages.rs` runs the line",
    ),
    (
        "cargo install ",
        "fetches from the network; `built.rs` builds the same program for `programs.rs`",
    ),
];

/// One line of a `bash` block.
#[derive(Debug)]
struct Line {
    page: String,
    text: String,
}

impl Line {
    /// The exit code that the line says it has, by `# exit 1` at its end; else 0.
    fn code(&self) -> i32 {
        let said = self.text.rsplit_once("# exit ").map(|(_, code)| code.trim());
        said.map_or(0, |code| code.parse().expect("a number after `# exit`"))
    }
}

/// All blocks as their lines, without comments, those that go on joined.
fn blocks_of(page: &str) -> Vec<Vec<Line>> {
    let block = |block: String| {
        let joined = block.replace("\\\n", " ");
        let lines = joined
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines = lines.map(|line| Line {
            page: page.to_owned(),
            text: line.to_owned(),
        });
        lines.collect()
    };
    blocks(&document(page), "bash").into_iter().map(block).collect()
}

/// The places that lines run in, each made when the first line needs it.
struct Scenes {
    ended: Scene,
    kept: Scene,
}

impl Scenes {
    fn new() -> Self {
        let ended = Scene::ended();
        let mut kept = ended.copy().with_live();
        kept.execution.clone_from(&ended.execution);
        // The last one is that of `flow` here too.
        drop(kept.place.run("run flow.yaml").code(0));
        Self { ended, kept }
    }

    /// Runs the lines of a block. Where one of them makes something, the others look at what came of it; else each line has
    /// the place that it belongs into.
    fn run(&self, lines: &[Line]) {
        let makes = ["workflow run ", "workflow audit head >"];
        if lines
            .iter()
            .any(|line| makes.iter().any(|start| line.text.starts_with(start)))
        {
            let one = self.ended.copy();
            lines.iter().for_each(|line| check(line, &one));
        } else {
            lines.iter().for_each(|line| self.run_one(line));
        }
    }

    /// Runs a line where it belongs: what changes something has a place of its own.
    fn run_one(&self, line: &Line) {
        let words = |all: &[&str]| all.iter().any(|word| line.text.contains(word));
        if words(&["plugin new"]) {
            check(line, &Scene::empty());
        } else if words(&["plugin build"]) {
            check(line, &Scene::project());
        } else if words(&["execution cleanup"]) {
            check(line, &Scene::old());
        } else if words(&["--follow"]) {
            follow(line, &self.ended.copy().with_live().of_last());
        } else if words(&["execution cancel"]) {
            check(line, &self.ended.copy().with_live().of_last());
        } else if words(&["execution resume"]) {
            check(line, &self.ended.copy().with_live().of_last().with_dead());
        } else if words(&["execution retry"]) {
            check(line, &self.ended.copy().with_failed().of_last());
        } else if words(&["execution files"]) {
            check(line, &self.ended.copy().of_last());
        } else if words(&[
            "execution list",
            "execution inspect",
            "execution logs",
            "plugin inspect",
            "ls -lh",
        ]) {
            check(line, &self.kept);
        } else {
            check(line, &self.ended.copy());
        }
    }
}

#[test]
fn every_command_of_the_documents_works_as_it_stands() {
    let scenes = Scenes::new();
    let (mut ran, mut told, mut failed) = (0, BTreeMap::new(), Vec::new());
    for page in pages() {
        for mut lines in blocks_of(&page) {
            lines.retain(|line| {
                let reason = NOT_RUN.iter().find(|(start, _)| line.text.starts_with(start));
                told.extend(reason.copied());
                reason.is_none()
            });
            let run = std::panic::AssertUnwindSafe(|| scenes.run(&lines));
            if let Err(why) = std::panic::catch_unwind(run) {
                failed.push(
                    why.downcast_ref::<String>()
                        .cloned()
                        .unwrap_or_else(|| format!("{lines:?}")),
                );
            }
            ran += lines.len();
        }
    }
    assert!(
        failed.is_empty(),
        "{} do not work:\n\n{}",
        failed.len(),
        failed.join("\n\n")
    );
    assert!(ran >= 100, "only {ran} lines were found");
    assert_eq!(told.len(), NOT_RUN.len(), "a reason for no line: {told:?}");
}

/// Runs a line to its end, and holds it against all that is known of it.
fn check(line: &Line, scene: &Scene) {
    for block in blocks(&document(&line.page), "yaml") {
        if let Some(id) = block.lines().find_map(|line| line.strip_prefix("id: ")) {
            let id = id.split_whitespace().next().unwrap_or_default();
            if id != "my-workflow" {
                scene.place.write(&format!("{id}.yaml"), &block);
            }
        }
    }
    let text = scene.substituted(&line.text);
    let run = scene.bash(&text);
    let told = format!("{}: {text}\n{}{}", line.page, run.stdout, run.stderr);
    assert_eq!(run.code, line.code(), "{told}");
    assert!(!run.stderr.contains("panicked"), "{told}");
    let known = figures(line, scene, &run);
    if !oracle::check(scene, &text, &run.stdout) && !known {
        // Nothing is known of it but that it works; then it must do or say something.
        let quiet = line.text.contains('>') || line.text.contains("config check");
        assert!(
            quiet || !run.stdout.is_empty() || !run.stderr.is_empty(),
            "it says nothing: {told}"
        );
    }
}

/// What a line that works something out must give. Says whether the line is one.
fn figures(line: &Line, scene: &Scene, run: &Run) -> bool {
    let text = line.text.split(" #").next().unwrap_or_default().trim();
    let told = format!("{}: {text}\n{}", line.page, run.stdout);
    match text {
        "workflow execution list --state SUCCESS --json | jq '.executions[] | select(.duration > 300000)'" => {
            let slow: Value = serde_json::from_str(&run.stdout).expect("exactly one object");
            assert_eq!(
                (&slow["duration"], &slow["state"]),
                (&json!(SLOW_MS), &json!("SUCCESS")),
                "{told}"
            );
        }
        "workflow execution logs exec-123 --level ERROR --json | jq -r '.[] | .taskId' | sort | uniq -c" => {
            // Two attempts of the one, one of the other, and the end of the execution, which is no task's.
            let counts: Vec<(&str, &str)> = run
                .stdout
                .lines()
                .filter_map(|line| line.trim().split_once(' '))
                .collect();
            assert_eq!(counts, [("1", "null"), ("2", "task-1"), ("1", "task-2")], "{told}");
        }
        "workflow execution logs --source plugin --since 1h --json | jq '.[] | .metadata.duration' | awk '{sum+=$1} END {print sum/NR \"ms average\"}'" =>
        {
            let all = scene.json("execution logs --source plugin --since 1h --json");
            let all = all.as_array().expect("a list");
            let sum: f64 = all
                .iter()
                .filter_map(|entry| entry["metadata"]["duration"].as_f64())
                .sum();
            let printed: f64 = run
                .stdout
                .trim()
                .strip_suffix("ms average")
                .expect(&told)
                .parse()
                .expect(&told);
            let expected = sum / f64::from(u32::try_from(all.len()).expect("few"));
            assert!(
                printed > 0.0 && (printed - expected).abs() <= expected / 1000.0,
                "{expected}: {told}"
            );
        }
        "ls -lh data/db.sqlite" => {
            assert!(run.stdout.trim().ends_with("data/db.sqlite"), "{told}");
            assert!(size(&scene.place.path("data/db.sqlite")) > 0, "{told}");
        }
        "workflow run hello.yaml --input who=Ada --logs" => {
            assert!(
                run.stderr.contains("Hello, Ada!") && run.stdout.contains("SUCCESS"),
                "{told}{}",
                run.stderr
            );
        }
        _ if text.starts_with("workflow execution cleanup --days 7") && !text.contains('|') => {
            cleaned(text, scene, run);
        }
        _ if text.starts_with("workflow execution cancel") => {
            // With `--no-wait` it ends a moment later.
            drop(
                scene
                    .bash(&format!("workflow execution logs {} --follow", scene.execution))
                    .code(0),
            );
            assert_eq!(
                scene.json(&format!("execution inspect {} --json", scene.execution))["reasonCode"],
                "cancelled_by_user"
            );
        }
        _ if text.starts_with("workflow execution resume") => {
            let found = scene.json(&format!("execution inspect {} --json", scene.execution));
            assert_eq!(found["state"], "SUCCESS", "{told}{}", run.stderr);
        }
        _ => return false,
    }
    true
}

/// Six executions are old enough, five of them of the states that the documents name; each has two entries.
fn cleaned(text: &str, scene: &Scene, run: &Run) {
    let removed: u64 = if text.contains("--states SUCCESS FAILED") { 5 } else { 6 };
    let stays = text.contains("--dry-run");
    if text.contains("--json") {
        let found = run.json();
        assert_eq!(found["dryRun"], stays, "{found}");
        assert_eq!(found["deletedExecutions"], removed, "{found}");
        assert_eq!(found["deletedLogs"], removed * 2, "{found}");
        for key in ["cutoff", "states"] {
            assert!(!found[key].is_null(), "{key}: {found}");
        }
    } else {
        let words = if stays { "would remove" } else { "removed" };
        let start = format!("{words} {removed} executions");
        assert!(run.stdout.starts_with(&start), "{text}: {}", run.stdout);
    }
    let left = if stays { 7 } else { 7 - removed };
    assert_eq!(scene.json("execution list --json")["total"], left, "{text}");
    // The audit trail outlives them.
    let database = rusqlite::Connection::open(scene.place.path("data/db.sqlite")).expect("it opens");
    let audited: i64 = database
        .query_row("SELECT count(DISTINCT execution) FROM audit_events", [], |row| {
            row.get(0)
        })
        .expect("they are counted");
    assert_eq!(audited, 7, "{text}");
}

/// A line that follows an execution shows what was there, then what comes, and ends with the execution.
fn follow(line: &Line, scene: &Scene) {
    let text = scene.substituted(&line.text);
    let mut child = scene.command(&text).spawn().expect("start bash");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut shown = String::new();
    // Another program may hold back what it is given until there is more.
    if !line.text.contains('|') || line.text.contains("--unbuffered") {
        lines.read_line(&mut shown).expect("it shows what was there");
        assert!(shown.contains("Execution started"), "{}: {text}\n{shown}", line.page);
        let ended = child.try_wait().expect("it is asked");
        assert!(ended.is_none(), "{text} ended before the execution:\n{shown}");
    }
    scene.service.release();
    while lines.read_line(&mut shown).expect("it goes on") > 0 {}
    let run = scene.place.finish(child);
    assert_eq!(run.code, line.code(), "{}: {text}\n{shown}{}", line.page, run.stderr);
    let end = Regex::new(r"Execution ended SUCCESS after .*\n?$").expect("a good pattern");
    assert!(
        line.text.contains('|') || end.is_match(shown.trim_end()),
        "{}: {text}\n{shown}",
        line.page
    );
}

#[test]
fn no_document_hides_commands_from_this_test() {
    for page in pages() {
        for line in document(&page).lines() {
            let language = line.trim().strip_prefix("```").unwrap_or_default();
            assert!(
                matches!(
                    language,
                    "" | "bash"
                        | "yaml"
                        | "json"
                        | "text"
                        | "console"
                        | "mermaid"
                        | "rust"
                        | "js"
                        | "python"
                        | "wat"
                        | "lua"
                        | "toml"
                ),
                "{page}: a block of `{language}`; commands stand in `bash`"
            );
        }
    }
}

#[test]
fn a_line_that_cannot_run_is_found() {
    let scene = Scene::old();
    for text in [
        "no-such-program | sort",
        "workflow execution list --no-such-flag",
        "workflow execution logs --limit 0",
    ] {
        let line = Line {
            page: "README.md".to_owned(),
            text: text.to_owned(),
        };
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&line, &scene)));
        assert!(checked.is_err(), "nobody sees that this is wrong: {text}");
    }
}
