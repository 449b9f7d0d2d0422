//! Pictures of workflows, and what shells and `man` are told of the program.

use crate::process::Place;

const FLOW: &str = "id: fork
tasks:
  - { id: start, type: core/console.log, inputs: { message: a } }
  - { id: left, needs: [start], type: core/console.log, forEach: [1, 2], inputs: { message: b } }
  - { id: right, needs: [start], when: \"{{ true }}\", type: core/console.log, inputs: { message: c } }
  - { id: end, needs: [left, { task: right, on: always }], type: core/console.log, inputs: { message: d } }
finally:
  - { id: tidy, type: core/console.log, inputs: { message: e } }
";

#[test]
fn a_graph_is_drawn_in_four_ways() {
    let place = Place::with_flow(FLOW);
    for format in ["text", "mermaid", "dot"] {
        let run = place.run(&format!("graph flow.yaml --format {format}")).code(0);
        insta::assert_snapshot!(format!("graph-{format}"), run.stdout);
    }
    let picture = place.run("graph flow.yaml --format svg").code(0).stdout;
    for label in ["start", "left (each)", "right (when)", "tidy (finally)"] {
        assert!(picture.contains(label), "{label} is missing in {picture}");
    }
    assert!(picture.trim_end().ends_with("</svg>"), "{picture}");
}

#[test]
fn a_large_graph_is_told_and_a_broken_file_is_not_drawn() {
    let tasks =
        (0..600).map(|number| format!("  - {{ id: t{number}, type: core/console.log, inputs: {{ message: m }} }}\n"));
    let place = Place::with_flow(&format!(
        "id: large\ntasks:\n{}  - {{ id: last, needs: [t0, t599], type: core/console.log, inputs: {{ message: m }} }}\n",
        tasks.collect::<String>()
    ));
    assert_eq!(
        place.run("graph flow.yaml").code(0).stdout,
        "t0 -> last\nt599 -> last\n"
    );
    let run = place.run("graph flow.yaml --format svg").code(3);
    assert!(run.stderr.contains("--format dot"), "{run:?}");
    place.write(
        "flow.yaml",
        "id: x\ntasks: [{ id: a, type: core/console.log, needs: [a] }]\n",
    );
    let run = place.run("graph flow.yaml").code(2);
    assert!(run.stdout.is_empty() && run.stderr.contains("cycle"), "{run:?}");
}

#[test]
fn the_examples_fit_the_schema() {
    let place = Place::new();
    let schema = place.run("schema").code(0).json();
    let check = jsonschema::draft202012::new(&schema).expect("a schema");
    for entry in std::fs::read_dir(crate::support::repository().join("examples")).expect("read examples/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).expect("read it");
            let value: serde_json::Value = serde_yaml::from_str(&text).expect("YAML");
            let errors: Vec<String> = check.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        }
    }
}

#[test]
fn shells_and_man_are_served() {
    let place = Place::new();
    let script = place.run("completions bash").code(0).stdout;
    place.write("workflow.bash", &script);
    let checked = std::process::Command::new("bash")
        .arg("-n")
        .arg(place.path("workflow.bash"))
        .status();
    assert!(checked.expect("bash is there").success(), "the script is no bash");
    for shell in ["zsh", "fish"] {
        assert!(
            place
                .run(&format!("completions {shell}"))
                .code(0)
                .stdout
                .contains("execution")
        );
    }
    assert!(place.run("man").code(0).stdout.contains(".TH workflow 1"));
    place.run("man --out pages").code(0);
    let pages = std::fs::read_dir(place.path("pages")).expect("they are there");
    let names: Vec<String> = pages
        .map(|page| page.expect("a page").file_name().to_string_lossy().into_owned())
        .collect();
    for page in ["workflow.1", "workflow-run.1", "workflow-execution-logs.1"] {
        assert!(names.iter().any(|name| name == page), "{page} is missing: {names:?}");
    }
}
