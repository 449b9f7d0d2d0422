//! The ends of the program where machines meet it: exit codes, pipes, colours, and what goes to stdout and what to stderr.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use crate::held::Held;
use crate::process::{Place, wait_for_line};

const GOOD: &str =
    "id: good\ntasks: [{ id: a, type: core/file.write, inputs: { path: /artifacts/a.txt, content: hello } }]\n";
const BAD: &str = "id: bad\ntasks: [{ id: a, type: core/json.query, inputs: { data: 1, filter: error } }]\n";

/// A place with an execution that succeeded, and after it one that failed.
fn place() -> Place {
    let place = Place::with_flow(GOOD);
    place.write("bad.yaml", BAD);
    place.write("wrong.yaml", "id: wrong\ntasks: 7\n");
    place.write("inputs.json", "{}");
    place.run("run flow.yaml --no-progress").code(0);
    place.run("run bad.yaml --no-progress").code(1);
    place
}

/// Lines that succeed in [`place`], at least one for each command that prints.
const GOOD_LINES: &[&str] = &[
    "run flow.yaml",
    "run flow.yaml --json --inputs inputs.json",
    "validate flow.yaml bad.yaml",
    "validate flow.yaml --json",
    "graph flow.yaml",
    "graph flow.yaml --format mermaid",
    "graph flow.yaml --format dot",
    "graph flow.yaml --format svg",
    "schema",
    "execution list",
    "execution list --json --pretty",
    "execution inspect last",
    "execution inspect last --json",
    "execution logs",
    "execution logs last --json",
    "execution logs last --follow",
    "execution files last",
    "execution files last --json",
    "execution cleanup --days 1 --dry-run",
    "execution cleanup --days 1 --json",
    "execution retry last --from a",
    "plugin list",
    "plugin list --json",
    "plugin inspect core/http",
    "plugin inspect core/http --json",
    "plugin cache list",
    "plugin cache list --json",
    "plugin cache clear",
    "plugin cache clear --json",
    "secret list",
    "secret list --json",
    "config show",
    "config show --json",
    "config check",
    "completions bash",
    "completions zsh",
    "completions fish",
    "man",
    "run --json-schema",
    "help",
    "help run",
    "help execution logs",
    "--help",
    "-h",
    "--version",
    "execution --help",
    "execution logs -h",
];

#[test]
fn exit_codes_are_those_of_the_promise() {
    let place = place();
    place.write("unread.json", "no JSON");
    place.write("config-wrong.yaml", "server: { port: often }\n");
    let ids = place.run("execution list --json").code(0).json();
    let id = |at: usize| ids["executions"][at]["executionId"].as_str().expect("an id").to_owned();
    let (failed, succeeded) = (id(0), id(1));
    let cases = [
        // What was asked for failed, or is not there.
        (1, "run bad.yaml".to_owned()),
        (1, format!("execution retry {failed}")),
        (1, "execution inspect exec-00000000000000000000000000".to_owned()),
        (1, "execution logs exec-00000000000000000000000000".to_owned()),
        (1, "execution files exec-00000000000000000000000000".to_owned()),
        (1, "execution cancel exec-00000000000000000000000000".to_owned()),
        (1, "execution resume exec-00000000000000000000000000".to_owned()),
        (1, "execution retry exec-00000000000000000000000000".to_owned()),
        (1, "execution inspect last --task nobody".to_owned()),
        (1, format!("execution files {succeeded} nothing.txt")),
        (1, format!("execution cancel {succeeded}")),
        (1, format!("execution resume {succeeded}")),
        (1, "plugin inspect core/nothing".to_owned()),
        (1, "secret delete NOTHING".to_owned()),
        (1, "secret rotate-key".to_owned()),
        // The input is wrong, and nothing ran.
        (2, "run nowhere.yaml".to_owned()),
        (2, "run wrong.yaml".to_owned()),
        (2, "run flow.yaml --input nothing=1".to_owned()),
        (2, "run flow.yaml --inputs unread.json".to_owned()),
        (2, "validate wrong.yaml flow.yaml".to_owned()),
        (2, "validate wrong.yaml --json".to_owned()),
        (2, "graph wrong.yaml".to_owned()),
        (2, "graph flow.yaml --format tiff".to_owned()),
        (2, format!("execution retry {succeeded}")),
        (2, "execution inspect exec-0".to_owned()),
        (2, "execution inspect !".to_owned()),
        (2, "execution list --state DONE".to_owned()),
        (2, "execution logs --since tomorrow".to_owned()),
        (2, "execution cleanup --states RUNNING".to_owned()),
        (2, "execution files last --json --out x".to_owned()),
        (2, "plugin inspect ?".to_owned()),
        (2, "plugin inspect flow.yaml".to_owned()),
        (2, "secret set 9".to_owned()),
        (2, "secret set NAME value".to_owned()),
        (2, "config check --config config-wrong.yaml".to_owned()),
        (2, "config show --config nowhere.yaml".to_owned()),
        (2, "completions csh".to_owned()),
        (2, "help nothing".to_owned()),
        (2, String::new()),
        (2, "execution".to_owned()),
        // The machine is wrong.
        (3, "man --out inputs.json/pages".to_owned()),
        (3, format!("execution files {succeeded} --out inputs.json/files")),
    ];
    for (code, line) in &cases {
        let run = place.run(line);
        assert_eq!(run.code, *code, "{line}: {run:?}");
        let said = !run.stderr.is_empty() || line.contains("--json");
        assert!(said, "{line} says nothing");
    }
    for line in GOOD_LINES {
        place.run(line).code(0);
    }
}

/// Every command that does something, as it is typed, by what `--help` shows.
fn commands(place: &Place, above: &str) -> Vec<String> {
    let help = place.run(&format!("{above} --help")).code(0).stdout;
    let names: Vec<&str> = help
        .lines()
        .take_while(|line| !line.starts_with("Options:") && !line.starts_with("Arguments:"))
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split(' ').next())
        .filter(|name| *name != "help" && !name.is_empty())
        .collect();
    if names.is_empty() {
        return vec![above.trim().to_owned()];
    }
    names
        .into_iter()
        .flat_map(|name| commands(place, &format!("{above} {name}")))
        .collect()
}

#[test]
fn wrong_usage_and_a_wrong_configuration_end_every_command_by_two() {
    let place = Place::with_flow(GOOD);
    place.write("config.yaml", "server: { prot: 1 }\n");
    let commands = commands(&place, "");
    assert!(
        commands.len() >= 22 && commands.contains(&"plugin cache clear".to_owned()),
        "{commands:?}"
    );
    for command in &commands {
        let run = place.run(&format!("{command} --no-such-flag")).code(2);
        assert!(
            run.stdout.is_empty() && run.stderr.contains("--no-such-flag"),
            "{command}: {run:?}"
        );
    }
    for line in GOOD_LINES {
        let needs_none = ["graph", "schema", "completions", "man", "help", "-"]
            .iter()
            .any(|word| line.starts_with(word))
            || ["-h", "--help", "--json-schema"].iter().any(|word| line.contains(word));
        let run = place.run(line);
        assert_eq!(run.code, if needs_none { 0 } else { 2 }, "{line}: {run:?}");
        assert!(
            needs_none || run.stderr.contains("did you mean `port`?"),
            "{line}: {run:?}"
        );
    }
}

#[test]
fn a_machine_that_is_wrong_ends_by_three() {
    let damaged = place();
    damaged.write("data/db.sqlite", &"this is no database".repeat(100));
    drop(std::fs::remove_file(damaged.path("data/db.sqlite-wal")));
    let newer = place();
    let connection = rusqlite::Connection::open(newer.path("data/db.sqlite")).expect("a database");
    connection.pragma_update(None, "user_version", 9999).expect("it is set");
    drop(connection);
    let mut forbidden = place();
    // Nobody makes folders there, not even root.
    forbidden.set("WORKFLOW_STORAGE_PATH", "/sys/autokestra/db.sqlite");
    let before = std::fs::read(newer.path("data/db.sqlite")).expect("it is there");
    for (place, words) in [
        (&damaged, "is not a database"),
        (&newer, "9999"),
        (&forbidden, "/sys/autokestra"),
    ] {
        for line in [
            "run flow.yaml",
            "execution list --json",
            "execution inspect last --json",
            "execution logs --json",
            "execution files last",
            "execution cleanup",
            "execution cancel last",
            "execution resume last",
            "execution retry last",
            "secret list",
            "secret delete NAME",
        ] {
            let run = place.run(line);
            assert_eq!(run.code, 3, "{line}: {run:?}");
            assert!(run.stdout.is_empty() && run.stderr.contains(words), "{line}: {run:?}");
        }
    }
    assert!(
        before == std::fs::read(newer.path("data/db.sqlite")).expect("it is there"),
        "a newer database is left as it was"
    );
}

#[test]
fn an_output_that_cannot_be_written_is_told() {
    let place = place();
    for line in [
        "execution list",
        "execution logs --json",
        "schema",
        "plugin list --json",
    ] {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it");
        let mut command = place.command(line.split(' '));
        let output = command.stdout(full).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{line}: {stderr}");
        assert!(
            stderr.contains("write the output: No space left on device"),
            "{line}: {stderr}"
        );
    }
}

#[test]
fn closed_pipes_end_every_command_quietly() {
    let place = place();
    for line in GOOD_LINES {
        for both in [false, true] {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            let mut command = place.command(line.split(' '));
            if both {
                command.stderr(writer.try_clone().expect("a copy"));
            }
            let output = command.stdout(writer).output().expect("it runs");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{line}: {stderr}");
            assert!(
                !stderr.contains("error") && !stderr.contains("panicked"),
                "{line}: {stderr}"
            );
        }
    }
    // An execution that failed did so whether somebody looks or not.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = place.command(["run", "bad.yaml"]).stdout(writer).status();
    assert_eq!(status.expect("it runs").code(), Some(1));
}

/// A place with a run whose first task has spoken, and whose second waits.
fn held(place: &Place) -> Held {
    place.write(
        "held.yaml",
        "id: held\ninputs: [{ id: url, type: string }]\npermissions: { network: [\"127.0.0.1:*\"] }\ntasks:\n  - { id: first, type: core/console.log, inputs: { message: it began } }\n  - { id: wait, needs: [first], type: core/http.get, inputs: { url: \"{{ inputs.url }}\" } }\n",
    );
    Held::start(place, "run held.yaml --no-progress")
}

#[test]
fn whoever_stops_reading_ends_a_follower_at_once() {
    let place = Place::new();
    let held = held(&place);
    for line in ["execution logs last --follow", "execution logs --follow --json"] {
        let mut follow = place.spawn(line);
        let mut lines = BufReader::new(follow.stdout.take().expect("a pipe")).lines();
        lines.next().expect("it shows what there is").expect("text");
        // As `head -1` does. Nothing more is written until the run goes on, and it ends all the same.
        drop(lines);
        let followed = place.finish(follow);
        assert_eq!((followed.code, followed.stderr.as_str()), (0, ""), "{line}");
    }
    held.go_on(&place).code(0);
}

#[test]
fn a_cancelled_run_ends_by_four_and_who_cancelled_it_by_zero() {
    let place = Place::new();
    let held = held(&place);
    place.run("execution cancel last").code(0);
    // Nobody pressed Ctrl-C.
    held.end(&place).code(4);
}

fn interrupt(child: &Child) {
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.expect("run kill").success());
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_leaves_it_resumable() {
    let place = Place::with_flow(
        "id: long\ntasks:\n  - { id: nap, type: core/time.sleep, inputs: { seconds: 600 } }\nfinally:\n  - { id: tidy, type: core/time.sleep, inputs: { seconds: 600 } }\n",
    );
    let mut child = place.spawn("run flow.yaml");
    wait_for_line(&mut child, "started");
    interrupt(&child);
    // The first one cancels, and `finally` runs.
    let state = |task: usize| place.inspect()["tasks"][task]["state"].clone();
    while state(0) != "CANCELLED" || state(1) == "PENDING" {
        std::thread::yield_now();
    }
    interrupt(&child);
    assert_eq!(place.finish(child).code, 130);
    let left = place.inspect();
    assert!(left["endedAt"].is_null(), "{left:#}");
    assert_ne!(
        left["tasks"][1]["state"], "CANCELLED",
        "it was not waited for: {left:#}"
    );
}

#[test]
fn json_alone_is_on_stdout_whatever_comes_of_it() {
    let place = place();
    place.write(
        "doubtful.yaml",
        "id: d\npermissions: { network: [\"example.com:443\"] }\ntasks: [{ id: a, type: core/console.log, inputs: { message: x } }]\n",
    );
    for (code, line) in [
        (0, "run flow.yaml --json --logs"),
        (1, "run bad.yaml --json --logs -v"),
        (0, "run doubtful.yaml --json"),
        (0, "validate doubtful.yaml --json"),
        (2, "validate wrong.yaml nowhere.yaml --json"),
        (0, "config show --json"),
    ] {
        let run = place.run(line).code(code);
        assert!(run.json().is_object(), "{line}");
    }
    for (code, line) in [
        (2, "run wrong.yaml --json"),
        (2, "run nowhere.yaml --json"),
        (1, "execution inspect exec-00000000000000000000000000 --json"),
        (1, "execution logs exec-00000000000000000000000000 --json"),
        (2, "execution list --state DONE --json"),
        (1, "plugin inspect core/nothing --json"),
        (2, "config show --json --config nowhere.yaml"),
    ] {
        let run = place.run(line).code(code);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{line}: {run:?}");
    }
}

/// Whether stdout and stderr of a line have colours, with some variables.
fn colored(place: &Place, line: &str, variables: &[(&str, &str)]) -> (bool, bool) {
    let mut command = place.command(line.split(' '));
    command.envs(variables.iter().copied());
    let output = command.output().expect("it runs");
    (output.stdout.contains(&0x1b), output.stderr.contains(&0x1b))
}

/// A line, variables, and whether stdout and stderr have colours then.
type Colors<'a> = (&'a str, &'a [(&'a str, &'a str)], (bool, bool));

#[test]
fn colours_follow_the_flag_then_the_variables_then_the_terminal() {
    let place = place();
    let force = ("CLICOLOR_FORCE", "1");
    let never = ("NO_COLOR", "1");
    let cases: &[Colors<'_>] = &[
        ("execution list", &[], (false, false)),
        ("execution list", &[force], (true, false)),
        ("execution list", &[("CLICOLOR_FORCE", "0")], (false, false)),
        ("execution list", &[force, never], (false, false)),
        ("execution list --color always", &[never], (true, false)),
        ("execution list --color never", &[force], (false, false)),
        ("run nowhere.yaml", &[force], (false, true)),
        ("run wrong.yaml", &[force], (false, true)),
        ("run wrong.yaml", &[force, never], (false, false)),
        ("run wrong.yaml --color always", &[], (false, true)),
        ("rum --color always", &[], (false, true)),
        ("rum --color=never", &[force], (false, false)),
        ("rum", &[force], (false, true)),
        ("--help", &[], (false, false)),
        ("--help --color always", &[], (true, false)),
    ];
    for (line, variables, expected) in cases {
        assert_eq!(colored(&place, line, variables), *expected, "{line} with {variables:?}");
    }
}

#[test]
fn a_bug_is_told_as_one() {
    let mut place = Place::with_flow(GOOD);
    place.set("AUTOKESTRA_FAILPOINT", "command.begun");
    let run = place.run("run flow.yaml --json");
    let line = regex::Regex::new(r"\.rs:\d+").expect("a good pattern");
    let shown = run.redacted(&place);
    insta::assert_snapshot!("bug", line.replace(&shown, ".rs:<line>"));
    place.set("RUST_BACKTRACE", "1");
    let run = place.run("run flow.yaml");
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("0: ") && run.stderr.lines().count() > 10, "{run:?}");
    assert!(
        !run.stderr.contains("that was asked for"),
        "its words may hold anything: {run:?}"
    );
}
