//! `core/wasm.run`: programs that nobody here wrote, run as tasks under the same grants and limits as plugins.

use std::path::Path;

use serde_json::{Value, json};

use crate::built::{htmlq, lua, pulldown_cmark};
use crate::docs::{blocks, document};
use crate::process::{Place, redact, task};
use crate::support::hostile_component;

/// A place with programs, each under its own name.
fn place_with(programs: &[&Path]) -> Place {
    let place = Place::new();
    for program in programs {
        place.copy(program);
    }
    place
}

/// Runs a workflow of one task `it`, and gives what was kept of the execution. `more` are keys of the task besides its inputs.
fn run_one(place: &Place, inputs: &Value, more: &Value) -> Value {
    let mut one = json!({ "id": "it", "type": "core/wasm.run", "inputs": inputs });
    for (key, value) in more.as_object().expect("keys") {
        one[key] = value.clone();
    }
    place.write("flow.yaml", &json!({ "id": "one", "tasks": [one] }).to_string());
    let run = place.run("run flow.yaml --no-progress");
    assert!(run.code <= 1, "{}", run.stderr);
    place.inspect()
}

/// Runs a line of Lua.
fn run_lua(place: &Place, code: &str, inputs: &Value, more: &Value) -> Value {
    let mut all = json!({ "module": "./lua.wasm", "args": ["-e", code] });
    for (key, value) in inputs.as_object().expect("inputs") {
        all[key] = value.clone();
    }
    run_one(place, &all, more)
}

/// The one place that asks how the task `it` failed.
#[track_caller]
fn check_failure(execution: &Value, code: &str, message: &str) {
    let it = task(execution, "it");
    let said = it["message"].as_str().unwrap_or_default();
    assert_eq!(
        (&it["state"], &it["reasonCode"]),
        (&json!("FAILED"), &json!(code)),
        "{said}"
    );
    assert!(said.contains(message), "{said}");
}

#[track_caller]
fn output(execution: &Value) -> &Value {
    let it = task(execution, "it");
    assert_eq!(it["state"], "SUCCESS", "{it:#}");
    &it["output"]
}

/// The messages of a task's log, by level.
fn logged<'e>(execution: &'e Value, level: &str, stream: &str) -> Vec<&'e str> {
    let logs = execution["logs"].as_array().expect("a list");
    let ours = logs
        .iter()
        .filter(|log| log["level"] == level && log["metadata"]["stream"] == stream);
    ours.filter_map(|log| log["message"].as_str()).collect()
}

#[test]
fn markdown_passes_through_two_programs_of_crates_io() {
    let place = place_with(&[pulldown_cmark(), htmlq()]);
    let page = "# Weather\n\n* [Hot](https://example.org/hot) days\n* [Cold](https://example.org/cold) days\n";
    place.write(
        "flow.yaml",
        &json!({
            "id": "pages",
            "inputs": [{ "id": "page" }],
            "tasks": [
                {
                    "id": "html",
                    "type": "core/wasm.run",
                    "inputs": { "module": "./pulldown-cmark.wasm", "stdin": "{{ inputs.page }}" },
                },
                {
                    "id": "links",
                    "type": "core/wasm.run",
                    "needs": ["html"],
                    "inputs": {
                        "module": "htmlq.wasm",
                        "args": ["--attribute", "href", "a"],
                        "stdin": "{{ tasks.html.output.stdout }}",
                        "output": "lines",
                    },
                },
            ],
            "outputs": { "html": "{{ tasks.html.output.stdout }}", "links": "{{ tasks.links.output }}" },
        })
        .to_string(),
    );
    place.write("inputs.json", &json!({ "page": page }).to_string());
    place.run("run flow.yaml --inputs inputs.json --no-progress").code(0);
    let execution = place.inspect();
    let html = execution["outputs"]["html"].as_str().expect("text");
    assert!(html.starts_with("<h1>Weather</h1>\n<ul>\n"), "{html}");
    let links = ["https://example.org/hot", "https://example.org/cold"];
    assert_eq!(execution["outputs"]["links"], json!({ "stdout": links, "exitCode": 0 }));
    let lines = logged(&execution, "INFO", "stdout");
    assert!(
        lines.contains(&"<h1>Weather</h1>") && lines.ends_with(&links),
        "{lines:?}"
    );
    for (id, program) in [("html", pulldown_cmark()), ("links", htmlq())] {
        let digest = blake3::hash(&std::fs::read(program).expect("it was built")).to_string();
        let attempt = &task(&execution, id)["attempts"][0];
        assert_eq!(attempt["pluginDigest"], digest.as_str(), "{id}");
        assert!(attempt["usage"]["peakMemory"].as_u64() > Some(1 << 16), "{attempt}");
    }
}

#[test]
fn a_program_in_c_runs_a_mounted_script_on_granted_files() {
    let place = place_with(&[lua()]);
    place.write(
        "scripts/sum.lua",
        "local sum = 0\nfor line in io.lines('/data/in.txt') do sum = sum + line end\n\
         io.open('/artifacts/sum.txt', 'w'):write(sum, '\\n')\n\
         print('{\"sum\": ' .. sum .. ', \"args\": \"' .. table.concat(arg, ' ') .. '\", \"name\": \"' .. arg[-1] .. '\"}')\n",
    );
    place.write("scripts/lib.lua", "not asked for\n");
    place.write("data/in.txt", "1\n2\n39\n");
    let execution = run_one(
        &place,
        &json!({
            "module": "./lua.wasm",
            "args": ["/app/sum.lua", "-x", 7, true],
            "mounts": { "/app/sum.lua": "./scripts/sum.lua" },
            "output": "json",
        }),
        &json!({ "permissions": { "filesystem": { "read": ["./scripts", "./data/in.txt"] } } }),
    );
    assert_eq!(
        *output(&execution),
        json!({ "stdout": { "sum": 42, "args": "-x 7 true", "name": "lua" }, "exitCode": 0 })
    );
    assert_eq!(place.run("execution files last sum.txt").code(0).stdout, "42\n");
}

#[test]
fn json_is_read_and_written() {
    let place = place_with(&[lua()]);
    let stdin = json!({ "a": [1, 2], "b": "ü" });
    let execution = run_lua(
        &place,
        "io.write(io.read('a'))",
        &json!({ "stdin": stdin, "output": "json" }),
        &json!({}),
    );
    assert_eq!(output(&execution)["stdout"], stdin);
    let execution = run_lua(&place, "print('{')", &json!({ "output": "json" }), &json!({}));
    check_failure(&execution, "invalid_output", "not one JSON document");
    let execution = run_lua(&place, "io.write('\\255')", &json!({}), &json!({}));
    check_failure(&execution, "invalid_output", "no UTF-8 at byte 0");
}

#[test]
fn an_exit_code_is_a_failure_unless_it_may_be() {
    let place = place_with(&[lua()]);
    let leave = "print('so far') io.stderr:write('first\\nno such thing\\n') os.exit(3)";
    let execution = run_lua(
        &place,
        leave,
        &json!({}),
        &json!({ "retry": { "max": 1, "initialSeconds": 0.01 } }),
    );
    check_failure(&execution, "exit_nonzero", "the exit code 3: first\nno such thing");
    let attempts = task(&execution, "it")["attempts"].as_array().expect("a list");
    assert_eq!(
        (attempts.len(), &attempts[0]["error"]["code"]),
        (2, &json!("exit_nonzero"))
    );
    assert_eq!(
        logged(&execution, "WARN", "stderr"),
        ["first", "no such thing", "first", "no such thing"]
    );
    let execution = run_lua(&place, leave, &json!({ "allowFailure": true }), &json!({}));
    assert_eq!(*output(&execution), json!({ "stdout": "so far\n", "exitCode": 3 }));
    // What is not of the form is given as it is.
    let asked = json!({ "allowFailure": true, "output": "json" });
    let execution = run_lua(&place, leave, &asked, &json!({}));
    assert_eq!(*output(&execution), json!({ "stdout": "so far\n", "exitCode": 3 }));
    let execution = run_lua(&place, "error('alas')", &json!({}), &json!({}));
    check_failure(&execution, "exit_nonzero", "alas");
    // A component of WASI 0.2 that is linked with the usual adapter tells success and failure only.
    place.copy(htmlq());
    let execution = run_one(
        &place,
        &json!({ "module": "./htmlq.wasm", "args": ["--no-such-option"], "allowFailure": true }),
        &json!({}),
    );
    assert_eq!(output(&execution)["exitCode"], 1);
}

#[test]
fn limits_end_a_program_with_their_reasons() {
    let place = place_with(&[lua()]);
    let flood = "while true do print(('x'):rep(99)) end";
    let small = json!({ "limits": { "output": "10KiB" } });
    let execution = run_lua(&place, flood, &json!({}), &small);
    check_failure(&execution, "limit_output", "10240 bytes");
    let bytes: usize = logged(&execution, "INFO", "stdout").iter().map(|line| line.len()).sum();
    assert!(bytes < 64 << 10, "it went on: {bytes} bytes are in the log");
    // A list costs more than its text.
    let lines = "print(('\\n'):rep(5000))";
    let execution = run_lua(&place, lines, &json!({ "output": "lines" }), &small);
    check_failure(&execution, "limit_output", "limits.output");
    // In the log alone, it counts against the log's limit.
    let execution = run_lua(
        &place,
        "for i = 1, 1000 do print(('x'):rep(99)) end",
        &json!({ "output": "none" }),
        &json!({ "limits": { "output": "10KiB", "logBytes": "1KiB" } }),
    );
    assert_eq!(*output(&execution), json!({ "stdout": null, "exitCode": 0 }));
    assert!(logged(&execution, "INFO", "stdout").len() <= 10);
    let endless = "while true do end";
    let execution = run_lua(&place, endless, &json!({}), &json!({ "timeoutSeconds": 0.3 }));
    check_failure(&execution, "timeout", "timeoutSeconds");
    let execution = run_lua(&place, endless, &json!({}), &json!({ "limits": { "fuel": 5_000_000 } }));
    check_failure(&execution, "limit_fuel", "5000000");
    let execution = run_lua(
        &place,
        "local kept = {} while true do kept[#kept + 1] = ('x'):rep(1 << 20) .. #kept end",
        &json!({}),
        &json!({}),
    );
    check_failure(&execution, "limit_memory", "64 MiB");
    let open = "local kept = {} while true do kept[#kept + 1] = assert(io.open('/lua.wasm')) end";
    let granted = json!({ "permissions": { "filesystem": { "read": ["./lua.wasm"] } } });
    check_failure(&run_lua(&place, open, &json!({}), &granted), "limit_handles", "64");
}

#[test]
fn the_environment_is_what_the_task_gives_and_is_granted() {
    let mut place = place_with(&[lua()]);
    place.set("WORKFLOW_POLICY_ENV", "GRANTED, BOTH");
    for name in ["GRANTED", "OTHER", "BOTH"] {
        place.set(name, "of the engine");
    }
    let execution = run_lua(
        &place,
        "for _, name in ipairs({'OWN', 'NUMBER', 'GRANTED', 'BOTH', 'OTHER', 'PATH'}) do print(os.getenv(name)) end",
        &json!({ "env": { "OWN": "of the task", "NUMBER": 1, "BOTH": "of the task" }, "output": "lines" }),
        &json!({ "permissions": { "env": ["GRANTED", "BOTH"] } }),
    );
    assert_eq!(
        output(&execution)["stdout"],
        json!(["of the task", "1", "of the engine", "of the task", "nil", "nil"])
    );
}

#[test]
fn secrets_are_masked_wherever_a_program_puts_them() {
    let mut place = place_with(&[lua()]);
    place.set("WORKFLOW_SECRET_TOKEN", "hidden-word-1");
    place.write(
        "flow.yaml",
        "id: one\nsecrets: [TOKEN]\ntasks:\n  - id: it\n    type: core/wasm.run\n    inputs:\n      module: ./lua.wasm\n      \
         args: [-e, \"print(arg[1]) print(io.read('a')) io.stderr:write(os.getenv('T'):sub(1, 6)) io.stderr:write(os.getenv('T'):sub(7)) \
         os.exit(2)\", x, \"{{ secrets.TOKEN }}\"]\n      stdin: \"say {{ secrets.TOKEN }}\"\n      env: { T: \"{{ secrets.TOKEN }}\" }\n      \
         allowFailure: \"{{ inputs.may }}\"\ninputs: [{ id: may, type: boolean, default: false }]\n\
         outputs: { said: \"{{ tasks.it.output }}\" }\n",
    );
    for (may, code) in [("false", 1), ("true", 0)] {
        let run = place.run(&format!("run flow.yaml --logs --input may={may}")).code(code);
        let logs = place.run("execution logs --json").code(0);
        let inspected = place.run("execution inspect last --json").code(0);
        for text in [&run.stdout, &run.stderr, &logs.stdout, &inspected.stdout] {
            assert!(!text.contains("hidden-word-1"), "{text}");
        }
        assert!(run.stderr.contains("say ***"), "{}", run.stderr);
    }
    for file in ["data/db.sqlite", "data/db.sqlite-wal"] {
        let bytes = std::fs::read(place.path(file)).unwrap_or_default();
        assert!(
            !bytes.windows(13).any(|part| part == b"hidden-word-1"),
            "{file} holds the secret"
        );
    }
}

/// The denials of an execution: targets of the audit trail, and the lines of YAML that the log has.
fn denials(execution: &Value) -> (Vec<&str>, Vec<&str>) {
    let events = execution["auditEvents"].as_array().expect("a list");
    let denied = events.iter().filter(|event| event["type"] == "PERMISSION_DENIED");
    let targets = denied.filter_map(|event| event["metadata"]["target"].as_str());
    let logs = execution["logs"].as_array().expect("a list");
    let yaml = logs
        .iter()
        .filter_map(|log| log["message"].as_str()?.split_once("permissions:\n"));
    (targets.collect(), yaml.map(|(_, yaml)| yaml.trim()).collect())
}

#[test]
fn mounts_open_nothing_that_is_not_granted() {
    let place = place_with(&[lua()]);
    for file in ["data/a.txt", "secret/b.txt"] {
        place.write(file, "x");
    }
    std::os::unix::fs::symlink("../secret", place.path("data/link")).expect("a link");
    let read = json!({ "permissions": { "filesystem": { "read": ["./data"] } } });
    let mount = |host: &str| run_lua(&place, "print(1)", &json!({ "mounts": { "/x": host } }), &read);
    for host in ["./secret", ".", "/etc"] {
        let execution = mount(host);
        check_failure(
            &execution,
            "permission_denied",
            &format!("mounting `{host}` at `/x` is not granted"),
        );
        let yaml = format!("filesystem: {{ read: [\"{host}\"] }}");
        assert_eq!(denials(&execution), (vec![host], vec![yaml.as_str()]));
    }
    check_failure(&mount("./data/../secret"), "invalid_input", "`..`");
    check_failure(&mount("./data/link"), "grant_unusable", "is a link");
    // What is mounted to be read is not written, and what would allow it is told in the host's terms.
    let execution = run_lua(
        &place,
        "print(io.open('/x/deep/new.txt', 'w')) print(io.open('/x/../secret/b.txt')) print(io.open('/x/link/b.txt')) \
         print(io.open('/x/a.txt') ~= nil)",
        &json!({ "mounts": { "/x": "./data" }, "output": "lines" }),
        &read,
    );
    let lines = output(&execution)["stdout"].as_array().expect("lines");
    assert!(
        lines[..3]
            .iter()
            .all(|line| line.as_str().is_some_and(|line| line.starts_with("nil")))
    );
    assert_eq!(lines[3], "true");
    let (targets, yaml) = denials(&execution);
    assert_eq!(
        (targets[0], yaml[0]),
        ("/x/deep/new.txt", "filesystem: { write: [\"./data/deep\"] }")
    );
    // Where the folder may be written, so may what is mounted of it.
    std::fs::create_dir(place.path("data/out")).expect("created");
    let execution = run_lua(
        &place,
        "assert(io.open('/x/new.txt', 'w')):write('written')",
        &json!({ "mounts": { "/x": "data/out" } }),
        &json!({ "permissions": { "filesystem": { "write": ["./data"] } } }),
    );
    output(&execution);
    assert_eq!(place.read("data/out/new.txt"), "written");
}

#[test]
fn a_module_is_looked_for_below_the_folder_alone() {
    let place = Place::new();
    let flow = "id: one\ninputs: [{ id: module }]\ntasks:\n  - id: it\n    type: core/wasm.run\n    inputs: { module: \"{{ \
                inputs.module }}\", args: [-e, \"print('here')\"] }\n";
    place.write("flows/flow.yaml", flow);
    std::fs::copy(lua(), place.path("outside.wasm")).expect("copied");
    std::fs::copy(lua(), place.path("flows/lua.wasm")).expect("copied");
    std::fs::copy(hostile_component(), place.path("flows/plugin.wasm")).expect("copied");
    std::fs::create_dir_all(place.path("flows/tools/folder.wasm")).expect("created");
    std::fs::hard_link(place.path("flows/lua.wasm"), place.path("flows/tools/lua.wasm")).expect("linked");
    let link = |to: &str, from: &str| std::os::unix::fs::symlink(to, place.path(from)).expect("a link");
    link("../outside.wasm", "flows/out.wasm");
    link("/dev/zero", "flows/zero.wasm");
    link("..", "flows/up");
    link("lua.wasm", "flows/within.wasm");
    place.write("flows/text.wasm", "id: no program\n");
    place.write("flows/empty.wasm", "");
    let whole = std::fs::read(lua()).expect("it was built");
    std::fs::write(place.path("flows/cut.wasm"), &whole[..whole.len() / 2]).expect("written");
    std::fs::write(place.path("flows/header.wasm"), &whole[..8]).expect("written");
    let absolute = place.path("flows/lua.wasm").display().to_string();
    for (module, code, said) in [
        ("../outside.wasm", "invalid_input", "leads out"),
        ("tools/../lua.wasm", "invalid_input", "leads out"),
        (absolute.as_str(), "invalid_input", "leads out"),
        ("..", "invalid_input", "leads out"),
        ("out.wasm", "invalid_input", "a link that leads out"),
        ("zero.wasm", "invalid_input", "a link that leads out"),
        ("up/outside.wasm", "invalid_input", "a link that leads out"),
        ("missing.wasm", "plugin_unusable", "there is no file `missing.wasm`"),
        ("", "plugin_unusable", "it is no file"),
        ("tools/folder.wasm", "plugin_unusable", "it is no file"),
        ("text.wasm", "plugin_unusable", "does not begin as WebAssembly does"),
        ("empty.wasm", "plugin_unusable", "does not begin as WebAssembly does"),
        ("cut.wasm", "plugin_unusable", "damaged or cut off"),
        ("header.wasm", "plugin_unusable", "it exports nothing"),
        ("plugin.wasm", "plugin_unusable", "it is a plugin"),
        ("lua", "plugin_unusable", "no program `lua` is installed"),
    ] {
        place
            .run_args(["run", "flows/flow.yaml", "--input", &format!("module={module}")])
            .code(1);
        check_failure(&place.inspect(), code, said);
    }
    for module in ["lua.wasm", "./lua.wasm", "tools/lua.wasm", "within.wasm"] {
        place
            .run_args(["run", "flows/flow.yaml", "--input", &format!("module={module}")])
            .code(0);
        assert_eq!(output(&place.inspect())["stdout"], "here\n", "{module}");
    }
}

#[test]
fn what_is_wrong_with_a_module_is_told_before_anything_runs() {
    let place = place_with(&[lua(), hostile_component()]);
    place.write("text.wasm", "no program\n");
    place.write(
        "flow.yaml",
        "id: one\ntasks:\n  - { id: a, type: core/wasm.run, inputs: { module: ../lua.wasm } }\n  - { id: b, type: core/wasm.run, inputs: { module: text.wasm } }\n  \
         - { id: c, type: core/wasm.run, inputs: { module: ./test_hostile.wasm } }\n  - { id: d, type: core/wasm.run, inputs: { module: htmlq } }\n  \
         - { id: e, type: core/wasm.run, inputs: { module: ./later.wasm } }\n  - { id: f, type: core/wasm.run, inputs: { module: ./lua.wasm } }\n",
    );
    insta::assert_snapshot!("module-mistakes", place.run("validate flow.yaml").redacted(&place));
    place.write(
        "flow.yaml",
        "id: one\ntasks:\n  - { id: a, type: core/wasm.run, inputs: { module: ./lua.wasm, arg: [x], args: [[x]], output: yaml } }\n  \
         - { id: b, type: core/wasm.run, inputs: { args: [x] } }\n  - { id: c, type: core/wasm.start, inputs: {} }\n",
    );
    insta::assert_snapshot!("module-inputs", place.run("validate flow.yaml").redacted(&place));
}

#[test]
fn installed_programs_are_named_without_their_ending() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("plugins")).expect("created");
    std::fs::copy(lua(), place.path("plugins/lua5.4.wasm")).expect("copied");
    std::fs::copy(hostile_component(), place.path("plugins/hostile.wasm")).expect("copied");
    place.write("config.yaml", "plugins: { directories: [plugins] }\n");
    let execution = run_one(
        &place,
        &json!({ "module": "lua5.4", "args": ["-e", "print(arg[0])"] }),
        &json!({}),
    );
    assert_eq!(output(&execution)["stdout"], "lua5.4\n");
    // The plugins beside it are still found, and a program is none.
    let listed = place.run("plugin list --json").code(0).json();
    let names: Vec<&str> = listed
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|plugin| plugin["name"].as_str())
        .collect();
    assert!(
        names.contains(&"test/hostile") && names.contains(&"core/wasm"),
        "{names:?}"
    );
    std::fs::rename(place.path("plugins/lua5.4.wasm"), place.path("plugins/lua.wasm")).expect("renamed");
    place.write(
        "flow.yaml",
        "id: one\ntasks:\n  - { id: a, type: tools/lua.run, inputs: {} }\n  - { id: b, type: core/wasm.run, inputs: { module: jq } }\n  \
         - { id: c, type: core/wasn.run, inputs: {} }\n",
    );
    insta::assert_snapshot!("program-as-plugin", place.run("validate flow.yaml").redacted(&place));
}

#[test]
fn inspect_describes_programs_and_the_action_that_runs_them() {
    let place = place_with(&[lua(), htmlq()]);
    let shown: Vec<String> = ["lua.wasm", "./htmlq.wasm", "core/wasm", "core/flow"]
        .iter()
        .map(|what| place.run_args(["plugin", "inspect", what]).code(0).stdout)
        .collect();
    insta::assert_snapshot!("inspect-programs", redact(&shown.join("\n---\n"), &place));
    let inspected = place.run("plugin inspect lua.wasm --json").code(0).json();
    assert_eq!(inspected["kind"], "preview1");
    let imports = inspected["imports"].to_string();
    assert!(
        imports.contains("exit-with-code") && !imports.contains("sockets"),
        "{imports}"
    );
    let command = place.run("plugin inspect htmlq.wasm --json").code(0).json();
    assert_eq!(command["kind"], "command");
    // The example that the action gives of itself runs.
    let action = place.run("plugin inspect core/wasm --json").code(0).json();
    let execution = run_one(&place, &action["actions"][0]["inputSchema"]["examples"][0], &json!({}));
    assert_eq!(output(&execution)["stdout"], json!(["Hello"]));
}

#[test]
fn a_module_that_changes_is_loaded_again() {
    let place = place_with(&[lua(), pulldown_cmark()]);
    std::fs::copy(pulldown_cmark(), place.path("it.wasm")).expect("copied");
    let run = |id: &str, needs: &str| {
        let args = if id == "first" { "" } else { "-v" };
        json!({ "id": id, "type": "core/wasm.run", "needs": [needs], "inputs": { "module": "it.wasm", "args": [args] } })
    };
    let mut first = run("first", "");
    first["needs"] = json!([]);
    first["inputs"]["args"] = json!([]);
    let copy = json!({
        "id": "copy",
        "type": "core/file.copy",
        "needs": ["first"],
        "inputs": { "from": "/lua.wasm", "to": "/it.wasm" },
        "permissions": { "filesystem": { "write": ["."] } },
    });
    let flow = json!({ "id": "one", "tasks": [first, copy, run("second", "copy")] });
    place.write("flow.yaml", &flow.to_string());
    place.run("run flow.yaml --no-progress").code(0);
    let execution = place.inspect();
    let digest = |id: &str| task(&execution, id)["attempts"][0]["pluginDigest"].clone();
    let of = |path: &Path| json!(blake3::hash(&std::fs::read(path).expect("it was built")).to_string());
    assert_eq!((digest("first"), digest("second")), (of(pulldown_cmark()), of(lua())));
}

#[test]
fn elements_and_children_run_programs_too() {
    let place = Place::new();
    std::fs::create_dir(place.path("sub")).expect("created");
    std::fs::copy(lua(), place.path("sub/lua.wasm")).expect("copied");
    place.write(
        "sub/child.yaml",
        "id: child\ntasks:\n  - id: each\n    type: core/wasm.run\n    forEach: [1, 2, 3]\n    inputs: { module: ./lua.wasm, args: [-e, \
         \"print({{ item }} * 2)\"], output: json }\noutputs: { all: \"{{ tasks.each.output | map(attribute='stdout') | list }}\" }\n",
    );
    place.write(
        "flow.yaml",
        "id: parent\ntasks: [{ id: child, type: core/flow.run, inputs: { workflow: sub/child.yaml } }]\noutputs: { got: \"{{ \
         tasks.child.output.all }}\" }\n",
    );
    let run = place.run("run flow.yaml --json").code(0);
    assert_eq!(run.json()["outputs"]["got"], json!([2, 4, 6]));
}

#[test]
fn the_programs_of_the_documents_run_as_they_stand() {
    let place = place_with(&[htmlq(), lua()]);
    let flow = |name: &str, start: &str| {
        let found = blocks(&document(name), "yaml");
        let found = found.into_iter().find(|block| block.starts_with(start));
        place.write("flow.yaml", &found.unwrap_or_else(|| panic!("{name} has no `{start}`")));
        place.run("run flow.yaml --json").code(0).json()["outputs"].clone()
    };
    place.write("page.html", "<a href='/a'>a</a> <p><a href='/b'>b</a></p>");
    assert_eq!(flow("README.md", "id: links"), json!({ "links": ["/a", "/b"] }));
    place.write("data/in.txt", "1\n");
    place.write(
        "scripts/sum.lua",
        "print(arg[1] + io.read('a'):match('%d') + io.open('/data/in.txt'):read('n'))",
    );
    assert_eq!(flow("docs/workflows.md", "id: sums"), json!({ "sum": 9 }));
}
