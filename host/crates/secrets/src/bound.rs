//! A secret that a task never has: it is given a placeholder, and the value is put in on the way to the hosts that it is for.

use std::io;
use std::sync::Arc;

use autokestra_model::{NetworkPattern, SecretName};

use crate::value::SecretValue;

/// What every placeholder begins with. It has only characters that URLs, forms and JSON leave as they are.
const PREFIX: &str = "autokestra-secret-";

/// Random bytes of a placeholder: as hard to guess as a key. Who guesses one could have the value sent to its hosts.
const RANDOM_BYTES: usize = 16;

/// A secret of one execution with `onlyTo`.
#[derive(Clone, Debug)]
pub struct BoundSecret {
    name: SecretName,
    value: SecretValue,
    placeholder: Arc<str>,
    only_to: Arc<[NetworkPattern]>,
}

impl BoundSecret {
    /// Makes a placeholder of the operating system's randomness for `value`, which goes to `only_to` alone.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn new(name: SecretName, value: SecretValue, only_to: Arc<[NetworkPattern]>) -> io::Result<Self> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let digits = random.iter().map(|byte| format!("{byte:02x}"));
        let placeholder = PREFIX.to_owned() + &digits.collect::<String>();
        Ok(Self {
            name,
            value,
            placeholder: placeholder.into(),
            only_to,
        })
    }

    /// The secret's name.
    #[must_use]
    pub const fn name(&self) -> &SecretName {
        &self.name
    }

    /// The value. See [`SecretValue::expose`].
    #[must_use]
    pub const fn value(&self) -> &SecretValue {
        &self.value
    }

    /// What the task is given.
    #[must_use]
    pub fn placeholder(&self) -> &str {
        &self.placeholder
    }

    /// The hosts that the value goes to.
    #[must_use]
    pub fn only_to(&self) -> &[NetworkPattern] {
        &self.only_to
    }
}
