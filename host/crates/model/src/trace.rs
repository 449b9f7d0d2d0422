//! Where a piece of work stands in a distributed trace, as W3C Trace Context writes it.

use std::fmt;
use std::str::FromStr;

use crate::id::{ExecutionId, IdError};

/// A span of a trace: the value of a `traceparent` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace.
    pub trace: [u8; 16],
    /// The span in it.
    pub span: [u8; 8],
    /// Whether the trace is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// The span of a whole execution, in a trace of its own: both numbers come from its id, so that whoever knows the id
    /// knows them, in any process.
    #[must_use]
    pub fn of_execution(id: ExecutionId) -> Self {
        Self {
            trace: id.to_bytes(),
            span: span_id(&[b"execution", &id.to_bytes()]),
            sampled: true,
        }
    }

    /// A span of an execution, in the same trace: that of the parts that name it.
    #[must_use]
    pub fn within(&self, id: ExecutionId, parts: &[&[u8]]) -> Self {
        let bytes = id.to_bytes();
        let mut all: Vec<&[u8]> = vec![b"within", &bytes];
        all.extend(parts);
        Self {
            span: span_id(&all),
            ..*self
        }
    }
}

/// Eight bytes by which a span is known; never all zero, which stands for none.
fn span_id(parts: &[&[u8]]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    let mut id = [0; 8];
    hasher.finalize_xof().fill(&mut id);
    if id == [0; 8] {
        id[7] = 1;
    }
    id
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        hex(&self.trace, f)?;
        f.write_str("-")?;
        hex(&self.span, f)?;
        write!(f, "-{:02x}", u8::from(self.sampled))
    }
}

impl FromStr for TraceContext {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        read(text.trim()).ok_or_else(|| IdError {
            text: text.to_owned(),
            expected: "a `traceparent` of W3C Trace Context: `00-`, 32 hex digits, `-`, 16 hex digits, `-`, 2 hex digits",
        })
    }
}

fn read(text: &str) -> Option<TraceContext> {
    let mut parts = text.split('-');
    let version: [u8; 1] = digits(parts.next()?)?;
    let trace: [u8; 16] = digits(parts.next()?)?;
    let span: [u8; 8] = digits(parts.next()?)?;
    let flags: [u8; 1] = digits(parts.next()?)?;
    // A later version may say more behind it; the first one does not.
    let complete = version != [0xff] && (version != [0] || parts.next().is_none());
    let real = trace != [0; 16] && span != [0; 8];
    (complete && real).then_some(TraceContext {
        trace,
        span,
        sampled: flags[0] & 1 == 1,
    })
}

/// Bytes as lower-case hex digits, which the format asks for.
fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 2 * N || !text.bytes().all(is_hex) {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context: TraceContext = good.parse().expect("the standard's own example");
        assert_eq!(context.to_string(), good);
        assert!(context.sampled);
        let later = format!("cc{}-what-comes-later", good.get(2..).expect("the rest"));
        assert_eq!(later.parse(), Ok(context));
        assert!(
            !good
                .replace("-01", "-00")
                .parse::<TraceContext>()
                .expect("not sampled")
                .sampled
        );
        for wrong in [
            "",
            "00",
            &good.to_uppercase(),
            &good.replace("00-", "ff-"),
            &format!("{good}-more"),
            &good.replace("b7ad6b7169203331", "0000000000000000"),
            &good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &good.replace("b7", "bé"),
        ] {
            assert!(wrong.parse::<TraceContext>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_of_an_execution_are_known_by_its_id_and_differ() {
        let id = ExecutionId::new(Timestamp::from_millis(1_795_425_436_123), 7);
        let root = TraceContext::of_execution(id);
        assert_eq!(root, TraceContext::of_execution(id.to_string().parse().expect("an id")));
        let (first, second) = (root.within(id, &[b"a", b"1"]), root.within(id, &[b"a1"]));
        assert_eq!(first.trace, root.trace);
        assert!(first.span != second.span && first.span != root.span);
    }
}
