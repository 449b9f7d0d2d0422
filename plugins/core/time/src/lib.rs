//! `core/time`: tells the time, waits, and turns times into text and back.

use std::time::Duration;

use autokestra_sdk::prelude::*;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// Longest sleep, in seconds: a year.
const SLEEP_SECONDS_MAX: f64 = 31_536_000.0;

/// A point in time.
#[derive(Output)]
struct Time {
    /// ISO 8601: in UTC with milliseconds, or with the offset of `timezone`.
    iso: String,
    /// Milliseconds since 1970-01-01 UTC.
    unix_ms: i64,
    /// As `format` asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// How the time is shown.
#[derive(Input)]
struct Now {
    /// An IANA name, e.g. `Europe/Paris`; default UTC.
    timezone: Option<String>,
    /// A strftime format, e.g. `%Y-%m-%d %H:%M`.
    format: Option<String>,
}

/// Tells the time.
#[action(title = "Tell the time")]
fn now(input: Now) -> Result<Time, TaskError> {
    shown(
        &zoned(Timestamp::now(), input.timezone.as_deref())?,
        input.timezone.is_some(),
        input.format.as_deref(),
    )
}

/// How long.
#[derive(Input)]
struct Sleep {
    /// Seconds, whole or not.
    seconds: f64,
}

/// Waits.
#[action(idempotent, title = "Wait")]
fn sleep(input: Sleep) -> Result<(), TaskError> {
    if !(0.0..=SLEEP_SECONDS_MAX).contains(&input.seconds) {
        return Err(TaskError::new("invalid_input", "`seconds` must be from 0 to a year"));
    }
    std::thread::sleep(Duration::from_secs_f64(input.seconds));
    Ok(())
}

/// What is shown, and how.
#[derive(Input)]
struct Format {
    /// A time: ISO 8601, or milliseconds since 1970-01-01 UTC.
    value: Value,
    /// A strftime format, e.g. `%A, %d %B %Y`.
    format: String,
    /// An IANA name, e.g. `Europe/Paris`; default UTC.
    timezone: Option<String>,
}

/// Turns a time into text.
#[action(idempotent, title = "Turn a time into text")]
fn format(input: Format) -> Result<String, TaskError> {
    let time = zoned(point(&input.value)?, input.timezone.as_deref())?;
    formatted(&time, &input.format)
}

/// What is read, and how.
#[derive(Input)]
struct Parse {
    /// The text.
    value: String,
    /// A strptime format, e.g. `%d/%m/%Y`; default ISO 8601.
    format: Option<String>,
    /// The time zone of a text that names none; default UTC.
    timezone: Option<String>,
}

/// Turns text into a time.
#[action(idempotent, title = "Turn text into a time")]
fn parse(input: Parse) -> Result<Time, TaskError> {
    let zone = zone(input.timezone.as_deref())?;
    let wrong =
        |error: jiff::Error| TaskError::new("invalid_time", format!("`{}` cannot be read: {error}", input.value));
    let at = match &input.format {
        None => iso(&input.value, &zone).map_err(wrong)?,
        Some(format) => {
            let parts = BrokenDownTime::parse(format, &input.value).map_err(wrong)?;
            match parts.to_timestamp() {
                Ok(at) => at,
                // No offset in it, and perhaps no time of day: then it is the zone's, at midnight.
                Err(_) => {
                    let day = parts.to_datetime().or_else(|_| parts.to_date().map(DateTime::from));
                    zone.to_timestamp(day.map_err(wrong)?).map_err(wrong)?
                }
            }
        }
    };
    shown(&at.to_zoned_datetime(zone), input.timezone.is_some(), None)
}

fn zone(name: Option<&str>) -> Result<TimeZone, TaskError> {
    let name = name.unwrap_or("UTC");
    TimeZone::get(name).map_err(|_| {
        TaskError::new(
            "invalid_timezone",
            format!("there is no time zone `{name}`; write an IANA name like `Europe/Paris`"),
        )
    })
}

fn zoned(at: Timestamp, timezone: Option<&str>) -> Result<ZonedDateTime, TaskError> {
    Ok(at.to_zoned_datetime(zone(timezone)?))
}

/// A time as a value gives it.
fn point(value: &Value) -> Result<Timestamp, TaskError> {
    let wrong = |why: String| TaskError::new("invalid_time", format!("`{value}` is no time: {why}"));
    match value {
        Value::Number(number) => {
            let millis = number
                .as_i64()
                .ok_or_else(|| wrong("whole milliseconds are expected".to_owned()))?;
            Timestamp::from_millisecond(millis).map_err(|error| wrong(error.to_string()))
        }
        Value::String(text) => iso(text, &TimeZone::UTC).map_err(|error| wrong(error.to_string())),
        _ => Err(wrong("ISO 8601 or milliseconds are expected".to_owned())),
    }
}

/// ISO 8601; without an offset it is the zone's, and a day alone begins at midnight.
fn iso(text: &str, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
    match text.parse::<Timestamp>() {
        Ok(at) => Ok(at),
        Err(_) => zone.to_timestamp(text.parse::<DateTime>()?),
    }
}

fn formatted(time: &ZonedDateTime, format: &str) -> Result<String, TaskError> {
    strtime::format(format, time).map_err(|error| TaskError::new("invalid_format", format!("`{format}`: {error}")))
}

fn shown(time: &ZonedDateTime, local: bool, format: Option<&str>) -> Result<Time, TaskError> {
    let at = time.timestamp();
    let iso = if local {
        time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    } else {
        format!("{at:.3}")
    };
    Ok(Time {
        iso,
        unix_ms: at.as_millisecond(),
        text: format.map(|format| formatted(time, format)).transpose()?,
    })
}

plugin! {
    name: "core/time",
    actions: [now, sleep, format, parse],
}
