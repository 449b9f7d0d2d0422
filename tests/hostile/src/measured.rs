//! No attacks: what `tests/benches/sandbox.rs` measures. The input's first string is `target count`; the output is the nanoseconds
//! that one took.

use std::net::TcpStream;
use std::time::Instant;

use crate::bindings::TaskError;
use crate::{failed, path_of};

fn measured(input: &str, once: impl Fn(&str) -> std::io::Result<()>) -> Result<String, TaskError> {
    let (target, count) = path_of(input).split_once(' ').unwrap_or((path_of(input), "1"));
    let count: u32 = count.parse().unwrap_or(1);
    let start = Instant::now();
    for _ in 0..count {
        once(target).map_err(|error| failed("io", &error.to_string()))?;
    }
    Ok((start.elapsed() / count).as_nanos().to_string())
}

pub(crate) fn open(input: &str) -> Result<String, TaskError> {
    measured(input, |path| std::fs::File::open(path).map(drop))
}

pub(crate) fn connect(input: &str) -> Result<String, TaskError> {
    measured(input, |address| TcpStream::connect(address).map(drop))
}
