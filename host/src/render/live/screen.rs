//! The lines that stand at the bottom of a terminal and change, with all else printed above them.
//!
//! One frame is drawn over the one before it, in one write. The cursor stays visible and rests below the frame, so that
//! whatever ends this process, even a `kill -9`, leaves a terminal that works.

use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Size {
    /// That of the terminal that stderr is.
    pub(crate) fn of_stderr() -> Option<Self> {
        let (width, height) = terminal_size::terminal_size_of(io::stderr())?;
        Some(Self {
            width: usize::from(width.0).max(1),
            height: usize::from(height.0).max(1),
        })
    }
}

/// One line: as it is printed, and the columns that it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) columns: usize,
}

/// stderr, and what stands at the bottom of it.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    standing: Mutex<Vec<Line>>,
}

impl Screen {
    /// Prints `text` above, and `frame` in the place of what stands.
    pub(crate) fn draw(&self, text: &str, frame: Vec<Line>) -> io::Result<()> {
        let mut standing = self.lock();
        let out = next(&standing, text, &frame, Size::of_stderr());
        // What is not drawn whole is not taken back either.
        *standing = Vec::new();
        write(&out)?;
        *standing = frame;
        Ok(())
    }

    /// Prints `text`, above what stands.
    pub(crate) fn print(&self, text: &str) -> io::Result<()> {
        // Whoever panics while it is drawn still wants to be heard.
        let standing = match self.standing.try_lock() {
            Ok(standing) => standing,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if std::thread::panicking() => return write(text.as_bytes()),
            Err(TryLockError::WouldBlock) => self.lock(),
        };
        if standing.is_empty() {
            return write(text.as_bytes());
        }
        write(&next(&standing, text, &standing, Size::of_stderr()))
    }

    /// Takes away what stands.
    pub(crate) fn clear(&self) -> io::Result<()> {
        if self.lock().is_empty() {
            return Ok(());
        }
        self.draw("", Vec::new())
    }

    /// Takes away what stands, and lets nobody draw while `others` have the terminal.
    pub(crate) fn stand_aside(&self, others: impl FnOnce()) -> io::Result<()> {
        let mut standing = self.lock();
        let cleared = write(&next(&standing, "", &[], Size::of_stderr()));
        standing.clear();
        others();
        cleared
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut err = io::stderr().lock();
    err.write_all(bytes)?;
    err.flush()
}

/// What turns the frame that stands into `text` and the next frame below it.
fn next(standing: &[Line], text: &str, frame: &[Line], size: Option<Size>) -> Vec<u8> {
    let mut out = String::new();
    if !standing.is_empty() {
        out.push('\r');
        let rows = rows(standing, size);
        if rows > 0 {
            out.extend([format!("\x1b[{rows}A")]);
        }
        // Text may wrap, so what stands below it goes first; a frame alone is drawn over the last one, without a flicker.
        if !text.is_empty() {
            out.push_str("\x1b[J");
        }
    }
    out.push_str(text);
    for line in frame {
        out.extend([line.text.as_str(), "\x1b[K\n"]);
    }
    if !standing.is_empty() && text.is_empty() {
        out.push_str("\x1b[J");
    }
    out.into_bytes()
}

/// The rows that lines take now: a terminal that became narrower has wrapped them.
fn rows(lines: &[Line], size: Option<Size>) -> usize {
    let Some(size) = size else { return lines.len() };
    let rows: usize = lines.iter().map(|line| line.columns.div_ceil(size.width).max(1)).sum();
    rows.min(size.height.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::super::super::width::columns;
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Line> {
        texts
            .iter()
            .map(|text| Line {
                text: (*text).to_owned(),
                columns: columns(text),
            })
            .collect()
    }

    #[test]
    fn a_frame_is_drawn_over_the_one_before_it() {
        let size = Some(Size { width: 80, height: 24 });
        let bytes = |standing: &[&str], text: &str, frame: &[&str]| {
            String::from_utf8(next(&lines(standing), text, &lines(frame), size)).expect("text")
        };
        assert_eq!(bytes(&[], "hello\n", &[]), "hello\n");
        assert_eq!(bytes(&[], "", &["a", "b"]), "a\x1b[K\nb\x1b[K\n");
        assert_eq!(bytes(&["a", "b"], "", &["c"]), "\r\x1b[2Ac\x1b[K\n\x1b[J");
        assert_eq!(bytes(&["a", "b"], "log\n", &["c"]), "\r\x1b[2A\x1b[Jlog\nc\x1b[K\n");
        assert_eq!(bytes(&["a"], "", &[]), "\r\x1b[1A\x1b[J");
    }

    #[test]
    fn a_narrower_terminal_has_wrapped_what_stands() {
        let long = "x".repeat(70);
        let standing = lines(&[&long, "short", ""]);
        let rows_at = |width, height| rows(&standing, Some(Size { width, height }));
        assert_eq!((rows_at(80, 24), rows_at(30, 24), rows_at(30, 4)), (3, 5, 3));
    }
}
