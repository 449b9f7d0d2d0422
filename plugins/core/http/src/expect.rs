//! The statuses that are no error.

use autokestra_sdk::prelude::*;

/// One status, or some: `204`, `2xx`, `200-299`.
#[derive(Input)]
#[serde(untagged)]
pub(crate) enum One {
    /// A status.
    Status(u16),
    /// `2xx`, or `200-299`.
    Some(String),
}

/// One or several.
#[derive(Input)]
#[serde(untagged)]
pub(crate) enum Expect {
    /// Only this.
    One(One),
    /// Any of these.
    Any(Vec<One>),
}

impl Default for Expect {
    fn default() -> Self {
        Self::One(One::Some("2xx".to_owned()))
    }
}

impl Expect {
    pub(crate) fn accepts(&self, status: u16) -> bool {
        match self {
            Self::One(one) => one.accepts(status),
            Self::Any(any) => any.iter().any(|one| one.accepts(status)),
        }
    }
}

impl One {
    fn accepts(&self, status: u16) -> bool {
        match self {
            Self::Status(one) => *one == status,
            Self::Some(text) => range(text).is_some_and(|(first, last)| (first..=last).contains(&status)),
        }
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let text = text.trim();
    if let Some(class) = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
        let class: u16 = class.parse().ok()?;
        return Some((class.checked_mul(100)?, class.checked_mul(100)? + 99));
    }
    match text.split_once('-') {
        Some((first, last)) => Some((first.trim().parse().ok()?, last.trim().parse().ok()?)),
        None => text.parse().ok().map(|one| (one, one)),
    }
}
