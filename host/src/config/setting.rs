//! The table of all settings: key, variable, type, range and default. Everything else about configuration reads this table.

use serde_json::Value;

/// The type of a setting, with what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number.
    Integer {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// `true` or `false`.
    Boolean,
    /// Text.
    Text,
    /// Text that is never shown.
    Secret,
    /// One of these names.
    Choice(&'static [&'static str]),
    /// A file or folder. A relative one starts at the folder of the file that names it, else at the working folder.
    Path,
    /// A list of them.
    Paths,
    /// A list of texts.
    Texts,
    /// A list of network patterns, as in `permissions.network`.
    Networks,
    /// The address of an HTTP proxy.
    Proxy,
}

/// The default of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Default {
    Integer(u64),
    Boolean(bool),
    Text(&'static str),
    Empty,
    None,
}

impl Default {
    pub(crate) fn to_value(self) -> Value {
        match self {
            Self::Integer(number) => number.into(),
            Self::Boolean(value) => value.into(),
            Self::Text(text) => text.into(),
            Self::Empty => Value::Array(Vec::new()),
            Self::None => Value::Null,
        }
    }
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its key in the file, with a dot between levels.
    pub(crate) key: &'static str,
    /// Its environment variable.
    pub(crate) variable: &'static str,
    /// What it may be.
    pub(crate) kind: Kind,
    /// What it is where nobody says.
    pub(crate) default: Default,
}

const fn setting(key: &'static str, variable: &'static str, kind: Kind, default: Default) -> Setting {
    Setting {
        key,
        variable,
        kind,
        default,
    }
}

const fn integer(least: u64, most: u64) -> Kind {
    Kind::Integer { least, most }
}

/// All settings, in the order in which they are shown.
pub(crate) const SETTINGS: &[Setting] = &[
    setting(
        "server.port",
        "WORKFLOW_SERVER_PORT",
        integer(0, 65_535),
        Default::Integer(7233),
    ),
    setting(
        "server.host",
        "WORKFLOW_SERVER_HOST",
        Kind::Text,
        Default::Text("127.0.0.1"),
    ),
    setting(
        "storage.type",
        "WORKFLOW_STORAGE_TYPE",
        Kind::Choice(&["sqlite", "postgresql"]),
        Default::Text("sqlite"),
    ),
    setting(
        "storage.path",
        "WORKFLOW_STORAGE_PATH",
        Kind::Path,
        Default::Text("./data/db.sqlite"),
    ),
    setting(
        "storage.synchronous",
        "WORKFLOW_STORAGE_SYNCHRONOUS",
        Kind::Choice(&["normal", "full"]),
        Default::Text("full"),
    ),
    setting(
        "storage.maxSizeMebibytes",
        "WORKFLOW_STORAGE_MAX_SIZE_MEBIBYTES",
        integer(0, 1 << 40),
        Default::Integer(0),
    ),
    setting(
        "storage.slowQueryMs",
        "WORKFLOW_STORAGE_SLOW_QUERY_MS",
        integer(0, 3_600_000),
        Default::Integer(500),
    ),
    setting(
        "storage.host",
        "WORKFLOW_STORAGE_HOST",
        Kind::Text,
        Default::Text("localhost"),
    ),
    setting(
        "storage.port",
        "WORKFLOW_STORAGE_PORT",
        integer(1, 65_535),
        Default::Integer(5432),
    ),
    setting(
        "storage.database",
        "WORKFLOW_STORAGE_DATABASE",
        Kind::Text,
        Default::Text("autokestra"),
    ),
    setting(
        "storage.username",
        "WORKFLOW_STORAGE_USERNAME",
        Kind::Text,
        Default::None,
    ),
    setting(
        "storage.password",
        "WORKFLOW_STORAGE_PASSWORD",
        Kind::Secret,
        Default::None,
    ),
    setting(
        "execution.maxConcurrentWorkflows",
        "WORKFLOW_EXECUTION_MAX_CONCURRENT_WORKFLOWS",
        integer(1, 10_000),
        Default::Integer(10),
    ),
    setting(
        "execution.maxConcurrentTasks",
        "WORKFLOW_EXECUTION_MAX_CONCURRENT_TASKS",
        integer(1, 1000),
        Default::Integer(50),
    ),
    setting(
        "execution.defaultTimeoutSeconds",
        "WORKFLOW_EXECUTION_DEFAULT_TIMEOUT_SECONDS",
        integer(1, 31_536_000),
        Default::Integer(300),
    ),
    setting(
        "execution.defaultFuel",
        "WORKFLOW_EXECUTION_DEFAULT_FUEL",
        integer(0, u64::MAX),
        Default::Integer(0),
    ),
    setting(
        "execution.leaseSeconds",
        "WORKFLOW_EXECUTION_LEASE_SECONDS",
        integer(1, 3600),
        Default::Integer(15),
    ),
    setting(
        "logRetentionDays",
        "WORKFLOW_LOG_RETENTION_DAYS",
        integer(0, 36_500),
        Default::Integer(30),
    ),
    setting(
        "logging.level",
        "WORKFLOW_LOGGING_LEVEL",
        Kind::Choice(&["DEBUG", "INFO"]),
        Default::Text("INFO"),
    ),
    setting(
        "logging.maxBufferSize",
        "WORKFLOW_LOGGING_MAX_BUFFER_SIZE",
        integer(1, 100_000),
        Default::Integer(100),
    ),
    setting(
        "logging.flushIntervalMs",
        "WORKFLOW_LOGGING_FLUSH_INTERVAL_MS",
        integer(1, 3_600_000),
        Default::Integer(1000),
    ),
    setting(
        "plugins.directories",
        "WORKFLOW_PLUGINS_DIRECTORIES",
        Kind::Paths,
        Default::Empty,
    ),
    setting("plugins.allow", "WORKFLOW_PLUGINS_ALLOW", Kind::Texts, Default::None),
    setting(
        "plugins.cacheMaxMebibytes",
        "WORKFLOW_PLUGINS_CACHE_MAX_MEBIBYTES",
        integer(0, 1 << 40),
        Default::Integer(512),
    ),
    setting("secrets.file", "WORKFLOW_SECRETS_FILE", Kind::Path, Default::None),
    setting("network.proxy", "WORKFLOW_NETWORK_PROXY", Kind::Proxy, Default::None),
    setting(
        "policy.network",
        "WORKFLOW_POLICY_NETWORK",
        Kind::Networks,
        Default::None,
    ),
    setting(
        "policy.filesystem.read",
        "WORKFLOW_POLICY_FILESYSTEM_READ",
        Kind::Paths,
        Default::None,
    ),
    setting(
        "policy.filesystem.write",
        "WORKFLOW_POLICY_FILESYSTEM_WRITE",
        Kind::Paths,
        Default::None,
    ),
    setting("policy.env", "WORKFLOW_POLICY_ENV", Kind::Texts, Default::Empty),
    setting(
        "secrets.keyFile",
        "WORKFLOW_SECRETS_KEY_FILE",
        Kind::Path,
        Default::None,
    ),
    setting(
        "secrets.keyring",
        "WORKFLOW_SECRETS_KEYRING",
        Kind::Boolean,
        Default::Boolean(false),
    ),
];
