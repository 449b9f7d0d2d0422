//! Components: whatever the bytes, they are loaded or refused, and one that was loaded runs within its limits.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arbtest::arbitrary::{Result, Unstructured};
use autokestra_model::{ExecutionId, Limits, Timestamp};
use autokestra_sandbox::{Attempt, Context, Grants, Plugin, Sandbox, SandboxOptions, StateSource, Work};
use autokestra_secrets::Masker;
use futures::future::BoxFuture;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::harness::{by_chance, fuzz};
use crate::process::peak_mib;
use crate::support::hostile_component;

/// The most that loading and running may add to the memory of the process, in MiB.
const MEMORY_MAX: u64 = 1024;

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

struct Host {
    runtime: Runtime,
    sandbox: Sandbox,
    folder: tempfile::TempDir,
    real: Vec<u8>,
}

static HOST: LazyLock<Host> = LazyLock::new(|| {
    let options = SandboxOptions {
        max_attempts: 2,
        ..SandboxOptions::default()
    };
    Host {
        runtime: Runtime::new().expect("a runtime"),
        sandbox: Sandbox::new(options).expect("wasmtime runs here"),
        folder: tempfile::tempdir().expect("a temporary folder"),
        real: std::fs::read(hostile_component()).expect("it was built"),
    }
});

/// A number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let seven = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(seven);
            return bytes;
        }
        bytes.push(seven | 0x80);
    }
}

/// The number at a place, and where it ends.
fn read_leb(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut number = 0;
    for (index, byte) in bytes.get(at..)?.iter().take(5).enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, at + index + 1));
        }
    }
    None
}

/// The sections of a component, each with its kind and length in front.
fn sections(bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut at = COMPONENT.len();
    while let Some((length, start)) = read_leb(bytes, at + 1) {
        let end = (start + length).min(bytes.len());
        found.push(&bytes[at..end]);
        at = end;
    }
    found
}

fn random_section(random: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let length = random.int_in_range(0..=64)?;
    let body = random.bytes(length.min(random.len()))?;
    let length = if random.ratio(1, 8)? {
        random.int_in_range(0..=1 << 31)?
    } else {
        body.len()
    };
    Ok([&[random.int_in_range(0..=14)?], &leb(length)[..], body].concat())
}

/// A component that is none, or almost one.
fn component(random: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let real = &HOST.real;
    Ok(match random.int_in_range(0..=6)? {
        0 => random.bytes(random.len())?.to_vec(),
        1 | 2 => {
            let mut bytes = (*random.choose(&[COMPONENT, MODULE])?).to_vec();
            for _ in 0..random.int_in_range(0..=8)? {
                bytes.extend(random_section(random)?);
            }
            bytes
        }
        3 => real[..random.choose_index(real.len())?].to_vec(),
        4 => {
            let mut parts: Vec<Vec<u8>> = sections(real).into_iter().map(<[u8]>::to_vec).collect();
            for _ in 0..random.int_in_range(1..=3)? {
                let (at, other) = (random.choose_index(parts.len())?, random.choose_index(parts.len())?);
                match random.int_in_range(0..=3)? {
                    0 => drop(parts.remove(at)),
                    1 => parts.swap(at, other),
                    2 => parts.insert(at, parts[other].clone()),
                    _ => parts.insert(at, random_section(random)?),
                }
            }
            [COMPONENT, &parts.concat()].concat()
        }
        _ => {
            let mut bytes = real.clone();
            // Most of it is code; the rest is where the shapes are.
            let within = *random.choose(&[64, 4096, bytes.len()])?;
            let from_end: bool = random.arbitrary()?;
            for _ in 0..random.int_in_range(1..=6)? {
                let at = random.choose_index(within.min(bytes.len()))?;
                let at = if from_end { bytes.len() - 1 - at } else { at };
                bytes[at] = random.arbitrary()?;
            }
            bytes
        }
    })
}

#[derive(Debug)]
struct NoState;

impl StateSource for NoState {
    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::result::Result<Option<String>, String>> {
        Box::pin(async { Ok(None) })
    }

    fn keys<'a>(&'a self, _: &'a str, _: usize) -> BoxFuture<'a, std::result::Result<Vec<String>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

async fn run(plugin: Arc<Plugin>, action: String) {
    let (events, mut said) = mpsc::channel(64);
    let listening = tokio::spawn(async move { while said.recv().await.is_some() {} });
    let attempt = Attempt {
        work: Work::Action {
            plugin,
            action,
            input: json!({ "path": "/x" }),
        },
        context: Context {
            execution: ExecutionId::new(Timestamp::from_millis(1), 1),
            workflow: "x".parse().expect("a good id"),
            task: "x".parse().expect("a good id"),
            attempt: 1,
            index: None,
            timeout: Duration::from_millis(300),
            idempotency_key: String::new(),
        },
        grants: Grants::none(),
        limits: Limits {
            log_bytes: 1 << 16,
            ..Limits::default()
        },
        masker: Masker::none(),
        bound: Arc::default(),
        pinned: None,
        trace: None,
        events,
        state: Arc::new(NoState),
    };
    let report = HOST.sandbox.run(attempt).await;
    assert!(report.usage.peak_memory <= Limits::default().memory, "{report:?}");
    listening.await.expect("the listener ends");
}

fn check(random: &mut Unstructured<'_>) -> Result<()> {
    let path = HOST.folder.path().join("x.wasm");
    std::fs::write(&path, component(random)?).expect("written");
    let loaded = HOST.runtime.block_on(HOST.sandbox.load_file(&path));
    match loaded {
        Ok(plugin) => {
            let action = random.choose(&plugin.actions)?.name.clone();
            HOST.runtime.block_on(run(plugin, action));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    Ok(())
}

pub(crate) fn target(bytes: &[u8]) {
    by_chance(bytes, check);
}

#[test]
fn components_of_any_bytes() {
    let before = peak_mib(std::process::id());
    fuzz("component", 256, target);
    let after = peak_mib(std::process::id());
    assert!(
        after < before + MEMORY_MAX,
        "the host went from {before} MiB to {after} MiB"
    );
}
