//! How much work, text and stack an expression may take.

use std::io::{self, Write};
use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters};

use super::shape::Shape;

/// Longest chain of operators, filters and calls. The template engine takes half a KiB of stack for each.
pub(super) const DEPTH_MAX: usize = 256;
/// Deepest nesting of a value that becomes JSON or text. JSON that is deeper is read back by nobody.
const NESTING_MAX: usize = 120;
/// Text that one template may give, in bytes: 4 MiB, as much as a task's output.
pub(super) const TEXT_BYTES_MAX: usize = 4 << 20;
/// The most that a value may weigh that is no text, in bytes of memory: 128 MiB.
const VALUE_BYTES_MAX: usize = 128 << 20;
/// What a value takes in memory besides its text, in bytes.
const VALUE_BYTES: usize = 32;
/// The widest indentation of JSON.
const INDENT_MAX: usize = 16;

/// The stack of a template that keeps values. With its fuel they become 150,000 levels deep, and half a KiB is taken for each.
const STACK_BYTES: usize = 128 << 20;

/// Which bounds hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// No value is deeper than the text and what it reads.
    Plain,
    /// Values are kept and used for the next.
    Keeping,
    /// Values are kept and cut. A cut list knows the one that it was cut from, so each cut takes longer than the one before.
    Cutting,
}

impl Work {
    pub(super) fn of(shape: Shape) -> Self {
        match (shape.keeps, shape.slices) {
            (false, _) => Self::Plain,
            (true, false) => Self::Keeping,
            (true, true) => Self::Cutting,
        }
    }

    /// Instructions, and 64 bytes of data count as one. It stops a template that would run for ever.
    pub(super) const fn fuel(self) -> u64 {
        match self {
            Self::Plain => 1_000_000,
            Self::Keeping => 250_000,
            Self::Cutting => 50_000,
        }
    }

    /// The environment with these bounds, at the lifetime of a source: it holds no templates of its own.
    pub(super) fn environment<'source>(self) -> &'source Environment<'source> {
        static PLAIN: LazyLock<Environment<'static>> = LazyLock::new(|| environment(Work::Plain));
        static KEEPING: LazyLock<Environment<'static>> = LazyLock::new(|| environment(Work::Keeping));
        static CUTTING: LazyLock<Environment<'static>> = LazyLock::new(|| environment(Work::Cutting));
        match self {
            Self::Plain => &PLAIN,
            Self::Keeping => &KEEPING,
            Self::Cutting => &CUTTING,
        }
    }
}

fn environment(work: Work) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(work.fuel()));
    // A text ends as it was written: `"{{ line }}\n"` is a line.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the marks are the usual ones"));
    // These make a text of a whole value and count it when it is there. A list that is repeated by `*` is not until then.
    environment.add_filter("string", |state: &State<'_, '_>, value: &Value| {
        Scale::text(0).weigh(value)?;
        filters::string(state, value)
    });
    environment.add_filter("pprint", |value: &Value| {
        Scale::text(4).weigh(value)?;
        Ok::<_, Error>(filters::pprint(value))
    });
    environment.add_filter("tojson", |value: &Value, indent: Option<Value>, options: Kwargs| {
        let wanted = match &indent {
            Some(indent) => indent.as_usize(),
            None => options
                .peek::<Option<Value>>("indent")?
                .and_then(|indent| indent.as_usize()),
        };
        let indent_bytes = wanted.unwrap_or(2);
        if indent_bytes > INDENT_MAX {
            let text = format!("an indentation of {INDENT_MAX} is the most");
            return Err(Error::new(ErrorKind::InvalidOperation, text));
        }
        Scale::text(indent_bytes).weigh(value)?;
        filters::tojson(value, indent, options)
    });
    environment
}

/// Whether a value is one that a task may be given.
pub(super) fn check_value(value: &Value) -> Result<(), Error> {
    let mut scale = Scale {
        each: VALUE_BYTES,
        level: 0,
        left: VALUE_BYTES_MAX,
        most: VALUE_BYTES_MAX,
    };
    scale.weigh(value)
}

/// Weighs a value before something is made of it. What is repeated without being there counts as often as it is repeated.
struct Scale {
    /// What each value counts besides its text.
    each: usize,
    /// What it counts for each level that it is deep.
    level: usize,
    left: usize,
    most: usize,
}

impl Scale {
    /// For a text with so much indentation.
    const fn text(indent: usize) -> Self {
        Self {
            each: 2,
            level: indent,
            left: TEXT_BYTES_MAX,
            most: TEXT_BYTES_MAX,
        }
    }

    fn weigh(&mut self, value: &Value) -> Result<(), Error> {
        self.add(value, 0)
    }

    fn add(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let refused = |text: String| Err(Error::new(ErrorKind::InvalidOperation, text));
        if depth > NESTING_MAX {
            return refused(format!("the value is nested deeper than {NESTING_MAX}"));
        }
        let text = value.as_bytes().map_or(0, <[u8]>::len);
        let weight = text.saturating_add(self.each).saturating_add(self.level * depth);
        match self.left.checked_sub(weight) {
            Some(left) => self.left = left,
            None => return refused(format!("the value is larger than {} bytes", self.most)),
        }
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.try_for_each(|item| self.add(&item, depth + 1)),
            ValueKind::Map => value.try_iter()?.try_for_each(|key| {
                self.add(&key, depth + 1)?;
                self.add(&value.get_item(&key)?, depth + 1)
            }),
            _ => Ok(()),
        }
    }
}

/// Does something with room for values that are as deep as fuel makes them.
pub(super) fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        match thread.spawn_scoped(threads, work)?.join() {
            Ok(done) => Ok(done),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Text with a limit: past it the writer fails, so the template stops.
pub(super) struct Limited(pub(super) Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > TEXT_BYTES_MAX {
            self.0.resize(TEXT_BYTES_MAX, b' ');
            return Err(io::Error::other("the text is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
