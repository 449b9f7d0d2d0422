//! The local store of plugins, and the lock that pins what workflows use.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use autokestra_model::Digest;
use serde_json::Value;

use crate::process::{Place, Run};
use crate::support::hostile_component;
use crate::tls::serve_answers;

const FLOW: &str = "id: flow\ntasks:\n  - { id: one, type: test/hostile.ok, inputs: {} }\n  - { id: two, type: core/wasm.run, inputs: { module: nothing } }\n";

/// The hostile component, with a section of no meaning: another file, and the same plugin.
fn component(version: u8) -> Vec<u8> {
    let mut bytes = std::fs::read(hostile_component()).expect("it is built");
    bytes.extend([0, 3, 1, b'v', version]);
    bytes
}

/// A program that does nothing, told apart by what it exports.
fn program(mark: &str) -> Vec<u8> {
    let text = format!("(module (memory (export \"memory\") 1) (func (export \"_start\")) (func (export \"{mark}\")))");
    wat::parse_str(text).expect("good text")
}

fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// A place with a plugin and a program as files, and a workflow that uses both.
fn place() -> Place {
    let place = Place::with_flow(FLOW);
    place.write_bytes("first.wasm", &component(1));
    place.write_bytes("second.wasm", &component(2));
    place.write_bytes("nothing.wasm", &program("a"));
    place
}

/// The names that `plugin list` says are installed.
fn names(place: &Place) -> Vec<String> {
    let list = place.run("plugin list --json").code(0).json();
    let installed = list.as_array().expect("a list").iter();
    let installed = installed.filter(|plugin| plugin["origin"] == "installed");
    installed
        .filter_map(|plugin| Some(plugin["name"].as_str()?.to_owned()))
        .collect()
}

/// What it printed, with the figures that change with each build of the component named.
fn shown(text: &str, place: &Place) -> String {
    let mut text = crate::process::redact(text, place);
    for (bytes, name) in [
        (component(1), "FIRST"),
        (component(2), "SECOND"),
        (program("a"), "A"),
        (program("b"), "B"),
    ] {
        let whole = digest(&bytes);
        text = text
            .replace(&whole, &format!("[{name}]"))
            .replace(&whole[..12], &format!("[{name}]"));
    }
    static SIZES: OnceLock<regex::Regex> = OnceLock::new();
    let sizes = SIZES.get_or_init(|| regex::Regex::new(r"\d[\d.]* [KM]iB").expect("a good pattern"));
    sizes.replace_all(&text, "[SIZE]").into_owned()
}

/// What a drawn text says, whatever lines and frames it was broken into.
fn flat(run: &Run) -> String {
    let words = run.stderr.split_whitespace().filter(|word| *word != "│");
    words.collect::<Vec<&str>>().join(" ")
}

fn files(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.path("data/plugins")).expect("it is there");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".wasm")).collect();
    names.sort();
    names
}

#[test]
fn what_is_installed_runs_by_its_name_until_it_is_removed() {
    let place = place();
    insta::assert_snapshot!(shown(&place.run("plugin install first.wasm").code(0).stdout, &place));
    insta::assert_snapshot!(shown(
        &place.run("plugin install ./nothing.wasm").code(0).stdout,
        &place
    ));
    assert_eq!(names(&place), ["test/hostile"]);
    place.run("run flow.yaml").code(0);
    // Another version takes the place, and the file of the first goes.
    let second = place.run("plugin install second.wasm --json").code(0).json();
    assert_eq!(second["replaced"], digest(&component(1)), "{second:#}");
    assert_eq!(second["digest"], digest(&component(2)));
    let mut left = [digest(&component(2)) + ".wasm", digest(&program("a")) + ".wasm"];
    left.sort();
    assert_eq!(files(&place), left);
    // The same once more replaces nothing.
    assert_eq!(
        place.run("plugin install second.wasm --json").code(0).json()["replaced"],
        Value::Null
    );
    assert_eq!(
        place.run("plugin remove test/hostile").code(0).stdout,
        "removed test/hostile 1.0.0\n"
    );
    assert_eq!(place.run("plugin remove nothing").code(0).stdout, "removed nothing\n");
    assert_eq!((names(&place), files(&place)), (vec![], vec![]));
    let gone = place.run("run flow.yaml").code(2);
    assert!(gone.stderr.contains("unknown_plugin"), "{gone:?}");
    insta::assert_snapshot!(place.run("plugin remove test/hostil").code(1).stderr, @r"
    error: no plugin `test/hostil` is installed
    hint: `workflow plugin list` shows all, and which of them are installed
    ");
}

#[test]
fn what_was_changed_is_not_run() {
    let place = place();
    place.run("plugin install first.wasm").code(0);
    place.run("plugin install nothing.wasm").code(0);
    place.write_bytes(&format!("data/plugins/{}.wasm", digest(&component(1))), &component(2));
    let run = place.run("run flow.yaml").code(2);
    assert!(
        flat(&run).contains("is not what was installed as `test/hostile`"),
        "{run:?}"
    );
    place.run("plugin install first.wasm").code(0);
    place.write_bytes(&format!("data/plugins/{}.wasm", digest(&program("a"))), &program("b"));
    let run = place.run("run flow.yaml").code(2);
    assert!(flat(&run).contains("is not what was installed as `nothing`"), "{run:?}");
    place.write("data/plugins/installed.json", "{\"version\":1,\"installed\":[{}]}");
    let run = place.run("run flow.yaml").code(3);
    assert!(
        run.stderr
            .contains("the list of installed plugins ./data/plugins/installed.json is damaged"),
        "{run:?}"
    );
    place.write("data/plugins/installed.json", "{\"version\":2,\"installed\":[]}");
    let run = place.run("plugin list").code(3);
    assert!(
        run.stderr.contains("it has the form 2, and this program knows 1"),
        "{run:?}"
    );
}

#[test]
fn what_cannot_be_installed_says_why_and_leaves_nothing() {
    let mut place = place();
    place.write("text.wasm", "no component");
    place.write_bytes("d/hostile.wasm", &component(1));
    let mut said = String::new();
    let wrong = "f".repeat(64);
    for (line, code) in [
        ("plugin install nowhere.wasm", 2),
        ("plugin install .", 2),
        ("plugin install text.wasm", 2),
        ("plugin install first.wasm --name other", 2),
        ("plugin install nothing.wasm --name ../up", 2),
        (&format!("plugin install first.wasm --digest {wrong}"), 1),
        ("plugin install first.wasm --digest abc", 2),
        ("plugin install http://127.0.0.1:1/a.wasm", 2),
        ("plugin install oci://example.com/a", 2),
        ("plugin install ftp://example.com/a", 2),
        ("plugin install https://", 2),
        ("plugin install https://me:correct-horse@localhost:1/a.wasm", 2),
    ] {
        let run = place.run(line).code(code);
        said.extend([format!("$ workflow {line}\n{}\n", shown(&run.stderr, &place))]);
    }
    place.set("WORKFLOW_PLUGINS_DIRECTORIES", "d");
    let run = place.run("plugin install second.wasm").code(1);
    said += &shown(&run.stderr, &place);
    insta::assert_snapshot!(said);
    assert!(!place.path("data/plugins").exists(), "nothing was kept");
    // What a folder has by now stands twice.
    place.unset("WORKFLOW_PLUGINS_DIRECTORIES");
    place.run("plugin install first.wasm").code(0);
    place.set("WORKFLOW_PLUGINS_DIRECTORIES", "d");
    place.write(
        "flow.yaml",
        "id: f\ntasks: [{ id: one, type: test/hostile.ok, inputs: {} }]\n",
    );
    let run = place.run("run flow.yaml").code(2);
    assert!(run.stderr.contains("stands twice"), "{run:?}");
}

#[test]
fn what_is_fetched_needs_a_digest_that_somebody_agrees_to() {
    let mut place = Place::new();
    let served = component(1);
    let server = serve_answers(
        &[],
        Arc::new(move |path| {
            let head =
                |status: &str, more: &str| format!("HTTP/1.1 {status}\r\nconnection: close\r\n{more}\r\n").into_bytes();
            match path.split('?').next().unwrap_or_default() {
                "/a.wasm" => [
                    head("200 OK", &format!("content-length: {}\r\n", served.len())),
                    served.clone(),
                ]
                .concat(),
                "/moved" => head("302 Found", "location: a.wasm\r\ncontent-length: 0\r\n"),
                "/down" => head(
                    "302 Found",
                    "location: http://localhost/a.wasm\r\ncontent-length: 0\r\n",
                ),
                "/circle" => head("302 Found", "location: /circle\r\ncontent-length: 0\r\n"),
                "/huge" => head("200 OK", "content-length: 1000000000000\r\n"),
                _ => head("404 Not Found", "content-length: 0\r\n"),
            }
        }),
    );
    place.write("roots.pem", &server.authority);
    let roots = place.path("roots.pem").display().to_string();
    let address = |path: &str| format!("https://localhost:{}/{path}", server.port);
    let install = |place: &Place, path: &str, more: &[&str]| -> Run {
        let address = address(path);
        place.run_args([&["plugin", "install", address.as_str()], more].concat())
    };
    let untrusted = install(&place, "a.wasm", &[]).code(1);
    assert!(untrusted.stderr.contains("certificate"), "{untrusted:?}");
    place.set("SSL_CERT_FILE", &roots);
    let first = digest(&component(1));
    let asked = install(&place, "a.wasm", &[]).code(2);
    assert!(asked.stderr.contains(&format!("digest {first}")), "{asked:?}");
    assert!(
        asked
            .stderr
            .contains("nothing was installed: nobody agreed to the digest"),
        "{asked:?}"
    );
    for (path, why) in [
        ("down", "it leads from https to http"),
        ("circle", "it leads on and on"),
        ("huge", ""),
        ("none", "it answered 404 Not Found"),
    ] {
        let run = install(&place, path, &["--digest", &first]).code(1);
        assert!(run.stderr.contains(why), "{run:?}");
    }
    assert!(!place.path("data/plugins").exists(), "nothing was kept");
    // What lets its holder fetch more is kept nowhere.
    install(&place, "a.wasm?token=correct-horse", &["--digest", &first]).code(0);
    place.write(
        "flow.yaml",
        "id: f\ntasks: [{ id: one, type: test/hostile.ok, inputs: {} }]\n",
    );
    place.run("plugin lock flow.yaml").code(0);
    for file in ["data/plugins/installed.json", "plugins.lock"] {
        let text = place.read(file);
        assert!(
            text.contains(&address("a.wasm")) && !text.contains("correct-horse"),
            "{file}: {text}"
        );
    }
    install(&place, "moved", &["--digest", &format!("blake3:{first}")]).code(0);
    assert_eq!(names(&place), ["test/hostile"]);
}

#[test]
fn two_processes_that_install_at_once_both_do() {
    let place = place();
    for round in ["a", "b", "c", "d"] {
        place.write_bytes(&format!("{round}.wasm"), &program(round));
    }
    let children: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| place.spawn(&format!("plugin install {name}.wasm")))
        .collect();
    for child in children {
        place.finish(child).code(0);
    }
    assert_eq!(files(&place).len(), 4);
    let list: Value = serde_json::from_str(&place.read("data/plugins/installed.json")).expect("JSON");
    let names: Vec<&Value> = list["installed"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
}

#[test]
fn a_lock_pins_what_workflows_use_and_is_insisted_on() {
    let place = place();
    place.run("plugin install first.wasm").code(0);
    place.run("plugin install nothing.wasm").code(0);
    let none = place.run("run flow.yaml --locked").code(2);
    assert!(none.stderr.contains("there is no plugins.lock in"), "{none:?}");
    place.run("run flow.yaml").code(0);
    insta::assert_snapshot!(
        "lock_written",
        shown(&place.run("plugin lock flow.yaml").code(0).stdout, &place)
    );
    insta::assert_snapshot!("lock_file", shown(&place.read("plugins.lock"), &place));
    place.run("run flow.yaml --locked").code(0);
    place.run("validate flow.yaml --locked").code(0);
    // Another version, and another program of the name.
    place.run("plugin install second.wasm").code(0);
    place.write_bytes("nothing.wasm", &program("b"));
    place.run("plugin install nothing.wasm").code(0);
    let told = place.run("run flow.yaml").code(0);
    assert!(told.stderr.contains("not_locked"), "{told:?}");
    let before = place.run("execution list --json").code(0).json();
    let refused = place.run("run flow.yaml --locked").code(2);
    insta::assert_snapshot!("lock_refused", shown(&refused.stderr, &place));
    assert_eq!(before, place.run("execution list --json").code(0).json(), "nothing ran");
    insta::assert_snapshot!(
        "lock_moved",
        shown(&place.run("plugin lock flow.yaml").code(0).stdout, &place)
    );
    place.run("run flow.yaml --locked").code(0);
    // A lock that cannot be read stops only who asks for it, and nobody writes over it.
    place.write("plugins.lock", "version: 1\nplugins: { a: { digest: xyz } }\n");
    let told = place.run("run flow.yaml").code(0);
    assert!(flat(&told).contains("plugins.lock cannot be read: `a`"), "{told:?}");
    for line in ["run flow.yaml --locked", "plugin lock flow.yaml"] {
        let run = place.run(line).code(2);
        assert!(run.stderr.contains("plugins.lock cannot be read: `a`"), "{run:?}");
    }
}

#[test]
fn a_lock_holds_for_programs_that_expressions_name() {
    let place = place();
    place.run("plugin install nothing.wasm").code(0);
    place.write_bytes("other.wasm", &program("b"));
    place.run("plugin install other.wasm").code(0);
    let flow = |module: &str| {
        format!(
            "id: flow\ninputs: [{{ id: name, type: string, default: nothing }}]\ntasks: [{{ id: two, type: core/wasm.run, inputs: {{ module: \"{module}\" }} }}]\n"
        )
    };
    place.write("flow.yaml", &flow("nothing"));
    place.run("plugin lock flow.yaml").code(0);
    place.write("flow.yaml", &flow("{{ inputs.name }}"));
    place.run("run flow.yaml --locked").code(0);
    place.run("run flow.yaml --input name=other").code(0);
    let refused = place.run("run flow.yaml --locked --input name=other").code(1);
    assert!(
        flat(&refused).contains("plugins.lock does not name `other`"),
        "{refused:?}"
    );
    let shown = place.inspect();
    assert_eq!(
        crate::process::task(&shown, "two")["reasonCode"],
        "plugin_unusable",
        "{shown:#}"
    );
    assert!(
        flat(&refused).contains("`workflow plugin lock FILE --also other`"),
        "{refused:?}"
    );
    place.run("plugin lock flow.yaml --also other --also core/http").code(0);
    place.run("run flow.yaml --locked --input name=other").code(0);
    for (name, code, why) in [
        ("./other.wasm", 2, "`./other.wasm` is a file"),
        ("other.wasm", 2, "`other.wasm` is a file"),
        ("othr", 1, "no program `othr` is installed"),
        ("test/nothing", 1, "there is no plugin `test/nothing`"),
        ("Test/x", 2, "Test/x"),
    ] {
        let wrong = place
            .run_args(["plugin", "lock", "flow.yaml", "--also", name])
            .code(code);
        assert!(flat(&wrong).contains(why), "{wrong:?}");
    }
    // Nor another file of the name that is pinned.
    place.write_bytes("nothing.wasm", &program("b"));
    place.run("plugin install nothing.wasm").code(0);
    place.run("run flow.yaml").code(0);
    place.run("run flow.yaml --locked").code(1);
}

#[test]
fn a_lock_holds_for_the_workflows_that_a_workflow_runs() {
    let place = place();
    place.run("plugin install first.wasm").code(0);
    place.write(
        "flow.yaml",
        "id: f\ntasks: [{ id: inner, type: core/flow.run, inputs: { workflow: in/child.yaml } }]\n",
    );
    place.write(
        "in/child.yaml",
        "id: c\ntasks: [{ id: one, type: test/hostile.ok, inputs: {} }]\n",
    );
    let refused = place.run("run flow.yaml --locked").code(2);
    assert!(flat(&refused).contains("there is no plugins.lock in"), "{refused:?}");
    place.run("plugin lock flow.yaml").code(0);
    let lock = PathBuf::from("in/plugins.lock");
    assert!(
        place.read(&lock.display().to_string()).contains("test/hostile"),
        "beside the one that uses it"
    );
    place.run("run flow.yaml --locked").code(0);
    // What is part of the program needs no lock.
    place.write(
        "own.yaml",
        "id: o\ntasks: [{ id: one, type: core/console.log, inputs: { message: x } }]\n",
    );
    place.run("run own.yaml --locked").code(0);
}
