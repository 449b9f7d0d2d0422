//! Large graphs as whole processes, against SQLite writing as many durable rows in this same run.
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

use nix::sys::resource::{UsageWho, getrusage};
use report::{machine, median, repository, update};
use rusqlite::Connection;

/// Runs of each graph; the median counts.
const ROUNDS: usize = 5;

/// What this program is called with to run one flow and tell of its time and memory.
const MEASURE: &str = "--measure";

/// A graph, and how many of its tasks may share a commit: that is the floor's shape.
struct Graph {
    name: &'static str,
    tasks: usize,
    tasks_of_commit: usize,
    yaml: String,
}

struct Measured {
    took: Duration,
    memory: u64,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(MEASURE) {
        return measure(&arguments.next().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut table = String::from(
        "| graph | tasks | whole process | tasks/s | SQLite, the same rows | ratio | memory |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for graph in [chain(1000), fan(10_000), diamond(10_000), each(100_000)] {
        let place = folder.path().join(graph.name);
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("flow.yaml"), &graph.yaml).unwrap();
        let rounds = if graph.tasks > 10_000 { 1 } else { ROUNDS };
        let (mut ours, mut floors, mut memory) = (Vec::new(), Vec::new(), 0);
        for _ in 0..rounds {
            drop(std::fs::remove_dir_all(place.join("data")));
            let measured = run(&place);
            ours.push(measured.took);
            memory = memory.max(measured.memory);
            floors.push(floor(&place, graph.tasks / graph.tasks_of_commit));
        }
        let (ours, floor) = (median(ours), median(floors));
        let line = format!(
            "| {} | {} | {:.0} ms | {:.0} | {:.0} ms | {:.1} | {memory} MiB |",
            graph.name,
            graph.tasks,
            ours.as_secs_f64() * 1000.0,
            graph.tasks as f64 / ours.as_secs_f64(),
            floor.as_secs_f64() * 1000.0,
            ours.as_secs_f64() / floor.as_secs_f64(),
        );
        println!("{line}");
        writeln!(table, "{line}").unwrap();
    }
    let machine = machine();
    println!("{machine}");
    update("engine", &table, &machine);
}

fn log(id: &str, more: &str) -> String {
    format!("  - {{ id: {id}, type: core/console.log, {more} inputs: {{ message: step }} }}\n")
}

fn chain(tasks: usize) -> Graph {
    let steps = (0..tasks).map(|task| match task {
        0 => log("t0", ""),
        _ => log(&format!("t{task}"), &format!("needs: [t{}],", task - 1)),
    });
    Graph {
        name: "chain",
        tasks,
        tasks_of_commit: 1,
        yaml: format!("id: chain\ntasks:\n{}", steps.collect::<String>()),
    }
}

fn fan(tasks: usize) -> Graph {
    let steps: String = (1..tasks)
        .map(|task| log(&format!("t{task}"), "needs: [t0],"))
        .collect();
    Graph {
        name: "fan-out",
        tasks,
        tasks_of_commit: 100,
        yaml: format!("id: fan\ntasks:\n{}{steps}", log("t0", "")),
    }
}

fn diamond(tasks: usize) -> Graph {
    let inner: Vec<String> = (1..tasks - 1).map(|task| format!("t{task}")).collect();
    let steps: String = inner.iter().map(|id| log(id, "needs: [t0],")).collect();
    let last = log("last", &format!("needs: [{}],", inner.join(", ")));
    Graph {
        name: "diamond",
        tasks,
        tasks_of_commit: 100,
        yaml: format!("id: diamond\ntasks:\n{}{steps}{last}", log("t0", "")),
    }
}

fn each(elements: usize) -> Graph {
    Graph {
        name: "forEach",
        tasks: elements,
        tasks_of_commit: 100,
        yaml: format!(
            "id: each\ntasks:\n{}",
            log("each", &format!("forEach: \"{{{{ range({elements}) }}}}\","))
        ),
    }
}

/// Runs the flow of a folder in a process of its own, so that the most memory is that of this run.
fn run(place: &Path) -> Measured {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([MEASURE, place.to_str().unwrap()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (micros, memory) = text.trim().split_once(' ').unwrap();
    Measured {
        took: Duration::from_micros(micros.parse().unwrap()),
        memory: memory.parse().unwrap(),
    }
}

fn measure(place: &str) {
    let binary = repository().join("target/release/workflow");
    assert!(binary.is_file(), "run `make build` first");
    let mut run = Command::new(binary);
    run.args(["run", "flow.yaml", "--no-progress"]).current_dir(place);
    run.stdout(Stdio::null());
    let start = Instant::now();
    let status = run.status().unwrap();
    let took = start.elapsed();
    assert!(status.success());
    let memory = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() / 1024;
    println!("{} {memory}", took.as_micros());
}

/// Writes as many rows as the run has left into a database without any index, in as many commits as the graph asks for.
fn floor(place: &Path, commits: usize) -> Duration {
    let rows: isize = ["executions", "task_runs", "attempts", "logs", "audit_events"]
        .map(|table| {
            let connection = Connection::open(place.join("data/db.sqlite")).unwrap();
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get::<_, isize>(0)).unwrap()
        })
        .iter()
        .sum();
    let rows = usize::try_from(rows).unwrap();
    let path = place.join("floor.sqlite");
    for suffix in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(path.with_extension(format!("sqlite{suffix}"))));
    }
    let start = Instant::now();
    let mut connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection
        .execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)", [])
        .unwrap();
    let commits = commits.max(1);
    for commit in 0..commits {
        let transaction = connection.transaction().unwrap();
        for row in (commit..rows).step_by(commits) {
            let mut insert = transaction.prepare_cached("INSERT INTO t (x) VALUES (?1)").unwrap();
            insert
                .execute([format!("a row of some length, as those of a log are, number {row}")])
                .unwrap();
        }
        transaction.commit().unwrap();
    }
    start.elapsed()
}
