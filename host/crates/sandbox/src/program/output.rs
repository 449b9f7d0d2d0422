//! What a program printed to stdout, kept up to the limit of an attempt's output, and read as a task wants it.

use std::io;

use serde_json::Value;

/// What stdout is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputForm {
    Text,
    Json,
    Lines,
    /// It is in the log alone, and counts against no limit of output.
    Nothing,
}

impl OutputForm {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            "lines" => Some(Self::Lines),
            "none" => Some(Self::Nothing),
            _ => None,
        }
    }
}

/// Why stdout cannot be given as it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is not of the form.
    Form(String),
    /// It has more bytes as JSON than an output may have.
    TooLarge,
}

/// Reads what was printed.
pub(super) fn read(form: OutputForm, printed: &[u8], limit: u64) -> Result<Value, Unreadable> {
    let value = match form {
        OutputForm::Nothing => return Ok(Value::Null),
        OutputForm::Text => Value::from(text(printed)?),
        OutputForm::Json => serde_json::from_slice(printed).map_err(|error| {
            let what = if printed.trim_ascii().is_empty() {
                "it printed nothing, and `output: json` wants one JSON document".to_owned()
            } else {
                format!("what it printed is not one JSON document: {error}")
            };
            Unreadable::Form(what)
        })?,
        OutputForm::Lines => {
            let text = text(printed)?;
            // Each line costs two quotes and a comma; counted before, as a list of empty lines is many times its text.
            if (text.len() + 2 * text.lines().count()) as u64 > limit {
                return Err(Unreadable::TooLarge);
            }
            text.lines().map(Value::from).collect()
        }
    };
    if json_size(&value) > limit {
        return Err(Unreadable::TooLarge);
    }
    Ok(value)
}

/// What a program that failed had printed: as it was asked for where that is possible, else as text.
pub(super) fn read_of_failure(form: OutputForm, printed: &[u8], limit: u64) -> Result<Value, Unreadable> {
    match read(form, printed, limit) {
        Err(Unreadable::Form(_)) => {
            let text = String::from_utf8_lossy(printed);
            read(OutputForm::Text, text.as_bytes(), limit)
        }
        read => read,
    }
}

fn text(printed: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(printed).map_err(|error| {
        Unreadable::Form(format!(
            "what it printed is no UTF-8 at byte {}; let it write bytes into a file below `/artifacts`, and take `output: none`",
            error.valid_up_to()
        ))
    })
}

/// The bytes of a value as JSON.
fn json_size(value: &Value) -> u64 {
    struct Counter(u64);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // A counter takes all.
    drop(serde_json::to_writer(&mut counter, value));
    counter.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_form_reads_what_is_of_it() {
        let check = |form, printed: &str, value: Value| assert_eq!(read(form, printed.as_bytes(), 100), Ok(value));
        check(OutputForm::Text, "a\nb\n", json!("a\nb\n"));
        check(OutputForm::Lines, "a\r\nb\n\nc", json!(["a", "b", "", "c"]));
        check(OutputForm::Lines, "", json!([]));
        check(OutputForm::Json, " {\"a\": [1]}\n", json!({ "a": [1] }));
        check(OutputForm::Nothing, "whatever", Value::Null);
    }

    #[test]
    fn what_is_not_is_told() {
        let check = |form, printed: &[u8], said: &str| match read(form, printed, 100) {
            Err(Unreadable::Form(text)) => assert!(text.contains(said), "{text}"),
            other => panic!("{other:?}"),
        };
        check(OutputForm::Json, b"", "printed nothing");
        check(OutputForm::Json, b"1\n2\n", "not one JSON document");
        check(OutputForm::Text, b"ab\xff", "at byte 2");
        check(OutputForm::Lines, b"\xff", "at byte 0");
        assert_eq!(read_of_failure(OutputForm::Json, b"{\xff", 100), Ok(json!("{\u{fffd}")));
        assert_eq!(read_of_failure(OutputForm::Json, b"{}", 100), Ok(json!({})));
    }

    #[test]
    fn a_value_has_its_size_as_json() {
        assert_eq!(read(OutputForm::Text, b"12345678", 10), Ok(json!("12345678")));
        assert_eq!(read(OutputForm::Text, b"123456789", 10), Err(Unreadable::TooLarge));
        assert_eq!(read(OutputForm::Text, b"\x01\x01", 10), Err(Unreadable::TooLarge));
        assert_eq!(read(OutputForm::Lines, b"\n\n\n\n", 10), Err(Unreadable::TooLarge));
        assert_eq!(read(OutputForm::Nothing, &[b'x'; 99], 10), Ok(Value::Null));
    }
}
