//! Log entries with a level and fields: `log::info!("rendering", rows = 3)`. The message may capture variables: `"{count} rows"`.
//!
//! What is printed is logged as well: stdout as INFO, stderr as WARN.

pub use crate::__log_debug as debug;
pub use crate::__log_error as error;
pub use crate::__log_info as info;
pub use crate::__log_warn as warn;

/// How grave an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// What went on.
    Info,
    /// What may become a fault.
    Warn,
    /// A fault.
    Error,
}

/// Writes one entry. The macros of this module are shorter.
pub fn emit(level: Level, message: &str, fields: &[(&str, String)]) {
    #[cfg(target_family = "wasm")]
    {
        use crate::bindings::autokestra::plugin::log;
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        let fields: Vec<_> = fields
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        log::emit(level, message, &fields);
    }
    #[cfg(not(target_family = "wasm"))]
    {
        use std::io::Write as _;
        let fields: String = fields.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        // In a test, where the harness shows it; a closed stderr is no reason to fail.
        drop(writeln!(std::io::stderr(), "{level:?}: {message}{fields}"));
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $message:literal $(, $key:ident = $value:expr)* $(,)?) => {
        $crate::log::emit(
            $crate::log::Level::$level,
            &::std::format!($message),
            &[$((::std::stringify!($key), ::std::string::ToString::to_string(&$value))),*],
        )
    };
}

/// Logs at the level DEBUG.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug { ($($rest:tt)*) => { $crate::__log!(Debug, $($rest)*) }; }

/// Logs at the level INFO.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info { ($($rest:tt)*) => { $crate::__log!(Info, $($rest)*) }; }

/// Logs at the level WARN.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn { ($($rest:tt)*) => { $crate::__log!(Warn, $($rest)*) }; }

/// Logs at the level ERROR.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error { ($($rest:tt)*) => { $crate::__log!(Error, $($rest)*) }; }
