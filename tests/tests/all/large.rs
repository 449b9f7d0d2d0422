//! `core/csv` and `core/archive` take no more memory for a large file than for a small one. `LARGE_MEBIBYTES=1024` (`make large`) takes files of
//! that size; without it they are small, which shows the same.

use std::fmt::Write as _;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Place, task};

/// The large file's size where nobody says, in MiB; the small one has a tenth of it.
const MEBIBYTES: u64 = 20;

/// How much more memory a large file may take than a small one: what an allocator rounds up.
const MORE_BYTES_MAX: u64 = 1 << 20;

/// The most memory that any of it takes.
const BYTES_MAX: u64 = 16 << 20;

fn mebibytes() -> u64 {
    let given = std::env::var("LARGE_MEBIBYTES");
    given.map_or(MEBIBYTES, |given| given.parse().expect("LARGE_MEBIBYTES is a number"))
}

/// Writes a table that compresses about as well as tables do.
fn write_table(path: &Path, bytes: u64) {
    let mut file = BufWriter::new(std::fs::File::create(path).expect("create a file"));
    let mut random = fastrand::Rng::with_seed(7);
    let (mut line, mut written, mut number) = (String::from("id,name,value,note\n"), 0, 0_u64);
    while written < bytes {
        file.write_all(line.as_bytes()).expect("write a row");
        written += line.len() as u64;
        line.clear();
        number += 1;
        let (name, value) = (random.u32(..1000), random.u64(..));
        writeln!(line, "{number},name-{name},{value},\"with, a comma\"").expect("a string takes all");
    }
    file.flush().expect("write the rows");
}

fn hash(path: &Path) -> blake3::Hash {
    let mut file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut hasher, mut buffer) = (blake3::Hasher::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer).expect("read a file");
        if read == 0 {
            return hasher.finalize();
        }
        hasher.update(&buffer[..read]);
    }
}

/// Runs one task after the other on a table of some size, and says what each took at most. What all lead to is the table as it was.
fn peaks(bytes: u64, tasks: &[(&str, Value)]) -> Vec<(String, u64)> {
    let place = Place::new();
    let table = place.path("data/table.csv");
    place.write("data/.kept", "");
    write_table(&table, bytes);
    let tasks: Vec<Value> = tasks
        .iter()
        .enumerate()
        .map(|(number, (action, inputs))| {
            let needs: Vec<String> = number.checked_sub(1).map(|before| format!("t{before}")).into_iter().collect();
            json!({ "id": format!("t{number}"), "type": action, "needs": needs, "timeoutSeconds": 3600, "inputs": inputs })
        })
        .collect();
    let flow = json!({ "id": "large", "permissions": { "filesystem": { "write": ["./data"] } }, "tasks": tasks });
    place.write("flow.yaml", &flow.to_string());
    drop(place.run("run flow.yaml --no-progress").code(0));
    assert_eq!(
        hash(&table),
        hash(&place.path("data/again/table.csv")),
        "it is not as it was"
    );
    let execution = place.inspect();
    let peak = |(number, one): (usize, &Value)| {
        let usage = &task(&execution, &format!("t{number}"))["attempts"][0]["usage"];
        (
            one["type"].as_str().expect("a type").to_owned(),
            usage["peakMemory"].as_u64().expect("bytes"),
        )
    };
    tasks.iter().enumerate().map(peak).collect()
}

#[expect(
    clippy::print_stdout,
    reason = "whoever runs it with files of 1 GB wants to see the figures"
)]
fn check(tasks: &[(&str, Value)]) {
    let bytes = mebibytes() << 20;
    let (small, large) = (peaks(bytes / 10, tasks), peaks(bytes, tasks));
    for ((action, small), (_, large)) in small.iter().zip(&large) {
        let mib = |bytes: &u64| *bytes as f64 / f64::from(1 << 20);
        println!(
            "{action}: {:.1} MiB for {} MiB, {:.1} MiB for {} MiB",
            mib(small),
            mebibytes() / 10,
            mib(large),
            mebibytes()
        );
        assert!(
            *large <= small + MORE_BYTES_MAX,
            "{action} took {small} bytes for a tenth, and {large} for all"
        );
        assert!(*large <= BYTES_MAX, "{action} took {large} bytes");
    }
}

#[test]
fn a_table_is_read_and_written_in_constant_memory() {
    check(&[
        (
            "core/csv.parse",
            json!({ "path": "data/table.csv", "saveTo": "data/rows.jsonl", "types": { "id": "integer" } }),
        ),
        ("core/file.write", json!({ "path": "data/again/.kept", "content": "" })),
        (
            "core/csv.write",
            json!({ "from": "data/rows.jsonl", "path": "data/again/table.csv" }),
        ),
    ]);
}

#[test]
fn a_zip_archive_is_packed_and_unpacked_in_constant_memory() {
    let most = mebibytes() << 21;
    check(&[
        (
            "core/archive.zip",
            json!({ "from": "data/table.csv", "to": "data/a.zip", "level": 1 }),
        ),
        (
            "core/archive.unzip",
            json!({ "from": "data/a.zip", "to": "data/again", "maxBytes": most }),
        ),
    ]);
}

#[test]
fn a_tar_archive_is_packed_and_unpacked_in_constant_memory() {
    let most = mebibytes() << 21;
    check(&[
        (
            "core/archive.tar",
            json!({ "from": "data/table.csv", "to": "data/a.tar" }),
        ),
        (
            "core/archive.untar",
            json!({ "from": "data/a.tar", "to": "data/again", "maxBytes": most }),
        ),
    ]);
}

#[test]
fn a_file_is_compressed_and_uncompressed_in_constant_memory() {
    let most = mebibytes() << 21;
    check(&[
        ("core/archive.gzip", json!({ "from": "data/table.csv", "level": 1 })),
        (
            "core/archive.gunzip",
            json!({ "from": "data/table.csv.gz", "to": "data/again/table.csv", "maxBytes": most }),
        ),
    ]);
}
