//! Says what it is given in every way that there is, in pieces of any size.

use std::io::Write as _;

use crate::bindings::TaskError;
use crate::bindings::autokestra::plugin::{log, progress, state};

/// Sizes of pieces, in turn.
const PIECES: [usize; 6] = [1, 2, 3, 5, 7, 11];

/// The input is `{"text": …}`, and where it has `fail` or `panic`, its text is how it fails.
pub(crate) fn tell(input: &str) -> Result<String, TaskError> {
    let text = text_of(input);
    for mut out in [
        Box::new(std::io::stdout()) as Box<dyn std::io::Write>,
        Box::new(std::io::stderr()),
    ] {
        let mut rest = text.as_bytes();
        for size in PIECES.iter().cycle() {
            let (piece, more) = rest.split_at((*size).min(rest.len()));
            drop(out.write_all(piece).and_then(|()| out.flush()));
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        drop(out.write_all(b"\n"));
    }
    log::emit(
        log::Level::Info,
        &text,
        &[("field".to_owned(), text.clone()), (text.clone(), "value".to_owned())],
    );
    progress::report(1, Some(2), Some(&text));
    drop(state::set("kept", input));
    if input.contains("\"panic\"") {
        panic!("{text}");
    }
    if input.contains("\"fail\"") {
        return Err(TaskError {
            code: text.clone(),
            message: text,
            retryable: false,
            retry_after_ms: None,
            details: Some(input.to_owned()),
        });
    }
    Ok(input.to_owned())
}

/// The JSON string behind `"text":`.
fn text_of(input: &str) -> String {
    let mut rest = input.split_once("\"text\":\"").map_or("", |(_, rest)| rest).chars();
    let mut units: Vec<u16> = Vec::new();
    while let Some(c) = rest.next().filter(|c| *c != '"') {
        let plain = match c {
            '\\' => match rest.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).unwrap_or(0xfffd));
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16_lossy(&units)
}
