//! Workflow files: whatever their text, there is a workflow or diagnostics with places, and what is checked once holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use arbtest::arbitrary::{Result, Unstructured};
use autokestra_model::{
    ActionInfo, ActionName, CapabilityNeeds, Catalog, Diagnostics, GivenInput, Lookup, Plan, RenderStyle, Source,
    Workflow,
};
use serde_json::json;

use super::harness::{by_chance, fuzz, show};
use super::text::{damaged, one, piece};
use crate::support::repository;

/// Whole workflows: the examples, and one that uses every key.
static CORPUS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = std::fs::read_dir(repository().join("examples")).expect("there are examples");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    paths.sort();
    let mut texts: Vec<String> = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("UTF-8"))
        .collect();
    texts.push(WHOLE.to_owned());
    texts
});

const WHOLE: &str = "apiVersion: v1
id: whole
name: Whole
labels: { team: data }
inputs:
  - { id: since, type: string, default: '2026-01-01', enum: ['2026-01-01', never] }
  - { id: n, type: integer, default: 3 }
secrets: [A]
permissions:
  network: [\"api.example.com:443\", { host: db.corp, private: true }]
  filesystem: { read: [./data], write: [./out] }
  env: [TZ]
limits: { memory: 64MiB, fuel: 10_000_000, output: 4MiB, logBytes: 10MiB }
timeoutSeconds: 3600
concurrency: { max: 1, onLimit: queue }
tasks:
  - &first
    id: a
    type: core/http.get
    inputs: { url: \"https://x/{{ inputs.since }}\", headers: { a: \"{{ secrets.A }}\" } }
    retry: { max: 3, backoff: linear, initialSeconds: 1, maxSeconds: 60, jitter: false }
    timeoutSeconds: 0.5
    permissions: { network: [\"api.example.com:443\"] }
  - id: b
    type: core/json.query
    needs: [a, { task: a, on: always }]
    when: \"{{ inputs.n > 2 }}\"
    onError: continue
    forEach: \"{{ range(inputs.n) }}\"
    maxParallel: 2
    idempotent: true
    inputs: { data: \"{{ tasks['a'].output }} {{ item }}{{ index }}\", filter: . }
finally:
  - { id: c, type: core/console.log, inputs: { message: \"{{ execution.state }} {{ tasks.b.output | tojson }}\" } }
outputs: { b: \"{{ tasks.b.output }}\" }
";

const KEYS: &[&str] = &[
    "id",
    "name",
    "description",
    "labels",
    "enabled",
    "inputs",
    "secrets",
    "permissions",
    "network",
    "filesystem",
    "read",
    "write",
    "env",
    "host",
    "private",
    "limits",
    "memory",
    "fuel",
    "output",
    "logBytes",
    "timeoutSeconds",
    "concurrency",
    "max",
    "onLimit",
    "tasks",
    "finally",
    "type",
    "needs",
    "task",
    "on",
    "when",
    "retry",
    "backoff",
    "initialSeconds",
    "maxSeconds",
    "jitter",
    "onError",
    "forEach",
    "maxParallel",
    "idempotent",
    "outputs",
    "triggers",
    "required",
    "default",
    "enum",
    "plugin",
    "apiVersion",
];

/// Any YAML value in flow style, with the words of the language in it.
fn value(random: &mut Unstructured<'_>, depth: u32) -> Result<String> {
    let kinds = if depth == 0 { 2 } else { 5 };
    Ok(match random.int_in_range(0..=kinds)? {
        0 => serde_json::Value::from(piece(random)?).to_string(),
        1 => one(
            random,
            &[
                "1",
                "0.5",
                "true",
                "null",
                "~",
                "1e300",
                "-1",
                "64MiB",
                "a",
                "core/http.get",
                "always",
                "[]",
                "{}",
            ],
        )?
        .to_owned(),
        2 => serde_json::Value::from(format!("{{{{ {} }}}}", piece(random)?)).to_string(),
        3 => {
            let items: Result<Vec<String>> = (0..random.int_in_range(0..=3)?)
                .map(|_| value(random, depth - 1))
                .collect();
            format!("[{}]", items?.join(", "))
        }
        _ => {
            let entries = (0..random.int_in_range(0..=5)?)
                .map(|_| Ok(format!("{}: {}", one(random, KEYS)?, value(random, depth - 1)?)));
            format!("{{ {} }}", entries.collect::<Result<Vec<_>>>()?.join(", "))
        }
    })
}

/// A text: a damaged workflow, one whose values are of any kind, deep nesting, or no YAML at all.
fn text(random: &mut Unstructured<'_>) -> Result<String> {
    Ok(match random.int_in_range(0..=9)? {
        0 => String::from_utf8_lossy(random.peek_bytes(random.len()).unwrap_or_default()).into_owned(),
        1 => {
            let deep = random.int_in_range(1..=100_000)?;
            let (open, close) = *random.choose(&[("[", "]"), ("{a: ", "}"), ("- ", ""), ("{{", "}}")])?;
            format!("id: {}{}", open.repeat(deep), close.repeat(deep))
        }
        2..=4 => {
            let mut entries = Vec::new();
            for _ in 0..random.int_in_range(1..=8)? {
                entries.push(format!("{}: {}", one(random, KEYS)?, value(random, 4)?));
            }
            entries.join("\n")
        }
        _ => {
            let whole = random.choose(&CORPUS)?.clone();
            damaged(random, &whole)?
        }
    })
}

/// A catalog in which some plugins are there.
struct Few;

impl Catalog for Few {
    fn lookup(&self, name: &ActionName) -> Lookup {
        match name.action() {
            "get" | "log" | "query" => Lookup::Found(Arc::new(ActionInfo {
                plugin: name.plugin().clone(),
                name: name.action().to_owned(),
                title: String::new(),
                description: String::new(),
                input_schema: json!({
                    "type": "object",
                    "properties": { "url": { "type": "string" }, "message": {}, "data": {}, "filter": { "minLength": 1 }, "path": { "$ref": "#/nowhere" } },
                    "required": ["url"],
                    "additionalProperties": false,
                }),
                output_schema: json!(true),
                idempotent: true,
                needs: CapabilityNeeds {
                    network: true,
                    filesystem: true,
                    ..CapabilityNeeds::default()
                },
            })),
            "unusable" => Lookup::Unusable {
                message: "no".to_owned(),
            },
            "post" => Lookup::UnknownAction {
                known: vec!["get".to_owned()],
            },
            _ => Lookup::UnknownPlugin,
        }
    }

    fn plugin_names(&self) -> Vec<String> {
        vec!["core/http".to_owned(), "core/json".to_owned()]
    }
}

/// Each has words and a place in the text, and can be drawn.
pub(super) fn check_places(source: &Source, found: &Diagnostics) {
    for one in found.iter() {
        assert!(!one.message.is_empty() && !one.code.is_empty());
        for span in std::iter::once(one.span).chain(one.related.iter().map(|(span, _)| *span)) {
            let part = source.text().get(span.start..span.start + span.len);
            assert!(part.is_some(), "{span:?} is no part of the text: {one:?}");
        }
        let (line, column) = source.line_column(one.span.start);
        assert!(line >= 1 && column >= 1);
    }
    for (color, width) in [(false, 100), (true, 1)] {
        let drawn = found.render(source, RenderStyle { color, width });
        assert!(found.is_empty() || !drawn.is_empty());
    }
}

/// What is true of every workflow that was parsed.
fn check_workflow(source: &Source, workflow: Workflow, random: &mut Unstructured<'_>) -> Result<()> {
    let ids: BTreeSet<&str> = workflow.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids.len(), workflow.tasks.len(), "ids are unique");
    check_places(source, &workflow.check_actions(&Few));
    let given = [("since", piece(random)?), ("n", piece(random)?)];
    let given = given.map(|(name, text)| (name.to_owned(), GivenInput::Text(text)));
    drop(workflow.bind_inputs(&BTreeMap::from(given)));
    for task in &workflow.tasks {
        let wait = task.retry.delay(u32::MAX, 1.0);
        assert!(wait <= task.retry.longest.max(task.retry.initial));
        drop(task.inputs.source());
    }
    let plan = Plan::new(Arc::new(workflow));
    let mut waits: Vec<usize> = (0..plan.len()).map(|task| plan.in_degree(task)).collect();
    let mut ready: Vec<usize> = (0..plan.len()).filter(|task| waits[*task] == 0).collect();
    let mut done = 0;
    while let Some(task) = ready.pop() {
        done += 1;
        for edge in plan.dependents(task) {
            waits[edge.task] -= 1;
            if waits[edge.task] == 0 {
                ready.push(edge.task);
            }
        }
    }
    assert_eq!(done, plan.len(), "there is no cycle");
    Ok(())
}

fn check(random: &mut Unstructured<'_>) -> Result<()> {
    let source = Source::new("flow.yaml", text(random)?);
    show(source.text());
    match Workflow::parse(&source) {
        Ok(parsed) => {
            check_places(&source, &parsed.warnings);
            assert!(!parsed.warnings.has_errors());
            check_workflow(&source, parsed.workflow, random)
        }
        Err(errors) => {
            assert!(errors.has_errors());
            check_places(&source, &errors);
            Ok(())
        }
    }
}

pub(crate) fn target(bytes: &[u8]) {
    by_chance(bytes, check);
}

#[test]
fn workflows_of_any_text() {
    fuzz("workflow", 4096, target);
}
