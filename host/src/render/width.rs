//! How many columns a text takes on a terminal, and what of it fits.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::safe;

/// Columns that a text takes; one without control characters and colours.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// The text of anybody as one line: nothing in it moves the cursor.
pub(crate) fn one_line(text: &str) -> String {
    let text = safe(text.trim_end());
    text.split(['\n', '\t'])
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join(" ")
}

/// As much of a text as fits into `most` columns, with a mark where some of it is left out.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(1);
    let mut used = 0;
    let mut shown = String::new();
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        shown.push(c);
    }
    if most > 0 {
        shown.push('…');
    }
    shown
}

/// A name that fits into `most` columns: its beginning, and its end, which often is a number that tells it from others.
pub(crate) fn cut_name(name: &str, most: usize) -> String {
    let whole = columns(name);
    if whole <= most || most < 6 {
        return cut(name, most);
    }
    let mut left_out = whole - most / 3;
    let tail = name.chars().skip_while(|c| {
        let stays = left_out == 0;
        left_out = left_out.saturating_sub(c.width().unwrap_or(0).max(1));
        !stays
    });
    let tail: String = tail.collect();
    cut(name, most - columns(&tail)) + &tail
}

/// A text filled up with blanks to `width` columns.
pub(crate) fn padded(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(blanks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(columns("日本"), 4);
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("plain", 5), "plain");
        assert_eq!(cut("plain", 4), "pla…");
        assert_eq!((cut("plain", 1), cut("plain", 0)), ("…".to_owned(), String::new()));
        assert_eq!(padded("日", 4), "日  ");
        assert_eq!(cut_name("a_long_name_12", 10), "a_long…_12");
        assert_eq!(cut_name("日本語日本語_12", 10), "日本語…_12");
        assert_eq!(
            (cut_name("short", 10), cut_name("a_long_name_12", 5)),
            ("short".to_owned(), "a_lo…".to_owned())
        );
        // A letter and its accent are one column.
        assert_eq!(cut("e\u{301}e\u{301}e", 2), "e\u{301}…");
    }

    #[test]
    fn a_text_of_many_lines_becomes_one() {
        assert_eq!(one_line("a\n  b\tc\u{1b}[2J\n"), "a   b c\\u{1b}[2J");
    }
}
