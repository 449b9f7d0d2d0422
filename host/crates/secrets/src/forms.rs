//! The forms that a secret may be printed in.

use std::collections::BTreeSet;

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Shortest form that is looked for, in bytes. A shorter one would mask half of every log.
pub(crate) const FORM_BYTES_MIN: usize = 4;

/// Shortest line of a secret of several lines that is looked for by itself, in characters.
const LINE_CHARS_MIN: usize = 8;

/// Numbers of forms that one text may have; a text's forms are numbered from a multiple of it.
const FORMS_OF_A_TEXT: u16 = 16;

/// Where the numbers of the forms begin that were added later: those of stored values stay what they are.
const MORE_FORMS: u16 = 1 << 15;

/// The number of the form that a placeholder is. No form of a value has it.
pub(crate) const PLACEHOLDER_FORM: u16 = u16::MAX;

/// Every form of `secret`: itself, its lines, JSON, URL, base64 at each alignment, hex. Each has a number that says how it
/// is made, and is the same for every secret; of two numbers with the same bytes the first is given.
pub(crate) fn forms(secret: &str) -> Vec<(u16, Vec<u8>)> {
    let trimmed = secret.trim();
    let lines = secret
        .lines()
        .map(str::trim)
        .filter(|line| line.chars().count() >= LINE_CHARS_MIN);
    let lines = lines.filter(|_| secret.contains(['\n', '\r']));
    let texts = [secret, trimmed].into_iter().chain(lines);
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    // More lines than numbers is no secret that anyone has; what is past them is still known by its other forms.
    for (first, text) in (0..MORE_FORMS / FORMS_OF_A_TEXT - 1)
        .map(|text| text * FORMS_OF_A_TEXT)
        .zip(texts)
    {
        let numbered = (first..).zip(encodings(text));
        for (number, form) in numbered.chain((MORE_FORMS + first..).zip(more_encodings(text))) {
            if form.len() >= FORM_BYTES_MIN && seen.insert(form.clone()) {
                found.push((number, form));
            }
        }
    }
    found
}

/// The forms of one text, always as many and in the same order.
fn encodings(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    // Serialising a string does not fail; without it there is one form less.
    let json = serde_json::to_string(text).unwrap_or_default();
    let json = json.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut found = vec![
        bytes.to_vec(),
        json.as_bytes().to_vec(),
        json.replace('/', "\\/").into_bytes(),
        ascii_json(json).into_bytes(),
        percent(bytes, false, false),
        percent(bytes, false, true),
        percent(bytes, true, false),
        percent(bytes, true, true),
    ];
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        found.extend((0..3).map(|lead| aligned(engine, bytes, lead)));
    }
    found.extend([hex.to_ascii_uppercase().into_bytes(), hex.into_bytes()]);
    found
}

/// The forms of one text that were added later, always as many and in the same order.
fn more_encodings(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let json = serde_json::to_string(text).unwrap_or_default();
    let json = json.trim_start_matches('"').strip_suffix('"').unwrap_or_default();
    let digits = |text: &str| -> String {
        // The digits of `\u` escapes alone: upper case elsewhere would be another text.
        let mut parts = text.split("\\u");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |whole, part| {
            let (escape, rest) = part.split_at_checked(4).unwrap_or((part, ""));
            format!("{whole}\\u{}{rest}", escape.to_ascii_uppercase())
        })
    };
    vec![
        // As JavaScript's `encodeURIComponent` and Python's `quote` leave some characters as they are.
        percent_but(bytes, b"-._~!*'()", false),
        percent_but(bytes, b"-._~!*'()", true),
        percent_but(bytes, b"-._~/", false),
        percent_but(bytes, b"-._~/", true),
        // As browsers write forms.
        form_urlencoded::byte_serialize(bytes).collect::<String>().into_bytes(),
        digits(&ascii_json(json)).into_bytes(),
    ]
}

/// Percent-encoding of all but letters, digits and the bytes of `kept`.
fn percent_but(bytes: &[u8], kept: &[u8], lower: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() * 3);
    for byte in bytes {
        match byte {
            byte if byte.is_ascii_alphanumeric() || kept.contains(byte) => text.push(*byte),
            byte if lower => text.extend(format!("%{byte:02x}").bytes()),
            byte => text.extend(format!("%{byte:02X}").bytes()),
        }
    }
    text
}

/// JSON text with everything outside ASCII as `\u` escapes.
fn ascii_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let mut units = [0_u16; 2];
            text.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

/// Percent-encoding of all but RFC 3986's unreserved characters; a form's encoding writes a blank as `+`.
fn percent(bytes: &[u8], lower: bool, form: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() * 3);
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(byte),
            b' ' if form => text.push(b'+'),
            _ if lower => text.extend(format!("%{byte:02x}").bytes()),
            _ => text.extend(format!("%{byte:02X}").bytes()),
        }
    }
    text
}

/// The characters of base64 that depend on `bytes` alone, where `lead` other bytes stand before them.
fn aligned(engine: &impl base64::Engine, bytes: &[u8], lead: usize) -> Vec<u8> {
    let mut padded = vec![0; lead];
    padded.extend_from_slice(bytes);
    let text = engine.encode(&padded).into_bytes();
    let first = (lead * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    text.get(first..end).unwrap_or_default().to_vec()
}
