//! The masker against a model that is slow and plain: no form of a secret comes out, however the text is cut, and nothing else goes.

use arbtest::arbitrary::{Result, Unstructured};
use autokestra_secrets::{LogStream, MASK, Masker, SecretValue};
use serde_json::{Value, json};

use super::harness::{by_chance, fuzz};
use crate::forms::forms;

/// Values that overlap, hold each other, have several lines, or look like an encoding.
fn secret(random: &mut Unstructured<'_>) -> Result<String> {
    let alphabet: &[char] = random.choose(&[
        &['a', 'b'][..],
        &['a', 'b', ' ', '"', '\\', '/', '\n'],
        &['é', 'ß', '𝄞', 'a', '\t'],
        &['A', 'b', '0', '9', '+', '/', '=', '-', '_'],
        &['%', '2', '0', '5', 'C', 'c', '&', '?'],
        &['\n', '\r', 'x', 'y', ' '],
        &['\u{0}', '\u{7f}', '<', '>', '!', '\'', '(', ')', '*', '~'],
    ])?;
    let length = random.int_in_range(4..=24)?;
    (0..length).map(|_| random.choose(alphabet).copied()).collect()
}

/// Text with forms of the secrets in it, whole and in part, one beside another.
fn text(random: &mut Unstructured<'_>, forms: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for _ in 0..random.int_in_range(0..=12)? {
        let form = random.choose(forms)?;
        let (from, to) = (
            random.choose_index(form.len() + 1)?,
            random.choose_index(form.len() + 1)?,
        );
        match random.int_in_range(0..=5)? {
            0 => text.extend(&form[from.min(to)..from.max(to)]),
            1 => text.extend(random.bytes(random.len().min(5))?),
            2 => text.extend(*random.choose(&[&b" "[..], b"\n", b"***", b"a", b"\r\n", b""])?),
            _ => text.extend(form),
        }
    }
    Ok(text)
}

/// A byte is covered where any form that contains it stands there; each run of such bytes is one mask.
fn model(forms: &[Vec<u8>], text: &[u8]) -> Vec<u8> {
    let mut covered = vec![false; text.len()];
    for form in forms {
        for start in 0..text.len() {
            if text[start..].starts_with(form) {
                covered[start..start + form.len()].fill(true);
            }
        }
    }
    let mut out = Vec::new();
    for (index, byte) in text.iter().enumerate() {
        if !covered[index] {
            out.push(*byte);
        } else if index == 0 || !covered[index - 1] {
            out.extend(MASK.as_bytes());
        }
    }
    out
}

/// `bytes` in random pieces.
fn pieces<'b>(random: &mut Unstructured<'_>, mut bytes: &'b [u8]) -> Result<Vec<&'b [u8]>> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() && !random.is_empty() {
        let (piece, rest) = bytes.split_at(random.int_in_range(0..=bytes.len().min(9))?);
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    Ok(pieces)
}

fn check(random: &mut Unstructured<'_>) -> Result<()> {
    let mut secrets = Vec::new();
    for _ in 0..random.int_in_range(1..=4)? {
        secrets.push(secret(random)?);
    }
    let named = secrets.iter().enumerate().map(|(index, secret)| {
        let name = format!("S{index}").parse().expect("a good name");
        (name, SecretValue::new(secret.clone()))
    });
    let masker = Masker::new(&named.collect());
    let forms: Vec<Vec<u8>> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    // Nothing but blanks is no secret that anything could hide.
    if forms.is_empty() {
        return Ok(());
    }
    let text = text(random, &forms)?;
    let expected = model(&forms, &text);
    let mut stream = masker.stream();
    let mut out = Vec::new();
    let mut lines = LogStream::new(&masker);
    let mut logged = String::new();
    for piece in pieces(random, &text)? {
        stream.push(piece, &mut out);
        logged.extend(lines.push(piece).iter().flat_map(|line| [line.as_str(), "\n"]));
    }
    stream.finish(&mut out);
    logged.extend(lines.finish().iter().flat_map(|line| [line.as_str(), "\n"]));
    assert_eq!(
        String::from_utf8_lossy(&out),
        String::from_utf8_lossy(&expected),
        "{secrets:?}"
    );
    let shown = String::from_utf8_lossy(&text).into_owned();
    let lossy = model(&forms, shown.as_bytes());
    assert_eq!(
        masker.mask(&shown).as_str().as_bytes(),
        lossy,
        "{secrets:?} as one text"
    );
    check_none(&forms, &logged, "a log");
    let value = json!({ &shown: [&shown, { "k": &shown }], "n": 12345 });
    check_none(&forms, &strings(masker.mask_json(&value).value()), "JSON");
    let sealed = masker.seal(&value);
    check_none(&forms, &strings(sealed.stored()), "sealed JSON");
    check_none(&forms, &strings(sealed.masked().value()), "sealed JSON, masked");
    assert_eq!(masker.open(&sealed), Ok(value), "{secrets:?}");
    Ok(())
}

/// What a value says: its keys and texts, each on a line.
fn strings(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(items) => items.iter().map(strings).collect(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| format!("{key}\n{}", strings(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

fn check_none(forms: &[Vec<u8>], text: &str, place: &str) {
    for line in text.lines() {
        // A mask beside what stays could look like a secret that has stars of its own.
        let line = line.replace("***", "\u{1}");
        for form in forms {
            // What we write around secrets ourselves is no secret of anybody.
            let ours = ["***", "secret", "form", "from", "$sealed", "$sealedEntries"];
            let own = ours
                .iter()
                .any(|word| word.as_bytes().windows(form.len()).any(|part| part == form));
            let found = line.as_bytes().windows(form.len()).any(|part| part == form);
            assert!(own || !found, "{} in {place}: {line}", String::from_utf8_lossy(form));
        }
    }
}

pub(crate) fn target(bytes: &[u8]) {
    by_chance(bytes, check);
}

#[test]
fn secrets_of_any_text() {
    fuzz("masker", 1024, target);
}
