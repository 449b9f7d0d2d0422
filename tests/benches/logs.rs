//! 1,000,000 log entries of 100 executions: how long each command takes to its first line, against a process of the same
//! program that opens nothing; what listing all of them takes; how long a writer waits beside a cleanup that removes them.
//!
//! `make bench` prints the tables; with `UPDATE_DOCS=1` they go into `docs/performance.md`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench measures the clock, prints what it found, and may stop at anything"
)]

mod report;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use autokestra_model::{ExecutionId, ExecutionState, TaskId, TaskState, Timestamp};
use autokestra_secrets::Masker;
use autokestra_store::{
    Change, LogEntry, LogLevel, LogSource, NewExecution, NewTaskRun, RunKey, SqliteOptions, SqliteStore, Store,
    Synchronous, WorkflowSource,
};
use nix::sys::resource::{UsageWho, getrusage};
use report::{machine, median, repository, update};
use serde_json::json;

const EXECUTIONS: usize = 100;
const ENTRIES: usize = 10_000;

/// In milliseconds.
const HOUR: i64 = 3_600_000;

/// Tasks of each execution.
const TASKS: usize = 20;

/// Runs of each command; the median counts.
const ROUNDS: usize = 15;

/// The most that the first line may take, and that a writer may wait.
const BUDGET: Duration = Duration::from_millis(50);

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/db.sqlite");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let options = SqliteOptions {
        path: path.clone(),
        synchronous: Synchronous::Normal,
        size_max: None,
        slow_queries: None,
    };
    let begun = Instant::now();
    let ids = runtime.block_on(fill(&options));
    println!(
        "{} entries in {:.1} s, {} MiB",
        EXECUTIONS * ENTRIES,
        begun.elapsed().as_secs_f64(),
        std::fs::metadata(&path).unwrap().len() >> 20
    );
    let mut table = String::from("| command | first line | ratio to `workflow --version` |\n| --- | --- | --- |\n");
    let version: Vec<Duration> = (0..ROUNDS).map(|_| first_line(folder.path(), "--version")).collect();
    let floor = median(version);
    let (middle, last) = (ids[EXECUTIONS / 2], ids[EXECUTIONS - 1]);
    let mut worst = Duration::ZERO;
    for line in [
        "execution list".to_owned(),
        format!("execution inspect {middle}"),
        format!("execution inspect {middle} --with-logs"),
        format!("execution logs {middle}"),
        "execution logs".to_owned(),
        "execution logs --level ERROR".to_owned(),
        "execution logs --level DEBUG".to_owned(),
        format!("execution logs {middle} --level ERROR"),
        "execution logs --grep number.7777".to_owned(),
        format!("execution logs {last} --grep number.7777"),
        "execution logs --source plugin --since 1h".to_owned(),
        "execution logs --source system".to_owned(),
        "execution logs --task-id task-19".to_owned(),
        "execution logs --task-id task-19 --level ERROR WARN --since 5h --source plugin".to_owned(),
        format!("execution logs {middle} --task-id task-19 --level ERROR"),
        "execution logs --offset 100000 --limit 1".to_owned(),
    ] {
        let times: Vec<Duration> = (0..ROUNDS).map(|_| first_line(folder.path(), &line)).collect();
        let took = median(times);
        worst = worst.max(took);
        let shown = line.replace(&middle.to_string(), "ID").replace(&last.to_string(), "ID");
        row(&mut table, &format!("`{shown}`"), took, floor);
    }
    println!("the slowest first line: {worst:.1?}, of {BUDGET:?}");
    let all = whole(folder.path(), "execution logs");
    let memory = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() / 1024;
    let line = format!(
        "\nAll {} lines of `execution logs` take {:.1} s and {memory} MiB of memory.",
        EXECUTIONS * ENTRIES,
        all.as_secs_f64()
    );
    println!("{line}");
    writeln!(table, "{line}").unwrap();
    let line = cleanup(folder.path(), &options, &runtime);
    println!("{line}");
    writeln!(table, "{line}").unwrap();
    let machine = machine();
    println!("{machine}");
    update("logs", &table, &machine);
}

fn row(table: &mut String, what: &str, took: Duration, floor: Duration) {
    let line = format!(
        "| {what} | {:.1} ms | {:.1} |",
        took.as_secs_f64() * 1000.0,
        took.as_secs_f64() / floor.as_secs_f64()
    );
    println!("{line}");
    writeln!(table, "{line}").unwrap();
}

fn command(place: &Path, line: &str) -> Command {
    let binary = repository().join("target/release/workflow");
    assert!(binary.is_file(), "run `make build` first");
    let mut command = Command::new(binary);
    command.args(line.split(' ')).current_dir(place).stdin(Stdio::null());
    command
}

/// From the start of a process to its first line, or its end where it prints none.
fn first_line(place: &Path, line: &str) -> Duration {
    let begun = Instant::now();
    let mut child = command(place, line).stdout(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut text)
        .unwrap();
    let took = begun.elapsed();
    drop(child.kill());
    child.wait().unwrap();
    took
}

fn whole(place: &Path, line: &str) -> Duration {
    let begun = Instant::now();
    assert!(command(place, line).stdout(Stdio::null()).status().unwrap().success());
    begun.elapsed()
}

/// Removes all of it, while this process commits an entry again and again.
fn cleanup(place: &Path, options: &SqliteOptions, runtime: &tokio::runtime::Runtime) -> String {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(options).unwrap());
    let before = std::fs::metadata(&options.path).unwrap().len();
    let begun = Instant::now();
    let mut child = command(place, "execution cleanup --days 0")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut waits, mut entries) = (Vec::new(), 0);
    while child.try_wait().unwrap().is_none() {
        let commit = Instant::now();
        let entry = entry(None, None, LogLevel::Info, LogSource::System, i64::MAX, entries);
        runtime.block_on(store.append_logs(vec![entry])).unwrap();
        waits.push(commit.elapsed());
        entries += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    let took = begun.elapsed();
    runtime.block_on(store.close()).unwrap();
    drop(store);
    waits.sort();
    let after = std::fs::metadata(&options.path).unwrap().len();
    format!(
        "\n`execution cleanup` removes them in {:.1} s; the file shrinks from {} to {} MiB. Of {} commits of another process beside \
         it the slowest took {:.1} ms, one of a hundred {:.1} ms, the median {:.1} ms.",
        took.as_secs_f64(),
        before >> 20,
        after >> 20,
        waits.len(),
        waits[waits.len() - 1].as_secs_f64() * 1000.0,
        waits[waits.len() * 99 / 100].as_secs_f64() * 1000.0,
        waits[waits.len() / 2].as_secs_f64() * 1000.0,
    )
}

fn entry(
    execution: Option<ExecutionId>,
    task: Option<TaskId>,
    level: LogLevel,
    source: LogSource,
    at: i64,
    number: usize,
) -> LogEntry {
    let metadata = json!({ "stream": "stdout", "plugin": "core/console", "action": "log" });
    LogEntry {
        execution,
        attempt: task.is_some().then_some(1),
        task,
        at: Timestamp::from_millis(at),
        level,
        source,
        message: Masker::none().mask(&format!(
            "a line of some length, as those of a log are, number {number}"
        )),
        metadata: Some(Masker::none().mask_json(&metadata)),
    }
}

/// One execution an hour, the last one now. Its tasks log in turns; one entry of a hundred is a warning, one of a thousand an
/// error.
async fn fill(options: &SqliteOptions) -> Vec<ExecutionId> {
    let store = SqliteStore::open(options).unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    let mut ids = Vec::new();
    for number in 0..EXECUTIONS {
        let begin = now - HOUR * i64::try_from(EXECUTIONS - number).unwrap() + 60_000;
        let id = ExecutionId::new(Timestamp::from_millis(begin), number as u128);
        let lease = store
            .create_execution(new_execution(id, begin), Timestamp::from_millis(i64::MAX))
            .await
            .unwrap();
        let mut changes = vec![execution_to(ExecutionState::Pending, ExecutionState::Running, begin)];
        for task in 0..TASKS {
            changes.push(task_to(task, TaskState::Pending, TaskState::Running, begin));
            changes.push(task_to(task, TaskState::Running, TaskState::Success, begin));
        }
        store.commit(&lease, changes).await.unwrap();
        for chunk in 0..ENTRIES / 1000 {
            let entries = (chunk * 1000..(chunk + 1) * 1000).map(|line| entry_of(id, begin, line));
            store
                .commit(&lease, vec![Change::Logs(entries.collect())])
                .await
                .unwrap();
        }
        let end = execution_to(ExecutionState::Running, ExecutionState::Success, begin + HOUR - 120_000);
        store.commit(&lease, vec![end]).await.unwrap();
        ids.push(id);
    }
    store.settle().await.unwrap();
    store.close().await.unwrap();
    ids
}

fn name(task: usize) -> TaskId {
    format!("task-{task}").parse().unwrap()
}

fn new_execution(id: ExecutionId, begin: i64) -> NewExecution {
    let sealed = |value| Masker::none().seal(&value);
    let task = |task| NewTaskRun {
        task: name(task),
        action: "core/console.log".parse().unwrap(),
        needs: Vec::new(),
    };
    NewExecution {
        id,
        workflow: "bench".parse().unwrap(),
        trigger: "manual".to_owned(),
        inputs: sealed(json!({})),
        source: WorkflowSource {
            name: "bench.yaml".to_owned(),
            text: sealed(json!("id: bench")),
            base: "/".to_owned(),
        },
        parent: None,
        retry_of: None,
        tasks: (0..TASKS).map(task).collect(),
        at: Timestamp::from_millis(begin),
    }
}

fn execution_to(from: ExecutionState, to: ExecutionState, at: i64) -> Change {
    Change::Execution {
        transition: from.to(to, None).unwrap(),
        at: Timestamp::from_millis(at),
        message: None,
        outputs: None,
    }
}

fn task_to(task: usize, from: TaskState, to: TaskState, at: i64) -> Change {
    Change::Task {
        run: RunKey {
            position: u32::try_from(task).unwrap(),
            item: None,
            task: name(task),
        },
        transition: from.to(to, None).unwrap(),
        at: Timestamp::from_millis(at),
        message: None,
        inputs: None,
        output: None,
        due: None,
    }
}

fn entry_of(execution: ExecutionId, begin: i64, line: usize) -> LogEntry {
    let level = match line % 1000 {
        999 => LogLevel::Error,
        rest if rest % 100 == 50 => LogLevel::Warn,
        _ => LogLevel::Info,
    };
    let task = line * TASKS / ENTRIES;
    let source = match line % 10 {
        0 => LogSource::Worker,
        _ => LogSource::Plugin {
            execution,
            task: name(task),
        },
    };
    let at = begin + (HOUR - 120_000) / i64::try_from(ENTRIES).unwrap() * i64::try_from(line).unwrap();
    entry(Some(execution), Some(name(task)), level, source, at, line)
}
