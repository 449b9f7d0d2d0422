//! `workflow plugin test`: what it prints of cases that pass and fail, what it changes, and what it refuses.

mod refused;

use std::io::BufReader;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::forms::forms;
use crate::process::{Place, Run};
use crate::support::hostile_component;

/// A project `p` whose cases are these.
fn project(cases: &str) -> Place {
    let place = Place::new();
    place.write("p/tests/cases.yaml", cases);
    place
}

fn of_plugin(place: &Place, plugin: &str, more: &[&str]) -> Run {
    place.run_args(["plugin", "test", "p", "--plugin", plugin].iter().chain(more))
}

fn of_hostile(place: &Place, more: &[&str]) -> Run {
    let component = hostile_component().to_str().expect("a path of text");
    place.run_args(["plugin", "test", "p", "--component", component].iter().chain(more))
}

/// What is printed, with the digest and the path of the component made the same.
fn told(place: &Place, run: &Run) -> String {
    let text = run.redacted(place);
    let text = text.replace(&hostile_component().display().to_string(), "<hostile>");
    // As much as the code that this machine's toolchain made takes.
    let fuel = regex::Regex::new(r"\b\d+ units").expect("a good pattern");
    let text = fuel.replace_all(&text, "<fuel> units").into_owned();
    let digest = regex::Regex::new(r", [0-9a-f]{12}\): ").expect("a good pattern");
    let text = digest.replace_all(&text, ", <digest>): ").into_owned();
    let column = regex::Regex::new(r"(PASS|FAIL) +<duration>").expect("a good pattern");
    column.replace_all(&text, "$1 <duration>").into_owned()
}

#[track_caller]
fn fails(plugin: &str, cases: &str, about: &str, message: &str) -> Value {
    let place = project(cases);
    let run = if plugin == "hostile" {
        of_hostile(&place, &["--json"])
    } else {
        of_plugin(&place, plugin, &["--json"])
    };
    let tested = run.code(1).json();
    let case = tested["cases"][0].clone();
    assert_eq!(case["state"], "failed", "{case:#}");
    let problems = case["problems"].as_array().expect("a list");
    let said = |problem: &&Value| problem["message"].as_str().is_some_and(|said| said.contains(message));
    let found = problems
        .iter()
        .filter(|problem| problem["about"] == about)
        .any(|problem| said(&problem));
    assert!(found, "no `{about}: {message}` in {problems:#?}");
    case
}

const GOOD: &str = r"# Two that are good.
- name: greets
  action: log
  input: { message: Hello }
  logs: [Hello]
- action: log
  input: { message: careful, level: warn, fields: { rows: 3 } }
  output: null
  logs: [{ level: warn, contains: care, fields: { rows: 3 } }]
";

#[test]
fn cases_that_pass_are_told_in_a_line_each() {
    let place = project(GOOD);
    let run = of_plugin(&place, "core/console", &[]).code(0);
    insta::assert_snapshot!(told(&place, &run));
    let run = of_plugin(&place, "core/console", &["--case", "greets"]).code(0);
    assert!(
        run.stdout.contains(": 1 case\n") && !run.stdout.contains("log #2"),
        "{}",
        run.stdout
    );
    let run = of_plugin(&place, "core/console", &["--case", "log #"]).code(0);
    assert!(
        run.stdout.contains("log #2") && !run.stdout.contains("greets"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_failure_shows_what_differs_and_how_to_see_it_alone() {
    let place = project(
        r#"- name: it's another
  action: query
  input: { data: { rows: [1, 2, 3], name: Ada, more: { a: 1, b: 2, c: 3, d: 4, e: 5 } }, filter: "." }
  output: { name: Bob, rows: [1, 3], more: { a: 1, b: 2, c: 3, d: 4, e: 5 } }
- name: has not all
  action: query
  input: { data: { a: 1, b: 2 }, filter: "." }
  outputHas: { a: 2, c: 3 }
- name: good
  action: query
  input: { data: 1.0, filter: "." }
  output: 1
- name: succeeds
  action: query
  input: { data: 1, filter: "." }
  error: filter_failed
- name: fails
  action: query
  input: { data: 1, filter: ".a" }
  output: 1
- name: text of lines
  action: query
  input: { data: "one\ntwo\nthree\n", filter: "." }
  output: "one\n2\nthree"
"#,
    );
    let run = of_plugin(&place, "core/json", &[]).code(1);
    insta::assert_snapshot!(told(&place, &run));
}

#[test]
fn each_expectation_fails_by_its_own_name() {
    let json = "core/json";
    fails(
        json,
        "- { action: query, input: { data: 1, filter: '.' }, outputSchema: { type: string } }",
        "outputSchema",
        "is not of type",
    );
    fails(
        json,
        "- { action: query, input: { data: 1, filter: '.a' }, error: other }",
        "error",
        "expected `other`",
    );
    let other = "- { action: query, input: { data: 1, filter: '.a' }, error: { code: filter_failed, message: xyzzy, retryable: true } }";
    fails(json, other, "error", "has not `xyzzy`");
    fails(json, other, "error", "expected retryable");
    fails(
        "core/console",
        "- { action: log, input: { message: a }, logs: [b] }",
        "logs",
        "no line `b`",
    );
    let order = "- { action: tell, input: { text: abc }, logs: [{ stream: log, message: abc }, { stream: stdout, message: abc }] }";
    fails("hostile", order, "logs", "stdout `abc`");
}

#[test]
fn what_is_left_and_what_is_used_fails_by_its_own_name() {
    let file = "core/file";
    let write = "action: write, input: { path: out/a, content: abc }, permissions: { filesystem: { write: [./out] } }";
    fails(
        file,
        &format!("- {{ {write}, written: {{ out/a: abd }} }}"),
        "written",
        "`out/a` is another",
    );
    fails(
        file,
        &format!("- {{ {write}, written: {{ out/b: abc }} }}"),
        "written",
        "`out/b` is not there",
    );
    fails(
        file,
        &format!("- {{ {write}, written: {{ out/a: null }} }}"),
        "written",
        "`out/a` is there",
    );
    fails(
        "hostile",
        "- { action: tell, input: { text: abc }, stateAfter: {} }",
        "stateAfter",
        "something else",
    );
    fails(
        "hostile",
        "- { action: tell, input: { text: abc }, progress: [{ done: 7 }] }",
        "progress",
        "no report",
    );
}

#[test]
fn what_is_denied_or_past_a_ceiling_fails_by_its_own_name() {
    let json = "core/json";
    fails(
        "hostile",
        "- { action: read-file, input: { path: /etc/hostname }, error: io, denied: [] }",
        "denied",
        "/etc/hostname` was denied",
    );
    fails(
        json,
        "- { action: query, input: { data: 1, filter: '.' }, denied: [{ capability: network }] }",
        "denied",
        "was not denied",
    );
    fails(
        json,
        "- { action: query, input: { data: 1, filter: '.' }, fuelMax: 10 }",
        "fuelMax",
        "10 is the most",
    );
    fails(
        json,
        "- { action: query, input: { data: 1, filter: '.' }, memoryMax: 1KiB }",
        "memoryMax",
        "1024 is the most",
    );
}

#[test]
fn what_cannot_be_set_up_fails_and_ends() {
    let json = "core/json";
    fails(
        "core/file",
        "- { action: read, input: { path: a }, permissions: { filesystem: { read: [./a] } } }",
        "error",
        "grant_unusable",
    );
    fails(
        "core/file",
        "- { action: read, input: { path: a }, permissions: { filesystem: { read: [/etc] } } }",
        "error",
        "policy_denied",
    );
    fails(
        "core/time",
        "- { action: sleep, input: { seconds: 60 }, timeoutSeconds: 0.1 }",
        "error",
        "`timeout`",
    );
    fails(
        json,
        "- { action: query, input: { data: 1, filter: '.' }, files: { a: b, a/c: d } }",
        "setup",
        "write the file `a/c`",
    );
    fails(
        json,
        "- { action: query, input: { data: 1, filter: '.' }, files: { a: { file: none } } }",
        "setup",
        "no file `none`",
    );
}

#[test]
fn what_the_server_is_asked_is_held_against_the_case() {
    let case = |http: &str| {
        format!(
            "- action: post\n  input: {{ url: 'http://{{{{ server }}}}/a?b=1', json: {{ n: 1 }}, headers: {{ x-y: z }} }}\n  \
             permissions: {{ network: ['{{{{ server }}}}'] }}\n  http: {http}\n"
        )
    };
    let fails = |http: &str, message: &str| fails("core/http", &case(http), "http", message);
    fails(
        "[{ request: POST /a }]",
        "request 1, POST /a?b=1: nothing in `http` answers it",
    );
    fails("[{ request: POST /a }]", "POST /a did not come");
    fails("[{ request: GET /a?b=1 }]", "nothing in `http`");
    fails("[{ request: POST /a?b=1, times: 3 }]", "POST /a?b=1 came 1 of 3 times");
    fails("[{ request: POST /a?b=1, times: 0 }]", "(any more)");
    let with = |more: &str| format!("[{{ request: {{ method: POST, path: '/a?b=1', {more} }} }}]");
    fails(&with("headers: { x-y: q }"), "its header `x-y` is `z`; expected `q`");
    fails(&with("headers: { x-z: q }"), "it has no header `x-z`");
    fails(&with("body: '{}'"), "its body is `{\"n\":1}`; expected `{}`");
    fails(&with("json: { n: 2 }"), "its body is {\"n\":1}; expected {\"n\":2}");
    fails(&with("jsonHas: { m: 1 }"), "it must have {\"m\":1}");
    let place = project(&case(
        "[{ request: { method: POST, pathPattern: '/a.*', headers: { X-Y: z }, jsonHas: { n: 1 } }, response: { status: 201 } }]",
    ));
    drop(of_plugin(&place, "core/http", &[]).code(0));
    let place = project(&case("[{ request: GET /b }]"));
    insta::assert_snapshot!(told(&place, &of_plugin(&place, "core/http", &[]).code(1)));
}

#[test]
fn time_and_chance_stand_still_and_fuel_is_the_same_each_time() {
    let place = project(
        "- { name: default, action: now, input: {}, outputHas: { iso: '2026-01-01T00:00:00.000Z' } }\n\
         - { name: set, action: now, input: {}, clock: 2030-05-06T07:08:09Z, outputHas: { iso: '2030-05-06T07:08:09.000Z' } }\n",
    );
    drop(of_plugin(&place, "core/time", &[]).code(0));
    let place = project("- { action: chance, input: {}, random: 7, fuelMax: 1000000000 }\n");
    let fuel = |place: &Place| of_hostile(place, &["--json"]).code(0).json()["cases"][0]["fuel"].clone();
    let first = fuel(&place);
    assert!(first.as_u64().is_some_and(|fuel| fuel > 0), "{first}");
    assert_eq!(fuel(&place), first);
    // The same cases see the same chance, and others another.
    let seen = |more: &str| {
        let place = project(&format!("- {{ action: chance, input: {{}}, output: 0{more} }}\n"));
        let tested = of_hostile(&place, &["--json"]).code(1).json();
        tested["cases"][0]["problems"][0]["diff"].clone()
    };
    assert_eq!(seen(""), seen(", random: 0"));
    assert_ne!(seen(""), seen(", random: 1"));
    assert_ne!(seen(", clock: system"), seen(", clock: system"));
}

#[test]
fn kept_values_files_variables_and_the_attempt_are_what_the_case_says() {
    let place = project(
        r#"- action: tell
  input: { text: abc }
  state: { other: [1] }
  stateAfter: { kept: { text: abc }, other: [1] }
  progress: [{ done: 1, total: 2, note: abc }]
- action: tell
  input: { text: abc, fail: true }
  state: { other: [1] }
  error: { code: abc, message: abc, details: { text: abc } }
  stateAfter: { other: [1] }
- action: read-file
  input: { path: /in/a }
  files: { in/a: { base64: aGk= } }
  permissions: { filesystem: { read: [./in] } }
  output: 2
- action: read-file
  input: { path: /in/a }
  files: { in/a: { file: data/a.txt } }
  permissions: { filesystem: { read: [./in] } }
  output: 5
- action: read-env
  input: {}
  env: { GREETING: hello }
  permissions: { env: [GREETING] }
  logs: []
- action: write-file
  input: { path: /artifacts/a.json }
"#,
    );
    place.write("p/tests/data/a.txt", "five\n");
    drop(of_hostile(&place, &[]).code(0));
}

const STALE: &str = r#"# What core/json gives.
- name: rows # a comment
  action: query
  input: { data: { rows: 2, names: [Ada, Bob] }, filter: "." }
  output:
    rows: 3 # counted
    names: [Ada, "Bob"]   # in order
- name: new
  action: query
  input: { data: [1, { a: "x: y" }], filter: "." }
  output:
- name: part
  action: query
  input: { data: { a: 1, b: 2 }, filter: "." }
  outputHas: { a: 7 }
- name: another error
  action: query
  input: { data: 1, filter: ".a" }
  output: 1
- name: fails by more
  action: query
  input: { data: 1, filter: "." }
  output: 2
  fuelMax: 1
- name: one anchor
  action: query
  input: { data: 1, filter: "." }
  output: &one 2
- name: shared
  action: query
  input: { data: 2, filter: "." }
  output: *one
- name: good
  action: query
  input: { data: 1, filter: "." }
  output: 1
"#;

#[test]
fn update_changes_values_and_leaves_all_else() {
    let place = project(STALE);
    let run = of_plugin(&place, "core/json", &["--update"]).code(1);
    insta::assert_snapshot!("update", told(&place, &run));
    insta::assert_snapshot!("updated_file", place.read("p/tests/cases.yaml"));
    // What was changed passes now, and nothing is changed twice.
    let before = place.read("p/tests/cases.yaml");
    let run = of_plugin(&place, "core/json", &["--update", "--json"]).code(1).json();
    assert_eq!((&run["failed"], &run["updated"]), (&json!(3), &json!(0)), "{run:#}");
    assert_eq!(place.read("p/tests/cases.yaml"), before);
}

#[test]
fn update_writes_logs_and_the_servers_name() {
    let place = project("- action: log\n  input: { message: hello }\n  logs:\n    - goodbye # said once\n");
    drop(of_plugin(&place, "core/console", &["--update"]).code(0));
    assert_eq!(
        place.read("p/tests/cases.yaml"),
        "- action: log\n  input: { message: hello }\n  logs:\n    - hello # said once\n"
    );
    let place = project(
        "- action: get\n  input: { url: 'http://{{ server }}/' }\n  permissions: { network: ['{{ server }}'] }\n  \
         http: [{ request: GET /, response: { body: 'at {{ server }}' } }]\n  outputHas: { body: x }\n",
    );
    drop(of_plugin(&place, "core/http", &["--update"]).code(0));
    assert!(
        place
            .read("p/tests/cases.yaml")
            .contains("outputHas: { body: \"at {{ server }}\" }")
    );
    drop(of_plugin(&place, "core/http", &[]).code(0));
}

#[test]
fn junit_is_written_for_other_programs() {
    let place = project(
        "- { name: good <1>, action: query, input: { data: 1, filter: '.' }, output: 1 }\n\
         - { name: 'bad & \"worse\"', action: query, input: { data: \"\\e[31m<\", filter: '.' }, output: 2 }\n",
    );
    drop(of_plugin(&place, "core/json", &["--junit", "out.xml"]).code(1));
    let xml = place.read("out.xml");
    let time = regex::Regex::new(r#"time="\d+\.\d{3}""#).expect("a good pattern");
    insta::assert_snapshot!(time.replace_all(&xml, "time=\"<s>\""));
    assert!(!xml.contains('\u{1b}'));
}

/// A secret in all ways that a plugin has, in cases that fail by every one of them.
#[test]
fn secrets_are_printed_and_written_nowhere() {
    const SECRET: &str = "correct-horse-battery";
    let place = project(&format!(
        r#"- name: says it
  action: tell
  input: {{ text: "{{{{ secrets.TOKEN }}}}" }}
  secrets: {{ TOKEN: {SECRET} }}
  output: 1
  logs: [none]
  stateAfter: {{ kept: 1 }}
  progress: [{{ done: 3 }}]
- name: fails by it
  action: tell
  input: {{ text: "{{{{ secrets.TOKEN }}}}", fail: true }}
  secrets: {{ TOKEN: {SECRET} }}
  error: {{ code: x, details: {{ a: 1 }} }}
- name: panics by it
  action: tell
  input: {{ text: "{{{{ secrets.TOKEN }}}}", panic: true }}
  secrets: {{ TOKEN: {SECRET} }}
- name: is updated
  action: tell
  input: {{ text: "{{{{ secrets.TOKEN }}}}" }}
  secrets: {{ TOKEN: {SECRET} }}
  output: 1
- name: asks for it
  action: script
  input: {{ do: "read /x/{{{{ secrets.TOKEN }}}}" }}
  secrets: {{ TOKEN: {SECRET} }}
  output: 1
  denied: []
"#
    ));
    let mut printed = String::new();
    for more in [&["--junit", "out.xml"][..], &["--json"], &["--update"]] {
        let run = of_hostile(&place, more).code(1);
        printed.extend([run.stdout, run.stderr]);
    }
    printed.push_str(&place.read("out.xml"));
    for form in forms(SECRET) {
        let form = String::from_utf8_lossy(&form).into_owned();
        assert!(!printed.contains(&form), "{form} in {printed}");
    }
    assert!(printed.contains("***"), "{printed}");
    let file = place.read("p/tests/cases.yaml");
    assert_eq!(
        file.matches(SECRET).count(),
        5,
        "nothing but the secrets themselves: {file}"
    );
    assert!(file.contains("output: { text: \"***\" }"), "{file}");
    // Over a line of the network, too: what the server was asked is shown.
    let place = project(&format!(
        "- action: get\n  input: {{ url: 'http://{{{{ server }}}}/?t={{{{ secrets.TOKEN }}}}' }}\n  secrets: {{ TOKEN: {SECRET} }}\n  \
         permissions: {{ network: ['{{{{ server }}}}'] }}\n  http: [{{ request: {{ path: /, headers: {{ a: '{{{{ secrets.TOKEN }}}}' }} }} }}]\n"
    ));
    for more in [&[][..], &["--json"]] {
        let run = of_plugin(&place, "core/http", more).code(1);
        assert!(
            !run.stdout.contains(SECRET) && run.stdout.contains("***"),
            "{}",
            run.stdout
        );
    }
    // Nor by a mistake on its line.
    let place = project(&format!(
        "- {{ action: log, secrets: {{ A: {SECRET}, B: {{ value: {SECRET}, only: 1 }} }}, inptu: 1 }}\n"
    ));
    let run = of_plugin(&place, "core/console", &[]).code(2);
    assert!(!run.stderr.contains("correct"), "{}", run.stderr);
    insta::assert_snapshot!("covered", told(&place, &run));
    // Nor where the file is no YAML at all, or no list.
    for text in [
        format!("- action: log\n  secrets: {{ A: {SECRET}\n"),
        format!("- action: log\n  secrets:\n    A: \"{SECRET}\n"),
        format!("action: log\nsecrets: {{ A: {SECRET} }}\n"),
    ] {
        let run = of_plugin(&project(&text), "core/console", &[]).code(2);
        assert!(
            run.stderr.contains("secrets") && !run.stderr.contains("correct"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn no_half_of_a_secret_is_left_where_a_value_is_cut_or_compared_line_by_line() {
    let place = project(&format!(
        "- action: post\n  input: {{ url: 'http://{{{{ server }}}}/', body: '{}{{{{ secrets.TOKEN }}}}' }}\n  secrets: {{ TOKEN: correct-horse-battery }}\n  \
         permissions: {{ network: ['{{{{ server }}}}'] }}\n  http: [{{ request: {{ method: POST, path: /, body: other }}, response: {{}} }}]\n",
        "x".repeat(290)
    ));
    let run = of_plugin(&place, "core/http", &[]).code(1);
    assert!(run.stdout.contains("xxx***"), "{}", run.stdout);
    assert!(!run.stdout.contains("corr"), "{}", run.stdout);
    let place = project(
        "- action: write\n  input: { path: out/a.txt, content: \"{{ secrets.TOKEN }}\" }\n  secrets: { TOKEN: \"correct-horse\\nbattery-staple\" }\n  \
         permissions: { filesystem: { write: [out] } }\n  files: { out/b: \"\" }\n  written: { out/a.txt: \"correct\\nother\" }\n",
    );
    let run = of_plugin(&place, "core/file", &[]).code(1);
    assert!(run.stdout.contains("***"), "{}", run.stdout);
    assert!(!run.stdout.contains("battery-staple"), "{}", run.stdout);
}

/// Reads lines until one has `text`.
fn until(lines: &mut impl std::io::BufRead, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        let read = lines.read_line(&mut seen).expect("read a line");
        assert!(read > 0, "it ended early: {seen}");
    }
    seen
}

#[test]
fn watch_runs_again_when_something_changes_until_ctrl_c() {
    let mut place = project("- { action: log, input: { message: a }, logs: [b] }\n");
    std::fs::create_dir(place.path("tmp")).expect("made");
    place.set("TMPDIR", &place.path("tmp").display().to_string());
    let mut child = place.spawn("plugin test p --plugin core/console --watch");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
    assert!(until(&mut out, "Summary").contains("1 failed"));
    until(&mut err, "watching p");
    place.write(
        "p/tests/cases.yaml",
        "- { action: log, input: { message: a }, logs: [a], fuelMax: 100000000 }\n",
    );
    assert!(until(&mut out, "Summary").contains("1 passed"));
    until(&mut err, "watching p");
    // A mistake ends nothing.
    place.write("p/tests/cases.yaml", "- { acton: log }\n");
    assert!(until(&mut err, "watching p").contains("did you mean `action`?"));
    place.write("p/tests/more.yaml", "- { action: log, input: { message: a } }\n");
    place.write("p/tests/cases.yaml", "[]");
    assert!(until(&mut out, "Summary").contains("1 passed"));
    let pid = i32::try_from(child.id()).expect("a number of a process");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("sent");
    let ended = child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(130));
    let left = std::fs::read_dir(place.path("tmp")).expect("read it").count();
    assert_eq!(left, 0, "the folders of cases are gone");
}
