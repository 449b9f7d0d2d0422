//! Broken workflows: one for each rule of the language, and random damage. Each gives a place; none gives a panic.

use autokestra_model::{Diagnostics, RenderStyle, Severity, Source, Workflow};
use proptest::prelude::*;

/// A workflow that uses most of the language.
const WHOLE: &str = r#"apiVersion: v1
id: daily_sync
name: Daily sync
description: Pull items, keep the open ones, write a report.
labels: { team: data }
enabled: true
inputs:
  - id: since
    type: string
    required: true
    enum: ["2026-01-01", "never"]
    description: First day to read
secrets:
  - API_TOKEN
permissions:
  network: ["api.example.com:443", "*.example.org"]
  filesystem: { read: ["./data"], write: ["./out"] }
  env: ["TZ"]
limits: { memory: 64MiB, fuel: 10_000_000_000, output: 4MiB, logBytes: 10MiB }
timeoutSeconds: 3600
tasks:
  - id: fetch
    type: core/http.get
    inputs:
      url: "https://api.example.com/items?since={{ inputs.since }}"
      headers: { authorization: "Bearer {{ secrets.API_TOKEN }}" }
    retry: { max: 3, backoff: exponential, initialSeconds: 1, maxSeconds: 60, jitter: true }
    timeoutSeconds: 30
    permissions: { network: ["api.example.com:443"] }
  - id: open
    type: core/json.query
    needs: [fetch]
    inputs: { data: "{{ tasks.fetch.output.body }}", filter: ".items | map(select(.open))" }
  - id: report
    type: core/console.log
    needs: [open, { task: fetch, on: always }]
    when: "{{ inputs.since != 'never' }}"
    onError: continue
    inputs: { message: "{{ tasks['open'].output | length }} open" }
outputs:
  count: "{{ tasks.open.output | length }}"
"#;

fn parse(yaml: &str) -> Result<(), (Source, Diagnostics)> {
    let source = Source::new("flow.yaml", yaml);
    Workflow::parse(&source).map(drop).map_err(|errors| (source, errors))
}

/// Every error must have a place in the text, and a picture that names it.
fn has_places(source: &Source, errors: &Diagnostics) {
    assert!(errors.has_errors());
    for error in errors.iter() {
        assert!(error.span.start <= source.text().len(), "{error:?}");
        let (line, column) = source.line_column(error.span.start);
        assert!(
            line >= 1 && column >= 1 && line <= source.text().lines().count().max(1) + 1,
            "{error:?}"
        );
    }
    let drawn = errors.render(
        source,
        RenderStyle {
            color: false,
            width: 100,
        },
    );
    assert!(drawn.contains("flow.yaml"), "{drawn}");
}

/// A workflow of one task, with `more` at the top level.
fn top(more: &str) -> String {
    format!("id: a\n{more}\ntasks:\n  - {{ id: t, type: core/console.log, inputs: {{ message: x }} }}\n")
}

/// A workflow of one task with `more` in it, and another task.
fn task(more: &str) -> String {
    format!(
        "id: a\ntasks:\n  - id: t\n    type: core/console.log\n    {more}\n  - {{ id: other, type: core/console.log }}\n"
    )
}

#[track_caller]
fn check(code: &str, yaml: &str) {
    let (source, errors) = parse(yaml).expect_err("the workflow is broken");
    has_places(&source, &errors);
    let codes: Vec<&str> = errors
        .iter()
        .filter(|error| error.severity == Severity::Error)
        .map(|error| error.code)
        .collect();
    assert!(
        codes.contains(&code),
        "{code} was expected for\n{yaml}\nfound {codes:?}"
    );
}

#[test]
fn the_whole_language_is_taken() {
    if let Err((source, errors)) = parse(WHOLE) {
        panic!(
            "{}",
            errors.render(
                &source,
                RenderStyle {
                    color: false,
                    width: 100
                }
            )
        );
    }
}

#[test]
fn yaml_itself() {
    check("syntax", "id: [a\n");
    check("syntax", "id: a\n\tname: b\n");
    check("syntax", "id: \"a\n");
    check("empty", "");
    check("empty", "# nothing\n");
    check("several_documents", &format!("{}---\nid: b\n", top("")));
    check("duplicate_key", &top("name: a\nname: b"));
    check("key_type", &top("? [a]\n: b"));
    check("unknown_tag", &top("name: !custom x"));
    check("wrong_type", "- a\n- b\n");
    check(
        "too_deep",
        &top(&format!("labels: {}{}", "[".repeat(70), "]".repeat(70))),
    );
    check("file_too_large", &top(&format!("name: {}", "x".repeat(1 << 20))));
    let level = |level: usize| {
        let last = format!("*a{}", level - 1);
        format!("  a{level}: &a{level} [{}]\n", [last.as_str(); 10].join(", "))
    };
    let levels: String = (1..12).map(level).collect();
    let bomb = format!("labels:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{levels}");
    check("alias_expansion", &top(&bomb));
}

#[test]
fn the_top_of_the_file() {
    check("missing_key", "name: a\ntasks: []\n");
    check("missing_key", "id: a\n");
    check("unknown_key", &top("tusks: 1"));
    check("api_version", &top("apiVersion: v2"));
    for id in ["-a", "a b", "é", "\"\"", &"a".repeat(64)] {
        check(
            "invalid_name",
            &format!("id: {id}\ntasks:\n  - {{ id: t, type: core/console.log }}\n"),
        );
    }
    check("wrong_type", "id: 5\ntasks: []\n");
    check("wrong_type", &top("name: [a]"));
    check("wrong_type", &top("labels: a"));
    check("wrong_type", &top("labels: { a: 1 }"));
    check("wrong_type", &top("enabled: yes please"));
    check("wrong_type", &top("outputs: [a]"));
    check("wrong_type", &top("timeoutSeconds: soon"));
    check("out_of_range", &top("timeoutSeconds: 0"));
    check("no_tasks", "id: a\ntasks: []\n");
    check("wrong_type", "id: a\ntasks: {}\n");
    let many = "  - { id: t, type: core/console.log }\n".repeat(10_001);
    check("too_many_tasks", &format!("id: a\ntasks:\n{many}"));
}

#[test]
fn inputs_and_secrets() {
    check("missing_key", &top("inputs: [{ type: string }]"));
    check("invalid_value", &top("inputs: [{ id: a, type: text }]"));
    check("duplicate_input", &top("inputs: [{ id: a }, { id: a }]"));
    check("invalid_name", &top("inputs: [{ id: a-b }]"));
    check("wrong_type", &top("inputs: [{ id: a, type: integer, default: x }]"));
    check("wrong_type", &top("inputs: [{ id: a, type: integer, enum: [1, b] }]"));
    check(
        "invalid_value",
        &top("inputs: [{ id: a, type: integer, enum: [1], default: 2 }]"),
    );
    check("unknown_key", &top("inputs: [{ id: a, kind: string }]"));
    check("wrong_type", &top("inputs: { a: string }"));
    check("secret_value", &top("secrets: [{ TOKEN: abc }]"));
    check("duplicate_secret", &top("secrets: [A, A]"));
    check("invalid_name", &top("secrets: [\"1-a\"]"));
    check("empty_only_to", &top("secrets: [{ name: A, onlyTo: [] }]"));
    check("wrong_type", &top("secrets: [{ name: A, onlyTo: a.example }]"));
    check(
        "invalid_network",
        &top("secrets: [{ name: A, onlyTo: [\"https://a.example\"] }]"),
    );
}

#[test]
fn permissions_and_limits() {
    check("unknown_key", &top("permissions: { files: [] }"));
    check(
        "invalid_network",
        &top("permissions: { network: [\"https://a.example/x\"] }"),
    );
    check("invalid_network", &top("permissions: { network: [\"a.example:0\"] }"));
    check("invalid_network", &top("permissions: { network: [\"a.*.example\"] }"));
    check("missing_key", &top("permissions: { network: [{ private: true }] }"));
    check(
        "invalid_path",
        &top("permissions: { filesystem: { read: [\"../x\"] } }"),
    );
    check("invalid_path", &top("permissions: { filesystem: { write: [\"/\"] } }"));
    check(
        "invalid_path",
        &top("permissions: { filesystem: { read: [\"{{ inputs.a }}\"] } }"),
    );
    check("wrong_type", &top("permissions: { filesystem: { read: ./x } }"));
    check("invalid_name", &top("permissions: { env: [\"A=B\"] }"));
    for name in ["WORKFLOW_SECRET_A", "WORKFLOW_SECRETS_KEY", "WORKFLOW_STORAGE_PASSWORD"] {
        check("reserved_variable", &top(&format!("permissions: {{ env: [{name}] }}")));
    }
    let wider = "id: a\npermissions: { filesystem: { read: [./in] } }\ntasks:\n  - { id: t, type: core/console.log, permissions: { filesystem: { write: [./in] } } }\n";
    check("wider_permission", wider);
    check("invalid_value", &top("limits: { memory: much }"));
    check("out_of_range", &top("limits: { memory: 1KiB }"));
    check("out_of_range", &top("limits: { fuel: 0 }"));
    check("unknown_key", &top("limits: { ram: 1MiB }"));
}

#[test]
fn what_cannot_run_yet_is_refused_by_name() {
    check("unsupported", &top("triggers: [{ type: cron, cron: \"0 2 * * *\" }]"));
    check("unsupported", &top("trigger: { type: webhook, path: /in }"));
    check("invalid_cron", &top("triggers: [{ type: cron, cron: \"61 * * * *\" }]"));
    check(
        "invalid_timezone",
        &top("triggers: [{ type: cron, cron: \"0 2 * * *\", timezone: Mars/North }]"),
    );
    check("invalid_value", &top("triggers: [{ type: mail }]"));
    check("invalid_path", &top("triggers: [{ type: webhook, path: in }]"));
    check(
        "unknown_key",
        &top("triggers: [{ type: webhook, path: /in, cron: \"0 2 * * *\" }]"),
    );
}

#[test]
fn lists_limits_and_finally() {
    check("out_of_range", &top("concurrency: { max: 0 }"));
    check("missing_key", &top("concurrency: { onLimit: skip }"));
    check("invalid_value", &top("concurrency: { max: 1, onLimit: wait }"));
    check("needless_key", &task("maxParallel: 2"));
    check("not_an_expression", &task("forEach: all"));
    check("out_of_range", &task("forEach: [1, 2]\n    maxParallel: 0"));
    check("unknown_name", &task("forEach: \"{{ item }}\""));
    check("unknown_name", &task("inputs: { message: \"{{ item }}\" }"));
    check("wrong_type", &task("idempotent: sometimes"));
    check("duplicate_task", &top("finally: [{ id: t, type: core/console.log }]"));
    check(
        "unknown_task",
        &top("finally: [{ id: f, type: core/console.log, needs: [t] }]"),
    );
    check("unknown_name", &task("inputs: { message: \"{{ execution.state }}\" }"));
    check(
        "not_needed",
        &task("inputs: { message: \"{{ tasks.f.output }}\" }")
            .replace("\ntasks:", "\nfinally: [{ id: f, type: core/console.log }]\ntasks:"),
    );
}

#[test]
fn tasks_and_their_needs() {
    check("missing_key", "id: a\ntasks: [{ type: core/console.log }]\n");
    check("missing_key", "id: a\ntasks: [{ id: t }]\n");
    check("invalid_name", "id: a\ntasks: [{ id: t, type: console }]\n");
    check("unknown_key", &task("input: { a: 1 }"));
    check("wrong_type", &task("inputs: [a]"));
    check("duplicate_task", &task("needs: []").replace("id: other", "id: t"));
    check("unknown_task", &task("needs: [othr]"));
    check("duplicate_need", &task("needs: [other, other]"));
    check("wrong_type", &task("needs: other"));
    check("invalid_value", &task("needs: [{ task: other, on: sometimes }]"));
    check("cycle", &task("needs: [t]"));
    check(
        "cycle",
        "id: a\ntasks:\n  - { id: x, type: a/b.c, needs: [z] }\n  - { id: y, type: a/b.c, needs: [x] }\n  - { id: z, type: a/b.c, needs: [y] }\n",
    );
    check("missing_key", &task("retry: { backoff: linear }"));
    check("invalid_value", &task("retry: { max: 1, backoff: random }"));
    check("out_of_range", &task("retry: { max: -1 }"));
    check(
        "out_of_range",
        &task("retry: { max: 1, initialSeconds: 9, maxSeconds: 1 }"),
    );
    check("invalid_value", &task("onError: ignore"));
    check("out_of_range", &task("timeoutSeconds: -1"));
}

#[test]
fn expressions() {
    check("expression_syntax", &task("inputs: { message: \"{{ 1 + }}\" }"));
    check("expression_syntax", &task("inputs: { message: \"{{ open\" }"));
    check("not_an_expression", &task("when: \"sometimes\""));
    check("not_an_expression", &task("when: 5"));
    check("unknown_name", &task("inputs: { message: \"{{ inptus.a }}\" }"));
    check("unknown_name", &task("inputs: { message: \"{{ inputs.a }}\" }"));
    check("unknown_name", &task("inputs: { message: \"{{ secrets.A }}\" }"));
    check(
        "unknown_name",
        &task("inputs: { message: \"{{ tasks.nobody.output }}\" }"),
    );
    check("unknown_name", &task("inputs: { message: \"{{ item }}\" }"));
    check("unknown_name", &task("inputs: { message: \"{{ trigger.body }}\" }"));
    check("unknown_name", &task("inputs: { message: \"{{ execution.state }}\" }"));
    check(
        "unknown_name",
        &task("needs: [other]\n    inputs: { message: \"{{ tasks.other.result }}\" }"),
    );
    check("not_needed", &task("inputs: { message: \"{{ tasks.other.output }}\" }"));
    check(
        "not_needed",
        &task("inputs: { message: \"{{ tasks['other'].output }}\" }"),
    );
    check("not_needed", &task("inputs: { message: \"{{ tasks.t.output }}\" }"));
    check(
        "dynamic_reference",
        &task("inputs: { message: \"{{ tasks[inputs.a].output }}\" }"),
    );
}

#[test]
fn all_errors_are_told_at_once_with_a_guess() {
    let (source, errors) = parse("idd: a\ntasks:\n  - { id: t, typ: core/x.y, needs: [tt] }\n").expect_err("broken");
    assert!(errors.len() >= 4, "{errors:?}");
    let drawn = errors.render(
        &source,
        RenderStyle {
            color: false,
            width: 100,
        },
    );
    for part in [
        "flow.yaml:1:1",
        "did you mean `id`?",
        "flow.yaml:3:",
        "did you mean `type`?",
    ] {
        assert!(drawn.contains(part), "{part} is missing in\n{drawn}");
    }
}

/// One way to damage a text.
#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    DropLine(usize),
    RepeatLine(usize),
    SwapLines(usize, usize),
    Indent(usize),
    Cut(usize),
    Insert(usize, &'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let tokens = [
        "{{", "}}", ": ", "- ", "[", "]", "{", "}", "\"", "'", "&a ", "*a", "\u{0}", "\u{feff}", "|", "!!x ", "\t",
        "%", "9e999",
    ];
    let at = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Damage::Flip(at, byte)),
        at.clone().prop_map(Damage::DropLine),
        at.clone().prop_map(Damage::RepeatLine),
        (at.clone(), at.clone()).prop_map(|(one, two)| Damage::SwapLines(one, two)),
        at.clone().prop_map(Damage::Indent),
        at.clone().prop_map(Damage::Cut),
        (at, prop::sample::select(tokens.to_vec())).prop_map(|(at, token)| Damage::Insert(at, token)),
    ]
}

fn damaged(text: &str, damage: &Damage) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let count = lines.len().max(1);
    match *damage {
        Damage::Flip(at, byte) => {
            let mut bytes = text.as_bytes().to_vec();
            let length = bytes.len().max(1);
            if let Some(found) = bytes.get_mut(at % length) {
                *found = byte;
            }
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        Damage::Cut(at) => return text.chars().take(at % (text.chars().count() + 1)).collect(),
        Damage::Insert(at, token) => {
            let mut chars: Vec<char> = text.chars().collect();
            let place = at % (chars.len() + 1);
            chars.splice(place..place, token.chars());
            return chars.into_iter().collect();
        }
        Damage::DropLine(at) => drop((!lines.is_empty()).then(|| lines.remove(at % count))),
        Damage::RepeatLine(at) => {
            if let Some(line) = lines.get(at % count).cloned() {
                lines.insert(at % count, line);
            }
        }
        Damage::SwapLines(one, two) if !lines.is_empty() => lines.swap(one % count, two % count),
        Damage::SwapLines(..) => {}
        Damage::Indent(at) => {
            if let Some(line) = lines.get_mut(at % count) {
                line.insert(0, ' ');
            }
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_panics_and_always_has_a_place(all in prop::collection::vec(damage(), 1..6)) {
        let text = all.iter().fold(WHOLE.to_owned(), |text, damage| damaged(&text, damage));
        if let Err((source, errors)) = parse(&text) {
            has_places(&source, &errors);
        }
    }

    #[test]
    fn any_text_gives_a_workflow_or_a_place(text in "[a-z:\\-{}\\[\\]\"' \\n#&*!|>%@,?0-9é]{0,200}") {
        if let Err((source, errors)) = parse(&text) {
            has_places(&source, &errors);
        }
    }
}
