//! Pages that are made of something else, and held to it. `UPDATE_DOCS=1 cargo test --release --workspace --test all docs::made` (or `make docs`) writes them anew.

use serde_json::{Value, json};

use super::schema::{Tables, bars};
use super::{blocks, document, pages};
use crate::built::put_python;
use crate::process::{Place, task};
use crate::support::repository;

/// Holds the part of a page between `<!-- made: NAME -->` and `<!-- /made -->` to `expected`.
#[track_caller]
pub(super) fn made(page: &str, name: &str, expected: &str) {
    let path = repository().join(page);
    let (start, end) = (format!("<!-- made: {name} -->\n"), "\n<!-- /made -->");
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(_) if update => format!("# {name}\n\n{start}{end}\n"),
        Err(error) => panic!("read {page}: {error}; UPDATE_DOCS=1 makes it"),
    };
    let (before, rest) = text
        .split_once(&start)
        .unwrap_or_else(|| panic!("{page} has no `{start}`"));
    let (found, after) = rest
        .split_once(end)
        .unwrap_or_else(|| panic!("{page}: `{name}` has no end"));
    let expected = expected.trim_end();
    if update && found != expected {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("make a folder");
        let text = format!("{before}{start}{expected}{end}{after}");
        std::fs::write(&path, text).expect("write a page");
        return;
    }
    assert_eq!(
        found, expected,
        "{page} is stale: set UPDATE_DOCS=1 and run this test again"
    );
}

#[test]
fn the_reference_of_the_language_is_its_schema() {
    let schema = Place::new().run("schema").code(0).json();
    let mut tables = Tables::of(&schema);
    let top = tables.table(&schema);
    let text = format!("## The file\n\n{top}{}", tables.sections(2));
    made("docs/reference/workflow.md", "schema", &text);
}

#[test]
fn the_list_of_settings_is_the_programs() {
    let mut place = Place::new();
    place.unset("WORKFLOW_POLICY_NETWORK");
    let shown = place.run("config show --json").code(0).json();
    let example = document("config.example.yaml");
    let mut text = "| key | default | variable | what it is |\n| --- | --- | --- | --- |\n".to_owned();
    for (key, entry) in shown.as_object().expect("an object") {
        let variable = entry["variable"].as_str().expect("a name");
        let default = match &entry["value"] {
            Value::Null => String::new(),
            Value::String(path) if key == "storage.path" => {
                format!("`./data{}`", path.rsplit_once("/data").expect("below").1)
            }
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        // `config.example.yaml` says it behind the variable.
        let about = example
            .lines()
            .find_map(|line| line.split_once(&format!("# {variable}")).map(|(_, about)| about))
            .filter(|about| !about.starts_with('_'))
            .unwrap_or_default();
        let about = about.trim_start_matches(':').trim();
        text.extend([format!(
            "| `{key}` | {} | `{variable}` | {} |\n",
            bars(&default),
            bars(about)
        )]);
    }
    made("docs/configuration.md", "settings", &text);
}

/// Pages on plugins that people wrote: they stand in the guide, not in the reference.
const GUIDES: &[&str] = &[
    "docs/plugins/authoring.md",
    "docs/plugins/installing.md",
    "docs/plugins/scripts.md",
    "docs/plugins/sdk.md",
    "docs/plugins/versions.md",
    "docs/plugins/javascript.md",
    "docs/plugins/python.md",
    "docs/plugins/testing.md",
];

#[test]
fn every_plugin_has_a_page_that_is_its_manifest() {
    let mut place = Place::new();
    place.set("WORKFLOW_PLUGINS_DIRECTORIES", "plugins");
    put_python(&place);
    let found = place.run("plugin docs --json").code(0).json();
    let mut known: Vec<String> = GUIDES.iter().map(|page| (*page).to_owned()).collect();
    for described in found.as_array().expect("a list") {
        let word = |key: &str| described[key].as_str().unwrap_or_default();
        let page = format!("docs/plugins/{}", word("file"));
        let mark = described["plugin"].as_str().unwrap_or("plugins");
        made(&page, mark, word("markdown"));
        if let Some(name) = described["plugin"].as_str()
            && let Some(examples) = examples(&place, name)
        {
            made(&page, "examples", &examples);
        }
        known.push(page);
    }
    let there = pages().into_iter().filter(|page| page.starts_with("docs/plugins/"));
    let strangers: Vec<String> = there.filter(|page| !known.contains(page)).collect();
    assert!(strangers.is_empty(), "of no plugin: {strangers:?}");
}

/// Tries each module of the standard library, in the sandbox.
const MODULES: &str = "import importlib, sys\noutput = []\nfor name in sorted(sys.stdlib_module_names):\n  try:\n    importlib.import_module(name)\n  except BaseException:\n    continue\n  if not name.startswith('_'):\n    output.append(name)\n";

#[test]
fn the_modules_of_python_are_those_that_can_be_imported() {
    let mut place = Place::new();
    place.set("WORKFLOW_PLUGINS_DIRECTORIES", "plugins");
    put_python(&place);
    let flow = json!({ "id": "modules", "tasks": [{ "id": "it", "type": "core/script.python", "inputs": { "code": MODULES } }] });
    place.write("flow.yaml", &flow.to_string());
    drop(place.run("run flow.yaml --no-progress").code(0));
    let execution = place.inspect();
    let modules = task(&execution, "it")["output"].as_array().expect("a list").clone();
    let modules: Vec<String> = modules
        .iter()
        .filter_map(Value::as_str)
        .map(|name| format!("`{name}`"))
        .collect();
    assert!(modules.len() > 100, "{modules:?}");
    made("docs/plugins/scripts.md", "python-modules", &modules.join(" "));
}

/// The first of a plugin's own cases for each of its actions, as workflows with what they give.
fn examples(place: &Place, plugin: &str) -> Option<String> {
    let cases = repository().join("plugins").join(plugin).join("tests/cases.yaml");
    // The host of the cases is a server of the tests.
    let cases = std::fs::read_to_string(cases)
        .ok()?
        .replace("{{ server }}", "api.example.com");
    let cases: Vec<Value> = serde_yaml::from_str(&cases).expect("cases are YAML");
    let found = place.run(&format!("plugin inspect {plugin} --json")).code(0).json();
    let actions = found["actions"].as_array().expect("a list").iter();
    let examples: Vec<String> = actions.filter_map(|action| example(&cases, action)).collect();
    (!examples.is_empty()).then(|| examples.join("\n\n"))
}

/// The first of the cases that shows an action at work.
fn example(cases: &[Value], action: &Value) -> Option<String> {
    let output = |case: &Value| case.get("output").or_else(|| case.get("outputHas")).cloned();
    let case = cases.iter().find(|case| {
        let input = case["input"].to_string();
        // Braces are an expression to a workflow, and none to the plugin.
        case["action"] == action["name"] && output(case).is_some() && !input.contains("{{") && !input.contains("{%")
    })?;
    let mut flow =
        json!({ "id": "example", "tasks": [{ "id": "it", "type": action["type"], "inputs": case["input"] }] });
    if let Some(granted) = case.get("permissions") {
        flow["permissions"] = granted.clone();
    }
    let flow = serde_yaml::to_string(&flow).ok()?;
    let output = serde_json::to_string(&output(case)?).ok()?;
    Some(format!("```yaml\n{flow}```\n\ngives\n\n```json\n{output}\n```"))
}

#[test]
fn the_cookbook_shows_the_files_that_are_run() {
    let mut shown = 0;
    for page in pages().iter().filter(|page| page.starts_with("docs/cookbook/")) {
        let text = document(page);
        let names: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("<!-- made: examples/")?.strip_suffix(" -->"))
            .collect();
        for name in names {
            let file = document(&format!("examples/{name}"));
            let language = name.rsplit('.').next().unwrap_or_default();
            made(page, &format!("examples/{name}"), &format!("```{language}\n{file}```"));
            shown += 1;
        }
        assert!(
            page.ends_with("index.md") || !blocks(&document(page), "yaml").is_empty(),
            "{page} has no workflow"
        );
    }
    assert!(shown >= 10, "the cookbook has {shown} workflows");
}

#[test]
fn the_book_lists_the_reference() {
    let mut text = String::new();
    let pages = pages();
    for (title, index, folder) in [
        ("Commands", "commands/index.md", "docs/commands/"),
        ("Reference of the language", "reference/workflow.md", ""),
        ("States", "states.md", ""),
        ("Plugins", "plugins/index.md", "docs/plugins/"),
        ("Codes", "errors/index.md", "docs/errors/"),
    ] {
        text.extend([format!("- [{title}]({index})\n")]);
        let below = pages
            .iter()
            .filter(|page| !folder.is_empty() && page.starts_with(folder) && !GUIDES.contains(&page.as_str()));
        for page in below.filter(|page| !page.ends_with("/index.md")) {
            let first = document(page);
            let title = first.lines().next().unwrap_or_default().trim_start_matches("# ");
            text.extend([format!("  - [{title}]({})\n", page.trim_start_matches("docs/"))]);
        }
    }
    made("docs/SUMMARY.md", "reference", &text);
}
