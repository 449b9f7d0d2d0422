//! The host's functions that a component may call at most, and how that is known.

use std::fmt;

use crate::proof;

/// How it is known what a component may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Every call was followed.
    CallGraph,
    /// Its calls could not be followed: it may call all that it imports.
    Imports {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CallGraph => f.write_str("by following its calls"),
            Self::Imports { reason } => write!(f, "by its imports alone: {reason}"),
        }
    }
}

/// What a walk found: functions as `interface#function`, or why it found nothing.
pub(crate) type Walked = Result<Vec<String>, String>;

/// Functions of the host that a component may call at most.
#[derive(Debug)]
pub(crate) struct Reach {
    /// As `interface#function`, in order.
    pub(crate) functions: Vec<String>,
    pub(crate) proof: Proof,
}

impl Reach {
    /// Takes what a walk found, if that can be: a component calls nothing but what it imports.
    pub(crate) fn new(walked: Walked, imports: &[String]) -> Self {
        let by_imports = |reason| Self {
            functions: imports.to_vec(),
            proof: Proof::Imports { reason },
        };
        match walked {
            Ok(mut functions) => match functions.iter().find(|function| !imports.contains(function)) {
                None => {
                    functions.sort();
                    Self {
                        functions,
                        proof: Proof::CallGraph,
                    }
                }
                Some(function) => by_imports(format!("it was found to call `{function}`, which it does not import")),
            },
            Err(reason) => by_imports(reason),
        }
    }
}

/// Follows the calls of the component in `bytes`.
pub(crate) fn walk(bytes: &[u8]) -> Walked {
    match proof::reachable(bytes) {
        Ok(functions) => Ok(functions.into_iter().collect()),
        Err(unproved) => Err(unproved.to_string()),
    }
}
