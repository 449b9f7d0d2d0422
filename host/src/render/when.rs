//! Times as people say them.

use std::time::Duration;

use autokestra_model::Timestamp;

/// How long ago it was: `now`, `12s ago`, `3m ago`, `2h ago`, `5d ago`; `in 3s` for what is to come.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        return format!("in {}", roughly(at.since(now)));
    }
    let passed = now.since(at);
    if passed < Duration::from_secs(1) {
        return "now".to_owned();
    }
    format!("{} ago", roughly(passed))
}

/// A duration in its largest unit.
fn roughly(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{}s", seconds.max(1)),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        86_400..63_072_000 => format!("{}d", seconds / 86_400),
        _ => format!("{}y", seconds / 31_536_000),
    }
}

/// A duration that is still running: `0.4s`, `12.3s`, `2m 03s`, `1h 02m`. It does not change faster than it is drawn.
pub(crate) fn running(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{}.{}s", duration.as_secs(), duration.subsec_millis() / 100),
        _ => super::human(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_largest_unit() {
        let now = Timestamp::from_millis(100_000_000_000);
        let shown = [
            0,
            999,
            1_000,
            59_999,
            60_000,
            7_199_000,
            90_000_000,
            63_072_000_000,
            -1_500,
        ]
        .map(|millis| ago(Timestamp::from_millis(100_000_000_000 - millis), now));
        assert_eq!(
            shown,
            [
                "now", "now", "1s ago", "59s ago", "1m ago", "1h ago", "1d ago", "2y ago", "in 1s"
            ]
        );
        let shown = [40, 12_340, 123_000].map(|millis| running(Duration::from_millis(millis)));
        assert_eq!(shown, ["0.0s", "12.3s", "2m 03s"]);
    }
}
