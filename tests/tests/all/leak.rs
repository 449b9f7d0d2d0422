//! 200 secrets of any text are said in every form, by every way that a task has. Afterwards nothing that was printed or kept holds
//! one of them.

use std::path::Path;

use serde_json::{Value, json};

use crate::forms::forms;
use crate::process::{Place, Run};
use crate::server::{Server, response};
use crate::support::hostile_component;

/// Secrets in all, and of one workflow.
const SECRETS: usize = 200;
const OF_A_WORKFLOW: usize = 25;

/// What secrets are made of: letters, blanks, quotes, signs of every syntax, letters of two to four bytes.
const LETTERS: &[&str] = &[
    "a", "b", "Q", "Z", "0", "7", " ", "\"", "'", "\\", "/", "+", "=", "&", "%", "<", ">", "{", "}", "$", "ü", "é",
    "漢", "🔑", "-", "_", ".", "~", "!", "(", ")",
];

/// A secret of 12 to 40 characters: any text, text that looks like base64, or several lines.
fn secret(number: usize, random: &mut fastrand::Rng) -> String {
    let of = |letters: &[&str], random: &mut fastrand::Rng| -> String {
        let length = random.usize(12..40);
        // Its first and last letter are no blank: a value is trimmed by many.
        let middle: String = (0..length).map(|_| letters[random.usize(..letters.len())]).collect();
        format!("k{middle}{}z", random.u32(100_000..))
    };
    let plain: Vec<&str> = LETTERS
        .iter()
        .copied()
        .filter(|letter| letter.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .collect();
    match number % 4 {
        0 => of(&plain, random) + "==",
        1 => format!(
            "{}\n{}\n{}",
            of(LETTERS, random),
            of(LETTERS, random),
            of(LETTERS, random)
        ),
        _ => of(LETTERS, random),
    }
}

const TASKS: &str = r#"
permissions: { network: ["127.0.0.1:1"] }
tasks:
  - { id: tell, type: test/hostile.tell, forEach: "{{ inputs.forms }}", inputs: { text: "{{ item }}" } }
  - { id: fail, type: test/hostile.tell, forEach: "{{ inputs.some }}", onError: continue, inputs: { text: "{{ item }}", fail: true } }
  - { id: panic, type: test/hostile.tell, forEach: "{{ inputs.some }}", onError: continue, inputs: { text: "{{ item }}", panic: true } }
  - { id: print, type: core/console.log, inputs: { message: "{{ inputs.forms }}" } }
  - { id: keys, type: core/json.query, inputs: { data: "{{ inputs.forms }}", filter: "map({key: ., value: {x: [.]}}) | from_entries" } }
  - { id: filter, type: core/json.query, forEach: "{{ inputs.some }}", onError: continue, inputs: { data: 1, filter: "{{ item }}" } }
  - { id: url, type: core/http.get, forEach: "{{ inputs.some }}", onError: continue, inputs: { url: "http://127.0.0.1:1/{{ item | urlencode }}?q={{ item }}" } }
  - { id: name, type: core/file.write, forEach: "{{ inputs.some }}", onError: continue, inputs: { path: "/artifacts/{{ item }}", content: "x" } }
  - { id: last, type: core/flow.fail, onError: continue, inputs: { message: "{{ inputs.some }}" } }
outputs: { all: "{{ inputs.forms }}", keys: "{{ tasks.keys.output }}" }
"#;

/// Every file below a folder: its name and its bytes.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.display().to_string();
        if path.is_dir() {
            found.push((name.clone(), name.into_bytes()));
            files(&path, found);
        } else {
            let mut bytes = name.clone().into_bytes();
            bytes.extend(std::fs::read(&path).expect("it is read"));
            found.push((name, bytes));
        }
    }
}

/// One workflow with some of the secrets; gives all that was printed.
fn run(place: &mut Place, secrets: &[(String, String)]) -> Vec<Run> {
    let names: Vec<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
    let text = format!(
        "id: leak\nsecrets: [{}]\ninputs:\n  - {{ id: forms, type: array }}\n  - {{ id: some, type: array }}\n{TASKS}",
        names.join(", ")
    );
    place.write("flow.yaml", &text);
    let said = |form: Vec<u8>| format!("x {} y", String::from_utf8(form).expect("forms are text"));
    let all: Vec<String> = secrets.iter().flat_map(|(_, value)| forms(value)).map(said).collect();
    let some: Vec<Value> = secrets.iter().map(|(_, value)| json!(value)).collect();
    place.write("inputs.json", &json!({ "forms": all, "some": some }).to_string());
    for (name, value) in secrets {
        place.set(&format!("WORKFLOW_SECRET_{name}"), value);
    }
    let runs = vec![
        place.run("run flow.yaml --inputs inputs.json --config config.yaml --logs -vv"),
        place.run("execution inspect last --with-logs --with-audit --show-inputs --timeline"),
        place.run("execution inspect last --with-logs --with-audit --json"),
        place.run("execution logs last --json"),
        place.run("execution files last"),
        place.run("secret list --json"),
        place.run("run flow.yaml --inputs inputs.json --config config.yaml --json"),
    ];
    std::fs::remove_file(place.path("inputs.json")).expect("it is there");
    runs
}

#[test]
fn no_form_of_any_secret_is_printed_or_kept() {
    let mut random = fastrand::Rng::with_seed(20_261_125);
    let secrets: Vec<(String, String)> = (0..SECRETS)
        .map(|number| (format!("S{number}"), secret(number, &mut random)))
        .collect();
    let mut place = Place::new();
    place.write("config.yaml", "plugins: { directories: [plugins] }\n");
    std::fs::create_dir(place.path("plugins")).expect("create a folder");
    std::fs::copy(hostile_component(), place.path("plugins/hostile.wasm")).expect("copy the component");
    // All that is traced goes out too.
    let collector = Server::start_concurrent(|_, _| response("200 OK", "application/json", "{}"));
    place.set(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        &format!("http://127.0.0.1:{}", collector.port),
    );
    let mut found = Vec::new();
    for some in secrets.chunks(OF_A_WORKFLOW) {
        for run in run(&mut place, some) {
            assert!(run.code < 2, "{}", run.stderr.chars().take(2000).collect::<String>());
            found.push(("stdout".to_owned(), run.stdout.into_bytes()));
            found.push(("stderr".to_owned(), run.stderr.into_bytes()));
        }
    }
    let exported = collector.requests();
    assert!(exported.len() >= SECRETS / OF_A_WORKFLOW, "{} exports", exported.len());
    let exported = exported
        .into_iter()
        .map(|request| ("an export".to_owned(), request.body.into_bytes()));
    found.extend(exported);
    std::fs::remove_dir_all(place.path("plugins")).expect("it is there");
    files(place.root(), &mut found);
    let printed: usize = found
        .iter()
        .map(|(_, bytes)| bytes.windows(3).filter(|part| *part == b"***").count())
        .sum();
    assert!(printed > 10_000, "{printed} masks: what should be said is said");
    let all: Vec<(usize, Vec<u8>)> = secrets
        .iter()
        .enumerate()
        .flat_map(|(number, (_, value))| forms(value).into_iter().map(move |form| (number, form)))
        .collect();
    let search = aho_corasick::AhoCorasick::new(all.iter().map(|(_, form)| form)).expect("an automaton");
    for (place, bytes) in &found {
        if let Some(leak) = search.find(bytes) {
            let (number, form) = &all[leak.pattern().as_usize()];
            let from = leak.start().saturating_sub(200);
            let around = String::from_utf8_lossy(&bytes[from..(leak.end() + 100).min(bytes.len())]).into_owned();
            panic!(
                "secret {number} is in {place} as {}: {around}",
                String::from_utf8_lossy(form)
            );
        }
    }
}
