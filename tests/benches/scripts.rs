//! Scripts as tasks, against starting `python3 -c` and `node -e` with the same script as often in this same run.
//!
//! `make bench` prints a table; with `UPDATE_DOCS=1` it goes into `docs/performance.md`, with the machine and the day.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench measures the clock, prints what it found, and may stop at anything"
)]

mod report;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use report::{machine, median, repository, update};
use serde_json::json;

/// Scripts of one run, one after the other.
const SCRIPTS: u32 = 100;

/// Runs of each side; they alternate, so that both see the same machine.
const ROUNDS: usize = 5;

/// One language: how its task is named, and how a process of it is started.
struct Language {
    name: &'static str,
    action: &'static str,
    process: [&'static str; 2],
    /// Makes of a task's script one that takes its input from its argument, and prints its output.
    whole: fn(&str) -> String,
    scripts: [(&'static str, &'static str); 3],
}

const LANGUAGES: [Language; 2] = [
    Language {
        name: "Python",
        action: "core/script.python",
        process: ["python3", "-c"],
        whole: |code| format!("import json, sys\ninput = json.loads(sys.argv[1])\n{code}\nprint(json.dumps(output))\n"),
        scripts: [
            ("one sum", "output = input + 1"),
            (
                "500 rows of CSV by group",
                "import csv, io, json, statistics\nfrom collections import defaultdict\ntext = 'name,value\\n' + ''.join(f'n{i % 7},{i}\\n' for i in range(500))\n\
                 groups = defaultdict(list)\nfor row in csv.DictReader(io.StringIO(text)):\n    groups[row['name']].append(int(row['value']))\n\
                 output = {name: statistics.mean(values) for name, values in groups.items()}",
            ),
            (
                "a loop of 100,000",
                "total = 0\nfor i in range(100000):\n    total += i * i\noutput = total",
            ),
        ],
    },
    Language {
        name: "JavaScript",
        action: "core/script.js",
        process: ["node", "-e"],
        whole: |code| {
            format!(
                "(async (input) => {{ {code} }})(JSON.parse(process.argv[1])).then((output) => console.log(JSON.stringify(output)))"
            )
        },
        scripts: [
            ("one sum", "return input + 1"),
            (
                "500 rows of CSV by group",
                "const text = Array.from({ length: 500 }, (_, i) => `n${i % 7},${i}`).join('\\n');\nconst groups = {};\n\
                 for (const line of text.split('\\n')) { const [name, value] = line.split(','); (groups[name] ??= []).push(Number(value)); }\n\
                 return Object.fromEntries(Object.entries(groups).map(([name, all]) => [name, all.reduce((a, b) => a + b) / all.length]));",
            ),
            (
                "a loop of 100,000",
                "let total = 0; for (let i = 0; i < 100000; i++) total += i * i; return total",
            ),
        ],
    },
];

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let dist = repository().join("target/dist");
    assert!(
        dist.join("core-script-python.wasm").is_file(),
        "run `make plugins` first"
    );
    let mut table = format!(
        "| language | script | {SCRIPTS} tasks, each | {SCRIPTS} processes, each | a process takes |\n| --- | --- | --- | --- | --- |\n"
    );
    for language in &LANGUAGES {
        let Some(executable) = executable(language) else {
            println!(
                "{} is not on this machine: {} is not measured",
                language.process[0], language.name
            );
            continue;
        };
        for (title, code) in language.scripts {
            let flow = json!({ "id": "scripts", "tasks": [{
                "id": "each", "type": language.action, "forEach": format!("{{{{ range({SCRIPTS}) }}}}"), "maxParallel": 1,
                "inputs": { "code": code, "input": 41 },
            }] });
            std::fs::write(folder.path().join("flow.yaml"), flow.to_string()).unwrap();
            // Compiles, and brings everything into memory.
            run(folder.path(), &dist);
            let (mut ours, mut processes) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                ours.push(run(folder.path(), &dist));
                processes.push(start(language, &executable, code));
            }
            let (ours, processes) = (median(ours), median(processes));
            let each = |took: Duration| took.as_secs_f64() * 1000.0 / f64::from(SCRIPTS);
            let line = format!(
                "| {} | {title} | {:.1} ms | `{}` {:.1} ms | {:.1} times as long |",
                language.name,
                each(ours),
                language.process.join(" "),
                each(processes),
                processes.as_secs_f64() / ours.as_secs_f64()
            );
            println!("{line}");
            writeln!(table, "{line}").unwrap();
        }
    }
    let machine = machine();
    println!("{machine}");
    update("scripts", &table, &machine);
}

/// The program itself: what stands in `PATH` may be a script that looks for it first.
fn executable(language: &Language) -> Option<String> {
    let [program, flag] = language.process;
    let own = if program == "node" {
        "console.log(process.execPath)"
    } else {
        "import sys; print(sys.executable)"
    };
    let output = Command::new(program).args([flag, own]).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// One workflow, from the start of its process to its end.
fn run(folder: &Path, dist: &Path) -> Duration {
    let mut command = Command::new(repository().join("target/release/workflow"));
    command
        .args(["run", "flow.yaml", "--no-progress"])
        .current_dir(folder)
        .env("WORKFLOW_PLUGINS_DIRECTORIES", dist)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let start = Instant::now();
    assert!(command.status().unwrap().success(), "the workflow failed");
    start.elapsed()
}

/// As many processes, one after the other.
fn start(language: &Language, executable: &str, code: &str) -> Duration {
    let code = (language.whole)(code);
    let start = Instant::now();
    for _ in 0..SCRIPTS {
        let mut command = Command::new(executable);
        command.args([language.process[1], &code, "41"]).stdout(Stdio::null());
        assert!(command.status().unwrap().success(), "{executable} failed");
    }
    start.elapsed()
}
