//! A guest's stream of bytes as lines of masked text.

use crate::masked::Masked;
use crate::masker::{MaskStream, Masker, into_text};

/// Longest line, in bytes: 64 KiB. A longer one comes in parts, each with a marker.
pub const LINE_BYTES_MAX: usize = 64 << 10;

/// What stands at the end of a part of a line that goes on.
const GOES_ON: &str = " […]";

/// Masks a stream, then splits it into lines: so a secret that is cut by a write, or holds a line end, is found.
///
/// Memory is bounded by [`LINE_BYTES_MAX`] and the longest secret, whatever the guest writes.
#[derive(Debug)]
pub struct LogStream {
    mask: Option<MaskStream>,
    line: Vec<u8>,
    /// Whether the last byte was `\r`: a `\n` after it belongs to the same line end.
    after_return: bool,
}

impl LogStream {
    /// A stream that is masked by `masker`.
    #[must_use]
    pub fn new(masker: &Masker) -> Self {
        Self {
            mask: Some(masker.stream()),
            line: Vec::new(),
            after_return: false,
        }
    }

    /// Takes the next piece, and gives the lines that it completes.
    #[must_use]
    pub fn push(&mut self, piece: &[u8]) -> Vec<Masked> {
        let mut masked = Vec::with_capacity(piece.len());
        if let Some(mask) = &mut self.mask {
            mask.push(piece, &mut masked);
        }
        self.split(&masked)
    }

    /// Ends the stream, and gives the lines that are left. The last one needs no line end.
    #[must_use]
    pub fn finish(&mut self) -> Vec<Masked> {
        let mut masked = Vec::new();
        if let Some(mask) = self.mask.take() {
            mask.finish(&mut masked);
        }
        let mut lines = self.split(&masked);
        if !self.line.is_empty() {
            lines.push(text(std::mem::take(&mut self.line)));
        }
        lines
    }

    fn split(&mut self, mut bytes: &[u8]) -> Vec<Masked> {
        let mut lines = Vec::new();
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_return) && bytes.first() == Some(&b'\n') {
                bytes = bytes.get(1..).unwrap_or_default();
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let room = LINE_BYTES_MAX - self.line.len();
            let take = end.unwrap_or(bytes.len()).min(room);
            let (part, rest) = bytes.split_at(take);
            self.line.extend_from_slice(part);
            bytes = rest;
            match bytes.first() {
                Some(b'\n') => lines.push(text(std::mem::take(&mut self.line))),
                Some(b'\r') => {
                    lines.push(text(std::mem::take(&mut self.line)));
                    self.after_return = true;
                }
                Some(_) => {
                    lines.push(self.part());
                    continue;
                }
                None => continue,
            }
            bytes = bytes.get(1..).unwrap_or_default();
        }
        lines
    }

    /// A full line's worth of a longer line, cut between two characters.
    fn part(&mut self) -> Masked {
        let cut = cut_between_characters(&self.line);
        let rest = self.line.split_off(cut);
        let mut part = into_text(std::mem::replace(&mut self.line, rest));
        part.push_str(GOES_ON);
        Masked::from_masker(part)
    }
}

fn text(line: Vec<u8>) -> Masked {
    Masked::from_masker(into_text(line))
}

/// Where to cut a full buffer so that no character of UTF-8 is torn. A character has four bytes at most.
fn cut_between_characters(bytes: &[u8]) -> usize {
    let tail = bytes.iter().rev().take(4).position(|byte| byte & 0xC0 != 0x80);
    match tail.and_then(|back| Some((back, bytes.get(bytes.len() - 1 - back)?))) {
        Some((back, lead))
            if (*lead >= 0xF0 && back < 3) || (*lead >= 0xE0 && back < 2) || (*lead >= 0xC0 && back < 1) =>
        {
            bytes.len() - 1 - back
        }
        Some(_) | None => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut stream = LogStream::new(&Masker::none());
        let mut found: Vec<Masked> = pieces.iter().flat_map(|piece| stream.push(piece)).collect();
        found.extend(stream.finish());
        found.into_iter().map(Masked::into_string).collect()
    }

    #[test]
    fn line_ends_of_all_kinds() {
        assert_eq!(lines(&[b"a\nb\r\nc\rd"]), ["a", "b", "c", "d"]);
        assert_eq!(lines(&[b"a\r", b"\nb\n"]), ["a", "b"]);
        assert_eq!(lines(&[b"\n\n"]), ["", ""]);
        assert_eq!(lines(&[b""]), [""; 0]);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(lines(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
    }

    #[test]
    fn a_long_line_comes_in_parts_without_torn_characters() {
        let long = format!("a{}", "é".repeat(LINE_BYTES_MAX));
        let parts = lines(&[long.as_bytes()]);
        assert!(parts.len() >= 2 && parts.iter().all(|part| part.len() <= LINE_BYTES_MAX + GOES_ON.len()));
        let joined: String = parts.iter().map(|part| part.trim_end_matches(GOES_ON)).collect();
        assert_eq!(joined, long);
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_lines(text in "[a\\n\\r]{0,60}", cuts in prop::collection::vec(0_usize..9, 0..20)) {
            let whole = lines(&[text.as_bytes()]);
            let mut pieces = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (piece, more) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = more;
            }
            pieces.push(rest);
            prop_assert_eq!(lines(&pieces), whole);
        }
    }
}
