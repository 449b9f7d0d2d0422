//! What the benches share: medians, the machine's name, and the tables of `docs/performance.md`.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The one in the middle.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The machine and the day.
pub(crate) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let day = &jiff::Timestamp::now().to_string()[..10];
    format!("Measured by `make bench` with {cores} cores of {model}, on {day}.")
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Puts a table between its marks in `docs/performance.md`, where `UPDATE_DOCS` is set.
pub(crate) fn update(mark: &str, table: &str, machine: &str) {
    if std::env::var_os("UPDATE_DOCS").is_none() {
        return;
    }
    let path = repository().join("docs/performance.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (open, close) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let (before, rest) = page.split_once(&open).unwrap();
    let (_, after) = rest.split_once(&close).unwrap();
    std::fs::write(&path, format!("{before}{open}{machine}\n\n{table}{close}{after}")).unwrap();
}
