//! Plugins in JavaScript and Python: from the line of the README to a run, the sample plugins, the sdks by themselves, and components
//! that other people's tools made of the contract alone.
//!
//! What builds them comes from npm and PyPI, once, into a folder below `target`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::process::{Place, Run, target, workflow_binary};
use crate::server::{Server, response};
use crate::support::repository;

/// The user's folder for caches in these tests: one for all, so that tools are installed once.
fn cache() -> PathBuf {
    target().join("languages")
}

/// Runs lines as a user does who has all that is on this machine, in a folder of a place.
fn user(place: &Place, folder: &str, lines: &str) -> Run {
    let binaries = workflow_binary().parent().expect("a folder").display().to_string();
    let path = std::env::var("PATH").expect("PATH is set");
    let mut command = Command::new("sh");
    command.args(["-euc", lines]).current_dir(place.path(folder));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WORKFLOW_") {
            command.env_remove(name);
        }
    }
    command
        .env("PATH", format!("{binaries}:{path}"))
        .env("XDG_CACHE_HOME", cache())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().expect("start sh");
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

/// The folder of tools that builds have installed.
fn kit(name: &str) -> PathBuf {
    let tools = cache().join("autokestra/tools");
    let entries = std::fs::read_dir(&tools).unwrap_or_else(|error| panic!("{}: {error}", tools.display()));
    let folders = entries.map(|entry| entry.expect("an entry").path());
    let is_kit = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|file| file.to_string_lossy().starts_with(name))
    };
    let found = folders.filter(is_kit).find(|path| path.join(".complete").is_file());
    found.unwrap_or_else(|| panic!("no build has installed {name}"))
}

/// From an idea to a run, as the README of a project says; then what tells a user that something is wrong.
fn from_idea_to_run(language: &str, native: &str) -> Place {
    let place = Place::new();
    let steps = [
        &format!("workflow plugin new hello --lang {language}"),
        "cd hello",
        "workflow plugin build",
        "workflow plugin test",
        "workflow run example.yaml --input name=Ada --json",
    ];
    let line = steps.join(" && ");
    let run = user(&place, "", &line).code(0);
    let last = run.stdout.lines().last().unwrap_or_default();
    let outputs: serde_json::Value =
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {}", run.stdout));
    assert_eq!(outputs["outputs"], json!({ "text": "Hello, Ada!" }));
    // What it has to be compiled for is told, before and not after.
    assert!(run.stderr.contains("compiling the component of ."), "{}", run.stderr);
    assert!(run.stdout.contains("dist/hello.wasm"), "{}", run.stdout);
    user(&place, "hello", native).code(0);
    let failed = user(&place, "hello", "workflow run example.yaml --input name=' '").code(1);
    assert!(
        failed.stderr.contains("`name` is empty: say who is to be greeted"),
        "{}",
        failed.stderr
    );
    place
}

/// A component of somebody who has the contract and the tool alone.
fn foreign_component_runs(place: &Place, language: &str, made: &Path) {
    std::fs::create_dir_all(place.path("foreign/dist")).expect("create a folder");
    std::fs::copy(made, place.path(&format!("foreign/dist/{language}.wasm"))).expect("copy the component");
    place.write("foreign/config.yaml", "plugins: { directories: [./dist] }\n");
    let flow = |words: &str| {
        format!(
            "id: foreign\ntasks:\n  - id: join\n    type: foreign/{language}.join\n    inputs: {{ words: {words} }}\n\
             outputs:\n  all: \"{{{{ tasks.join.output }}}}\"\n"
        )
    };
    place.write("foreign/flow.yaml", &flow("[a, b]"));
    place.write("foreign/none.yaml", &flow("[]"));
    for runs in 1..=2 {
        let run = user(place, "foreign", "workflow run flow.yaml --json").code(0);
        let expected = json!({ "text": "a b", "attempt": 1, "action": "join", "runs": runs });
        assert_eq!(run.json()["outputs"]["all"], expected);
    }
    let logs = user(place, "foreign", "workflow execution logs last").code(0).stdout;
    assert!(
        logs.contains("WARN") && logs.contains("joining") && logs.contains("printed by join"),
        "{logs}"
    );
    let failed = user(place, "foreign", "workflow run none.yaml").code(1);
    assert!(
        failed.stderr.contains("plugin_error: there are no words"),
        "{}",
        failed.stderr
    );
    // What holds an interpreter can do much; which plugin is which, its manifest says.
    let told = user(
        place,
        "foreign",
        &format!("workflow plugin inspect foreign/{language} --json"),
    )
    .code(0)
    .json();
    assert_eq!(told["version"], "0.0.1", "{told}");
}

#[test]
fn javascript_goes_from_an_idea_to_a_run() {
    let place = from_idea_to_run("js", "npm test");
    // An engine that needs no files and no network has none of it, provably.
    let told = user(&place, "hello", "workflow plugin inspect dist/hello.wasm")
        .code(0)
        .stdout;
    assert!(
        told.contains("cannot open files") && told.contains("cannot send HTTP requests"),
        "{told}"
    );
    let out = place.path("foreign.wasm");
    let tool = kit("starlingmonkey").join("node_modules/.bin/componentize-js");
    let lines = format!(
        "{} {}/tests/foreign/js/app.js --wit {}/wit --world-name guest --disable http fetch-event --out {}",
        tool.display(),
        repository().display(),
        repository().display(),
        out.display()
    );
    user(&place, "", &lines).code(0);
    foreign_component_runs(&place, "js", &out);
}

#[test]
fn python_goes_from_an_idea_to_a_run() {
    let place = from_idea_to_run("python", ".venv/bin/python -m unittest discover tests");
    // What an interpreter could do is no hint of what a plugin needs.
    let checked = user(&place, "hello", "workflow validate example.yaml").code(0);
    assert!(!checked.stderr.contains("missing_permission"), "{}", checked.stderr);
    let out = place.path("foreign.wasm");
    let lines = format!(
        "{}/venv/bin/componentize-py --wit-path {}/wit --world guest componentize app --python-path {}/tests/foreign/python --output {}",
        kit("python").display(),
        repository().display(),
        repository().display(),
        out.display()
    );
    user(&place, "", &lines).code(0);
    foreign_component_runs(&place, "python", &out);
}

/// A sample plugin, built and run in a copy of it.
fn sample(name: &str, native: &str) -> Place {
    let place = Place::new();
    place.copy(&repository().join("examples/plugins").join(name));
    let built = user(&place, name, "workflow plugin build --json").code(0);
    assert_eq!(built.json()["name"], format!("acme/{name}"), "{}", built.stdout);
    user(&place, name, native).code(0);
    place
}

#[test]
fn the_markdown_plugin_makes_tables_and_names() {
    let place = sample("markdown", "npm test");
    let run = user(&place, "markdown", "workflow run example.yaml --json")
        .code(0)
        .json();
    assert_eq!(run["outputs"]["name"], "grosste-stadte.md");
    let table =
        "| city   | people |\n| ------ | -----: |\n| Zürich | 447082 |\n| Genève | 209061 |\n| Bern   | 134794 |\n";
    assert_eq!(run["outputs"]["text"], table);

    // A mistake in it is told by the author's own line, in a module that another imports and that takes in a package.
    place.write(
        "markdown/node_modules/shout/package.json",
        r#"{"name": "shout", "main": "index.js"}"#,
    );
    place.write(
        "markdown/node_modules/shout/index.js",
        "exports.shout = (text) => text.toUpperCase();",
    );
    place.write(
        "markdown/src/slug.js",
        "import { shout } from \"shout\";\n\nexport function slugOf(text) {\n  return shout(text.nothing);\n}\n",
    );
    user(&place, "markdown", "workflow plugin build").code(0);
    let failed = user(&place, "markdown", "workflow run example.yaml").code(1).stderr;
    assert!(
        failed.contains("TypeError: ") && failed.contains("at src/slug.js:4 in slugOf"),
        "{failed}"
    );

    // What cannot be built is told before anything is compiled.
    for (code, said) in [
        (
            "import fs from \"node:fs\";",
            "src/slug.js imports `node:fs`, which only Node.js has",
        ),
        ("import { x } from \"missing\";", "`missing` cannot be taken in"),
        ("import { x } from \"./none.js\";", "`src/none.js`, which is no file"),
        ("import \"../../outside.js\";", "which is not in the project"),
        ("const x = ;", "src/slug.js:1"),
        (
            "await import(globalThis.name);",
            "a component has its modules from the start",
        ),
    ] {
        place.write("markdown/src/slug.js", &format!("{code}\nexport const slugOf = 1;\n"));
        let refused = user(&place, "markdown", "workflow plugin build").code(2).stderr;
        assert!(refused.contains(said), "{code}\n{refused}");
    }
    for (manifest, said) in [
        (
            r#"{"type": "module", "autokestra": {"engine": "v8"}}"#,
            "`v8` is no engine of JavaScript",
        ),
        (
            r#"{"type": "module", "autokestra": {"engine": "quickjs", "http": true}}"#,
            "quickjs has no `fetch`",
        ),
        (
            r#"{"type": "module", "autokestra": {"htpp": true}}"#,
            "\"autokestra\" has no key `htpp`",
        ),
        (
            r#"{"type": "module", "main": "../../outside.js", "autokestra": {"engine": "quickjs"}}"#,
            "which is not in the project",
        ),
        ("{}", "its modules are not those of the language"),
        ("{", "EOF while parsing"),
    ] {
        place.write("markdown/package.json", manifest);
        let refused = user(&place, "markdown", "workflow plugin build").code(2).stderr;
        assert!(
            refused.contains("package.json") && refused.contains(said),
            "{manifest}\n{refused}"
        );
    }
}

#[test]
fn the_statistics_plugin_sums_rows_up() {
    let place = sample("statistics", ".venv/bin/python -m unittest discover tests");
    let run = user(&place, "statistics", "workflow run example.yaml --json")
        .code(0)
        .json();
    assert_eq!(run["outputs"], json!({ "mean": 14.33, "north": 12.0 }));

    // By HTTP, there and back, to what is granted and to nothing else.
    let server = Server::start(|_, request| match request.line.as_str() {
        "GET /rows HTTP/1.1" => response("200 OK", "application/json", r#"[{"size": 1}]"#),
        "POST /rows HTTP/1.1" => response("200 OK", "application/json", r#"[{"size": 2}]"#),
        _ => response("503 Service Unavailable", "text/plain", "later"),
    });
    let task =
        |id: &str, inputs: &str| format!("  - {{ id: {id}, type: acme/statistics.load, inputs: {{ {inputs} }} }}\n");
    let (host, long) = (format!("127.0.0.1:{}", server.port), "x".repeat(9000));
    let flow = |tasks: &str| format!("id: load\npermissions: {{ network: [\"{host}\"] }}\ntasks:\n{tasks}");
    let asked = format!("url: \"http://{host}/rows\"");
    let both = task("get", &asked) + &task("post", &format!("{asked}, query: {{ long: {long} }}"));
    let outputs = "outputs: { both: \"{{ [tasks.get.output, tasks.post.output] }}\" }\n";
    place.write("statistics/load.yaml", &(flow(&both) + outputs));
    let policy = "WORKFLOW_POLICY_NETWORK='*:*, *:* private' workflow run";
    let run = user(&place, "statistics", &format!("{policy} load.yaml --json"))
        .code(0)
        .json();
    assert_eq!(run["outputs"]["both"], json!([[{ "size": 1 }], [{ "size": 2 }]]));
    let sent = server
        .requests()
        .into_iter()
        .find(|request| request.line.starts_with("POST"));
    assert!(sent.expect("it was sent").body.contains(&long));
    for (url, said) in [
        (format!("http://{host}/none"), "plugin_error: the status is 503"),
        (
            "http://127.0.0.1:1/".to_owned(),
            "permission_denied: the workflow does not grant this request to `127.0.0.1:1`",
        ),
    ] {
        place.write("statistics/load.yaml", &flow(&task("get", &format!("url: \"{url}\""))));
        let failed = user(&place, "statistics", &format!("{policy} load.yaml"))
            .code(1)
            .stderr;
        assert!(failed.contains(said), "{failed}");
    }

    // A mistake is told while it is built, by the author's own line.
    place.write(
        "statistics/src/plugin.py",
        "from autokestra_sdk import action\n\n\n@action\ndef f(x: bytes) -> None: ...\n",
    );
    let refused = user(&place, "statistics", "workflow plugin build").code(2).stderr;
    assert!(refused.contains("File \"src/plugin.py\", line 4"), "{refused}");
    assert!(
        refused.contains("`x` of `f` is of type bytes, which is no JSON"),
        "{refused}"
    );
    assert!(!refused.contains("autokestra_sdk/_action.py"), "{refused}");
    for (manifest, said) in [
        (
            "[tool.autokestra]\nhtpp = true\n",
            "[tool.autokestra] has no key `htpp`",
        ),
        ("[tool.autokestra]\nhttp = 1\n", "`http` is neither true nor false"),
        (
            "[tool.autokestra]\nmodule = \"../x\"\n",
            "`../x` is no name of a module",
        ),
        ("[project\n", "line 1"),
    ] {
        place.write("statistics/pyproject.toml", manifest);
        let refused = user(&place, "statistics", "workflow plugin build").code(2).stderr;
        assert!(
            refused.contains("pyproject.toml") && refused.contains(said),
            "{manifest}\n{refused}"
        );
    }
}

#[test]
fn the_sdks_pass_their_own_tests() {
    let place = Place::new();
    place.copy(&repository().join("sdk/js"));
    place.copy(&repository().join("sdk/python"));
    user(&place, "js", "npm test").code(0);
    user(&place, "python", "PYTHONPATH=src python3 -m unittest discover -s tests").code(0);
}

/// Without the tools, their install command is shown, and nothing is left behind.
#[test]
fn a_missing_tool_is_told_with_its_install_command() {
    let place = Place::new();
    for (language, said) in [
        ("js", "apt-get install --no-install-recommends nodejs npm"),
        ("python", "python3 python3-venv"),
    ] {
        let mut command = place.command(["plugin", "new", language, "--lang", language]);
        command.env("PATH", place.root());
        assert!(command.output().expect("start the binary").status.success());
        let mut command = place.command(["plugin", "build", language]);
        let output = command.env("PATH", place.root()).output().expect("start the binary");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
        assert!(
            !place
                .path(language)
                .join("dist")
                .join(format!("{language}.wasm"))
                .exists()
        );
    }
}
