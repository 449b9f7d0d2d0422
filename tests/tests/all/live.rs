//! What a person sees while an execution runs: a picture that changes on a terminal, plain lines elsewhere.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use crate::process::{Place, redact};
use crate::server::{Server, response};
use crate::terminal::Terminal;

/// A server that answers a path only when the test lets it.
struct Gate {
    port: u16,
    go: Sender<()>,
    _server: Server,
}

impl Gate {
    /// `/wait…` waits to be let go, once each; everything else is answered at once.
    fn new() -> Self {
        let (go, may_go) = channel::<()>();
        let may_go = Arc::new(std::sync::Mutex::new(may_go));
        let server = Server::start_concurrent(move |_, request| {
            if request.line.contains("/wait") {
                let may_go = may_go.lock().expect("no test panics with the lock");
                // A test that is over lets all go.
                may_go.recv().unwrap_or_default();
            }
            let (status, text) = if request.line.contains("/down") {
                ("503 Service Unavailable", "down")
            } else {
                ("200 OK", "hello")
            };
            response(status, "text/plain", text)
        });
        Self {
            port: server.port,
            go,
            _server: server,
        }
    }

    fn run(&self, options: &str) -> String {
        format!("run flow.yaml --input url=http://127.0.0.1:{} {options}", self.port)
    }
}

const FLOW: &str = "id: slow
inputs: [{ id: url, type: string }]
permissions: { network: [\"127.0.0.1:*\"] }
tasks:
  - { id: first, type: core/console.log, inputs: { message: it began } }
  - { id: wait, needs: [first], type: core/http.get, inputs: { url: \"{{ inputs.url }}/wait\" } }
  - { id: last, needs: [wait], type: core/console.log, inputs: { message: it went on } }
outputs: { said: \"{{ tasks.wait.output.body }}\" }
";

#[test]
fn a_picture_shows_the_tasks_and_ends_as_a_table() {
    let place = Place::with_flow(FLOW);
    let gate = Gate::new();
    let terminal = Terminal::start(&place, &gate.run(""), (24, 80));
    let shown = terminal.wait_for("a picture", |text| text.contains("1/3 tasks"));
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("started exec-"), "{shown}");
    assert!(lines[1].starts_with("✓ first"), "{shown}");
    assert!(lines[2].contains("wait") && lines[2].ends_with('s'), "{shown}");
    assert!(lines[3].starts_with("· last"), "{shown}");
    assert!(lines[4].contains('━') && lines[4].contains('─'), "{shown}");
    // It lives: the time that passes is shown without anything that happens.
    terminal.wait_for("the time that passes", |text| {
        text.lines().nth(2).is_some_and(|line| line != lines[2])
    });
    gate.go.send(()).expect("the server waits");
    let left = terminal.end();
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(!left.cursor_hidden && left.cursor.1 == 0, "{left:?}");
    insta::assert_snapshot!("live-success", redact(&left.text, &place));
}

#[test]
fn log_lines_stand_above_the_picture() {
    let place = Place::with_flow(FLOW);
    let gate = Gate::new();
    let terminal = Terminal::start(&place, &gate.run("--logs"), (24, 120));
    let shown = terminal.wait_for("the log and the picture", |text| {
        text.contains("it began") && text.contains("1/3 tasks")
    });
    let line = |what: &str| shown.lines().position(|line| line.contains(what)).expect("it is there");
    assert!(line("it began") < line("✓ first"), "{shown}");
    assert_eq!(shown.matches("it began").count(), 1, "{shown}");
    gate.go.send(()).expect("the server waits");
    let left = terminal.end();
    assert_eq!(left.code, Some(0), "{left:?}");
    for once in ["it began", "it went on", "started exec-", "SUCCESS in "] {
        assert_eq!(left.text.matches(once).count(), 1, "{once}: {}", left.text);
    }
    assert!(!left.text.contains("1/3 tasks"), "the picture is gone: {}", left.text);
}

#[test]
fn ctrl_c_leaves_the_terminal_clean() {
    let place = Place::with_flow(FLOW);
    let gate = Gate::new();
    let terminal = Terminal::start(&place, &gate.run(""), (24, 80));
    terminal.wait_for("a picture", |text| text.contains("1/3 tasks"));
    terminal.types(b"\x03");
    let left = terminal.end();
    assert_eq!(left.code, Some(130), "{left:?}");
    assert!(!left.cursor_hidden && left.cursor.1 == 0, "{left:?}");
    for gone in ["1/3 tasks", "━", "^C"] {
        assert!(!left.text.contains(gone), "{gone} is left: {}", left.text);
    }
    assert!(left.text.contains("CANCELLED in "), "{}", left.text);
}

#[test]
fn a_second_ctrl_c_leaves_it_clean_too() {
    // What runs at the end of a cancelled execution holds it up.
    let place = Place::with_flow(&format!(
        "{}finally:\n  - {{ id: tidy, type: core/http.get, inputs: {{ url: \"{{{{ inputs.url }}}}/wait\" }} }}\n",
        FLOW.split("outputs:").next().expect("the tasks")
    ));
    let gate = Gate::new();
    let terminal = Terminal::start(&place, &gate.run(""), (24, 80));
    terminal.wait_for("a picture", |text| text.contains("1/4 tasks"));
    terminal.types(b"\x03");
    terminal.wait_for("the stop", |text| text.contains("stopping: "));
    terminal.types(b"\x03");
    let left = terminal.end();
    assert_eq!(left.code, Some(130), "{left:?}");
    assert!(!left.text.contains('━') && left.cursor.1 == 0, "{left:?}");
}

#[test]
fn ctrl_z_leaves_the_terminal_to_the_shell() {
    let place = Place::with_flow(FLOW);
    let gate = Gate::new();
    // Without a shell nobody else continues it: the test does.
    let terminal = Terminal::start(&place, &gate.run(""), (24, 80));
    terminal.wait_for("a picture", |text| text.contains("1/3 tasks"));
    terminal.stop();
    terminal.wait_for("nothing", |text| {
        !text.contains("1/3 tasks") && text.contains("started exec-")
    });
    terminal.go_on();
    terminal.wait_for("the picture again", |text| text.contains("1/3 tasks"));
    gate.go.send(()).expect("the server waits");
    assert_eq!(terminal.end().code, Some(0));
}

#[test]
fn what_developers_are_told_stands_above_the_picture() {
    let place = Place::with_flow(FLOW);
    let gate = Gate::new();
    let terminal = Terminal::start(&place, &gate.run("-v"), (24, 200));
    terminal.wait_for("a picture", |text| text.contains("1/3 tasks"));
    gate.go.send(()).expect("the server waits");
    let left = terminal.end();
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(
        left.text.contains("DEBUG") && !left.text.contains("1/3 tasks"),
        "{}",
        left.text
    );
}

#[test]
fn a_smaller_terminal_is_filled_and_no_more() {
    let tasks: String = (0..30)
        .map(|number| {
            format!(
                "  - {{ id: a_task_with_a_long_name_{number}, type: core/http.get, inputs: {{ url: \"{{{{ inputs.url }}}}/wait\" }} }}\n"
            )
        })
        .collect();
    let head = FLOW.split("tasks:").next().expect("the head");
    let place = Place::with_flow(&format!("{head}tasks:\n{tasks}"));
    let gate = Gate::new();
    let terminal = Terminal::start(&place, &gate.run(""), (12, 100));
    let shown = terminal.wait_for("what fits", |text| text.contains("… and 21 more"));
    assert!(shown.contains("0/30 tasks"), "{shown}");
    terminal.resize(8, 40);
    let shown = terminal.wait_for("less", |text| text.contains("… and 25 more"));
    assert!(shown.contains("a_task_with_…name_4"), "{shown}");
    for _ in 0..30 {
        gate.go.send(()).expect("the server waits");
    }
    let left = terminal.end();
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(
        left.text.contains("… and 6 more: 30 SUCCESS of 30 tasks"),
        "{}",
        left.text
    );
}

#[test]
fn retries_sleeps_lists_and_children_are_shown() {
    let head = FLOW.split("tasks:").next().expect("the head");
    let place = Place::with_flow(&format!(
        "{head}tasks:
  - {{ id: down, type: core/http.get, retry: {{ max: 1, initialSeconds: 3000, maxSeconds: 3000 }}, inputs: {{ url: \"{{{{ inputs.url }}}}/down\" }} }}
  - {{ id: nap, type: core/time.sleep, inputs: {{ seconds: 3000 }} }}
  - {{ id: each, type: core/http.get, forEach: [hello, hello, wait, wait], inputs: {{ url: \"{{{{ inputs.url }}}}/{{{{ item }}}}\" }} }}
  - {{ id: child, type: core/flow.run, inputs: {{ workflow: child, inputs: {{ url: \"{{{{ inputs.url }}}}\" }} }} }}
"
    ));
    place.write("child.yaml", &FLOW.replace("id: slow", "id: child"));
    let gate = Gate::new();
    let terminal = Terminal::start(&place, &gate.run(""), (24, 120));
    let shown = terminal.wait_for("all of it", |text| {
        text.contains("2/4, 2 running") && text.contains("33%") && text.contains("2 waiting")
    });
    let line = |what: &str| shown.lines().find(|line| line.contains(what)).expect("it is there");
    assert!(line("down").contains("attempt 2 in "), "{shown}");
    assert!(line("down").contains("503"), "{shown}");
    assert!(line("nap").contains("sleeps, "), "{shown}");
    assert!(line("child").contains("33%  wait"), "{shown}");
    assert!(line("0/4 tasks").contains("2 waiting"), "{shown}");
    terminal.types(b"\x03");
    assert_eq!(terminal.end().code, Some(130));
}

#[test]
fn plain_lines_stand_where_a_picture_cannot() {
    let plain = |options: &str, variables: &[(&str, &str)]| {
        let place = Place::with_flow(FLOW);
        let gate = Gate::new();
        gate.go.send(()).expect("the server waits");
        let left = Terminal::start_with(&place, &gate.run(options), (24, 100), variables).end();
        assert_eq!(left.code, Some(0), "{left:?}");
        let regex = regex::Regex::new(r"\x1b\[[0-9;]*m").expect("a good pattern");
        let bare = regex.replace_all(&left.raw, "").replace('\r', "");
        (redact(&bare, &place), left.raw.contains('\u{1b}'))
    };
    let piped = {
        let place = Place::with_flow(FLOW);
        let gate = Gate::new();
        gate.go.send(()).expect("the server waits");
        let run = place.run(&gate.run("")).code(0);
        redact(&(run.stderr + &run.stdout), &place)
    };
    insta::assert_snapshot!("live-plain", piped);
    assert_eq!(plain("", &[("NO_COLOR", "1")]), (piped.clone(), false));
    assert_eq!(plain("--color never", &[]), (piped.clone(), false));
    // Colours, but nothing that moves.
    assert_eq!(plain("--no-progress", &[]), (piped.clone(), true));
    assert_eq!(plain("", &[("TERM", "dumb")]), (piped, false));
}

#[test]
fn json_on_stdout_and_a_picture_on_the_terminal() {
    let place = Place::with_flow(FLOW);
    let gate = Gate::new();
    place.write("run.sh", &format!("exec \"$1\" {} > out.json\n", gate.run("--json")));
    let binary = crate::process::workflow_binary().display().to_string();
    let terminal = Terminal::start_program(&place, "sh", &["run.sh", &binary], (24, 80));
    terminal.wait_for("a picture", |text| text.contains("1/3 tasks"));
    gate.go.send(()).expect("the server waits");
    assert_eq!(terminal.end().code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&place.read("out.json")).expect("JSON alone");
    assert_eq!(json["outputs"]["said"], "hello");
}

#[test]
fn a_failure_ends_with_what_to_do_next() {
    let yaml = "id: broken
tasks:
  - { id: fine, type: core/console.log, inputs: { message: all is well } }
  - { id: query, needs: [fine], type: core/json.query, inputs: { data: 1, filter: \". + {}\" } }
  - { id: other, needs: [{ task: query, on: always }], type: core/json.query, inputs: { data: 1, filter: . / 0 } }
  - { id: never, needs: [query], type: core/console.log, inputs: { message: never } }
";
    let place = Place::with_flow(yaml);
    for width in [60, 100, 160] {
        let left = Terminal::start(&place, "run flow.yaml", (40, width)).end();
        assert_eq!(left.code, Some(1), "{left:?}");
        insta::assert_snapshot!(format!("live-failure-{width}"), redact(&left.text, &place));
    }
    insta::assert_snapshot!("live-failure-plain", place.run("run flow.yaml").redacted(&place));
}
