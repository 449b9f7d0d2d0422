//! Files of `workflow plugin test`: whatever their text, there are cases or diagnostics with places, no value of a secret is shown, and
//! what `--update` writes is what was wanted, or is known not to be.

use std::sync::LazyLock;

use arbtest::arbitrary::{Result, Unstructured};
use autokestra_model::Source;
use autokestra_model::cases::{CaseFile, apply, edits, same};
use serde_json::{Value, json};

use super::harness::{by_chance, fuzz, show};
use super::text::{damaged, one, piece};
use super::workflow::check_places;
use crate::support::repository;

/// A value that stands in the text as that of a secret, and nowhere else.
const SECRET: &str = "Zq7-kept-from-all";

/// Whole files: those of the plugins, and one that uses every key.
static CORPUS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let root = repository();
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).ok();
    let plugins = std::fs::read_dir(root.join("plugins/core")).expect("there are plugins");
    let mut texts: Vec<String> = plugins
        .filter_map(|entry| read(entry.expect("an entry").path().join("tests/cases.yaml")))
        .collect();
    texts.sort();
    assert!(texts.len() > 5, "the plugins have cases");
    texts.push(format!(
        r#"# All keys.
- name: everything
  action: get # what is asked
  input: {{ url: "http://{{{{ server }}}}/a", token: "{{{{ secrets.TOKEN }}}}" }}
  secrets: {{ TOKEN: {SECRET}, BOUND: {{ value: "{SECRET}", onlyTo: ["{{{{ server }}}}"] }} }}
  permissions: {{ network: ["{{{{ server }}}}"], filesystem: {{ read: [./data], write: [./out] }}, env: [TZ] }}
  files: {{ data/a.txt: one, data/b.bin: {{ base64: AAEC }}, data/c.json: {{ json: {{ a: 1 }} }} }}
  env: {{ TZ: UTC }}
  clock: "2026-01-02T03:04:05Z"
  random: 7
  timeoutSeconds: 2
  limits: {{ memory: 64MiB, fuel: 1000000 }}
  state: {{ seen: 1 }}
  attempt: 2
  http:
    - request: {{ method: POST, path: /a, headers: {{ a: b }}, json: {{ id: 7 }} }}
      response: {{ status: 201, json: {{ ok: true }} }}
      times: 2
  output: {{ a: [1, 2, {{ b: "c" }}], text: "x" }}
  logs:
    - plain
    - {{ level: warn, contains: care, fields: {{ rows: 3 }} }}
  written: {{ out/a.txt: one, out/b: null }}
  stateAfter: {{ seen: 2 }}
  denied: []
  progress: [{{ done: 3 }}]
  fuelMax: 1000
  memoryMax: 1MiB
- action: log
  input: {{}}
  outputHas:
    rows:
      - id: 1
        name: |
          two
          lines
- action: fail
  error: {{ code: x, message: y, retryable: true, details: {{ a: 1 }} }}
"#
    ));
    texts
});

/// Any value that a plugin may give.
fn value(random: &mut Unstructured<'_>, depth: u32) -> Result<Value> {
    Ok(match random.int_in_range(0..=if depth == 0 { 3 } else { 5 })? {
        0 => Value::Null,
        1 => json!(random.arbitrary::<bool>()?),
        2 => json!(random.arbitrary::<i64>()?),
        3 => json!(piece(random)?),
        4 => {
            let items = (0..random.int_in_range(0..=3)?).map(|_| value(random, depth - 1));
            Value::Array(items.collect::<Result<_>>()?)
        }
        _ => {
            let entries = (0..random.int_in_range(0..=3)?).map(|_| {
                Ok((
                    one(random, &["a", "b", "two words", "- x", "1"])?.to_owned(),
                    value(random, depth - 1)?,
                ))
            });
            Value::Object(entries.collect::<Result<_>>()?)
        }
    })
}

/// Writes other values where outputs are expected. A text that is read again says just that; one that was damaged may not, and then the
/// host does not write it: an output may be an alias of what stands in another case.
fn check_update(source: &Source, file: &CaseFile, whole: bool, random: &mut Unstructured<'_>) -> Result<()> {
    for (index, case) in file.cases().iter().enumerate() {
        let Some(output) = &case.expected.output else { continue };
        let wanted = value(random, 3)?;
        let changed = apply(source.text(), &edits(source.text(), &output.at, &wanted));
        let Some(changed) = changed else {
            assert!(!whole, "{wanted} does not fit where the output of case {index} stands");
            continue;
        };
        show(&changed);
        // An expression is no value here: what it names may not be there.
        if !whole || wanted.to_string().contains("{{") {
            drop(CaseFile::parse(&Source::new("cases.yaml", changed.as_str())));
            continue;
        }
        let again = CaseFile::parse(&Source::new("cases.yaml", changed.as_str()));
        let again = again.unwrap_or_else(|broken| panic!("{:?}\n{changed}", broken.diagnostics));
        assert!(
            again.differs_only_in(file, &[index]),
            "other cases are as they were\n{changed}"
        );
        let said = again.cases().get(index).and_then(|case| case.expected.output.as_ref());
        let said = said.map(|said| said.at.node.to_json()).expect("it has an output");
        assert!(same(&said, &wanted), "{said} is not {wanted}\n{changed}");
    }
    Ok(())
}

fn check(random: &mut Unstructured<'_>) -> Result<()> {
    let original = random.choose(&CORPUS)?.clone();
    let text = match random.int_in_range(0..=9)? {
        0 => String::from_utf8_lossy(random.peek_bytes(random.len()).unwrap_or_default()).into_owned(),
        1..=3 => original.clone(),
        _ => damaged(random, &original)?,
    };
    let whole = text == original;
    let source = Source::new("cases.yaml", text);
    show(source.text());
    let seen = |source: &Source| source.text().matches(SECRET).count();
    match CaseFile::parse(&source) {
        Ok(file) => {
            let shown = file.covered(&source);
            assert_eq!(shown.text().len(), source.text().len(), "all places stay");
            let mut secrets = file.cases().iter().flat_map(|case| &case.secrets);
            if secrets.any(|secret| secret.value == SECRET) {
                assert!(seen(&shown) < seen(&source), "a secret is shown:\n{}", shown.text());
            }
            assert!(!whole || seen(&shown) == 0, "a secret is shown:\n{}", shown.text());
            for case in file.cases() {
                let given = case.secrets.iter();
                drop(case.input(given.map(|secret| (secret.name.clone(), secret.value.clone()))));
            }
            check_update(&source, &file, whole, random)
        }
        Err(broken) => {
            assert!(!whole, "{:?}", broken.diagnostics);
            assert!(broken.diagnostics.has_errors());
            assert_eq!(broken.source.text().len(), source.text().len(), "all places stay");
            check_places(&broken.source, &broken.diagnostics);
            Ok(())
        }
    }
}

pub(crate) fn target(bytes: &[u8]) {
    by_chance(bytes, check);
}

#[test]
fn cases_of_any_text() {
    fuzz("cases", 4096, target);
}
