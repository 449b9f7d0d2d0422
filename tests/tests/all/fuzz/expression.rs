//! Templates: whatever they say, they end, within their fuel and their limit of text.

use std::sync::Arc;

use arbtest::arbitrary::{Result, Unstructured};
use autokestra_model::{ExecutionId, ExecutionInfo, Scope, Source, TaskState, Timestamp, Workflow};
use serde_json::{Value, json};

use super::harness::{by_chance, fuzz, show};
use super::text::{one, piece};

/// The most that a text may have, and a value that is none.
const TEXT_BYTES_MAX: usize = 4 << 20;
const VALUE_BYTES_MAX: usize = 128 << 20;

const NAMES: &[&str] = &[
    "inputs.n",
    "inputs.text",
    "inputs.list",
    "inputs.map",
    "tasks.a.output",
    "tasks.a.output.deep",
    "tasks['a'].state",
    "secrets.A",
    "execution.id",
    "x",
    "y",
    "ns.x",
    "loop.index",
    "loop",
    "inputs",
    "tasks",
    "none",
    "true",
];

const FILTERS: &[&str] = &[
    "safe",
    "escape",
    "lower",
    "upper",
    "title",
    "capitalize",
    "replace('a', inputs.text)",
    "length",
    "count",
    "items",
    "dictsort",
    "trim",
    "join",
    "join(x)",
    "split('a')",
    "lines",
    "default(1)",
    "round",
    "abs",
    "attr('a')",
    "first",
    "last",
    "min",
    "max",
    "sort",
    "reverse",
    "list",
    "string",
    "bool",
    "batch(2)",
    "batch(1000000000, 0)",
    "batch(0)",
    "slice(1000000000)",
    "slice(0)",
    "sum",
    "indent(100000)",
    "indent(3)",
    "select",
    "select('odd')",
    "reject",
    "selectattr('a')",
    "map('upper')",
    "map(attribute='a', default=9)",
    "unique",
    "groupby('a')",
    "chain([1])",
    "zip([1])",
    "pprint",
    "tojson",
    "tojson(indent=1000)",
    "urlencode",
    "format(1)",
    "int",
    "float",
    "nothing",
];

const FUNCTIONS: &[&str] = &["range", "dict", "debug", "namespace", "lipsum", "cycler", "joiner"];

const OPERATORS: &[&str] = &[
    "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", "and", "or", "in", "not in", "is", "|", "if",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "100000",
    "1000000000",
    "9223372036854775807",
    "1e308",
    "0.1",
    "170141183460469231731687303715884105727",
];

/// Lists without an end that are compared or used as keys are left out: the work of that is not counted, which `SECURITY.md` says.
fn expression(random: &mut Unstructured<'_>, depth: u32) -> Result<String> {
    let kinds = if depth == 0 { 3 } else { 11 };
    let mut below = || expression(random, depth.saturating_sub(1));
    // The order of draws does not matter, only that there are some.
    let (first, second) = if depth == 0 {
        (String::new(), String::new())
    } else {
        (below()?, below()?)
    };
    Ok(match random.int_in_range(0..=kinds)? {
        0 => one(random, NAMES)?.to_owned(),
        1 => one(random, NUMBERS)?.to_owned(),
        2 => format!("'{}'", piece(random)?.replace(['\'', '\\'], "")),
        3 => one(random, &["[]", "{}", "range(100)", "range(3)", "'x' * 100000", "x"])?.to_owned(),
        4 => format!("({first} {} {second})", one(random, OPERATORS)?),
        5 => format!("{first}|{}", one(random, FILTERS)?),
        6 => format!("{}({first}, {second})", one(random, FUNCTIONS)?),
        7 => format!("[{first}, {second}]"),
        8 => format!("{{'k': {first}, {second}: 1}}"),
        9 => format!("{first}[{second}:{}:{}]", one(random, NUMBERS)?, one(random, NUMBERS)?),
        10 => format!("({first} if {second} else {})", one(random, NAMES)?),
        _ => {
            let deep = random.int_in_range(1..=400)?;
            let (open, close) = *random.choose(&[("(", ")"), ("[", "]"), ("not ", ""), ("-", ""), ("{'a':", "}")])?;
            format!("{}{first}{}", open.repeat(deep), close.repeat(deep))
        }
    })
}

fn block(random: &mut Unstructured<'_>, depth: u32) -> Result<String> {
    if depth == 0 {
        return Ok(format!("{{{{ {} }}}}", expression(random, 1)?));
    }
    let mut inner = String::new();
    for _ in 0..random.int_in_range(1..=3)? {
        inner += &block(random, depth - 1)?;
    }
    let value = expression(random, 2)?;
    Ok(match random.int_in_range(0..=9)? {
        0 => format!("{{% for x in {value} %}}{inner}{{% endfor %}}"),
        1 => format!("{{% for x in range({}) %}}{inner}{{% endfor %}}", one(random, NUMBERS)?),
        2 => format!("{{% for x in {value} recursive %}}{{{{ loop({value}) }}}}{inner}{{% endfor %}}"),
        3 => format!("{{% if {value} %}}{inner}{{% else %}}{inner}{{% endif %}}"),
        4 => format!("{{% set x = {value} %}}{inner}"),
        5 => format!(
            "{{% set ns = namespace(x={value}) %}}{{% for y in range(100000) %}}{{% set ns.x = {} %}}{{% endfor %}}{inner}",
            expression(random, 1)?
        ),
        6 => format!(
            "{{% set ns = namespace(x=[]) %}}{{% for y in range({}) %}}{{% set ns.x = [ns.x] %}}{{% endfor %}}{inner}",
            one(random, NUMBERS)?
        ),
        7 => format!("{{% filter {} %}}{inner}{{% endfilter %}}", one(random, FILTERS)?),
        8 => format!(
            "{{% with x = {value} %}}{inner}{{% endwith %}}{{# {} #}}",
            piece(random)?
        ),
        _ => format!("{inner}{}{{%- {} -%}}", piece(random)?, piece(random)?),
    })
}

fn template(random: &mut Unstructured<'_>) -> Result<String> {
    if random.ratio(1, 3)? {
        Ok(format!("{{{{ {} }}}}", expression(random, 4)?))
    } else {
        block(random, 3)
    }
}

fn scope() -> Scope {
    let info = ExecutionInfo {
        id: ExecutionId::new(Timestamp::from_millis(1_000), 1),
        workflow_id: "x".parse().expect("a good id"),
        started_at: Timestamp::from_millis(1_000),
    };
    let inputs = json!({ "n": 3, "text": "aaaa é", "list": [3, 1, { "a": 2 }], "map": { "a": { "a": [] } } });
    let scope = Scope::new(inputs, &info);
    scope.set_secrets([("A".parse().expect("a good name"), "hidden-word".to_owned())]);
    let output = json!({ "deep": { "a": [1, [2, [3]]] } });
    scope.set_task(
        &"a".parse().expect("a good id"),
        TaskState::Success,
        Some(Arc::new(output)),
    );
    scope
}

/// How much text a value has, and how deep it is.
fn measure(value: &Value) -> (usize, usize) {
    let of = |(size, depth): (usize, usize), (more, inner): (usize, usize)| (size + more, depth.max(inner + 1));
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => (1, 1),
        Value::String(text) => (text.len(), 1),
        Value::Array(items) => items.iter().map(measure).fold((2, 1), of),
        Value::Object(entries) => entries.iter().fold((2, 1), |sum, (key, value)| {
            let (size, depth) = measure(value);
            of(sum, (size + key.len(), depth))
        }),
    }
}

pub(crate) fn target(bytes: &[u8]) {
    by_chance(bytes, |random| template(random).map(|text| render(&text)));
}

/// Renders a template by its public way: as an output of a workflow.
fn render(text: &str) {
    show(text);
    let yaml = format!(
        "id: x\ninputs: [{{ id: n, type: integer }}, {{ id: text }}, {{ id: list, type: array }}, {{ id: map, type: object }}]\nsecrets: [A]\n\
         tasks: [{{ id: a, type: a/b.c }}]\noutputs: {{ v: {} }}\n",
        json!(text)
    );
    let Ok(parsed) = Workflow::parse(&Source::new("x", yaml)) else {
        return;
    };
    match parsed.workflow.outputs.render(&scope()) {
        Ok(value) => {
            let (size, _) = measure(&value);
            let most = if text.trim().starts_with("{{") {
                VALUE_BYTES_MAX
            } else {
                TEXT_BYTES_MAX
            };
            assert!(size <= most + 100, "{size} bytes of {text}");
        }
        Err(error) => assert!(error.to_string().len() < 10_000, "{error}"),
    }
}

#[test]
fn templates_of_any_text() {
    fuzz("expression", 2048, target);
}

#[test]
fn templates_that_grow_end_at_a_limit() {
    for text in [
        "{{ [range(100000)] * 1000 }}",
        "{{ [[range(100000)] * 1000] * 1000 }}",
        "{{ ['x' * 1000000] * 1000 }}",
        "{{ {'a': [range(100000)] * 1000} }}",
        "{{ range(100000)|map('string')|list }}",
        "{{ 'x' * 60000000 }}",
        "{% set ns = namespace(x='a') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x|length }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x={}) %}{% for i in range(100000) %}{% set ns.x = {'a': ns.x} %}{% endfor %}{{ ns.x|tojson }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x == [ns.x] }}",
        "{% set ns = namespace(x='a') %}{% for i in range(100000) %}{% set ns.x = ns.x|escape %}{% endfor %}",
        "{% for x in range(100000) %}{% for y in range(100000) %}{% endfor %}{% endfor %}",
        "{% for x in inputs.list recursive %}{{ loop(inputs.list) }}{% endfor %}",
        "{% for x in [1] recursive %}{% set y = [[[[y]]]] %}{{ loop([1]) }}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(100000) %}{% set ns.x = ns.x[0:] %}{% endfor %}{{ ns.x|length }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x|pprint|length }}",
        "{{ ([1] * 1000000000000)|string|length }}",
        "{{ ([1] * 1000000000000)|tojson|length }}",
        "{{ ([1] * 1000000000000)|pprint|length }}",
        "{{ ([1] * 1000000000000)|list|length }}",
        "{{ inputs|tojson(indent=9999999999)|length }}",
        "{{ inputs|tojson(9999999999)|length }}",
        "{{ [1] * 1000000000000 }}",
        "text {{ [1] * 1000000000000 }}",
    ] {
        render(text);
    }
}

#[test]
fn long_chains_are_refused_before_anything_follows_them() {
    for (before, link, after) in [
        ("{{ ", "1+", "1 }}"),
        ("{{ ", "1**", "1 }}"),
        ("{{ ", "'a'~", "1 }}"),
        ("{{ ", "0 or ", "1 }}"),
        ("{{ 1", "|string", " }}"),
        ("{{ inputs", ".a", " }}"),
        ("{{ inputs", "['a']", " }}"),
        ("{{ range", "(1)", " }}"),
        ("{{ ", "not ", "1 }}"),
        ("{{ ", "-", "1 }}"),
        ("{{ ", "1 if 0 else ", "1 }}"),
        ("{{ 1", " is odd", " }}"),
        ("text {{ ", "(1+", "1 }}"),
        ("{% if 0 %}", "{% elif 0 %}", "{% endif %}"),
        ("{% if ", "1+", "1 %}{% endif %}"),
        ("{% set x = ", "1+", "1 %}"),
        ("{{ {'a': {}} ", "+1", " }}"),
        ("{{ '}}' ", "~1", " }}"),
    ] {
        let text = format!("{before}{}{after}", link.repeat(50_000));
        let source = Source::new(
            "x",
            format!(
                "id: x\ntasks: [{{ id: a, type: a/b.c }}]\noutputs: {{ v: {} }}\n",
                json!(text)
            ),
        );
        let errors = Workflow::parse(&source).expect_err("it is too long");
        assert_eq!(
            errors.iter().next().map(|error| error.code),
            Some("expression_too_long"),
            "{link}"
        );
    }
}
