//! What a build is told of its surroundings.

use std::ffi::OsString;
use std::fmt;

use crate::error::AuthoringError;
use crate::home::Home;

/// The surroundings of a build.
#[derive(Clone, Copy)]
pub struct Build<'a> {
    /// The variables of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// A person watches stderr, so tools show how far they are.
    pub watched: bool,
    /// stderr is coloured.
    pub colored: bool,
    /// Tells what goes on, in a line.
    pub note: &'a dyn Fn(&str),
}

impl Build<'_> {
    /// The user's folder for what is kept between builds.
    pub(crate) fn home(&self) -> Result<Home, AuthoringError> {
        Home::find(self.variable)
    }
}

impl fmt::Debug for Build<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Build")
            .field("watched", &self.watched)
            .field("colored", &self.colored)
            .finish_non_exhaustive()
    }
}
