//! Why a project was not written or built.

use std::io;
use std::path::{Path, PathBuf};

use crate::name::NameError;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// What was asked for, or the project.
    Input,
    /// The machine: a tool that is missing, a folder that cannot be written.
    Machine,
}

/// Why a project was not written or built.
#[derive(Debug, thiserror::Error)]
pub enum AuthoringError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Something is where the project would be.
    #[error("{} is there already, and nothing of it is overwritten", path.display())]
    Occupied {
        /// The project's folder.
        path: PathBuf,
    },
    /// There is no such folder.
    #[error("there is no folder {}", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder is no project.
    #[error("{} is no plugin project: it has none of {markers}", folder.display())]
    NoProject {
        /// The folder.
        folder: PathBuf,
        /// The files that it could be known by.
        markers: String,
    },
    /// A tool is missing.
    #[error("{tool} is missing: {purpose}")]
    Tool {
        /// What is missing.
        tool: String,
        /// What it is for.
        purpose: &'static str,
        /// The command that installs it.
        install: String,
    },
    /// A tool could not install others.
    #[error("{tool} could not install what plugins are built with")]
    Install {
        /// The tool.
        tool: &'static str,
        /// Where it takes them from.
        registry: &'static str,
    },
    /// A tool could not be started.
    #[error("start {}", program.display())]
    Start {
        /// The tool.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A tool refused the project. What it says of it was shown.
    #[error("{tool} could not build the project in {}, as it says above", project.display())]
    Refused {
        /// The tool.
        tool: &'static str,
        /// The project's folder.
        project: PathBuf,
        /// What to do, where that is known.
        advice: Option<String>,
    },
    /// The project cannot be built as it is.
    #[error("{}: {reason}", file.display())]
    Project {
        /// The file that says so.
        file: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// There is no folder of the user's for what is kept between builds.
    #[error(
        "there is no folder for what is kept between builds: neither XDG_CACHE_HOME nor HOME is set to an absolute path"
    )]
    NoHome,
    /// The folder for what is kept between builds is open to others.
    #[error("{} is not to be trusted: {reason}", path.display())]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A folder that is to be written in is a link or a file.
    #[error("{} is no folder of the project's own, and nothing is written through links", path.display())]
    Link {
        /// The folder.
        path: PathBuf,
    },
    /// A file or a folder cannot be used.
    #[error("{what} {}", path.display())]
    File {
        /// What was done.
        what: &'static str,
        /// The path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl AuthoringError {
    /// For `map_err`: `what` was done to `path`.
    pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { what, path, source }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn wrong(&self) -> Wrong {
        match self {
            Self::Name(_)
            | Self::Occupied { .. }
            | Self::NoFolder { .. }
            | Self::NoProject { .. }
            | Self::Refused { .. }
            | Self::Project { .. }
            | Self::Link { .. } => Wrong::Input,
            Self::Tool { .. }
            | Self::Install { .. }
            | Self::Start { .. }
            | Self::NoHome
            | Self::Exposed { .. }
            | Self::File { .. } => Wrong::Machine,
        }
    }

    /// What to do next, where that is known.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Name(NameError::Malformed { .. } | NameError::Long { .. }) => {
                Some("for example `workflow plugin new hello`, or `workflow plugin new acme/hello`".to_owned())
            }
            Self::Name(NameError::Ours { .. }) => Some("take one of your own, such as `acme/hello`".to_owned()),
            Self::Occupied { .. } => Some("take another name, or go to another folder".to_owned()),
            Self::NoFolder { .. } | Self::NoProject { .. } => {
                Some("`workflow plugin new hello` writes one; `workflow plugin build hello` builds it".to_owned())
            }
            Self::Tool { install, .. } => Some(format!("install it by:\n{install}")),
            Self::Install { tool, registry } => Some(format!(
                "{tool} says above what was missing; it needs {registry}, or a mirror of it that {tool} is configured for"
            )),
            Self::Refused { advice, .. } => advice.clone(),
            Self::Project { advice, .. } => Some(advice.clone()),
            Self::NoHome => Some("set XDG_CACHE_HOME to a folder of yours".to_owned()),
            Self::Exposed { path, .. } => Some(format!(
                "remove {}, or set XDG_CACHE_HOME to a folder that nobody else may write in",
                path.display()
            )),
            Self::Link { path } => Some(format!("remove {}; the next build makes it", path.display())),
            Self::Start { .. } | Self::File { .. } => None,
        }
    }
}
