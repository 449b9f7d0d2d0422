//! What a template could come to, told from its text before anything reads it.
//!
//! The engine of the templates follows an expression by recursion, and has no bound for chains like `1+1+1+…` or `a|b|c|…`. What is
//! counted here may be more than what it finds, never less.

/// What is known of a template's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The longest chain of operators, filters and calls, those around it counted with it.
    pub(crate) depth: usize,
    /// Whether a value can be kept and used for the next, so that values can become deeper than the text is.
    pub(crate) keeps: bool,
    /// Whether parts are cut out of lists.
    pub(crate) slices: bool,
}

impl Shape {
    /// Of the text inside of one `{{ … }}`.
    pub(crate) fn of_expression(text: &str) -> Self {
        let mut reader = Reader::new(text);
        reader.tag(false);
        reader.shape
    }

    /// Of a text that holds tags.
    pub(crate) fn of_template(text: &str) -> Self {
        let mut reader = Reader::new(text);
        while let Some(kind) = reader.next_tag() {
            match kind {
                b'#' => reader.comment(),
                kind => reader.tag(kind == b'%'),
            }
        }
        reader.shape.depth = reader.shape.depth.max(reader.branches);
        reader.shape
    }
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    shape: Shape,
    /// How many branches the statements have.
    branches: usize,
}

/// A bracket that is open, and the chain inside of it.
struct Open {
    bracket: u8,
    /// Whether it stands behind a value: a call or a subscript.
    behind: bool,
    chain: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text: text.as_bytes(),
            at: 0,
            shape: Shape::default(),
            branches: 0,
        }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or_default()
    }

    /// Goes behind the beginning of the next tag, and gives its kind.
    fn next_tag(&mut self) -> Option<u8> {
        while self.at < self.text.len() {
            let kind = self.peek(1);
            if self.peek(0) == b'{' && matches!(kind, b'{' | b'%' | b'#') {
                self.at += 2;
                return Some(kind);
            }
            self.at += 1;
        }
        None
    }

    fn comment(&mut self) {
        while self.at < self.text.len() && (self.peek(0), self.peek(1)) != (b'#', b'}') {
            self.at += 1;
        }
    }

    /// Reads to the end of a tag, or of the text.
    fn tag(&mut self, statement: bool) {
        let mut open = vec![Open {
            bracket: 0,
            behind: false,
            chain: 0,
        }];
        // Whether what was read last is a value, so that a bracket behind it is a call or a subscript.
        let mut value = false;
        while self.at < self.text.len() {
            let byte = self.peek(0);
            let outermost = open.len() == 1;
            if outermost && matches!(byte, b'}' | b'%') && self.peek(1) == b'}' {
                self.at += 2;
                return;
            }
            match byte {
                b'"' | b'\'' => {
                    self.quoted(byte);
                    value = true;
                    continue;
                }
                _ if byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii() => {
                    value = self.word(statement, &mut open);
                    continue;
                }
                b'(' | b'[' | b'{' => {
                    chain(&mut open, usize::from(value));
                    open.push(Open {
                        bracket: byte,
                        behind: value,
                        chain: 1,
                    });
                    value = false;
                }
                b')' | b']' | b'}' => {
                    if !outermost {
                        open.pop();
                    }
                    value = true;
                }
                b',' => {
                    restart(&mut open);
                    value = false;
                }
                b':' => {
                    self.shape.slices |= open.last().is_some_and(|open| open.bracket == b'[' && open.behind);
                    restart(&mut open);
                    value = false;
                }
                _ if byte.is_ascii_whitespace() => {}
                _ => {
                    chain(&mut open, 1);
                    value = false;
                }
            }
            self.at += 1;
            let depth = open.iter().map(|open| open.chain).sum();
            self.shape.depth = self.shape.depth.max(depth);
        }
    }

    fn quoted(&mut self, quote: u8) {
        self.at += 1;
        while self.at < self.text.len() && self.peek(0) != quote {
            self.at += if self.peek(0) == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
    }

    /// Reads a name, a number or a word of the language, and says whether it is a value.
    fn word(&mut self, statement: bool, open: &mut [Open]) -> bool {
        let start = self.at;
        let digits = self.peek(0).is_ascii_digit();
        let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
        while part(self.peek(0)) && self.at < self.text.len()
            || digits && self.peek(0) == b'.' && self.peek(1).is_ascii_digit()
        {
            self.at += 1;
        }
        let word = self.text.get(start..self.at).unwrap_or_default();
        match word {
            b"and" | b"or" | b"not" | b"in" | b"is" | b"if" | b"else" => {
                chain(open, 1);
                false
            }
            b"elif" => {
                self.branches += 1;
                false
            }
            b"set" | b"with" | b"recursive" if statement => {
                self.shape.keeps = true;
                false
            }
            _ => true,
        }
    }
}

fn chain(open: &mut [Open], links: usize) {
    if let Some(last) = open.last_mut() {
        last.chain += links;
    }
}

/// What follows is beside what was, not inside of it.
fn restart(open: &mut [Open]) {
    if let Some(last) = open.last_mut() {
        last.chain = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn depth(text: &str, at_least: usize, at_most: usize) {
        let found = Shape::of_template(text).depth;
        assert!((at_least..=at_most).contains(&found), "{found} for {text:.60}");
    }

    #[test]
    fn chains_are_as_long_as_they_are() {
        depth("no tag at all + + +", 0, 0);
        depth("{{ a }}", 0, 1);
        depth(&format!("{{{{ {}1 }}}}", "1+".repeat(300)), 300, 301);
        depth(&format!("{{{{ a{} }}}}", "|b".repeat(300)), 300, 301);
        depth(&format!("{{{{ a{} }}}}", ".b".repeat(300)), 300, 301);
        depth(&format!("{{{{ a{} }}}}", "()".repeat(300)), 300, 302);
        depth(&format!("{{{{ a{} }}}}", "[0]".repeat(300)), 300, 302);
        depth(&format!("{{{{ {}1 }}}}", "not ".repeat(300)), 300, 301);
        depth(
            &format!("{{{{ {}1{} }}}}", "(1+".repeat(100), ")".repeat(100)),
            200,
            202,
        );
        depth(
            &format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(300)),
            300,
            300,
        );
        depth(&format!("{{{{ {{'a': {{}}}} {} }}}}", "+1".repeat(300)), 300, 302);
        depth(&format!("{{{{ '}}}}' {} }}}}", "~'a'".repeat(300)), 300, 302);
    }

    #[test]
    fn what_is_wide_is_not_deep() {
        depth(&format!("{{{{ [{}] }}}}", "0.5, ".repeat(1000)), 1, 2);
        depth(&format!("{{{{ {{{}}} }}}}", "'a': [1, 2], ".repeat(1000)), 2, 4);
        depth(&"{{ a.b|c }} text. ".repeat(1000), 2, 3);
        depth(&format!("{{# {} #}}{{{{ a }}}}", "+".repeat(1000)), 0, 1);
        depth(&format!("{{{{ '{}' }}}}", "+".repeat(1000)), 0, 1);
    }

    #[test]
    fn what_keeps_values_is_seen() {
        let of = |text| (Shape::of_template(text).keeps, Shape::of_template(text).slices);
        assert_eq!(of("{% set x = [x] %}"), (true, false));
        assert_eq!(of("{%- with a = 1 %}{% endwith %}"), (true, false));
        assert_eq!(of("{% for x in y recursive %}{% endfor %}"), (true, false));
        assert_eq!(of("{{ a[1:] }}"), (false, true));
        assert_eq!(of("{{ {'a': [1]}['a'] }} set with"), (false, false));
    }
}
