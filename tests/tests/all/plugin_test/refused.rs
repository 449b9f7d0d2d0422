//! What `workflow plugin test` refuses, or shows without harm: mistakes, and the projects of strangers.

use std::os::unix::fs::symlink;
use std::time::Duration;

use super::{GOOD, fails, of_hostile, of_plugin, project, told};
use crate::process::{Place, redact};
use crate::support::hostile_component;

#[test]
fn mistakes_in_a_file_of_cases_have_their_places() {
    let place = project(
        r#"- name: all wrong
  acton: log
  input: { message: "{{ secrets.TOKNE }} {{ server }} {{ item }}" }
  secrets: { TOKEN: abcdef, lower-case: x, SHORT: abc }
  permissions: { network: ["http://x"], files: 1 }
  files: { ../x: a, /y: b, a/: c, ok: { base64: "!", text: x }, z: { base64: "!" }, l: { file: ../../etc/passwd } }
  env: { WORKFLOW_SECRETS_KEY: x }
  clock: yesterday
  random: -1
  timeoutSeconds: 1e9
  limits: { memory: 1 }
- action: log
  http:
    - request: FETCH
      response: { status: 99, body: a, json: 1 }
      times: often
    - request: { pathPattern: "(", headers: { "a b": c } }
    - response: {}
  output: 1
  error: { cod: x }
  logs: [{ levl: warn }, { level: loud }, 3, { message: a, contains: b }]
  written: { out: 3 }
  denied: [{ capability: time }]
  outputSchema: { type: nonsense }
  memoryMax: lots
  fuelMax: 0
- { name: twice, action: log }
- { name: twice, action: log }
- 3
"#,
    );
    insta::assert_snapshot!(told(&place, &of_plugin(&place, "core/console", &[]).code(2)));
    let place = project("- { action: lgo }\n");
    insta::assert_snapshot!(
        "unknown_action",
        told(&place, &of_plugin(&place, "core/console", &[]).code(2))
    );
}

/// What strangers put into a project: refused with a place, never a panic, a hang or a look at other files.
#[test]
fn hostile_projects_are_refused() {
    let refused = |put: &dyn Fn(&Place), message: &str| {
        let place = Place::new();
        place.write("secret.yaml", "root:$6$hash: *no\n");
        place.write("p/tests/data/ok", "x");
        put(&place);
        let run = of_plugin(&place, "core/console", &[]).code(2);
        assert!(run.stderr.contains(message), "{message}: {}", run.stderr);
        assert!(!run.stderr.contains("$6$"), "another file was shown: {}", run.stderr);
    };
    let cases = |text: String| move |place: &Place| place.write("p/tests/cases.yaml", &text);
    let link = |place: &Place| symlink(place.path("secret.yaml"), place.path("p/tests/a.yaml")).expect("linked");
    refused(&link, "is a link that leads out");
    let device = |place: &Place| symlink("/dev/zero", place.path("p/tests/a.yaml")).expect("linked");
    refused(&device, "leads out");
    let pipe = |place: &Place| {
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        nix::unistd::mkfifo(&place.path("p/tests/a.yaml"), mode).expect("made");
    };
    refused(&pipe, "is no file");
    refused(
        &|place| std::fs::create_dir(place.path("p/tests/a.yaml")).expect("made"),
        "is no file",
    );
    refused(&|place| place.write_bytes("p/tests/a.yaml", &[0xff, 0xfe]), "not UTF-8");
    refused(&cases("# x\n".repeat(600_000)), "1 MiB");
    refused(&cases(String::new()), "a file of cases is a list");
    refused(&cases("a: 1\n".to_owned()), "must be a list of cases");
    refused(&cases("[".repeat(100) + &"]".repeat(100)), "deeper");
    refused(&cases("- &a [*a]\n".to_owned()), "anchor");
    let mut bomb = "- a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (last, next) in ('a'..'i').zip('b'..='i') {
        let aliases = vec![format!("*{last}"); 10].join(", ");
        bomb.extend([format!("  {next}: &{next} [{aliases}]\n")]);
    }
    refused(&cases(bomb), "aliases expand");
    refused(&cases("- {}\n".repeat(10_001)), "10000 is the most");
    refused(&cases("- { action: \"\\e[31m\\u202e\" }\n".to_owned()), "no action");
    refused(&|_| (), "there are no cases");
    // A file that a case takes from beside itself stays there as well.
    let place = project("- { action: log, input: { message: a }, files: { a: { file: data/link } } }\n");
    place.write("secret.yaml", "hidden");
    std::fs::create_dir(place.path("p/tests/data")).expect("made");
    symlink(place.path("secret.yaml"), place.path("p/tests/data/link")).expect("linked");
    let run = of_plugin(&place, "core/console", &[]).code(1);
    assert!(run.stdout.contains("is a link that leads out"), "{}", run.stdout);
    // And a case's own folder is its whole world, whatever it grants.
    fails(
        "core/file",
        "- { action: write, input: { path: /tmp/x, content: a }, permissions: { filesystem: { write: [/tmp] } } }",
        "error",
        "policy_denied",
    );
}

#[test]
fn the_component_is_the_one_that_was_built() {
    let place = Place::new();
    place.write("p/tests/cases.yaml", "- { action: ok, input: {} }\n");
    let in_place = |more: &[&str]| place.run_args(["plugin", "test", "p"].iter().chain(more));
    insta::assert_snapshot!("no_component", told(&place, &in_place(&[]).code(2)));
    place.write("p/dist/hostile.wasm", "");
    std::fs::copy(hostile_component(), place.path("p/dist/hostile.wasm")).expect("copied");
    let run = in_place(&[]).code(0);
    assert!(
        run.stderr.is_empty() && run.stdout.contains("p/dist/hostile.wasm"),
        "{run:?}"
    );
    // A source that is newer than it is told of, and what is no source is not.
    let built = std::fs::metadata(place.path("p/dist/hostile.wasm")).and_then(|built| built.modified());
    let later = built.expect("it is there") + Duration::from_secs(60);
    let touch = |name: &str| {
        place.write(name, "x");
        let file = std::fs::File::options()
            .write(true)
            .open(place.path(name))
            .expect("opened");
        file.set_modified(later).expect("set");
    };
    for name in ["p/README.md", "p/target/a.rs", "p/.git/a.rs", "p/tests/a.rs"] {
        touch(name);
    }
    assert!(in_place(&[]).code(0).stderr.is_empty());
    touch("p/src/lib.rs");
    let run = in_place(&[]).code(0);
    assert!(
        run.stderr.contains("p/src/lib.rs is newer than p/dist/hostile.wasm"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("workflow plugin build p"), "{}", run.stderr);
    place.write("p/dist/other.wasm", "");
    let run = in_place(&[]).code(2);
    assert!(
        run.stderr.contains("more than one component") && run.stderr.contains("--component"),
        "{}",
        run.stderr
    );
    for (more, code) in [
        (&["--plugin", "core/none"][..], 1),
        (&["--component", "none.wasm"], 2),
        (&["--component", "p/dist/other.wasm"], 2),
        (&["--plugin", "core/json", "--case", "nobody"], 2),
    ] {
        drop(in_place(more).code(code));
    }
    let place = project(GOOD);
    let run = of_plugin(&place, "core/console", &["--case", "greest"]).code(1);
    assert!(run.stderr.contains("did you mean `greets`?"), "{}", run.stderr);
    drop(place.run("plugin test nowhere").code(1));
}

#[test]
fn what_is_printed_on_a_terminal_is_harmless() {
    let place = project(
        "- { name: \"a\\u202eb\", action: script, input: { do: \"say %1b[2J; log %1b]0;x%07; echo %1b[31m\" }, output: 1 }\n",
    );
    let run = of_hostile(&place, &["--color", "never"]).code(1);
    let text = redact(&run.stdout, &place);
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text}");
    assert!(text.contains("\\u{1b}[2J"), "{text}");
}
