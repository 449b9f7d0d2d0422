//! `plugin docs`: pages of reference, made of what plugins say of themselves.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;

use serde_json::Value;

use crate::docs::blocks;
use crate::process::Place;
use crate::support::hostile_component;

/// The pages of all plugins that the program has.
fn pages(place: &Place) -> Vec<Value> {
    let pages = place.run("plugin docs --json").code(0).json();
    pages.as_array().expect("a list").clone()
}

fn word<'a>(page: &'a Value, key: &str) -> &'a str {
    page[key].as_str().unwrap_or_default()
}

/// The files of a folder with their inodes: what is written anew has another.
fn inodes(place: &Place, folder: &str) -> BTreeMap<String, u64> {
    let entries = std::fs::read_dir(place.path(folder)).expect("it is there");
    let entries = entries.map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, entry.metadata().expect("it is there").ino())
        })
        .collect()
}

#[test]
fn a_page_tells_all_of_a_plugin() {
    let place = Place::new();
    let text = place.run("plugin docs core/hash").code(0).stdout;
    insta::assert_snapshot!("page", text.replace(env!("CARGO_PKG_VERSION"), "[VERSION]"));
    let both = place.run("plugin docs core/flow core/hash core/flow").code(0).stdout;
    assert!(
        both.starts_with("# core/flow\n") && both.ends_with(&format!("\n\n{text}")),
        "{both}"
    );
    assert_eq!(both.matches("\n# ").count(), 1, "{both}");
    let all = place.run("plugin docs").code(0).stdout;
    assert_eq!(
        all.lines().filter(|line| line.starts_with("# ")).count(),
        pages(&place).len() - 1
    );
}

#[test]
fn the_example_of_every_action_is_valid() {
    let place = Place::new();
    place.write(
        "child.yaml",
        "id: child\ntasks: [{ id: a, type: core/console.log, inputs: { message: hi } }]\n",
    );
    let program = "(module (memory (export \"memory\") 1) (func (export \"_start\")))";
    place.write_bytes("program.wasm", &wat::parse_str(program).expect("good text"));
    let mut tried = 0;
    for page in pages(&place) {
        let text = word(&page, "markdown");
        let examples = blocks(text, "yaml");
        let actions = text.lines().filter(|line| line.starts_with("## ")).count();
        assert_eq!(
            examples.len(),
            actions,
            "an action of {} has no example",
            word(&page, "file")
        );
        for example in examples {
            place.write("flow.yaml", &example);
            let run = place.run("validate flow.yaml");
            assert_eq!(run.code, 0, "{example}\n{}{}", run.stdout, run.stderr);
            tried += 1;
        }
    }
    assert!(tried >= 35, "only {tried} examples");
}

#[test]
fn pages_are_written_once_and_what_stands_around_them_stays() {
    let place = Place::new();
    let first = place.run("plugin docs --out made/docs").code(0);
    insta::assert_snapshot!("written", first.redacted(&place));
    insta::assert_snapshot!("index", place.read("made/docs/index.md"));
    let before = inodes(&place, "made/docs");
    let second = place.run("plugin docs --out made/docs").code(0);
    insta::assert_snapshot!("written-again", second.redacted(&place));
    assert_eq!(inodes(&place, "made/docs"), before);
    let page = place.read("made/docs/core-hash.md");
    assert_eq!(
        page,
        format!(
            "# core/hash\n\n<!-- made: core/hash -->\n{}\n<!-- /made -->\n",
            place
                .run("plugin docs core/hash")
                .code(0)
                .stdout
                .trim_start_matches("# core/hash\n\n")
                .trim_end()
        )
    );
    // Words of one's own, and a part that is stale.
    let own = page
        .replace("# core/hash\n", "# Hashes\n\nMine.\n")
        .replace("## `core/hash.hmac`", "## stale");
    place.write("made/docs/core-hash.md", &format!("{own}\nMine too.\n"));
    place.write("made/docs/notes.md", "mine");
    let third = place.run("plugin docs core/hash --out made/docs --json").code(0).json();
    assert_eq!(
        (third.as_array().map(Vec::len), word(&third[0], "change")),
        (Some(1), "updated")
    );
    let page = page.replace("# core/hash\n", "# Hashes\n\nMine.\n") + "\nMine too.\n";
    assert_eq!(place.read("made/docs/core-hash.md"), page);
    assert_eq!(place.read("made/docs/notes.md"), "mine");
    // A part that is empty is filled.
    place.write("empty/core-hash.md", "a\n<!-- made: core/hash -->\n<!-- /made -->\nb\n");
    drop(place.run("plugin docs core/hash --out empty").code(0));
    let text = place.run("plugin docs core/hash").code(0).stdout;
    let text = text.trim_start_matches("# core/hash\n\n").trim_end();
    assert_eq!(
        place.read("empty/core-hash.md"),
        format!("a\n<!-- made: core/hash -->\n{text}\n<!-- /made -->\nb\n")
    );
}

#[test]
fn what_cannot_be_written_is_told_and_nothing_is() {
    let place = Place::new();
    place.write("foreign/index.md", "# Mine\n");
    place.write("open/core-hash.md", "<!-- made: core/hash -->\nno end\n");
    place.write("bytes/core-hash.md", "");
    place.write_bytes("bytes/core-hash.md", &[0xff, 0xfe]);
    place.write("file", "mine");
    std::fs::create_dir(place.path("linked")).expect("made");
    std::os::unix::fs::symlink(place.path("file"), place.path("linked/core-hash.md")).expect("linked");
    let mut told = String::new();
    for line in [
        "plugin docs core/hsah",
        "plugin docs core/hash core/nothing --out never",
        "plugin docs nowhere.wasm",
        "plugin docs --out foreign",
        "plugin docs core/hash --out open",
        "plugin docs core/hash --out bytes",
        "plugin docs core/hash --out linked",
        "plugin docs core/hash --out file",
        "plugin docs --pretty",
    ] {
        let run = place.run(line);
        assert!(run.code != 0 && run.stdout.is_empty(), "{line}: {run:?}");
        told.extend([format!("$ {line}\n{}\n", run.redacted(&place))]);
    }
    insta::assert_snapshot!("mistakes", told);
    assert_eq!(
        (place.read("foreign/index.md"), place.read("file")),
        ("# Mine\n".to_owned(), "mine".to_owned())
    );
    assert_eq!(inodes(&place, "foreign").len(), 1);
    assert!(!place.path("never").exists());
}

#[test]
fn plugins_of_a_folder_have_pages_as_well() {
    let place = Place::new().with_tools();
    drop(place.run("plugin new hello --lang c").code(0));
    drop(place.run("plugin build hello").code(0));
    place.write("config.yaml", "plugins: { directories: [hello/dist] }\n");
    let page = place.run("plugin docs local/hello").code(0).stdout;
    insta::assert_snapshot!("authored", page);
    assert_eq!(place.run("plugin docs hello/dist/hello.wasm").code(0).stdout, page);
    let example = blocks(&page, "yaml").remove(0);
    place.write("flow.yaml", &example);
    drop(place.run("run flow.yaml --no-progress").code(0));
    drop(place.run("plugin docs --out docs").code(0));
    assert!(
        place
            .read("docs/index.md")
            .contains("| [`local/hello`](local-hello.md) |")
    );
    assert!(page.contains(place.read("docs/local-hello.md").lines().nth(3).expect("a line")));
}

#[test]
fn installed_plugins_have_pages_as_well() {
    let place = Place::new();
    place.write_bytes("it.wasm", &std::fs::read(hostile_component()).expect("it is built"));
    drop(place.run("plugin install it.wasm").code(0));
    let all = pages(&place);
    assert!(
        all.iter()
            .any(|page| page["plugin"] == "test/hostile" && page["file"] == "test-hostile.md")
    );
}
