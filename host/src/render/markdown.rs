//! Text of others as Markdown: it reads as it was meant, and is no HTML, no link, no row of a table and no directive of a book.

use super::safe;

/// Text as a piece of one line. Code between backticks stays code; everything else that could become a tag, a link, an entity,
/// a cell or a directive is escaped.
pub(super) fn inline(text: &str) -> String {
    let text = one_line(text);
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text.as_str();
    // Whether no run of so many backticks is left that could end one.
    let mut alone = [false; 3];
    while let Some(c) = rest.chars().next() {
        if c == '`' {
            let run = rest.len() - rest.trim_start_matches('`').len();
            let behind = rest.get(run..).unwrap_or_default();
            let end = match alone.get(run) {
                Some(false) => closing(behind, run),
                _ => None,
            };
            if let Some(end) = end {
                shown += &spanned(behind.get(..end).unwrap_or_default());
                rest = behind.get(end + run..).unwrap_or_default();
            } else {
                if let Some(alone) = alone.get_mut(run) {
                    *alone = true;
                }
                shown += &"\\`".repeat(run);
                rest = behind;
            }
            continue;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        let next = rest.chars().next();
        match c {
            '<' => shown += "&lt;",
            '>' => shown += "&gt;",
            '&' if next.is_some_and(|next| next.is_alphanumeric() || next == '#') => shown += "&amp;",
            '{' if next.is_some_and(|next| matches!(next, '{' | '%' | '#')) => shown += "&#123;",
            '\\' | '[' | ']' | '|' => shown.extend(['\\', c]),
            _ => shown.push(c),
        }
    }
    shown
}

/// Where the next run of exactly so many backticks begins.
fn closing(text: &str, run: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text.get(at..)?.find('`') {
        let start = at + found;
        let ticks = text.get(start..)?;
        let length = ticks.len() - ticks.trim_start_matches('`').len();
        if length == run {
            return Some(start);
        }
        at = start + length;
    }
    None
}

/// Text as code within a line, also in a cell of a table.
pub(super) fn code(text: &str) -> String {
    spanned(&one_line(text))
}

/// Text of one line as code; a blank at one of its ends stays.
fn spanned(text: &str) -> String {
    let odd = text.is_empty() || ["`", "|", "{{", "{%", "{#"].iter().any(|part| text.contains(part));
    if !odd {
        return format!("`{text}`");
    }
    // Backticks cannot hold it everywhere; numbers of characters can.
    let mut shown = "<code>".to_owned();
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '.' | ',' | '-' | '/') {
            shown.extend([format!("&#{};", u32::from(c))]);
        } else {
            shown.push(c);
        }
    }
    shown + "</code>"
}

/// Text as paragraphs, lists and blocks of code; nothing in it is a heading.
pub(super) fn blocks(text: &str) -> String {
    let mut found: Vec<String> = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while let Some(line) = lines.get(at).map(|line| line.trim()) {
        at += 1;
        let language = line.strip_prefix("```").filter(|language| !language.contains('`'));
        let rest = lines.get(at..).unwrap_or_default();
        let end = language.and_then(|_| rest.iter().position(|line| line.trim() == "```"));
        if let (Some(language), Some(end)) = (language, end) {
            found.extend(paragraph(&open));
            open.clear();
            found.push(fenced(language, &rest.get(..end).unwrap_or_default().join("\n")));
            at += end + 1;
        } else if line.is_empty() {
            found.extend(paragraph(&open));
            open.clear();
        } else {
            open.push(line);
        }
    }
    found.extend(paragraph(&open));
    found.join("\n\n")
}

/// Lines without an empty one among them, as a paragraph and a list.
fn paragraph(lines: &[&str]) -> Option<String> {
    let mut parts: Vec<(&str, String)> = Vec::new();
    for line in lines {
        match (item(line), parts.last_mut()) {
            (Some((mark, rest)), _) => parts.push((mark, rest.to_owned())),
            (None, Some((_, text))) => text.extend([" ", line]),
            (None, None) => parts.push(("", (*line).to_owned())),
        }
    }
    let mut shown = String::new();
    for (number, (mark, text)) in parts.iter().enumerate() {
        let before = parts.get(number.wrapping_sub(1)).map(|(mark, _)| *mark);
        shown += match before {
            None => "",
            Some("") => "\n\n",
            Some(_) => "\n",
        };
        let text = inline(text);
        // What begins a line may mean more than it does within one.
        let quoted = text.starts_with(['#', '-', '+', '=', '~', ':']);
        let mark = if mark.is_empty() {
            String::new()
        } else {
            format!("{mark} ")
        };
        shown.extend([format!("{mark}{}{text}", if quoted { "\\" } else { "" })]);
    }
    (!shown.is_empty()).then_some(shown)
}

/// The mark of a line that is an item of a list, and the rest of the line.
fn item(line: &str) -> Option<(&str, &str)> {
    let (mark, rest) = line.split_once(' ')?;
    let numbered = mark
        .strip_suffix('.')
        .is_some_and(|number| (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()));
    (numbered || matches!(mark, "-" | "*" | "+")).then_some((mark, rest))
}

/// Lines as a block of code.
pub(super) fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let known = language.trim();
    let plain = known
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+'));
    let mut shown = format!("{fence}{}\n", if plain { known } else { "text" });
    for line in safe(text).lines() {
        // A book's directives work in code too, and a line of ours that ends what is made would.
        let line = line.replace("{%", "{ %").replace("{#", "{ #");
        let line = directive(&line);
        let guard = if line.starts_with("<!--") { " " } else { "" };
        shown.extend([guard, &line, "\n"]);
    }
    shown + &fence
}

/// A line in which no `{{ #` is left.
fn directive(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once("{{") {
        let braces = if behind.trim_start().starts_with('#') {
            "{ {"
        } else {
            "{{"
        };
        shown.extend([before, braces]);
        rest = behind;
    }
    shown + rest
}

/// Text without line ends and control characters.
fn one_line(text: &str) -> String {
    safe(text).split_whitespace().collect::<Vec<&str>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_stays() {
        assert_eq!(
            inline("reads `a.b` and *all*,\n  5 & 6"),
            "reads `a.b` and *all*, 5 & 6"
        );
        assert_eq!(inline("``a`b`` by `, `."), "<code>a&#96;b</code> by `, `.");
        assert_eq!(code("^[a-z]+$"), "`^[a-z]+$`");
        let text = "One,\ntwo.\n\n- a\n  b\n- c\n\n```yaml\nid: x\n```\nend";
        assert_eq!(blocks(text), "One, two.\n\n- a b\n- c\n\n```yaml\nid: x\n```\n\nend");
    }

    #[test]
    fn nothing_gets_out_of_its_line() {
        for (text, shown) in [
            ("<b onclick=x>", "&lt;b onclick=x&gt;"),
            ("[x](javascript:alert(1))", "\\[x\\](javascript:alert(1))"),
            ("\\[x](y)", "\\\\\\[x\\](y)"),
            ("a | b\n| c", "a \\| b \\| c"),
            ("a ` b", "a \\` b"),
            ("``` a", "\\`\\`\\` a"),
            ("&#106;avascript &lt;", "&amp;#106;avascript &amp;lt;"),
            (
                "{{#include /etc/passwd}} {% x %}",
                "&#123;&#123;#include /etc/passwd}} &#123;% x %}",
            ),
            ("\u{1b}[2J", "\\\\u{1b}\\[2J"),
        ] {
            assert_eq!(inline(text), shown);
        }
        assert_eq!(code("a|b"), "<code>a&#124;b</code>");
        assert_eq!(code("x` <b> `"), "<code>x&#96; &#60;b&#62; &#96;</code>");
    }

    #[test]
    fn nothing_gets_out_of_its_block() {
        for (text, shown) in [
            ("# Title", "\\# Title"),
            ("~~~\nx", "\\~~~ x"),
            ("a\n\n---\n\nb", "a\n\n\\---\n\nb"),
            ("<!-- /made -->", "&lt;!-- /made --&gt;"),
            (
                "```\n<!-- /made -->\n{{ #include x}}\n```",
                "```\n <!-- /made -->\n{ { #include x}}\n```",
            ),
            ("```a b\"\n````\nx\n```", "`````text\n````\nx\n`````"),
            ("```\nnever closed", "\\`\\`\\` never closed"),
        ] {
            assert_eq!(blocks(text), shown, "{text}");
        }
    }
}
