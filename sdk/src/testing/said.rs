use crate::log::Level;

/// What was logged.
///
/// ```
/// # use autokestra_sdk::{log, testing::FakeHost};
/// let host = FakeHost::new();
/// log::warn!("a row is empty", row = 2);
/// let entry = &host.logs()[0];
/// assert_eq!((entry.level, entry.message.as_str()), (log::Level::Warn, "a row is empty"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEntry {
    /// How grave it is.
    pub level: Level,
    /// What it says.
    pub message: String,
    /// More, by name.
    pub fields: Vec<(String, String)>,
}

impl LogEntry {
    pub(super) fn new(level: Level, message: &str, fields: Vec<(String, String)>) -> Self {
        Self {
            level,
            message: message.to_owned(),
            fields,
        }
    }

    /// The field of a name.
    ///
    /// ```
    /// # use autokestra_sdk::{log, testing::FakeHost};
    /// # let host = FakeHost::new();
    /// log::warn!("a row is empty", row = 2);
    /// assert_eq!(host.logs()[0].field("row"), Some("2"));
    /// ```
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(known, _)| known == name)?;
        Some(value)
    }
}

/// What was reported.
///
/// ```
/// # use autokestra_sdk::{progress, testing::FakeHost};
/// let host = FakeHost::new();
/// progress::report(1, Some(4), Some("reading"));
/// let report = &host.progress()[0];
/// assert_eq!((report.done, report.total, report.note.as_deref()), (1, Some(4), Some("reading")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgressReport {
    /// Units done.
    pub done: u64,
    /// Units in all, where known.
    pub total: Option<u64>,
    /// A few words.
    pub note: Option<String>,
}

impl ProgressReport {
    pub(super) fn new(done: u64, total: Option<u64>, note: Option<&str>) -> Self {
        Self {
            done,
            total,
            note: note.map(str::to_owned),
        }
    }
}
