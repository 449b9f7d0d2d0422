//! The compiled code of plugins, as processes share it.

use std::fs;

use serde_json::{Value, json};

use crate::process::{Place, Run, wait_for_line};
use crate::support::hostile_component;

/// A place whose plugins are those of the program and the hostile one.
fn place() -> Place {
    let place = Place::with_flow(
        "id: cached\ntasks:\n  - { id: ok, type: test/hostile.ok }\n  - { id: fuel, type: test/hostile.ok, limits: { fuel: 100_000_000 } }\n",
    );
    fs::create_dir(place.path("plugins")).expect("create a folder");
    fs::copy(hostile_component(), place.path("plugins/hostile.wasm")).expect("copy the component");
    place.write("config.yaml", "plugins: { directories: [plugins] }\n");
    place
}

/// How often something was compiled, and how often the hostile plugin was asked what it is.
fn work(run: &Run) -> (usize, usize) {
    let lines = |text: &str| run.stderr.lines().filter(|line| line.contains(text)).count();
    (
        lines("compiling"),
        lines("asked what it is origin=\"plugins/hostile.wasm\""),
    )
}

/// The names of the files in the cache, without the key.
fn files(place: &Place) -> Vec<String> {
    let names = fs::read_dir(place.path("data/cache"))
        .expect("there is a cache")
        .map(|file| {
            let name = file.expect("an entry").file_name();
            name.into_string().expect("UTF-8")
        });
    let mut names: Vec<String> = names.filter(|name| name != "key").collect();
    names.sort();
    names
}

#[test]
fn processes_that_begin_at_once_compile_once() {
    let place = place();
    let children: Vec<_> = (0..4).map(|_| place.spawn("plugin inspect test/hostile -v")).collect();
    let runs: Vec<Run> = children.into_iter().map(|child| place.finish(child).code(0)).collect();
    let compiled: usize = runs.iter().map(|run| work(run).0).sum();
    assert_eq!(compiled, 1, "{runs:#?}");
    let after = place.run("plugin inspect test/hostile -v").code(0);
    assert_eq!(work(&after), (0, 0), "{after:?}");
    assert_eq!(after.stdout, runs[0].stdout);
    assert_eq!(files(&place).len(), 2, "the code and the manifest: {:?}", files(&place));
}

#[test]
fn a_process_that_dies_while_it_compiles_holds_up_nobody() {
    let place = place();
    let mut child = place.spawn("plugin inspect test/hostile -v");
    wait_for_line(&mut child, "compiling");
    child.kill().expect("it runs");
    drop(place.finish(child));
    let after = place.run("plugin inspect test/hostile -v").code(0);
    assert!(!after.stderr.contains("was not let go"), "{after:?}");
    assert!(
        files(&place).iter().all(|name| !name.ends_with(".lock")),
        "{:?}",
        files(&place)
    );
    assert_eq!(work(&place.run("plugin inspect test/hostile -v").code(0)), (0, 0));
}

#[test]
fn another_file_at_the_same_place_is_another_plugin() {
    let place = place();
    assert_eq!(work(&place.run("plugin inspect test/hostile -v").code(0)), (1, 1));
    let mut bytes = fs::read(hostile_component()).expect("it was built");
    // A custom section that says nothing: the same plugin, and another digest.
    bytes.extend([0, 2, 1, b'n']);
    fs::write(place.path("plugins/hostile.wasm"), bytes).expect("written");
    assert_eq!(work(&place.run("plugin inspect test/hostile -v").code(0)), (1, 1));
    assert_eq!(work(&place.run("plugin inspect test/hostile -v").code(0)), (0, 0));
}

#[test]
fn what_somebody_changed_is_made_anew_with_a_warning() {
    let place = place();
    place.run("plugin inspect test/hostile").code(0);
    for name in files(&place) {
        let path = place.path(&format!("data/cache/{name}"));
        let mut bytes = fs::read(&path).expect("it is kept");
        let last = bytes.last_mut().expect("it is not empty");
        *last ^= 1;
        fs::write(&path, bytes).expect("written");
    }
    let after = place.run("plugin inspect test/hostile -v").code(0);
    assert_eq!(work(&after), (1, 1));
    assert_eq!(
        after.stderr.matches("somebody changed what was kept").count(),
        2,
        "{after:?}"
    );
    assert_eq!(work(&place.run("plugin inspect test/hostile -v").code(0)), (0, 0));
}

#[test]
fn the_cache_is_listed_and_cleared() {
    let place = place();
    insta::assert_snapshot!("empty", place.run("plugin cache list").redacted(&place));
    assert!(!place.path("data").exists(), "looking makes nothing");
    place.run("run flow.yaml").code(0);
    let digest = autokestra_model::Digest::of(&fs::read(hostile_component()).expect("it was built")).to_string();
    let shown = place.run("plugin cache list").redacted(&place);
    insta::assert_snapshot!("list", shown.replace(&digest[..12], "<digest--->"));
    let list = place.run("plugin cache list --json --pretty").code(0).json();
    let told: Vec<[&Value; 3]> = list["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| [&entry["plugin"], &entry["fits"], &entry["fueled"]])
        .collect();
    let (name, yes, no) = (json!("test/hostile"), json!(true), json!(false));
    assert!(
        told.contains(&[&name, &yes, &yes]) && told.contains(&[&name, &yes, &no]),
        "{list:#}"
    );
    let on_disk = files(&place).into_iter().map(|name| {
        let metadata = fs::metadata(place.path(&format!("data/cache/{name}")));
        metadata.expect("it is there").len()
    });
    assert_eq!(
        (&list["total"], &list["limit"]),
        (&json!(on_disk.sum::<u64>()), &json!(512_u64 << 20))
    );
    let cleared = place.run("plugin cache clear --json").code(0).json();
    assert_eq!(cleared, json!({ "removed": 2, "freed": list["total"] }));
    assert_eq!(files(&place), [""; 0]);
    assert!(place.path("data/cache/key").exists(), "the key stays");
    insta::assert_snapshot!("clear", place.run("plugin cache clear").redacted(&place));
}

#[test]
fn a_limit_holds_and_none_keeps_nothing() {
    let mut place = place();
    place.set("WORKFLOW_PLUGINS_CACHE_MAX_MEBIBYTES", "0");
    assert_eq!(work(&place.run("plugin inspect test/hostile -v").code(0)), (1, 1));
    assert_eq!(work(&place.run("plugin inspect test/hostile -v").code(0)), (1, 1));
    assert!(!place.path("data/cache").exists());
    place.set("WORKFLOW_PLUGINS_CACHE_MAX_MEBIBYTES", "1");
    fs::create_dir_all(place.path("data/cache")).expect("create a folder");
    for number in 0..3_u8 {
        let name = format!("data/cache/{}-0123456789abcdef.cwasm", number.to_string().repeat(64));
        fs::write(place.path(&name), vec![0; 600 << 10]).expect("written");
    }
    place.run("plugin inspect test/hostile").code(0);
    let list = place.run("plugin cache list --json").code(0).json();
    assert!(list["total"].as_u64().is_some_and(|total| total <= 1 << 20), "{list:#}");
    let kept = list["entries"].as_array().expect("a list");
    assert!(kept.iter().any(|entry| entry["plugin"] == "test/hostile"), "{list:#}");
}
