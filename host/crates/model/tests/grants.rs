//! Grants against what plugins could use: what is warned of, at which place.

use std::sync::Arc;

use autokestra_model::{ActionInfo, ActionName, CapabilityNeeds, Catalog, Lookup, Source, Workflow};
use serde_json::json;

/// Plugins by what they could use: `test/<letters>.act`, where `n` stands for the network, `r` for files, `w` for files to
/// write, and `e` for variables. `test/none` could use nothing.
struct Letters;

impl Catalog for Letters {
    fn lookup(&self, name: &ActionName) -> Lookup {
        let letters = name.plugin().as_str().trim_start_matches("test/");
        if letters == "unknown" {
            return Lookup::UnknownPlugin;
        }
        let has = |letter: char| letters != "none" && letters.contains(letter);
        Lookup::Found(Arc::new(ActionInfo {
            plugin: name.plugin().clone(),
            name: name.action().to_owned(),
            title: String::new(),
            description: String::new(),
            input_schema: json!({}),
            output_schema: json!({}),
            idempotent: true,
            needs: CapabilityNeeds {
                network: has('n') || has('i'),
                hosts_meant: has('n'),
                filesystem: has('r') || has('w'),
                write: has('w'),
                env: has('e'),
            },
        }))
    }

    fn plugin_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The one place that checks: each expected warning of an unused grant is `line: the text that is pointed at, what is said`.
#[track_caller]
fn check(yaml: &str, expected: &[&str]) {
    let source = Source::new("flow.yaml", yaml);
    let parsed = Workflow::parse(&source).unwrap_or_else(|errors| panic!("{errors:?}"));
    let found = parsed.workflow.check_actions(&Letters);
    let unused = found.iter().filter(|diagnostic| diagnostic.code == "unused_permission");
    let unused: Vec<String> = unused
        .map(|diagnostic| {
            let at = |start: usize, len: usize| &yaml[start..start + len];
            let mut text = at(diagnostic.span.start, diagnostic.span.len).to_owned();
            for (span, _) in &diagnostic.related {
                text = format!("{text} {}", at(span.start, span.len));
            }
            let (line, _) = source.line_column(diagnostic.span.start);
            format!("{line}: {text}, {}", diagnostic.message)
        })
        .collect();
    assert_eq!(unused, expected, "{yaml}");
}

fn task(plugin: &str, permissions: &str) -> String {
    format!("id: a\ntasks:\n  - id: t\n    type: test/{plugin}.act\n    permissions: {permissions}\n")
}

const ALL: &str = "{ network: [a.example, b.example], filesystem: { read: [./in], write: [./out] }, env: [HOME] }";

#[test]
fn a_tasks_grants_that_its_plugin_can_use_are_fine() {
    check(&task("nrwe", ALL), &[]);
    check(&task("n", "{ network: [a.example] }"), &[]);
    check(&task("r", "{ filesystem: { read: [./in] } }"), &[]);
    check(&task("none", "{}"), &[]);
}

#[test]
fn a_tasks_grants_that_its_plugin_cannot_use_are_told() {
    check(
        &task("none", ALL),
        &[
            "5: a.example b.example, `t` is granted hosts, and `test/none` cannot open connections",
            "5: ./in, `t` is granted files, and `test/none` cannot open files",
            "5: ./out, `t` is granted files to write, and `test/none` cannot write files",
            "5: HOME, `t` is granted variables, and `test/none` cannot read variables",
        ],
    );
    check(
        &task("re", ALL),
        &[
            "5: a.example b.example, `t` is granted hosts, and `test/re` cannot open connections",
            "5: ./out, `t` is granted files to write, and `test/re` cannot write files",
        ],
    );
}

/// What carries an interpreter, and can open sockets because that can.
#[test]
fn hosts_are_missed_where_a_plugin_was_made_to_reach_them() {
    let missed = |plugin: &str| {
        let source = Source::new("flow.yaml", task(plugin, "{}"));
        let parsed = Workflow::parse(&source).unwrap_or_else(|errors| panic!("{errors:?}"));
        let found = parsed.workflow.check_actions(&Letters);
        found.iter().any(|diagnostic| diagnostic.code == "missing_permission")
    };
    assert!(missed("n"));
    assert!(!missed("i"));
    // Granted, they are not unused.
    check(&task("i", "{ network: [a.example] }"), &[]);
}

/// A workflow with grants of its own, and tasks.
fn workflow(tasks: &[&str]) -> String {
    let mut yaml = format!("id: a\npermissions: {ALL}\ntasks:\n");
    for (index, task) in tasks.iter().enumerate() {
        yaml.extend([format!("  - {{ id: t{index}, {task} }}\n")]);
    }
    yaml
}

#[test]
fn a_workflows_grants_are_held_against_all_its_tasks() {
    check(
        &workflow(&["type: test/none.act", "type: test/n.act", "type: test/we.act"]),
        &[],
    );
    check(
        &workflow(&["type: test/none.act", "type: test/r.act"]),
        &[
            "2: a.example b.example, the workflow grants hosts, and no task that has them can open connections",
            "2: ./out, the workflow grants files to write, and no task that has them can write files",
            "2: HOME, the workflow grants variables, and no task that has them can read variables",
        ],
    );
    let last = workflow(&["type: test/rwe.act"]) + "finally: [{ id: l, type: test/n.act }]\n";
    check(&last, &[]);
}

#[test]
fn a_workflows_grant_that_a_task_narrows_is_used() {
    let narrowed = |own: &str| {
        workflow(&[
            "type: test/rwe.act",
            &format!("type: test/n.act, permissions: {{ network: [{own}] }}"),
        ])
    };
    check(
        &narrowed("a.example"),
        &["2: b.example, the workflow grants hosts, and no task that has them can open connections"],
    );
    check(&narrowed("a.example, b.example"), &[]);
    // Writing includes reading.
    check(
        &workflow(&[
            "type: test/ne.act",
            "type: test/r.act, permissions: { filesystem: { read: [./in/a, ./out/b] } }",
        ]),
        &[],
    );
    check(
        &workflow(&["type: test/nrw.act", "type: test/e.act, permissions: { env: [HOME] }"]),
        &[],
    );
}

#[test]
fn a_task_that_has_its_own_does_not_use_the_workflows() {
    check(
        &workflow(&["type: test/rwe.act", "type: test/n.act, permissions: {}"]),
        &["2: a.example b.example, the workflow grants hosts, and no task that has them can open connections"],
    );
}

#[test]
fn of_an_unknown_plugin_nothing_is_said() {
    check(&workflow(&["type: test/unknown.act"]), &[]);
}
