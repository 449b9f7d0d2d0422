//! A clock that stands and randomness from a seed: with both, a guest does the same each time, and its fuel is the same to the unit.

use std::time::Duration;

use autokestra_model::Timestamp;
use wasmtime_wasi::{Deterministic, HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// Random bytes before they come again.
const RANDOM_BYTES: usize = 64 << 10;

/// What a guest sees of time and chance, where both are pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// The time that it always is.
    pub now: Timestamp,
    /// What all its randomness follows from.
    pub seed: u64,
}

impl Pinned {
    pub(crate) fn apply(self, builder: &mut WasiCtxBuilder) {
        let mut bytes = vec![0; RANDOM_BYTES];
        let mut hasher = blake3::Hasher::new_derive_key("autokestra pinned randomness 1");
        hasher.update(&self.seed.to_le_bytes());
        hasher.finalize_xof().fill(&mut bytes);
        builder
            .wall_clock(Standing(self.now))
            .monotonic_clock(Standing(self.now))
            .insecure_random_seed(u128::from(self.seed))
            .insecure_random(Deterministic::new(bytes.clone()))
            .secure_random(Deterministic::new(bytes));
    }
}

/// A clock that does not go on. Waiting by it takes as long as by any other.
struct Standing(Timestamp);

impl HostWallClock for Standing {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.as_millis()).unwrap_or_default())
    }
}

impl HostMonotonicClock for Standing {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}
