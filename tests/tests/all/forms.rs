//! The forms of a secret that must not get out, as `spec` lists them: made plainly here, and not by the code under test.

use std::collections::BTreeSet;

/// Shortest form, in bytes.
const BYTES_MIN: usize = 4;
/// Shortest line of a value of several lines, in characters.
const LINE_CHARS_MIN: usize = 8;

/// Every form of `secret`, as bytes.
pub(crate) fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut texts = vec![secret, secret.trim()];
    if secret.contains(['\n', '\r']) {
        let lines = secret.lines().map(str::trim);
        texts.extend(lines.filter(|line| line.chars().count() >= LINE_CHARS_MIN));
    }
    let mut found = BTreeSet::new();
    for text in texts {
        found.extend(encodings(text).into_iter().filter(|form| form.len() >= BYTES_MIN));
    }
    found.into_iter().collect()
}

fn encodings(text: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(text).expect("a string");
    let json = json[1..json.len() - 1].to_owned();
    let escaped: String = json
        .encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
            Ok(_) | Err(_) => format!("\\u{unit:04x}"),
        })
        .collect();
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut found = vec![
        text.to_owned(),
        json.replace('/', "\\/"),
        json,
        escaped,
        hex.to_uppercase(),
        hex,
    ];
    for lower in [false, true] {
        for blank in ["%20", "+"] {
            found.push(percent(text, lower, blank));
        }
    }
    let mut found: Vec<Vec<u8>> = found.into_iter().map(String::into_bytes).collect();
    for alphabet in [STANDARD, URL_SAFE] {
        for lead in 0..3 {
            found.push(base64(text.as_bytes(), alphabet, lead));
        }
    }
    found
}

fn percent(text: &str, lower: bool, blank: &str) -> String {
    let one = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => char::from(byte).to_string(),
        b' ' => blank.to_owned(),
        byte if lower => format!("%{byte:02x}"),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The characters that `bytes` alone decide, where `lead` others stand before them.
fn base64(bytes: &[u8], alphabet: &[u8; 64], lead: usize) -> Vec<u8> {
    let bits: Vec<Option<bool>> = std::iter::repeat_n(None, lead * 8)
        .chain(
            bytes
                .iter()
                .flat_map(|byte| (0..8).rev().map(move |bit| Some(byte >> bit & 1 == 1))),
        )
        .collect();
    let character = |six: &[Option<bool>]| {
        let known: Option<Vec<bool>> = six.iter().copied().collect();
        let known = known.filter(|known| known.len() == 6)?;
        Some(alphabet[known.iter().fold(0, |value, bit| value << 1 | usize::from(*bit))])
    };
    bits.chunks(6).filter_map(character).collect()
}
