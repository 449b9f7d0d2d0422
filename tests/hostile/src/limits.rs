//! Ways to use more than there is: memory over the border, calls without end, values without end.

use std::hint::black_box;
use std::io::Write as _;

use crate::bindings::autokestra::plugin::{log, progress, state};
use crate::script::{Came, Kept, number, word};

pub(crate) fn step(verb: &str, words: &[String], _: &mut Kept) -> Option<Came> {
    let count = number(words, 0);
    let size = usize::try_from(count).unwrap_or(usize::MAX);
    Some(match verb {
        "log-huge" => {
            log::emit(log::Level::Info, &"x".repeat(size), &[]);
            done()
        }
        "log-fields" => {
            log::emit(log::Level::Info, "fields", &vec![(String::new(), String::new()); size]);
            done()
        }
        "log-tiny" => {
            for _ in 0..count {
                log::emit(log::Level::Debug, "", &[]);
            }
            done()
        }
        "progress" => {
            for number in 0..count {
                progress::report(number, Some(u64::MAX), Some("on its way"));
            }
            progress::report(u64::MAX, Some(0), Some(&"n".repeat(1 << 20)));
            done()
        }
        "print-huge" => {
            let piece = vec![b'x'; 64 << 10];
            let mut out = std::io::stdout().lock();
            for _ in 0..count {
                drop(out.write_all(&piece));
            }
            done()
        }
        "state-key" => state::set(&"k".repeat(size), "1").map(|()| "done".to_owned()),
        "state-value" => {
            let value = format!("\"{}\"", "v".repeat(size));
            state::set("key", &value).map(|()| "done".to_owned())
        }
        "state-deep" => {
            let value = format!("{}{}", "[".repeat(size), "]".repeat(size));
            state::set("key", &value).map(|()| "done".to_owned())
        }
        "state-get" => state::get(word(words, 0)).map(|value| value.unwrap_or_else(|| "nothing".to_owned())),
        "state-keys" => {
            let prefix = word(words, 0);
            (0..number(words, 1).max(1))
                .try_fold(0, |_, _| state::keys(prefix).map(|keys| keys.len()))
                .map(|keys| keys.to_string())
        }
        "state-set" => state::set(word(words, 0), "1").map(|()| "done".to_owned()),
        "state-keys-long" => state::keys(&"k".repeat(size)).map(|keys| keys.len().to_string()),
        "allocate" => {
            black_box(vec![1_u8; size]);
            done()
        }
        "spawn" => std::thread::Builder::new()
            .spawn(|| ())
            .map(|_| "a thread".to_owned())
            .map_err(|error| format!("{:?}", error.kind())),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(i32::try_from(count).unwrap_or(i32::MAX)),
        _ => return None,
    })
}

fn done() -> Came {
    Ok("done".to_owned())
}
