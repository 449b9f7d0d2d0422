//! Finds secrets in text and streams, in every form, however the text is cut.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use autokestra_model::SecretName;

use crate::bound::BoundSecret;
use crate::forms::{PLACEHOLDER_FORM, forms};
use crate::masked::Masked;
use crate::value::Secrets;

/// What stands for a secret, whatever its length.
pub const MASK: &str = "***";

/// Replaces every form of every known secret. Cheap to clone.
#[derive(Clone)]
pub struct Masker {
    automaton: Option<Arc<Automaton>>,
}

struct Automaton {
    search: AhoCorasick,
    longest: usize,
    /// What each pattern is: its secret, the number of its form, and its bytes.
    patterns: Vec<(SecretName, u16, Vec<u8>)>,
}

/// A part of a text.
#[derive(Debug, PartialEq)]
pub(crate) enum Part<'t> {
    /// Of no secret.
    Plain(&'t str),
    /// Of a secret: its name, the number of the form, and from which byte of the form on.
    Secret(&'t SecretName, u16, usize),
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The patterns are the secrets.
        f.write_str("Masker")
    }
}

impl Masker {
    /// A masker of all forms of `secrets`.
    #[must_use]
    pub fn new(secrets: &Secrets) -> Self {
        Self::with_bound(secrets, &[])
    }

    /// A masker of all forms of `secrets`, and of the placeholders that stand for some of them: what is sealed with one opens
    /// as the placeholder of whoever opens it.
    #[must_use]
    pub fn with_bound(secrets: &Secrets, bound: &[BoundSecret]) -> Self {
        let mut seen = BTreeSet::new();
        let placeholders = bound.iter().map(|secret| {
            let placeholder = secret.placeholder().as_bytes().to_vec();
            (secret.name().clone(), PLACEHOLDER_FORM, placeholder)
        });
        let patterns: Vec<(SecretName, u16, Vec<u8>)> = secrets
            .iter()
            .flat_map(|(name, value)| {
                let named = forms(value.expose()).into_iter();
                named.map(move |(number, form)| (name.clone(), number, form))
            })
            .chain(placeholders)
            .filter(|(_, _, form)| seen.insert(form.clone()))
            .collect();
        let longest = patterns.iter().map(|(_, _, form)| form.len()).max().unwrap_or_default();
        // Overlapping matches are asked for, so that two secrets that share bytes are masked as one run.
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(patterns.iter().map(|(_, _, form)| form));
        let automaton = search.ok().filter(|_| longest > 0).map(|search| {
            Arc::new(Automaton {
                search,
                longest,
                patterns,
            })
        });
        Self { automaton }
    }

    /// A masker that knows no secret.
    #[must_use]
    pub fn none() -> Self {
        Self { automaton: None }
    }

    /// `text` with every secret replaced.
    #[must_use]
    pub fn mask(&self, text: &str) -> Masked {
        if self.automaton.is_none() {
            return Masked::from_masker(text.to_owned());
        }
        let mut stream = self.stream();
        let mut out = Vec::with_capacity(text.len());
        stream.push(text.as_bytes(), &mut out);
        stream.finish(&mut out);
        Masked::from_masker(into_text(out))
    }

    /// `text` in parts, each of a secret or of none. One part where no secret is in it.
    pub(crate) fn parts<'t>(&'t self, text: &'t str) -> Vec<Part<'t>> {
        let Some(automaton) = &self.automaton else {
            return vec![Part::Plain(text)];
        };
        let mut found: Vec<_> = automaton.search.find_overlapping_iter(text).collect();
        found.sort_by_key(|found| (found.start(), std::cmp::Reverse(found.end())));
        let mut parts = Vec::new();
        let mut at = 0;
        for found in found {
            // Of secrets that share bytes the later one gives only what is its own.
            let start = found.start().max(at);
            if start >= found.end() {
                continue;
            }
            let Some((name, number, _)) = automaton.patterns.get(found.pattern().as_usize()) else {
                continue;
            };
            parts.extend(text.get(at..start).filter(|plain| !plain.is_empty()).map(Part::Plain));
            parts.push(Part::Secret(name, *number, start - found.start()));
            at = found.end();
        }
        parts.extend(text.get(at..).filter(|plain| !plain.is_empty()).map(Part::Plain));
        parts
    }

    /// The bytes of a form of a secret.
    pub(crate) fn form(&self, name: &str, number: u16) -> Option<&[u8]> {
        let patterns = &self.automaton.as_ref()?.patterns;
        let found = patterns
            .iter()
            .find(|(found, form, _)| found.as_str() == name && *form == number);
        found.map(|(_, _, bytes)| bytes.as_slice())
    }

    /// A stream that is masked as it comes.
    #[must_use]
    pub fn stream(&self) -> MaskStream {
        MaskStream {
            automaton: self.automaton.clone(),
            held: Vec::new(),
            covered: 0,
            in_run: false,
        }
    }
}

/// Bytes as text; a valid text stays as it is without a copy.
pub(crate) fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Masks a stream of bytes. However it is cut into pieces, what comes out is the same.
///
/// It holds back as many bytes as the longest form has, less one: only then it is sure that no secret begins there.
pub struct MaskStream {
    automaton: Option<Arc<Automaton>>,
    held: Vec<u8>,
    /// How many of the held bytes belong to a secret that began before them.
    covered: usize,
    /// Whether the bytes just given out ended in a secret.
    in_run: bool,
}

impl fmt::Debug for MaskStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskStream")
    }
}

impl MaskStream {
    /// Takes the next piece and gives out what is sure.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let Some(automaton) = self.automaton.clone() else {
            out.extend_from_slice(piece);
            return;
        };
        self.held.extend_from_slice(piece);
        let safe = (self.held.len() + 1).saturating_sub(automaton.longest);
        self.release(&automaton, safe, out);
    }

    /// Gives out the rest.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if let Some(automaton) = self.automaton.clone() {
            self.release(&automaton, self.held.len(), out);
        }
    }

    /// Gives out the first `safe` held bytes. No secret that covers one of them can begin after them or end unseen.
    fn release(&mut self, automaton: &Automaton, safe: usize, out: &mut Vec<u8>) {
        if safe == 0 {
            return;
        }
        // Runs of bytes that belong to secrets, in order and apart from each other.
        let mut runs: Vec<(usize, usize)> = Vec::new();
        if self.covered > 0 || self.in_run {
            runs.push((0, self.covered));
        }
        for found in automaton.search.find_overlapping_iter(&self.held) {
            let (mut start, mut end) = (found.start(), found.end());
            while let Some(&(run_start, run_end)) = runs.last().filter(|(_, run_end)| start <= *run_end) {
                start = start.min(run_start);
                end = end.max(run_end);
                runs.pop();
            }
            runs.push((start, end));
        }
        let mut at = 0;
        let (mut covered, mut in_run) = (0, false);
        for (start, end) in runs.into_iter().take_while(|(start, _)| *start < safe) {
            if start > at {
                out.extend_from_slice(self.held.get(at..start).unwrap_or_default());
            }
            if start > 0 || !self.in_run {
                out.extend_from_slice(MASK.as_bytes());
            }
            at = end.min(safe);
            covered = end.saturating_sub(safe);
            in_run = end >= safe;
        }
        out.extend_from_slice(self.held.get(at..safe).unwrap_or_default());
        self.held.drain(..safe);
        self.covered = covered;
        self.in_run = in_run;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::SecretValue;

    fn masker(secrets: &[&str]) -> Masker {
        let named = secrets.iter().enumerate().map(|(index, secret)| {
            let name = format!("S{index}").parse().expect("a good name");
            (name, SecretValue::new((*secret).to_owned()))
        });
        Masker::new(&named.collect())
    }

    #[track_caller]
    fn check(secrets: &[&str], text: &str, expected: &str) {
        assert_eq!(masker(secrets).mask(text).as_str(), expected);
    }

    #[test]
    fn every_form_is_masked() {
        let secret = "pa\"ss wörd/1";
        let json = serde_json::to_string(secret).expect("a string");
        check(&[secret], &format!("a {secret} b"), "a *** b");
        check(&[secret], &json, "\"***\"");
        check(&[secret], "x=pa%22ss%20w%C3%B6rd%2F1;", "x=***;");
        check(&[secret], "x=pa%22ss+w%c3%b6rd%2f1;", "x=***;");
        check(
            &["secret-value"],
            "7365637265742d76616c7565 7365637265742D76616C7565",
            "*** ***",
        );
        check(
            &["line one is long\nshort\nline two is long"],
            "line two is long, short",
            "***, short",
        );
    }

    #[test]
    fn forms_of_other_languages_are_masked() {
        let secret = "it's a (key)/~ü*";
        for form in [
            "it's%20a%20(key)%2F~%C3%BC*",
            "it's%20a%20(key)%2f~%c3%bc*",
            "it%27s%20a%20%28key%29/~%C3%BC%2A",
            "it%27s+a+%28key%29%2F%7E%C3%BC*",
            "it's a (key)/~\\u00FC*",
        ] {
            check(&[secret], &format!("x={form};"), "x=***;");
        }
    }

    #[test]
    fn base64_is_masked_at_every_alignment() {
        use base64::Engine as _;
        for lead in ["", "a", "ab", "abc"] {
            let text = base64::engine::general_purpose::STANDARD.encode(format!("{lead}secret-value!!"));
            let masked = masker(&["secret-value"]).mask(&text);
            assert!(masked.as_str().contains(MASK), "{lead}: {masked}");
        }
    }

    #[test]
    fn secrets_that_overlap_are_one_run() {
        check(&["abcdef", "defghi"], "xabcdefghix", "x***x");
        check(&["abcd", "abcdefgh"], "abcdefgh abcdxx", "*** ***xx");
        check(&["abcd"], "abcdabcd", "***");
    }

    #[test]
    fn without_secrets_nothing_changes() {
        check(&[], "abc", "abc");
        check(
            &["abc"],
            "abc is too short to be looked for",
            "abc is too short to be looked for",
        );
    }

    proptest! {
        #[test]
        fn any_cutting_masks_like_one_piece(
            secrets in prop::collection::vec("[ab]{4,7}", 1..4),
            text in "[abc]{0,80}",
            cuts in prop::collection::vec(0_usize..12, 0..40),
        ) {
            let borrowed: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let masker = masker(&borrowed);
            let whole = masker.mask(&text);
            let mut stream = masker.stream();
            let mut out = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (piece, more) = rest.split_at(cut.min(rest.len()));
                stream.push(piece, &mut out);
                rest = more;
            }
            stream.push(rest, &mut out);
            stream.finish(&mut out);
            prop_assert_eq!(into_text(out), whole.into_string());
        }

        #[test]
        fn the_naive_model_agrees(secrets in prop::collection::vec("[ab]{4,6}", 1..4), text in "[abc]{0,60}") {
            let borrowed: Vec<&str> = secrets.iter().map(String::as_str).collect();
            // A byte is covered where any secret that contains it stands there; each run of such bytes is one mask.
            let mut covered = vec![false; text.len()];
            for secret in &secrets {
                for start in 0..text.len() {
                    if text[start..].starts_with(secret.as_str()) {
                        covered[start..start + secret.len()].fill(true);
                    }
                }
            }
            let mut expected = String::new();
            for (index, c) in text.chars().enumerate() {
                if !covered[index] {
                    expected.push(c);
                } else if index == 0 || !covered[index - 1] {
                    expected.push_str(MASK);
                }
            }
            prop_assert_eq!(masker(&borrowed).mask(&text).into_string(), expected);
        }

        #[test]
        fn no_form_survives(secret in "[a-zA-Z0-9 \"/+=é\\n]{8,24}", before in "[ -~]{0,5}") {
            prop_assume!(secret.trim().len() >= 8);
            let masker = masker(&[&secret]);
            for (_, form) in forms(&secret) {
                let text = format!("{before}{}", into_text(form.clone()));
                let masked = masker.mask(&text).into_string();
                prop_assert!(!masked.contains(&into_text(form)), "{} in {}", masked, text);
            }
        }
    }
}
