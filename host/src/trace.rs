//! What developers are told on stderr: nothing unless they ask, by `-v` or `RUST_LOG`.
//!
//! Of other crates only warnings are heard, and of wasmtime and its kin nothing: their bindings trace every call of a guest
//! with its arguments, and those may hold secrets. All text goes through the maskers of the secrets that this process has read.

use std::io::{self, Write};
use std::sync::RwLock;

use autokestra_secrets::{Masker, Secrets};
use tracing::Metadata;
use tracing_subscriber::filter::{FilterFn, LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::render::{Notes, Ui};

/// The variable that says what is heard, as in `RUST_LOG=autokestra_engine=debug`.
const VARIABLE: &str = "RUST_LOG";

/// What our own targets begin with.
const OURS: [&str; 2] = ["autokestra", "workflow"];

/// Targets that are never heard: they print what guests pass.
const NEVER: [&str; 4] = ["wasmtime", "wasi", "cranelift", "wiggle"];

/// How lines are written: for people, or a JSON object a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    // Help would be long for all commands if these had descriptions of their own.
    #[default]
    Text,
    Json,
}

/// The maskers of what this process knows. It belongs to the subscriber, and of that there is one in a process.
static MASKERS: RwLock<Vec<Masker>> = RwLock::new(Vec::new());

/// Hides these secrets in all that is told from now on.
pub(crate) fn hide(secrets: &Secrets) {
    if tracing::level_filters::LevelFilter::current() == LevelFilter::OFF {
        return;
    }
    if let Ok(mut maskers) = MASKERS.write() {
        maskers.push(Masker::new(secrets));
    }
}

/// Sets it up. What is wrong with the variable, in a sentence.
pub(crate) fn start(verbose: u8, format: LogFormat, ui: &Ui) -> Option<String> {
    let said = std::env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty());
    let (targets, wrong) = wanted(verbose, said.as_deref());
    let targets = targets?;
    let level = targets
        .iter()
        .map(|(_, level)| level)
        .chain(targets.default_level())
        .max()
        .unwrap_or(LevelFilter::OFF);
    let filter = FilterFn::new(move |metadata| is_heard(&targets, metadata)).with_max_level_hint(level);
    let layer = tracing_subscriber::fmt::layer().with_writer(Hidden(ui.notes()));
    let layer = match format {
        LogFormat::Text => layer.with_ansi(ui.colors_notes()).with_filter(filter).boxed(),
        LogFormat::Json => layer.json().with_ansi(false).with_filter(filter).boxed(),
    };
    tracing_subscriber::registry().with(layer).init();
    wrong
}

/// What is asked for: `-v` of our own crates over what the variable says of all; none where nobody asks.
fn wanted(verbose: u8, said: Option<&str>) -> (Option<Targets>, Option<String>) {
    let (mut targets, wrong) = match said.map(str::parse::<Targets>) {
        None => (None, None),
        Some(Ok(targets)) => (Some(targets), None),
        Some(Err(_)) => {
            let expected = "expected levels and targets, as in `debug` or `autokestra_engine=trace,warn`";
            (
                None,
                Some(format!("the environment variable `{VARIABLE}` is left out: {expected}")),
            )
        }
    };
    let level = match verbose {
        0 => return (targets.or_else(|| wrong.as_ref().map(|_| Targets::new())), wrong),
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let said = targets.take().unwrap_or_default();
    let of_all = said.default_level().unwrap_or(LevelFilter::OFF);
    let of_others = said.into_iter().filter(|(target, _)| !is_of(target, &OURS));
    let targets = of_others.collect::<Targets>().with_default(of_all);
    (Some(targets.with_targets(OURS.map(|target| (target, level)))), wrong)
}

fn is_of(target: &str, names: &[&str]) -> bool {
    names.iter().any(|name| target.starts_with(name))
}

fn is_heard(targets: &Targets, metadata: &Metadata<'_>) -> bool {
    let (target, level) = (metadata.target(), metadata.level());
    let may = is_of(target, &OURS) || (!is_of(target, &NEVER) && *level <= tracing::Level::WARN);
    may && targets.would_enable(target, level)
}

/// stderr, behind the maskers.
#[derive(Clone, Copy, Debug)]
struct Hidden(Notes);

impl<'a> MakeWriter<'a> for Hidden {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

impl Write for Hidden {
    /// Takes a whole line: the subscriber writes each at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let masked = match MASKERS.read() {
            Ok(maskers) => maskers
                .iter()
                .fold(text.into_owned(), |text, masker| masker.mask(&text).into_string()),
            // Rather nothing than a secret.
            Err(_) => return Ok(line.len()),
        };
        self.0.write_all(masked.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    /// What is heard of a target at a level.
    fn heard(verbose: u8, said: Option<&str>, target: &str, level: Level) -> bool {
        let (targets, _) = wanted(verbose, said);
        let Some(targets) = targets else { return false };
        let may = is_of(target, &OURS) || (!is_of(target, &NEVER) && level <= Level::WARN);
        may && targets.would_enable(target, &level)
    }

    #[test]
    fn our_own_crates_are_heard_as_is_asked() {
        assert!(!heard(0, None, "autokestra_engine", Level::ERROR), "nobody asked");
        assert!(heard(1, None, "autokestra_engine::settle", Level::DEBUG));
        assert!(!heard(1, None, "autokestra_engine::settle", Level::TRACE));
        assert!(heard(2, None, "workflow", Level::TRACE));
        assert!(heard(0, Some("debug"), "autokestra_store", Level::DEBUG));
        assert!(heard(
            0,
            Some("autokestra_engine=trace"),
            "autokestra_engine",
            Level::TRACE
        ));
        assert!(!heard(
            0,
            Some("autokestra_engine=trace"),
            "autokestra_store",
            Level::ERROR
        ));
        // A flag wins over the environment.
        assert!(heard(
            1,
            Some("autokestra_engine=error"),
            "autokestra_engine",
            Level::DEBUG
        ));
        assert!(!heard(0, Some("autokestra=loud"), "autokestra_engine", Level::ERROR));
    }

    #[test]
    fn others_are_heard_when_they_warn_and_wasmtime_never() {
        for verbose in [0, 2] {
            assert!(heard(verbose, Some("trace"), "hyper_util::client", Level::WARN));
            assert!(!heard(verbose, Some("trace,hyper=trace"), "hyper::proto", Level::INFO));
            for target in [
                "wasmtime::runtime",
                "wasmtime_wasi::p2",
                "wasmtime_wasi_http",
                "cranelift_codegen",
            ] {
                assert!(
                    !heard(verbose, Some("trace,wasmtime=trace"), target, Level::ERROR),
                    "{target}"
                );
            }
        }
    }
}
