//! Text of others on a terminal: nothing in it moves the cursor, changes a title, or turns the reading direction.

use std::borrow::Cow;

/// The text with every control character made visible, but line ends and tabs.
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The text of JSON with the same characters escaped, as JSON has it: they stand in its strings alone.
pub(crate) fn safe_json(text: String) -> String {
    if !text.chars().any(is_unsafe) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            // All of them lie in the first plane.
            shown.extend([format!("\\u{:04x}", u32::from(c))]);
        } else {
            shown.push(c);
        }
    }
    shown
}

fn is_unsafe(c: char) -> bool {
    let direction =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\n' && c != '\t') || direction || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_what_it_was() {
        let value = serde_json::json!({ "a\u{202e}": "\u{9b}31m\u{2028}\u{7f}\n", "b": "ä" });
        for text in [value.to_string(), format!("{value:#}")] {
            let shown = safe_json(text);
            assert!(!shown.chars().any(is_unsafe), "{shown}");
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&shown).expect("it is JSON"),
                value
            );
        }
    }

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        assert_eq!(safe("plain äöü ☃\tx\ny"), "plain äöü ☃\tx\ny");
        assert_eq!(safe("\x1b[2Jgone\x07"), "\\u{1b}[2Jgone\\u{7}");
        assert_eq!(safe("a\rb"), "a\\u{d}b");
        assert_eq!(safe("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(safe("x\u{202e}y"), "x\\u{202e}y");
    }
}
