//! Log entries with a level and fields: `log::info!("rendering", rows = 3)`. The message may capture variables: `"{count} rows"`.
//!
//! What is printed is logged as well: stdout as INFO, stderr as WARN. Secrets are masked by the host, whatever says them.
//!
//! ```
//! use autokestra_sdk::log;
//!
//! let count = 3;
//! log::debug!("looking for {count} rows");
//! log::info!("rendered", rows = count, format = "html");
//! log::warn!("a row is empty", row = 2);
//! log::error!("the footer is missing");
//! ```

/// Logs for whoever looks for a fault.
///
/// ```
/// # use autokestra_sdk::log;
/// # let host = autokestra_sdk::testing::FakeHost::new();
/// log::debug!("asking", page = 2);
/// # assert_eq!(host.logs()[0].level, log::Level::Debug);
/// ```
#[doc(inline)]
pub use crate::__log_debug as debug;

/// Logs a fault.
///
/// ```
/// # use autokestra_sdk::log;
/// # let host = autokestra_sdk::testing::FakeHost::new();
/// log::error!("the footer is missing");
/// # assert_eq!(host.logs()[0].level, log::Level::Error);
/// ```
#[doc(inline)]
pub use crate::__log_error as error;

/// Logs what went on.
///
/// ```
/// # use autokestra_sdk::log;
/// # let host = autokestra_sdk::testing::FakeHost::new();
/// log::info!("rendered", rows = 3, format = "html");
/// # assert_eq!(host.logs()[0].level, log::Level::Info);
/// ```
#[doc(inline)]
pub use crate::__log_info as info;

/// Logs what may become a fault.
///
/// ```
/// # use autokestra_sdk::log;
/// # let host = autokestra_sdk::testing::FakeHost::new();
/// log::warn!("a row is empty", row = 2);
/// # assert_eq!(host.logs()[0].level, log::Level::Warn);
/// ```
#[doc(inline)]
pub use crate::__log_warn as warn;

/// How grave an entry is.
///
/// ```
/// # use autokestra_sdk::log::Level;
/// assert!(Level::Warn > Level::Info);
/// ```
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

/// Writes one entry, whose level or fields are known only when it is written. The macros of this module are shorter.
///
/// ```
/// # use autokestra_sdk::log::{self, Level};
/// # let host = autokestra_sdk::testing::FakeHost::new();
/// let late = true;
/// let level = if late { Level::Warn } else { Level::Info };
/// log::emit(level, "delivered", &[("order", "4711".to_owned())]);
/// # assert_eq!(host.logs()[0].field("order"), Some("4711"));
/// ```
pub fn emit(level: Level, message: &str, fields: &[(&str, String)]) {
    let fields: Vec<_> = fields
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    #[cfg(target_family = "wasm")]
    {
        use crate::bindings::autokestra::plugin::log;
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        log::emit(level, message, &fields);
    }
    #[cfg(not(target_family = "wasm"))]
    crate::testing::logged(level, message, fields);
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

#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug { ($($rest:tt)*) => { $crate::__log!(Debug, $($rest)*) }; }

#[doc(hidden)]
#[macro_export]
macro_rules! __log_info { ($($rest:tt)*) => { $crate::__log!(Info, $($rest)*) }; }

#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn { ($($rest:tt)*) => { $crate::__log!(Warn, $($rest)*) }; }

#[doc(hidden)]
#[macro_export]
macro_rules! __log_error { ($($rest:tt)*) => { $crate::__log!(Error, $($rest)*) }; }
