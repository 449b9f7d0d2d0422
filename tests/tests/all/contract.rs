//! The versions of the contract: a component that was made for 1.0 does what it did, one of 1.1 does that and more, and what 1.0 had is in 1.1.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use autokestra_toolchain::{BuildOptions, Toolchain};
use serde_json::{Value, json};
use wit_parser::{Resolve, TypeDefKind, WorldItem};

use crate::process::{Place, target, task};
use crate::support::repository;

/// A component that is made from source for one version, without the sdk.
fn component(version: &str) -> PathBuf {
    let toolchain = Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
    let folder = repository().join("tests/contract").join(version);
    let built = toolchain.build(&BuildOptions::new(folder, target().join("plugins")));
    built.unwrap_or_else(|error| panic!("{error}"))
}

/// A place with a plugin of each version.
fn place() -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("plugins")).expect("create a folder");
    for (version, name) in [("v1_0", "old.wasm"), ("v1_1", "new.wasm")] {
        std::fs::copy(component(version), place.path("plugins").join(name)).expect("copy a component");
    }
    place.write("config.yaml", "plugins: { directories: [plugins] }\n");
    place
}

/// A workflow that does everything with one plugin.
fn flow(plugin: &str) -> String {
    format!(
        "id: all
tasks:
  - {{ id: echo, type: test/{plugin}.echo, inputs: {{ text: a }} }}
  - {{ id: each, type: test/{plugin}.echo, forEach: [x, y], inputs: {{ text: \"{{{{ item }}}}\" }} }}
  - {{ id: tell, type: test/{plugin}.tell, inputs: {{ text: b }} }}
  - {{ id: keep, type: test/{plugin}.keep, inputs: {{ text: c }} }}
  - {{ id: fail, type: test/{plugin}.fail, onError: continue, retry: {{ max: 1, initialSeconds: 0.01 }}, inputs: {{ text: d }} }}
"
    )
}

/// What came of each task, and what it said, without what differs from run to run and by the plugin's name.
fn came(place: &Place, plugin: &str) -> Value {
    place.write("flow.yaml", &flow(plugin));
    let run = place.run("run flow.yaml --no-progress");
    let execution = place.inspect();
    let tasks: BTreeMap<&str, Value> = ["echo", "each", "tell", "keep", "fail"]
        .into_iter()
        .map(|id| {
            let task = task(&execution, id);
            let came = json!({
                "state": task["state"], "output": task["output"], "message": task["message"], "reason": task["reasonCode"],
                "attempts": task["attempts"].as_array().map(Vec::len),
            });
            (id, came)
        })
        .collect();
    let logs = place.run("execution logs last --json").code(0);
    let mut said: Vec<Value> = logs
        .stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .flat_map(|line| match line {
            Value::Array(lines) => lines,
            line => vec![line],
        })
        .filter(|line| line["metadata"]["stream"].is_string())
        .map(|line| {
            json!([
                line["level"],
                line["message"],
                line["metadata"]["stream"],
                line["metadata"]["input"]
            ])
        })
        .collect();
    // In order within each way of saying it.
    said.sort_by_key(|line| line[2].to_string());
    json!({ "code": run.code, "tasks": tasks, "said": said })
}

#[test]
fn a_component_of_each_version_does_the_same() {
    let place = place();
    for (round, kept) in [(1, Value::Null), (2, json!({ "text": "c" }))] {
        let (old, new) = (came(&place, "old"), came(&place, "new"));
        assert_eq!(old, new, "round {round}");
        assert_eq!(old["code"], 0, "{old:#}");
        assert_eq!(
            old["tasks"]["keep"]["output"],
            json!({ "before": kept, "gone": null, "wrong": true })
        );
        assert_eq!(old["tasks"]["echo"]["output"]["deadline"], true, "{old:#}");
        assert_eq!(old["tasks"]["fail"]["attempts"], 2, "{old:#}");
        assert_eq!(old["said"].as_array().map(Vec::len), Some(6), "{old:#}");
    }
    insta::assert_snapshot!("contract-behaviour", format!("{:#}", came(&place, "old")));
}

#[test]
fn what_1_1_adds_is_there_for_it_alone() {
    let place = place();
    place.write(
        "flow.yaml",
        "id: keys\ntasks:\n  - { id: keep, type: test/new.keep, inputs: { text: c } }\n  - { id: other, type: test/old.keep, inputs: { text: o } }\n  \
         - { id: keys, type: test/new.keys, needs: [keep, other], inputs: { text: k } }\n  - { id: again, type: test/new.keys, needs: [keys], inputs: { text: k } }\n",
    );
    place.run("run flow.yaml").code(0);
    let execution = place.inspect();
    let both = ["seen:a", "seen:b"];
    assert_eq!(task(&execution, "keys")["output"], json!([["kept"], both, both]));
    assert_eq!(task(&execution, "again")["output"], json!([both, both, both]));
    let inspect = |name: &str| place.run(&format!("plugin inspect {name} --json")).code(0).json();
    let imports = |plugin: &Value| -> Vec<String> {
        let all = plugin["imports"].as_array().expect("a list");
        let all = all.iter().filter_map(Value::as_str);
        all.filter(|name| name.starts_with("autokestra:"))
            .map(str::to_owned)
            .collect()
    };
    let (old, new) = (imports(&inspect("test/old")), imports(&inspect("test/new")));
    assert!(
        new.contains(&"autokestra:plugin/state@1.1.0#keys".to_owned()),
        "{new:?}"
    );
    assert!(old.iter().all(|name| name.contains("@1.0.0#")), "{old:?}");
    assert_eq!(old.len() + 1, new.len());
    let capabilities = |name: &str| inspect(name)["capabilities"].clone();
    assert_eq!(capabilities("test/old"), capabilities("test/new"));
}

/// A component that imports `interface` and nothing else of the contract.
fn importing(interface: &str) -> Vec<u8> {
    let text = format!("(component (import \"autokestra:plugin/{interface}\" (instance)))");
    wat::parse_str(text).expect("a component")
}

#[test]
fn other_versions_are_refused_with_both() {
    let place = Place::new();
    for (version, served) in [
        ("1.2.0", false),
        ("2.0.0", false),
        ("0.9.0", false),
        ("1.0.0", true),
        ("1.1.0", true),
    ] {
        place.write_bytes("it.wasm", &importing(&format!("log@{version}")));
        let run = place.run("plugin inspect ./it.wasm");
        let said = format!("it is made for version {version} of the contract, and this program serves 1.0 and 1.1");
        assert_eq!(run.stderr.contains(&said), !served, "{version}: {run:?}");
        // It is refused anyway: it exports nothing.
        assert_ne!(run.code, 0);
    }
}

#[test]
fn the_newest_function_is_not_in_an_older_version() {
    let bytes = std::fs::read(component("v1_1")).expect("it is built");
    let (new, old) = (b"autokestra:plugin/state@1.1.0", b"autokestra:plugin/state@1.0.0");
    let mut lying = bytes.clone();
    let places: Vec<usize> = (0..lying.len() - new.len())
        .filter(|at| lying[*at..].starts_with(new))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        lying[at..at + old.len()].copy_from_slice(old);
    }
    let place = Place::new();
    place.write_bytes("lying.wasm", &lying);
    let run = place.run("plugin inspect ./lying.wasm");
    assert_ne!(run.code, 0, "{run:?}");
    assert!(
        run.stderr.contains("state@1.0.0") && run.stderr.contains("keys"),
        "{run:?}"
    );
    place.write_bytes("honest.wasm", &bytes);
    place.run("plugin inspect ./honest.wasm").code(0);
}

/// A version's functions as text, by `interface#function`, and the shapes of its records and enums.
fn functions(paths: &[PathBuf]) -> BTreeMap<String, String> {
    let mut resolve = Resolve::default();
    let mut package = None;
    for path in paths {
        package = Some(resolve.push_path(path).expect("it is WIT").0);
    }
    let world = resolve
        .select_world(&[package.expect("a package")], Some("guest"))
        .expect("a world");
    let mut found = BTreeMap::new();
    let world = &resolve.worlds[world];
    for (direction, items) in [("import", &world.imports), ("export", &world.exports)] {
        for (key, item) in items {
            match item {
                WorldItem::Function(function) => {
                    let signature = format!("{:?} {:?}", names(&resolve, function), function.kind);
                    found.insert(format!("{direction} {}", function.name), signature);
                }
                WorldItem::Interface { id, .. } => {
                    let interface = &resolve.interfaces[*id];
                    let name = interface.name.clone().unwrap_or_else(|| format!("{key:?}"));
                    for (name_of, function) in &interface.functions {
                        found.insert(format!("{name}#{name_of}"), names(&resolve, function));
                    }
                    for (name_of, ty) in &interface.types {
                        found.insert(format!("{name}:{name_of}"), shape(&resolve, &resolve.types[*ty].kind));
                    }
                }
                WorldItem::Type { .. } => {}
            }
        }
    }
    found
}

/// Parameters and results with the names of their types.
fn names(resolve: &Resolve, function: &wit_parser::Function) -> String {
    let params: Vec<String> = function
        .params
        .iter()
        .map(|param| format!("{}: {}", param.name, ty(resolve, &param.ty)))
        .collect();
    let result = function.result.as_ref().map(|result| ty(resolve, result));
    format!("({}) -> {}", params.join(", "), result.unwrap_or_default())
}

fn ty(resolve: &Resolve, of: &wit_parser::Type) -> String {
    match of {
        wit_parser::Type::Id(id) => {
            let def = &resolve.types[*id];
            match &def.name {
                Some(name) => name.clone(),
                None => shape(resolve, &def.kind),
            }
        }
        plain => format!("{plain:?}"),
    }
}

fn shape(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let optional = |of: &Option<wit_parser::Type>| of.as_ref().map_or_else(|| "_".to_owned(), |of| ty(resolve, of));
    match kind {
        TypeDefKind::Record(record) => record
            .fields
            .iter()
            .map(|field| format!("{}: {}, ", field.name, ty(resolve, &field.ty)))
            .collect(),
        TypeDefKind::Enum(cases) => cases.cases.iter().map(|case| format!("{} ", case.name)).collect(),
        TypeDefKind::Option(of) => format!("option<{}>", ty(resolve, of)),
        TypeDefKind::List(of) => format!("list<{}>", ty(resolve, of)),
        TypeDefKind::Result(of) => format!("result<{}, {}>", optional(&of.ok), optional(&of.err)),
        TypeDefKind::Tuple(of) => of.types.iter().map(|of| format!("{}, ", ty(resolve, of))).collect(),
        TypeDefKind::Type(of) => ty(resolve, of),
        other => format!("{other:?}"),
    }
}

#[test]
fn what_a_version_has_the_next_one_has() {
    let wit = repository().join("wit");
    let mut old_paths: Vec<PathBuf> = ["io", "clocks", "random", "filesystem", "sockets", "cli", "http"]
        .iter()
        .map(|name| wit.join("deps").join(format!("{name}.wit")))
        .collect();
    old_paths.push(wit.join("1.0/plugin.wit"));
    let (old, new) = (functions(&old_paths), functions(std::slice::from_ref(&wit)));
    assert!(old.len() > 10, "{old:#?}");
    for (name, what) in &old {
        assert_eq!(new.get(name), Some(what), "{name}");
    }
    let added: Vec<&String> = new.keys().filter(|name| !old.contains_key(*name)).collect();
    assert_eq!(added, ["state#keys"]);
}

#[test]
fn a_published_version_stays_as_it_is() {
    let text = std::fs::read(repository().join("wit/1.0/plugin.wit")).expect("it is kept");
    insta::assert_snapshot!("contract-1-0-digest", blake3::hash(&text).to_hex());
}

/// The sdk carries the contract: the same files, not other ones.
#[test]
fn the_sdk_has_the_contract_of_the_host() {
    let path = repository().join("sdk/wit");
    assert_eq!(std::fs::read_link(&path).expect("a link"), Path::new("../wit"));
}
