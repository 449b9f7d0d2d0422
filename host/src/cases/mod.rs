//! Runs the cases of a plugin: each in the sandbox, as an attempt of an execution would run, with a folder and a server of its own.
//!
//! No store and no engine: a case is one attempt, and what surrounds it (grants, secrets, kept values) is in the case itself.
//! Start reading at [`Tester::run`].

mod compare;
mod find;
mod judge;
mod run;
mod said;
mod server;
mod update;

pub(crate) use compare::DiffLine;
pub(crate) use find::{Cases, cases_of, command, of_project, tests_of};
pub(crate) use judge::Problem;
pub(crate) use run::Tester;
pub(crate) use server::Asked;
pub(crate) use update::update;

use std::time::Duration;

use autokestra_model::Span;
use autokestra_model::cases::Case;
use autokestra_sandbox::{Denial, Usage};
use autokestra_secrets::Masked;
use serde_json::Value;

/// How one case ended.
#[derive(Debug)]
pub(crate) struct Report {
    /// The position of its file.
    pub(crate) file: usize,
    /// Its position in the file.
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) action: String,
    pub(crate) place: Span,
    /// What is not as it should be; nothing where it passed.
    pub(crate) problems: Vec<Problem>,
    pub(crate) lines: Vec<Line>,
    pub(crate) denials: Vec<Denial>,
    pub(crate) asked: Vec<Asked>,
    pub(crate) usage: Usage,
    pub(crate) duration: Duration,
    /// What the file would have to say of its output and its log, where it failed by these alone.
    pub(crate) instead: Instead,
    /// It failed, and its file was changed to what it gives.
    pub(crate) updated: bool,
}

impl Report {
    /// Of a case that did not begin.
    pub(crate) fn new(case: &Case, (file, index): (usize, usize)) -> Self {
        Self {
            file,
            index,
            name: case.name.clone(),
            action: case.action.clone(),
            place: case.place,
            problems: Vec::new(),
            lines: Vec::new(),
            denials: Vec::new(),
            asked: Vec::new(),
            usage: Usage::default(),
            duration: Duration::ZERO,
            instead: Instead::default(),
            updated: false,
        }
    }

    /// Whether all came as it should.
    pub(crate) fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Values for the keys of a case: masked, and with the server's name in place of its address.
#[derive(Debug, Default)]
pub(crate) struct Instead {
    pub(crate) output: Option<Value>,
    pub(crate) output_has: Option<Value>,
    pub(crate) logs: Option<Value>,
}

/// A line of a case's log.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: &'static str,
    pub(crate) stream: &'static str,
    pub(crate) message: Masked,
    pub(crate) fields: Vec<(Masked, Masked)>,
}
