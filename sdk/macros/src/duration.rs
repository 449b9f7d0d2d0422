//! Lengths of time as they are written: `30s`, `1m30s`.

use syn::LitStr;

/// The longest that makes sense: a year.
const MILLIS_MAX: u64 = 366 * 24 * 3_600_000;

/// Milliseconds.
pub(crate) fn millis(text: &LitStr) -> syn::Result<u64> {
    let value = text.value();
    parse(&value).ok_or_else(|| {
        let why = format!("`{value}` is no length of time: it is like `500ms`, `30s`, `5m`, `1h30m`, and more than 0");
        syn::Error::new(text.span(), why)
    })
}

fn parse(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, behind) = rest.split_at(digits);
        let letters = behind.len() - behind.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, behind) = behind.split_at(letters);
        let factor = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = behind;
    }
    (1..=MILLIS_MAX).contains(&sum).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lengths_of_time_are_numbers_with_units() {
        for (text, millis) in [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("1h30m", Some(5_400_000)),
            ("2d", Some(172_800_000)),
            ("", None),
            ("0s", None),
            ("30", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
            ("30 s", None),
            ("30sec", None),
            ("99999999999999999999s", None),
            ("400d", None),
            ("ö", None),
        ] {
            assert_eq!(parse(text), millis, "{text}");
        }
    }
}
