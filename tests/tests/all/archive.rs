//! What `core/archive` packs, it unpacks, and so do other programs.

use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::process::{Place, task};

/// Packs a folder, unpacks the archive elsewhere, and says what is in it.
fn flow(pack: &str, unpack: &str, archive: &str) -> String {
    json!({
        "id": "round",
        "permissions": { "filesystem": { "write": ["./data"] } },
        "tasks": [
            { "id": "pack", "type": format!("core/archive.{pack}"), "inputs": { "from": "data/in", "to": format!("data/{archive}") } },
            { "id": "unpack", "needs": ["pack"], "type": format!("core/archive.{unpack}"),
              "inputs": { "from": "{{ tasks.pack.output.path }}", "to": "data/out" } },
        ],
    })
    .to_string()
}

/// Text that compresses, and bytes that do not.
fn contents() -> [(&'static str, Vec<u8>); 4] {
    let mut random = fastrand::Rng::with_seed(7);
    let noise = std::iter::repeat_with(|| random.u8(..)).take(3 << 20).collect();
    [
        ("in/report.csv", b"a,b\n1,2\n".repeat(100_000)),
        ("in/deep/er/noise.bin", noise),
        ("in/deep/empty.txt", Vec::new()),
        ("in/n\u{e4}me with \u{1f980}.txt", b"crab".to_vec()),
    ]
}

#[test]
fn what_is_packed_is_unpacked_as_it_was() {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for (pack, unpack, archive) in [
        ("zip", "unzip", "a.zip"),
        ("tar", "untar", "a.tar"),
        ("tar", "untar", "a.tar.gz"),
    ] {
        let place = Place::with_flow(&flow(pack, unpack, archive));
        for (name, content) in contents() {
            place.write_bytes(&format!("data/{name}"), &content);
        }
        let old = std::fs::File::open(place.path("data/in/report.csv")).expect("it opens");
        old.set_modified(then).expect("it is set");
        place.run("run flow.yaml").code(0);
        let execution = place.inspect();
        let [packed, unpacked] = ["pack", "unpack"].map(|id| task(&execution, id)["output"].clone());
        assert_eq!(packed["entries"], 7, "{archive}");
        assert_eq!(unpacked["entries"], 7, "{archive}");
        for (name, content) in contents() {
            let found = std::fs::read(place.path(&format!("data/out/{name}"))).expect("it is there");
            assert!(found == content, "{archive}: {name}");
        }
        let kept = std::fs::metadata(place.path("data/out/in/report.csv")).expect("it is there");
        assert_eq!(kept.modified().expect("it is known"), then, "{archive}");
        let left = std::fs::read_dir(place.path("data")).expect("it is read").flatten();
        let left: Vec<_> = left
            .filter(|entry| entry.file_name().to_string_lossy().ends_with(".part"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn other_programs_read_what_is_packed() {
    let place = Place::with_flow(&flow("tar", "untar", "a.tar.gz"));
    for (name, content) in contents() {
        place.write_bytes(&format!("data/{name}"), &content);
    }
    place.run("run flow.yaml").code(0);
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--gzip", "--file", "a.tar.gz", "--one-top-level=theirs"]);
    let status = tar.current_dir(place.path("data")).status().expect("start tar");
    assert!(status.success());
    for (name, content) in contents() {
        let found = std::fs::read(place.path(&format!("data/theirs/{name}"))).expect("it is there");
        assert!(found == content, "{name}");
    }
}

#[test]
fn an_archive_that_fails_leaves_what_was_there() {
    let text = flow("zip", "unzip", "a.zip").replace("\"data/in\"", "[\"data/in\",\"data/none\"]");
    let place = Place::with_flow(&text);
    place.write("data/in/a.txt", "a");
    place.write("data/a.zip", "the old one");
    place.run("run flow.yaml").code(1);
    assert_eq!(place.read("data/a.zip"), "the old one");
}
