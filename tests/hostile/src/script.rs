//! Attacks in words: the input's first string is a list of steps, divided by `;`, each a verb and its words. The output says of
//! each step what came of it. `%20` and the like stand for any byte, so that a path may hold what a text cannot.

use crate::bindings::TaskError;
use crate::{files, handles, limits, path_of, requests, text};

/// What one step came to: a text, or what was refused.
pub(crate) type Came = Result<String, String>;

/// What a step of one area is given: its verb, and its words. None: the verb is of another area.
pub(crate) type Area = fn(&str, &[String], &mut Kept) -> Option<Came>;

/// What steps keep open for those behind them.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) files: Vec<std::fs::File>,
    pub(crate) polls: Vec<crate::bindings::wasi::io::poll::Pollable>,
}

const AREAS: [Area; 5] = [files::step, requests::step, limits::step, handles::step, text::step];

pub(crate) fn run(input: &str) -> Result<String, TaskError> {
    let mut kept = Kept::default();
    let steps = path_of(input).split(';').map(str::trim).filter(|step| !step.is_empty());
    let came: Vec<String> = steps.map(|step| one(step, &mut kept)).collect();
    Ok(format!("[{}]", came.join(",")))
}

fn one(step: &str, kept: &mut Kept) -> String {
    let mut words = step.split(' ').filter(|word| !word.is_empty());
    let verb = words.next().unwrap_or_default();
    let words: Vec<String> = words.map(decoded).collect();
    let came = AREAS.iter().find_map(|area| area(verb, &words, kept));
    let said = match came {
        Some(Ok(text)) => text,
        Some(Err(text)) => format!("no: {text}"),
        None => format!("no such step: {verb}"),
    };
    format!("\"{}\"", escaped(&said))
}

/// `%XX` as the byte that it stands for. Bytes that are no UTF-8 stay marks.
fn decoded(word: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// A word that is a number; none given is 1.
pub(crate) fn number(words: &[String], at: usize) -> u64 {
    words.get(at).and_then(|word| word.parse().ok()).unwrap_or(1)
}

/// A word, or nothing.
pub(crate) fn word(words: &[String], at: usize) -> &str {
    words.get(at).map_or("", String::as_str)
}
