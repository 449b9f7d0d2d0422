//! `execution logs --follow`: what comes while it reads, from whichever process, until the end.

use std::io::{BufRead as _, BufReader};

use crate::held::Held;
use crate::process::Place;

const FLOW: &str = "id: slow
inputs: [{ id: url, type: string }]
permissions: { network: [\"127.0.0.1:*\"] }
tasks:
  - { id: first, type: core/console.log, inputs: { message: it began } }
  - { id: wait, needs: [first], type: core/http.get, inputs: { url: \"{{ inputs.url }}\" } }
  - { id: last, needs: [wait], type: core/console.log, inputs: { message: it went on } }
";

#[test]
fn it_shows_what_comes_and_ends_with_the_execution() {
    let place = Place::with_flow(FLOW);
    let held = Held::start(&place, "run flow.yaml --no-progress");
    let mut follow = place.spawn("execution logs last --follow");
    let mut lines = BufReader::new(follow.stdout.take().expect("a pipe")).lines();
    let mut seen = Vec::new();
    while !seen.iter().any(|line: &String| line.contains("it began")) {
        seen.push(lines.next().expect("it waits for more").expect("text"));
    }
    // It has shown what there is while the execution goes on; the rest comes only now.
    held.let_go();
    seen.extend(lines.map(|line| line.expect("text")));
    held.end(&place).code(0);
    assert!(place.finish(follow).code(0).stderr.is_empty());
    let whole = place.run("execution logs last").code(0).stdout;
    assert_eq!(
        seen.join("\n") + "\n",
        whole,
        "nothing is missing, and nothing stands twice"
    );
    assert!(
        whole.contains("it went on") && whole.contains("Execution ended"),
        "{whole}"
    );
}

#[test]
fn filters_hold_and_json_is_an_object_a_line() {
    let place = Place::with_flow("id: f\ntasks:\n  - { id: a, type: core/console.log, inputs: { message: one } }\n");
    place.run("run flow.yaml").code(0);
    let followed = place
        .run("execution logs last --follow --json --source plugin --grep one")
        .code(0);
    let lines: Vec<serde_json::Value> = followed
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0]["message"], "one");
    let limited = place.run("execution logs last --follow --limit 2").code(0);
    assert_eq!(limited.stdout.lines().count(), 2, "{limited:?}");
    let before = place.run("execution logs last --until 1h").code(0);
    assert_eq!(before.stdout, "", "all of it is newer");
}
