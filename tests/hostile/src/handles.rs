//! Handles that are leaked, given back twice, used afterwards, or made up.

use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::io::poll::Pollable;
use crate::script::{Came, Kept, number};

pub(crate) fn step(verb: &str, words: &[String], kept: &mut Kept) -> Option<Came> {
    Some(match verb {
        "leak" => {
            for _ in 0..number(words, 0) {
                kept.polls.push(monotonic_clock::subscribe_duration(1));
            }
            Ok(kept.polls.len().to_string())
        }
        "drop-twice" => {
            let first = monotonic_clock::subscribe_duration(1);
            // SAFETY: none: that is the attack. The handle has an owner, and it is given a second one.
            let second = unsafe { Pollable::from_handle(first.handle()) };
            drop(first);
            drop(second);
            Ok("both were taken".to_owned())
        }
        "use-dropped" => {
            let first = monotonic_clock::subscribe_duration(1);
            // SAFETY: none: that is the attack.
            let second = unsafe { Pollable::from_handle(first.handle()) };
            drop(first);
            Ok(second.ready().to_string())
        }
        "made-up" => {
            // SAFETY: none: that is the attack. Nobody ever gave this number out.
            let never = unsafe { Pollable::from_handle(u32::try_from(number(words, 0)).unwrap_or(u32::MAX)) };
            Ok(never.ready().to_string())
        }
        _ => return None,
    })
}
