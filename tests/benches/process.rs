//! `workflow run` of five chained tasks as a whole process, against starting `sqlite3` and writing as many durable rows in as many commits.
//!
//! Printed are medians, the ratio of the two, and the most memory that was resident. `make bench` runs it.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench measures the clock, prints what it found, and may stop at anything"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// Runs of each side; they alternate, so that both see the same machine.
const ROUNDS: usize = 30;

/// Tasks of the chain.
const TASKS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let binary = repository.join("target/release/workflow");
    assert!(binary.is_file(), "run `make build` first");
    let mut flow = String::from("id: chain\ntasks:\n");
    for task in 0..TASKS {
        let needs = if task == 0 {
            String::new()
        } else {
            format!("needs: [t{}], ", task - 1)
        };
        writeln!(
            flow,
            "  - {{ id: t{task}, type: core/console.log, {needs}inputs: {{ message: step }} }}"
        )
        .unwrap();
    }
    std::fs::write(folder.path().join("chain.yaml"), flow).unwrap();
    let mut run = Command::new(&binary);
    run.args(["run", "chain.yaml", "--no-progress"]);
    timed(&mut run, folder.path());
    let rows = rows(folder.path());
    // One commit for the beginning, one for each end with the next start, one for the end.
    let commits = TASKS + 2;
    let mut script = String::from(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, x TEXT);\n",
    );
    for commit in 0..commits {
        script.push_str("BEGIN;\n");
        for row in (commit..rows).step_by(commits) {
            writeln!(
                script,
                "INSERT INTO t (x) VALUES ('a row of some length, number {row}');"
            )
            .unwrap();
        }
        script.push_str("COMMIT;\n");
    }
    let mut sqlite = Command::new("sqlite3");
    sqlite.args(["floor.sqlite", script.as_str()]);
    timed(&mut sqlite, folder.path());
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floor.push(timed(&mut sqlite, folder.path()));
        ours.push(timed(&mut run, folder.path()));
    }
    let memory = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() / 1024;
    let (ours, floor) = (median(ours), median(floor));
    println!("rows written by one run        {rows} in about {commits} commits");
    println!("sqlite3, the same rows         {floor:.1?}");
    println!("workflow run, {TASKS} tasks          {ours:.1?}");
    println!(
        "ratio                          {:.2}",
        ours.as_secs_f64() / floor.as_secs_f64()
    );
    println!("most memory resident           {memory} MiB");
}

fn timed(command: &mut Command, folder: &Path) -> Duration {
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().unwrap();
    let took = start.elapsed();
    assert!(status.success(), "{command:?}");
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// How many rows the first run left behind.
fn rows(folder: &Path) -> usize {
    let count = "SELECT (SELECT count(*) FROM executions) + (SELECT count(*) FROM task_runs) + (SELECT count(*) FROM attempts) \
                 + (SELECT count(*) FROM logs) + (SELECT count(*) FROM audit_events);";
    let output = Command::new("sqlite3")
        .args(["data/db.sqlite", count])
        .current_dir(folder)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{text} {}", String::from_utf8_lossy(&output.stderr)))
}
