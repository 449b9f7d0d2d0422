//! What a fake host has, and what the functions of this crate find in it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use super::exchange::{Asked, Expected, Reply};
use super::folder::Folder;
use super::said::{LogEntry, ProgressReport};
use super::state::Values;
use crate::files::ARTIFACTS;
use crate::http::{Error, Response};
use crate::log::Level;

thread_local! {
    /// The host of this thread.
    pub(super) static CURRENT: RefCell<Option<Rc<RefCell<Shared>>>> = const { RefCell::new(None) };
}

/// What the functions of this crate find outside of the sandbox.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) values: Values,
    folder: Option<Folder>,
    pub(super) logs: Vec<LogEntry>,
    pub(super) reports: Vec<ProgressReport>,
    pub(super) expected: VecDeque<(Expected, Reply)>,
    pub(super) asked: Vec<Asked>,
}

/// The fake host of this thread.
pub(super) fn current() -> Option<Rc<RefCell<Shared>>> {
    CURRENT.with_borrow(Clone::clone)
}

impl Shared {
    /// What stands at `folder` in the sandbox.
    pub(super) fn place(&mut self, folder: &str) -> PathBuf {
        let made = self.folder.get_or_insert_with(|| {
            Folder::new().unwrap_or_else(|error| panic!("make a temporary folder for `{folder}`: {error}"))
        });
        made.path().join(folder.trim_start_matches('/'))
    }

    pub(super) fn so_far(&self) -> String {
        if self.asked.is_empty() {
            return "nothing was asked".to_owned();
        }
        let asked = self.asked.iter().map(|asked| format!("\n  {asked}"));
        format!("asked so far:{}", asked.collect::<String>())
    }
}

/// Where a folder of the sandbox is, for the fake host of this thread.
pub(crate) fn folder(folder: &str) -> Option<PathBuf> {
    let place = current()?.borrow_mut().place(folder);
    // It is there in the sandbox, be it empty.
    if folder == ARTIFACTS {
        drop(fs::create_dir_all(&place));
    }
    Some(place)
}

/// Keeps an entry, and prints it: the test harness shows it where the test fails.
pub(crate) fn logged(level: Level, message: &str, fields: Vec<(String, String)>) {
    use std::io::Write as _;
    let text: String = fields.iter().map(|(key, value)| format!(" {key}={value}")).collect();
    // A closed stderr is no reason to fail.
    drop(writeln!(std::io::stderr(), "{level:?}: {message}{text}"));
    if let Some(host) = current() {
        host.borrow_mut().logs.push(LogEntry::new(level, message, fields));
    }
}

pub(crate) fn reported(done: u64, total: Option<u64>, note: Option<&str>) {
    if let Some(host) = current() {
        host.borrow_mut().reports.push(ProgressReport::new(done, total, note));
    }
}

/// The answer to a request; none where no host is there to give one.
///
/// # Panics
/// Where another request was expected, or none.
pub(crate) fn answered(asked: Asked) -> Option<Result<Response, Error>> {
    let host = current()?;
    let mut shared = host.borrow_mut();
    let reply = match shared.expected.front() {
        Some((expected, _)) => match expected.misfit(&asked) {
            None => shared.expected.pop_front().map(|(_, reply)| reply),
            Some(why) => {
                let text = format!(
                    "unexpected request: {why}\n  asked    {asked}\n  expected {expected}\n{}",
                    shared.so_far()
                );
                drop(shared);
                panic!("{text}");
            }
        },
        None => {
            let text = format!(
                "unexpected request: no more are expected\n  asked    {asked}\n{}",
                shared.so_far()
            );
            drop(shared);
            panic!("{text}");
        }
    };
    let url = asked.url.clone();
    shared.asked.push(asked);
    reply.map(|reply| reply.into_response(&url))
}
