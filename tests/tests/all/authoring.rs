//! From nothing to a plugin in a workflow: `plugin new`, `plugin build`, and what can go wrong on the way.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::process::{Place, Run};

/// What one types in a new project, line by line.
const LINE: &[&str] = &["plugin build", "plugin test", "run example.yaml --no-progress"];

/// Runs `workflow …` in a folder of the place.
fn run_in(place: &Place, folder: &str, line: &str) -> Run {
    let mut command = place.command(line.split_whitespace());
    let child = command
        .current_dir(place.path(folder))
        .spawn()
        .expect("start the binary");
    place.finish(child)
}

/// What it said, but of builds of other tests that it waited for.
fn said(run: &Run, place: &Place) -> String {
    run.redacted(place).replace("waiting for another build to end\n", "")
}

/// A place with a new project in the folder `hello`.
fn project(language: &str) -> Place {
    let place = Place::new().with_tools();
    drop(place.run(&format!("plugin new hello --lang {language}")).code(0));
    place
}

/// Changes a file of a place.
fn change(place: &Place, file: &str, from: &str, to: &str) {
    let text = place.read(file);
    assert!(text.contains(from), "{file} has no `{from}`:\n{text}");
    place.write(file, &text.replace(from, to));
}

/// What `example.yaml` of a project gives.
fn greeting(place: &Place, folder: &str) -> String {
    let run = run_in(place, folder, "run example.yaml --json --no-progress").code(0);
    run.json()["outputs"]["text"].as_str().expect("a text").to_owned()
}

fn check_whole_line(language: &str) {
    let place = project(language);
    let mut last = None;
    for line in LINE {
        last = Some(run_in(&place, "hello", line).code(0));
    }
    let shown = last.expect("lines").stdout;
    assert!(shown.contains("Hello, World!"), "{shown}");
    // What the cases say holds.
    let run = run_in(&place, "hello", "run example.yaml --no-progress --input name=").code(1);
    assert!(run.stderr.contains("`name` is empty"), "{}", run.stderr);
    let run = run_in(
        &place,
        "hello",
        "run example.yaml --json --no-progress --input name=A\\\"é",
    )
    .code(0);
    assert_eq!(run.json()["outputs"]["text"], "Hello, A\\\"é!");
    // The same again is the same component; a change is another.
    let build = || run_in(&place, "hello", "plugin build --json").code(0).json();
    let (first, second) = (build(), build());
    assert_eq!(first["digest"], second["digest"]);
    assert_eq!(
        (&first["name"], &first["language"], &first["file"], &first["next"]),
        (
            &"local/hello".into(),
            &language.into(),
            &"./dist/hello.wasm".into(),
            &"workflow plugin test".into()
        )
    );
    let capabilities = first["capabilities"].as_array().expect("a list");
    assert!(capabilities.contains(&"cannot open files".into()), "{capabilities:?}");
    let source = if language == "rust" {
        "hello/src/lib.rs"
    } else {
        "hello/plugin.c"
    };
    change(&place, source, "Hello, ", "Servus, ");
    assert_ne!(build()["digest"], first["digest"]);
    assert_eq!(greeting(&place, "hello"), "Servus, World!");
}

#[test]
fn a_new_project_in_rust_builds_and_runs() {
    check_whole_line("rust");
}

#[test]
fn a_new_project_in_c_builds_and_runs() {
    check_whole_line("c");
}

#[test]
fn editors_find_the_sdk_without_a_build() {
    let place = project("rust");
    // What rust-analyzer asks, in the folder of the project and with nothing of ours.
    let like = place.command(["plugin"]);
    let mut cargo = std::process::Command::new("cargo");
    cargo
        .env_clear()
        .envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .args(["metadata", "--format-version", "1"])
        .current_dir(place.path("hello"));
    let output = cargo.output().expect("start cargo");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let sdk = packages
        .iter()
        .find(|package| package["name"] == "autokestra-sdk")
        .expect("the sdk");
    let path = sdk["manifest_path"].as_str().expect("a path");
    assert!(path.contains("/authoring/autokestra/sdk/"), "{path}");
    // The versions are those that the project came with.
    assert!(!told.contains("Adding") && !told.contains("Updating"), "{told}");
}

#[test]
fn projects_of_one_name_are_not_taken_for_each_other() {
    let place = Place::new().with_tools();
    for (folder, greeting) in [("a", "Ahoj, "), ("b", "Buna, ")] {
        std::fs::create_dir(place.path(folder)).expect("made");
        drop(run_in(&place, folder, "plugin new twin").code(0));
        change(
            &place,
            &format!("{folder}/twin/src/lib.rs"),
            "\"Hello, {name}",
            &format!("\"{greeting}{{name}}"),
        );
    }
    // The second round finds everything built, by the other.
    for _ in 0..2 {
        for folder in ["a/twin", "b/twin"] {
            drop(run_in(&place, folder, "plugin build").code(0));
        }
    }
    assert_eq!(
        (greeting(&place, "a/twin").as_str(), greeting(&place, "b/twin").as_str()),
        ("Ahoj, World!", "Buna, World!")
    );
}

#[test]
fn what_new_and_build_say_is_short_and_tells_what_is_next() {
    let place = Place::new().with_tools();
    let mut shown = place.run("plugin new acme/report --lang c").code(0).redacted(&place);
    shown += &place.run("plugin build report").code(0).redacted(&place);
    insta::assert_snapshot!("authoring-said", shown);
}

#[test]
fn names_that_are_none_write_nothing() {
    let place = Place::new().with_tools();
    let mut shown = String::new();
    for name in [
        "../evil",
        "/tmp/evil",
        "a/b/c",
        "Hello",
        "hello world",
        "-x",
        "core/mine",
        ".",
        "",
    ] {
        shown += &place.run_args(["plugin", "new", "--", name]).code(2).redacted(&place);
    }
    shown += &place.run("plugin new hello --lang cobol").code(2).redacted(&place);
    insta::assert_snapshot!("authoring-names", shown);
    assert_eq!(std::fs::read_dir(place.root()).expect("read").count(), 0);
}

#[test]
fn what_is_there_is_not_overwritten() {
    let place = Place::new().with_tools();
    place.write("hello/notes.txt", "mine");
    place.write("file", "mine");
    std::fs::create_dir(place.path("empty")).expect("made");
    symlink(place.path("empty"), place.path("link")).expect("linked");
    let mut shown = String::new();
    for name in ["hello", "file", "link"] {
        shown += &place.run(&format!("plugin new {name}")).code(2).redacted(&place);
    }
    insta::assert_snapshot!("authoring-occupied", shown);
    assert_eq!(
        (place.read("hello/notes.txt").as_str(), place.read("file").as_str()),
        ("mine", "mine")
    );
    drop(place.run("plugin new empty").code(0));
}

#[test]
fn what_is_no_project_is_told() {
    let place = Place::new().with_tools();
    place.write("file", "");
    let mut shown = place.run("plugin build").code(2).redacted(&place);
    shown += &place.run("plugin build file").code(2).redacted(&place);
    shown += &place.run("plugin build nowhere").code(2).redacted(&place);
    place.write("two/Cargo.toml", "[workspace]\nmembers = []\n");
    shown += &place.run("plugin build two").code(2).redacted(&place);
    place.write("three/Cargo.toml", "[package\n");
    shown += &place.run("plugin build three").code(2).redacted(&place);
    insta::assert_snapshot!("authoring-no-project", shown);
}

#[test]
fn a_tool_that_is_missing_is_named_with_what_installs_it() {
    let mut place = Place::new().with_tools();
    for name in ["rusty", "sea"] {
        let language = if name == "sea" { "c" } else { "rust" };
        drop(place.run(&format!("plugin new {name} --lang {language}")).code(0));
    }
    place.write("bin/nothing", "");
    place.set("PATH", &place.path("bin").display().to_string());
    let run = place.run("plugin build rusty").code(3);
    insta::assert_snapshot!("authoring-no-cargo", run.redacted(&place));
    let run = place.run("plugin build sea").code(3);
    assert!(run.stderr.contains("error: clang, wasm-ld"), "{}", run.stderr);
    assert!(
        run.stderr.contains("apt-get install --no-install-recommends clang lld"),
        "{}",
        run.stderr
    );
    // A Rust without the target.
    for tool in ["cargo", "rustc"] {
        place.write(&format!("bin/{tool}"), "#!/bin/sh\necho /nowhere/lib\n");
        std::fs::set_permissions(
            place.path(&format!("bin/{tool}")),
            std::fs::Permissions::from_mode(0o755),
        )
        .expect("ours");
    }
    let run = place.run("plugin build rusty").code(3);
    insta::assert_snapshot!("authoring-no-target", run.redacted(&place));
    assert!(!place.path("rusty/dist/rusty.wasm").exists());
}

/// What is wrong with the code is told in the compiler's words; what was built before stays.
fn check_compile_error(language: &str, (source, from, to): (&str, &str, &str), said: &str) {
    let place = project(language);
    place.write("hello/dist/hello.wasm", "kept");
    change(&place, source, from, to);
    let run = place.run("plugin build hello").code(2);
    assert!(run.stderr.contains(said), "{}", run.stderr);
    assert!(
        run.stderr
            .ends_with("could not build the project in hello, as it says above\n"),
        "{}",
        run.stderr
    );
    assert_eq!(
        (run.stdout.as_str(), place.read("hello/dist/hello.wasm").as_str()),
        ("", "kept")
    );
}

#[test]
fn code_that_does_not_compile_is_told_in_the_words_of_its_compiler() {
    check_compile_error(
        "rust",
        ("hello/src/lib.rs", "input.name.trim()", "input.nmae.trim()"),
        "src/lib.rs:22:22",
    );
    check_compile_error(
        "c",
        ("hello/plugin.c", "return true;", "return treu;"),
        "plugin.c:87:12: error: use of undeclared identifier",
    );
}

#[test]
fn a_component_that_is_no_plugin_does_not_reach_the_project() {
    let place = project("c");
    place.write("hello/dist/hello.wasm", "kept");
    let source = place.read("hello/plugin.c");
    let contract = place.read("hello/bindings/guest.wit");
    let mut shown = String::new();
    let mut check = |what: &str| {
        let run = place.run("plugin build hello").code(2);
        shown.extend([format!("{what}: "), said(&run, &place)]);
        assert_eq!(place.read("hello/dist/hello.wasm"), "kept", "{what}");
    };
    place.write("hello/plugin.c", &source.replace("\"local/hello\"", "\"../../evil\""));
    check("a name with path parts");
    place.write(
        "hello/plugin.c",
        &source.replace("plugin->actions.len = 1;", "for (volatile int i = 0;; i++) {}"),
    );
    check("a description without an end");
    place.write(
        "hello/plugin.c",
        &source.replace("plugin->actions.len = 1;", "abort();"),
    );
    check("a description that traps");
    place.write("hello/plugin.c", "int main(void) { return 0; }\n");
    std::fs::remove_file(place.path("hello/bindings/guest.c")).expect("removed");
    check("nothing that the contract asks for");
    place.write("hello/bindings/guest.wit", "no contract");
    check("no contract");
    place.write(
        "hello/bindings/guest.wit",
        "package acme:other@1.0.0;\nworld other { export main: func(); }\n",
    );
    place.write(
        "hello/plugin.c",
        "__attribute__((export_name(\"main\"))) void exported(void);\nvoid exported(void) {}\n",
    );
    check("another world");
    place.write("hello/bindings/guest.wit", &contract);
    // A crate with nothing of ours is a component all the same, of no world at all.
    place.write(
        "plain/Cargo.toml",
        "[package]\nname = \"plain\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n",
    );
    place.write("plain/src/lib.rs", "//! Nothing.\n");
    shown.extend([
        "a plain crate: ".to_owned(),
        said(&place.run("plugin build plain").code(2), &place),
    ]);
    assert!(!place.path("plain/.cargo").exists() && !place.path("plain/dist").exists());
    place.write(
        "plain/Cargo.toml",
        "[package]\nname = \"plain\"\nedition = \"2024\"\n[workspace]\n",
    );
    shown.extend([
        "no component: ".to_owned(),
        said(&place.run("plugin build plain").code(2), &place),
    ]);
    insta::assert_snapshot!("authoring-wrong-components", shown);
}

#[test]
fn nothing_is_written_through_links() {
    let place = project("c");
    std::fs::create_dir(place.path("elsewhere")).expect("made");
    std::fs::remove_dir_all(place.path("hello/dist")).expect("removed");
    symlink(place.path("elsewhere"), place.path("hello/dist")).expect("linked");
    let run = place.run("plugin build hello").code(2);
    insta::assert_snapshot!("authoring-linked-dist", run.redacted(&place));
    assert_eq!(std::fs::read_dir(place.path("elsewhere")).expect("read").count(), 0);
    // The configuration for cargo is not written through one either, and a user's own stays.
    let place = project("rust");
    std::fs::create_dir(place.path("elsewhere")).expect("made");
    std::fs::remove_dir_all(place.path("hello/.cargo")).expect("removed");
    symlink(place.path("elsewhere"), place.path("hello/.cargo")).expect("linked");
    drop(place.run("plugin build hello").code(2));
    assert_eq!(std::fs::read_dir(place.path("elsewhere")).expect("read").count(), 0);
    std::fs::remove_file(place.path("hello/.cargo")).expect("removed");
    place.write("hello/.cargo/config.toml", "# Mine.\n");
    drop(place.run("plugin build hello").code(0));
    assert_eq!(place.read("hello/.cargo/config.toml"), "# Mine.\n");
}

/// The folder of the sdk's sources in a cache.
fn unpacked(place: &Place) -> std::path::PathBuf {
    let all = std::fs::read_dir(place.path("cache/autokestra/sdk")).expect("unpacked");
    let found: Vec<_> = all.map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().expect("one").join("sdk")
}

#[test]
fn sources_that_somebody_changed_are_not_compiled() {
    let mut place = Place::new().with_tools();
    let cache = place.path("cache");
    place.set("XDG_CACHE_HOME", &cache.display().to_string());
    drop(place.run("plugin new first").code(0));
    let sdk = unpacked(&place);
    let config = place.read("first/.cargo/config.toml");
    assert!(config.contains(&sdk.display().to_string()), "{config}");
    let library = std::fs::read_to_string(sdk.join("src/lib.rs")).expect("there");
    std::fs::write(sdk.join("src/lib.rs"), "compile_error!(\"theirs\");").expect("written");
    std::fs::write(sdk.join("build.rs"), "fn main() { panic!(\"theirs\") }").expect("written");
    drop(place.run("plugin new second").code(0));
    let sdk = unpacked(&place);
    assert_eq!(std::fs::read_to_string(sdk.join("src/lib.rs")).expect("there"), library);
    assert!(!sdk.join("build.rs").exists());
    // A folder that others may write in is not used at all; a project is written all the same.
    std::fs::set_permissions(cache.join("autokestra"), std::fs::Permissions::from_mode(0o777)).expect("ours");
    let mut shown = place.run("plugin new third").code(0).redacted(&place);
    shown += &place.run("plugin build third").code(3).redacted(&place);
    std::fs::remove_dir_all(cache.join("autokestra")).expect("removed");
    symlink("/tmp", cache.join("autokestra")).expect("linked");
    shown += &place.run("plugin build third").code(3).redacted(&place);
    insta::assert_snapshot!("authoring-not-trusted", shown);
}

#[test]
fn an_sdk_that_the_program_does_not_carry_is_left_to_cargo() {
    let place = project("rust");
    let version = env!("CARGO_PKG_VERSION");
    change(
        &place,
        "hello/Cargo.toml",
        &format!("\"{version}\""),
        "{ path = \"../nowhere\" }",
    );
    std::fs::remove_dir_all(place.path("hello/.cargo")).expect("removed");
    let run = place.run("plugin build hello").code(2);
    assert!(run.stderr.contains("nowhere"), "{}", run.stderr);
    assert!(!place.path("hello/.cargo").exists());
    change(&place, "hello/Cargo.toml", "{ path = \"../nowhere\" }", "\"99.0.0\"");
    let run = place.run("plugin build hello").code(2);
    assert!(
        run.stderr.contains(&format!("this program carries {version}")),
        "{}",
        run.stderr
    );
}

#[test]
fn the_contract_that_c_projects_carry_is_ours() {
    let root = crate::support::repository();
    let read = |path: &Path| std::fs::read_to_string(root.join(path)).expect("there");
    let ours = read(Path::new("wit/1.0/plugin.wit"));
    let carried = read(Path::new("host/crates/authoring/templates/c/bindings/guest.wit"));
    // All but the world that adds the interfaces of WASI, which C has by its own library.
    assert!(
        ours.starts_with(carried.trim_end()),
        "make the bindings anew, by the command in the template's notes"
    );
}
