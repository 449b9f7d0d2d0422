//! The sdk as crates.io would have it: what `cargo package` makes holds all that a plugin is built from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use autokestra_toolchain::{BuildOptions, Toolchain};
use serde_json::json;

use crate::process::{Place, target, task};
use crate::support::repository;

/// The crates that are published together.
const CRATES: [&str; 2] = ["autokestra-sdk", "autokestra-sdk-macros"];

const PLUGIN: &str = r#"//! Counts what it sees.

use autokestra_sdk::prelude::*;
use autokestra_sdk::{files, progress, state};

/// What is counted.
#[derive(Input)]
struct Count {
    /// Names.
    names: Vec<String>,
}

#[derive(TaskError)]
enum Fault {
    #[fails("there is no name")]
    Nobody,
    #[fails(transparent)]
    Task(TaskError),
}

/// Counts names, and those before them.
#[action(timeout = "30s")]
fn count(context: &Context, input: Count) -> Result<u64, Fault> {
    if input.names.is_empty() {
        return Err(Fault::Nobody);
    }
    let mut seen: u64 = state::get("seen")?.unwrap_or(0);
    for name in progress::over(input.names) {
        context.check_time()?;
        log::info!("seen", name = name);
        seen += 1;
    }
    state::set("seen", &seen)?;
    files::write("seen.txt", seen.to_string())?;
    Ok(seen)
}

/// What is read.
#[derive(Input)]
struct Read {
    path: String,
}

/// Reads what another task left.
#[action(idempotent)]
fn read(input: Read) -> Result<Value, TaskError> {
    let before = files::read_text(&input.path)?;
    let missing = files::read_text("/artifacts-in/nobody/x").unwrap_err();
    Ok(json!([before, files::list()?, missing.code(), state::keys("")?]))
}

plugin! { name: "acme/packaged", actions: [count, read] }
"#;

/// Runs a command that must succeed.
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{said}");
}

/// The packages, unpacked below `folder`.
fn unpacked(folder: &Path) -> Vec<PathBuf> {
    let mut package = Command::new("cargo");
    // What it resolves is in the lock file, and was fetched to build this very test.
    package.args([
        "package",
        "--offline",
        "--locked",
        "--no-verify",
        "--allow-dirty",
        "--quiet",
    ]);
    for name in CRATES {
        package.args(["--package", name]);
    }
    run(package.arg("--target-dir").arg(folder).current_dir(repository()));
    let version = env!("CARGO_PKG_VERSION");
    CRATES
        .map(|name| {
            let file = folder.join("package").join(format!("{name}-{version}.crate"));
            run(Command::new("tar").arg("-xzf").arg(file).arg("-C").arg(folder));
            folder.join(format!("{name}-{version}"))
        })
        .to_vec()
}

#[test]
fn a_plugin_is_built_from_the_packages_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let packages = unpacked(folder.path());
    for package in &packages {
        let manifest = fs::read_to_string(package.join("Cargo.toml")).expect("a manifest");
        let paths: Vec<&str> = manifest.lines().filter(|line| line.starts_with("path = ")).collect();
        assert!(
            paths
                .iter()
                .all(|path| path.contains("src/") || path.contains("tests/")),
            "{}: {paths:?}",
            package.display()
        );
    }
    for name in ["wit/plugin.wit", "wit/1.0/plugin.wit", "wit/deps/http.wit", "README.md"] {
        let file = packages[0].join(name);
        let metadata = fs::symlink_metadata(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(metadata.is_file(), "{name}");
    }
    let plugin = folder.path().join("plugin");
    fs::create_dir_all(plugin.join("src")).expect("create a folder");
    fs::write(plugin.join("src/lib.rs"), PLUGIN).expect("write the plugin");
    fs::write(
        plugin.join("Cargo.toml"),
        format!(
            "[package]\nname = \"packaged\"\nversion = \"1.0.0\"\nedition = \"2024\"\ndescription = \"Counts.\"\n[workspace]\n[lib]\ncrate-type = [\"cdylib\"]\n\
             [dependencies]\nautokestra-sdk = {{ version = \"{}\", features = [\"v1_1\"] }}\n[patch.crates-io]\nautokestra-sdk = {{ path = {:?} }}\n\
             autokestra-sdk-macros = {{ path = {:?} }}\n[profile.release]\nopt-level = \"s\"\nlto = true\ncodegen-units = 1\nstrip = true\npanic = \"abort\"\n",
            env!("CARGO_PKG_VERSION"),
            packages[0],
            packages[1],
        ),
    )
    .expect("write the manifest");
    // A plugin of ours has the same dependencies, each of which was fetched.
    let lock = fs::read_to_string(repository().join("plugins/core/console/Cargo.lock")).expect("a lock file");
    fs::write(plugin.join("Cargo.lock"), lock.replace("core-console", "packaged")).expect("write the lock file");
    let toolchain = Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
    let built = toolchain.build(&BuildOptions::new(plugin, target().join("plugins")));
    let component = built.unwrap_or_else(|error| panic!("{error}"));

    let place = Place::with_flow(
        "id: packaged\ntasks:\n  - { id: count, type: acme/packaged.count, inputs: { names: [a, b] } }\n  \
         - { id: read, type: acme/packaged.read, needs: [count], inputs: { path: \"{{ tasks.count.files['seen.txt'] }}\" } }\n  \
         - { id: nobody, type: acme/packaged.count, onError: continue, inputs: { names: [] } }\n",
    );
    fs::create_dir(place.path("plugins")).expect("create a folder");
    fs::copy(component, place.path("plugins/packaged.wasm")).expect("copy the component");
    place.write("config.yaml", "plugins: { directories: [plugins] }\n");
    place.run("run flow.yaml --no-progress").code(0);
    let execution = place.inspect();
    assert_eq!(task(&execution, "count")["output"], 2);
    assert_eq!(
        task(&execution, "read")["output"],
        json!(["2", ["count/seen.txt"], "not_found", ["seen"]])
    );
    let nobody = task(&execution, "nobody").to_string();
    assert!(
        nobody.contains("nobody") && nobody.contains("there is no name"),
        "{nobody}"
    );
}

/// What the pages show stands in a test of the sdk.
#[test]
fn what_the_pages_show_is_run() {
    let text = |path: &str| fs::read_to_string(repository().join(path)).expect("a page");
    let run: String = ["action", "fail", "test"]
        .map(|name| text(&format!("sdk/tests/guide/{name}.rs")))
        .concat();
    for page in ["sdk/README.md", "docs/plugins/sdk.md"] {
        let page = text(page);
        let blocks = page.split("```rust\n").skip(1);
        let blocks: Vec<&str> = blocks.filter_map(|rest| rest.split("```").next()).collect();
        assert_eq!(blocks.len(), 3);
        for block in blocks {
            assert!(run.contains(block), "no test has this:\n{block}");
        }
    }
}
