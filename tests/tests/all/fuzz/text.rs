//! Damage to texts, as people and networks do it.

use arbtest::arbitrary::{Result, Unstructured};

/// Pieces that parsers trip over.
const PIECES: &[&str] = &[
    "",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "\u{202e}",
    "é",
    "𝄞",
    "\u{e0001}",
    ":",
    ": ",
    "- ",
    "? ",
    "| \n",
    ">-\n",
    "{",
    "}",
    "[",
    "]",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "\"",
    "'",
    "\\",
    "&a ",
    "*a",
    "*b",
    "!!str ",
    "!!int ",
    "!x ",
    "!<tag:x> ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "<<: ",
    "null",
    "~",
    "true",
    "NO",
    ".nan",
    ".inf",
    "-0",
    "0x",
    "0x7fffffffffffffff",
    "1e999",
    "1__0",
    "99999999999999999999",
    "-1",
    "1.5",
    "1970-01-01",
    "{{ inputs }}",
    "{{ tasks.a.output }}",
    "{{ secrets.A }}",
    "{{ item }}",
    "{{ 1/0 }}",
    "../..",
    "/",
    "*.*",
    "0.0.0.0/0",
    "[::]:*",
];

/// One of a list.
pub(super) fn one<'a>(random: &mut Unstructured<'_>, of: &[&'a str]) -> Result<&'a str> {
    random.choose(of).copied()
}

/// A random text: a piece, or a few random characters.
pub(super) fn piece(random: &mut Unstructured<'_>) -> Result<String> {
    if random.ratio(3, 4)? {
        return Ok(one(random, PIECES)?.to_owned());
    }
    let mut text = String::new();
    for _ in 0..random.int_in_range(0..=8)? {
        text.push(random.arbitrary()?);
    }
    Ok(text)
}

/// `text` with some damage.
pub(super) fn damaged(random: &mut Unstructured<'_>, text: &str) -> Result<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..random.int_in_range(0..=6)? {
        if lines.is_empty() {
            break;
        }
        let at = random.choose_index(lines.len())?;
        match random.int_in_range(0..=8)? {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => {
                let other = random.choose_index(lines.len())?;
                lines.swap(at, other);
            }
            3 => lines.truncate(at),
            4 => lines.insert(at, piece(random)?),
            5 => {
                let indent = random.int_in_range(0..=12)?;
                lines[at] = format!("{}{}", " ".repeat(indent), lines[at].trim_start());
            }
            6 => {
                // The value behind a key.
                let value = piece(random)?;
                if let Some((key, _)) = lines[at].split_once(": ") {
                    lines[at] = format!("{key}: {value}");
                }
            }
            _ => {
                let line = &mut lines[at];
                let places: Vec<usize> = line
                    .char_indices()
                    .map(|(place, _)| place)
                    .chain([line.len()])
                    .collect();
                let (from, to) = (*random.choose(&places)?, *random.choose(&places)?);
                line.replace_range(from.min(to)..from.max(to), &piece(random)?);
            }
        }
    }
    Ok(lines.join(one(random, &["\n", "\n", "\n", "\r\n", "\r"])?))
}
