//! A bound on the work, so that a small file cannot ask for much of it.

use super::error::Unproved;

/// Most steps. A component of 64 MiB that a compiler made takes some millions.
const STEPS_MAX: usize = 32 << 20;

/// Steps that are left.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(STEPS_MAX)
    }
}

impl Budget {
    /// Takes some steps.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Unproved> {
        self.0 = self.0.checked_sub(steps).ok_or(Unproved::TooLarge)?;
        Ok(())
    }
}
