//! The languages that projects are written in. To add one: a variant here, a module beside `rust`, a folder in `templates`.

use std::fmt;
use std::path::Path;

use crate::build::Build;
use crate::error::AuthoringError;
use crate::project::{File, Project};
use crate::{c, javascript, python, rust};

/// A language that plugins can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Rust, with the sdk.
    Rust,
    /// JavaScript, with the sdk.
    JavaScript,
    /// Python, with the sdk.
    Python,
    /// C, with the C library of WASI.
    C,
}

impl Language {
    /// All, in the order in which a project is asked which one it is in: the first whose marker it has.
    pub const ALL: [Self; 4] = [Self::Rust, Self::JavaScript, Self::Python, Self::C];

    /// Its name in commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "js",
            Self::Python => "python",
            Self::C => "c",
        }
    }

    /// The file by which its projects are known.
    #[must_use]
    pub fn marker(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::JavaScript => "package.json",
            Self::Python => "pyproject.toml",
            Self::C => "plugin.c",
        }
    }

    /// The language of the project in a folder.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let has = |language: &Self| folder.join(language.marker()).is_file();
        Self::ALL.into_iter().find(has)
    }

    /// The files of a new project that are this language's own. Those of all languages are in `project`.
    pub(crate) fn files(self) -> &'static [File] {
        match self {
            Self::Rust => rust::FILES,
            Self::JavaScript => javascript::FILES,
            Self::Python => python::FILES,
            Self::C => c::FILES,
        }
    }

    /// What a new project's README says of it.
    pub(crate) fn notes(self) -> &'static str {
        match self {
            Self::Rust => rust::NOTES,
            Self::JavaScript => javascript::NOTES,
            Self::Python => python::NOTES,
            Self::C => c::NOTES,
        }
    }

    /// Makes the project ready for editors: what depends on this machine, and is for no repository. Runs at each build as well.
    pub(crate) fn prepare(self, project: &Project, build: &Build<'_>) -> Result<(), AuthoringError> {
        match self {
            Self::Rust => rust::prepare(project, build),
            Self::JavaScript => javascript::prepare(project, build),
            Self::Python => python::prepare(project, build),
            Self::C => Ok(()),
        }
    }

    /// Builds the component of a project.
    pub(crate) fn build(self, project: &Project, build: &Build<'_>) -> Result<Vec<u8>, AuthoringError> {
        match self {
            Self::Rust => rust::build(project, build),
            Self::JavaScript => javascript::build(project, build),
            Self::Python => python::build(project, build),
            Self::C => c::build(project, build),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
