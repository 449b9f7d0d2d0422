//! Text that means to reach a terminal, or to carry a secret past the masker.

use std::io::Write as _;

use crate::bindings::autokestra::plugin::{log, progress};
use crate::script::{Came, Kept, word};

pub(crate) fn step(verb: &str, words: &[String], _: &mut Kept) -> Option<Came> {
    let text = word(words, 0);
    match verb {
        "say" => println!("{text}"),
        "complain" => eprintln!("{text}"),
        "log" => log::emit(log::Level::Warn, text, &[(text.to_owned(), text.to_owned())]),
        "note" => progress::report(1, Some(2), Some(text)),
        // Each byte in a write of its own.
        "drip" => {
            let mut out = std::io::stdout();
            for byte in text.bytes() {
                drop(out.write_all(&[byte]));
                drop(out.flush());
            }
            println!();
        }
        "panic" => panic!("{text}"),
        "echo" => return Some(Ok(text.to_owned())),
        _ => return None,
    }
    Some(Ok("said".to_owned()))
}
