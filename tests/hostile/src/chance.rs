//! Work that follows the clock and randomness, so that its fuel does too.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::bindings::TaskError;

/// Adds numbers up in the order of a map whose keys are hashed by random numbers, more often where the clock says so.
pub(crate) fn chance(_: &str) -> Result<String, TaskError> {
    let numbers: HashMap<u64, u64> = (0..500).map(|number| (number, number * 31)).collect();
    let time = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let mut sum = u64::from(time.subsec_nanos());
    for (position, value) in numbers.values().enumerate() {
        // The work of each depends on what came before it.
        for _ in 0..sum % 13 {
            sum = sum.rotate_left(5) ^ value;
        }
        sum = sum.wrapping_mul(position as u64 | 1).wrapping_add(*value);
    }
    Ok(sum.to_string())
}
