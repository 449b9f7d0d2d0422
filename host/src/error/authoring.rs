//! Errors of writing and building plugin projects.

use autokestra_authoring::{AuthoringError, Wrong};

use super::{CliError, Exit};

impl From<AuthoringError> for CliError {
    fn from(error: AuthoringError) -> Self {
        let exit = match error.wrong() {
            Wrong::Input => Exit::Input,
            Wrong::Machine => Exit::Machine,
        };
        let shown = Self::of(exit, &error);
        match error.advice() {
            Some(advice) => shown.hint(advice),
            None => shown,
        }
    }
}
