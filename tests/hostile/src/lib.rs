//! A plugin that attacks its host. Each action is one way; `tests/tests/all/hostile.rs` says what must come of it.

use std::hint::black_box;
use std::io::Write as _;

mod chance;
mod files;
mod handles;
mod leak;
mod limits;
mod measured;
mod network;
mod requests;
mod script;
mod text;

mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "plugin", generate_all });
    pub(super) struct Attacker;
    export!(Attacker);
}

/// The interfaces below the standard library, which asks for its folders once.
mod raw {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package test:hostile;
            world raw {
                import wasi:filesystem/preopens@0.2.12;
                import wasi:filesystem/types@0.2.12;
            }",
        generate_all,
    });
}

use bindings::autokestra::plugin::types::Action;
use bindings::autokestra::plugin::{log, state};
use bindings::{Attacker, Context, Guest, Manifest, TaskError};

/// Every way, by name. Each gets the input as it came.
const WAYS: &[(&str, fn(&str) -> Result<String, TaskError>)] = &[
    ("loop-forever", loop_forever),
    ("allocate", allocate),
    ("recurse", recurse),
    ("recurse-with-frames", recurse_with_frames),
    ("flood-stdout", flood_stdout),
    ("flood-log", flood_log),
    ("invalid-utf8", invalid_utf8),
    ("long-line", long_line),
    ("trap", trap),
    ("panic", panic_with_text),
    ("exit", exit),
    ("exit-zero", exit_zero),
    ("invalid-json", |_| Ok("{\"open\": ".to_owned())),
    ("large-output", |_| Ok(format!("\"{}\"", "x".repeat(8 << 20)))),
    ("plugin-error", plugin_error),
    ("read-file", read_file),
    ("write-file", write_file),
    ("list-root", list_root),
    ("read-env", read_env),
    ("open-many", open_many),
    ("swap-folder", swap_folder),
    ("terminal-escape", terminal_escape),
    ("state-flood", state_flood),
    ("tcp-send", network::tcp_send),
    ("tcp-send-http", network::tcp_send_http),
    ("tcp-listen", network::tcp_listen),
    ("tcp-many", network::tcp_many),
    ("udp-send", network::udp_send),
    ("look-up", network::look_up),
    ("chance", chance::chance),
    ("tell", leak::tell),
    ("measure-open", measured::open),
    ("measure-connect", measured::connect),
    ("script", script::run),
    ("ok", |_| Ok("\"ok\"".to_owned())),
];

impl Guest for Attacker {
    fn describe() -> Manifest {
        let action = |(name, _): &(&str, fn(&str) -> Result<String, TaskError>)| Action {
            name: (*name).to_owned(),
            title: format!("Attack: {name}"),
            description: "One way of attacking the host.".to_owned(),
            input_schema: "{}".to_owned(),
            output_schema: "{}".to_owned(),
            idempotent: true,
        };
        Manifest {
            name: "test/hostile".to_owned(),
            version: "1.0.0".to_owned(),
            description: "Attacks its host.".to_owned(),
            actions: WAYS.iter().map(action).collect(),
        }
    }

    fn run(action: String, _context: Context, input: String) -> Result<String, TaskError> {
        match WAYS.iter().find(|(name, _)| *name == action) {
            Some((_, way)) => way(&input),
            None => Err(failed("unknown_action", &action)),
        }
    }
}

pub(crate) fn failed(code: &str, message: &str) -> TaskError {
    TaskError {
        code: code.to_owned(),
        message: message.to_owned(),
        retryable: false,
        retry_after_ms: None,
        details: None,
    }
}

/// The text of the first JSON string in the input's `path`, without a JSON parser: these inputs hold no escapes.
pub(crate) fn path_of(input: &str) -> &str {
    input.split('"').nth(3).unwrap_or("/etc/hostname")
}

fn loop_forever(_: &str) -> Result<String, TaskError> {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

fn allocate(_: &str) -> Result<String, TaskError> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Frames in the guest's own memory: they run out of its bounds before the call stack ends.
fn recurse_with_frames(input: &str) -> Result<String, TaskError> {
    fn deeper(depth: u64) -> u64 {
        let frame = black_box([depth; 64]);
        black_box(deeper(depth + 1) + frame[1])
    }
    Ok(deeper(input.len() as u64).to_string())
}

/// No frames in memory: only the call stack grows. The function is called through a pointer that the compiler cannot see through.
fn recurse(input: &str) -> Result<String, TaskError> {
    type Deeper = fn(usize, u64) -> u64;
    fn deeper(next: usize, depth: u64) -> u64 {
        // SAFETY: `next` is the address of this very function.
        let again: Deeper = unsafe { std::mem::transmute(next) };
        again(next, depth + 1).rotate_left(3) ^ depth
    }
    Ok(deeper(black_box(deeper as Deeper as usize), input.len() as u64).to_string())
}

fn flood_stdout(_: &str) -> Result<String, TaskError> {
    let line = "flood ".repeat(20);
    let mut out = std::io::stdout().lock();
    for _ in 0..1_000_000 {
        if writeln!(out, "{line}").is_err() {
            return Err(failed("stdout_closed", "stdout was closed"));
        }
    }
    Ok("null".to_owned())
}

fn flood_log(_: &str) -> Result<String, TaskError> {
    for count in 0..200_000_u32 {
        log::emit(log::Level::Info, "tiny", &[("count".to_owned(), count.to_string())]);
    }
    Ok("null".to_owned())
}

fn invalid_utf8(_: &str) -> Result<String, TaskError> {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(b"before \xff\xfe\xc3 after\n\xf0\x9f\x98"));
    drop(out.flush());
    Ok("null".to_owned())
}

fn long_line(_: &str) -> Result<String, TaskError> {
    let piece = [b'x'; 64 << 10];
    let mut out = std::io::stdout().lock();
    for _ in 0..800 {
        drop(out.write_all(&piece));
    }
    drop(out.flush());
    Ok("null".to_owned())
}

fn trap(_: &str) -> Result<String, TaskError> {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    Ok("null".to_owned())
}

fn panic_with_text(_: &str) -> Result<String, TaskError> {
    panic!("the guest gave up on purpose")
}

fn exit(_: &str) -> Result<String, TaskError> {
    println!("about to leave");
    std::process::exit(7)
}

fn exit_zero(_: &str) -> Result<String, TaskError> {
    std::process::exit(0)
}

fn plugin_error(_: &str) -> Result<String, TaskError> {
    Err(TaskError {
        details: Some("not json".to_owned()),
        ..failed("Bad Code\u{1b}[31m", "it did not work")
    })
}

fn read_file(input: &str) -> Result<String, TaskError> {
    match std::fs::read(path_of(input)) {
        Ok(bytes) => Ok(bytes.len().to_string()),
        Err(error) => Err(failed("io", &error.to_string())),
    }
}

fn write_file(input: &str) -> Result<String, TaskError> {
    match std::fs::write(path_of(input), b"attack") {
        Ok(()) => Ok("null".to_owned()),
        Err(error) => Err(failed("io", &error.to_string())),
    }
}

fn list_root(_: &str) -> Result<String, TaskError> {
    match std::fs::read_dir("/") {
        Ok(entries) => Ok(entries.count().to_string()),
        Err(error) => Err(failed("io", &error.to_string())),
    }
}

fn read_env(_: &str) -> Result<String, TaskError> {
    Ok(std::env::vars().count().to_string())
}

fn open_many(input: &str) -> Result<String, TaskError> {
    let mut files = Vec::new();
    for _ in 0..1_000 {
        match std::fs::File::open(path_of(input)) {
            Ok(file) => files.push(file),
            Err(error) => return Err(failed("io", &format!("{} files, then {error}", files.len()))),
        }
    }
    Ok(files.len().to_string())
}

/// Puts a link in the place of a granted folder that stands in another, and asks for the granted folders again.
fn swap_folder(input: &str) -> Result<String, TaskError> {
    use raw::wasi::filesystem::preopens::get_directories;
    use raw::wasi::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};

    fn granted(path: &str) -> Result<Descriptor, TaskError> {
        let found = get_directories().into_iter().find(|(_, known)| known == path);
        found
            .map(|(folder, _)| folder)
            .ok_or_else(|| failed("io", "it is not granted"))
    }
    let said = |error: raw::wasi::filesystem::types::ErrorCode| failed("io", error.message());
    let outer = granted("/work")?;
    outer.rename_at("inner", &outer, "aside").map_err(said)?;
    outer.symlink_at(path_of(input), "inner").map_err(said)?;
    let inner = granted("/work/inner")?;
    let (flags, open) = (PathFlags::empty(), OpenFlags::empty());
    let file = inner
        .open_at(flags, "secret.txt", open, DescriptorFlags::READ)
        .map_err(said)?;
    let (bytes, _) = file.read(1000, 0).map_err(said)?;
    Ok(format!("{:?}", String::from_utf8_lossy(&bytes)))
}

fn terminal_escape(_: &str) -> Result<String, TaskError> {
    println!("\u{1b}]0;owned\u{7}\u{1b}[2Jcleared");
    Ok("null".to_owned())
}

fn state_flood(_: &str) -> Result<String, TaskError> {
    for count in 0..10_000_u32 {
        if let Err(error) = state::set(&format!("key-{count}"), "1") {
            return Err(failed("state", &format!("{count} keys, then {error}")));
        }
    }
    Ok("null".to_owned())
}
