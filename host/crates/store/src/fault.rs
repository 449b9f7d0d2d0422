//! Places where a process can be told to die, so that a test can see what is left of it.
//!
//! `AUTOKESTRA_FAILPOINT=commit.applied:3` aborts the process when it comes to that place for the third time. It is compiled
//! into every build, as what is shipped is what is tested; without the variable a place costs one read of a flag. Whoever
//! can set the variable can end the process anyway.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The variable that names a place.
const VARIABLE: &str = "AUTOKESTRA_FAILPOINT";

/// Every place. A test aborts at each of them.
pub const POINTS: &[&str] = &[
    "commit.begun",
    "commit.applied",
    "commit.done",
    "turn.committed",
    "logs.flushing",
    "logs.flushed",
    "file.renaming",
    "file.renamed",
];

struct Wanted {
    name: String,
    /// How often the place is still passed alive.
    left: AtomicU64,
}

static WANTED: LazyLock<Option<Wanted>> = LazyLock::new(|| {
    let text = std::env::var(VARIABLE).ok()?;
    let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
    let left = AtomicU64::new(count.parse().ok()?);
    Some(Wanted {
        name: name.to_owned(),
        left,
    })
});

/// Places where a process can be told to go wrong as by a bug of its own.
pub const BUGS: &[&str] = &["command.begun"];

/// Panics here, if that is wanted.
///
/// # Panics
/// Where the variable names this place.
pub fn bug(name: &'static str) {
    debug_assert!(BUGS.contains(&name), "`{name}` is not among the places");
    assert!(!is_reached(name), "a bug that was asked for by {VARIABLE}");
}

/// Dies here, if that is wanted.
pub fn point(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "`{name}` is not among the places");
    if is_reached(name) {
        std::process::abort();
    }
}

/// Whether a place was passed as often as it is wanted.
fn is_reached(name: &'static str) -> bool {
    WANTED
        .as_ref()
        .is_some_and(|wanted| wanted.name == name && wanted.left.fetch_sub(1, Ordering::Relaxed) == 1)
}
