//! What all attempts share of the world outside.

use std::sync::Arc;

use crate::http::HttpSetup;
use crate::network::{Resolver, SystemResolver};

/// The machine's TLS, the operator's proxy, and what finds the addresses of names.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    pub(crate) http: HttpSetup,
    pub(crate) resolver: Arc<dyn Resolver>,
}

impl Default for Outside {
    fn default() -> Self {
        Self {
            http: HttpSetup::default(),
            resolver: Arc::new(SystemResolver),
        }
    }
}
