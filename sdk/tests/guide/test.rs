use autokestra_sdk::http::Request;
use autokestra_sdk::prelude::*;
use autokestra_sdk::{files, progress, state};

/// Leaves what is new as a file.
#[action]
fn export() -> Result<usize, TaskError> {
    let seen: u64 = state::get("seen")?.unwrap_or(0);
    let numbers: Vec<u64> = Request::get("https://api.example.com/numbers")
        .query("after", seen.to_string())
        .send()?
        .error_for_status()?
        .json()?;
    let lines: Vec<String> = progress::over(&numbers).map(u64::to_string).collect();
    files::write("numbers.txt", lines.join("\n"))?;
    if let Some(last) = numbers.last() {
        state::set("seen", last)?;
    }
    log::info!("exported", numbers = numbers.len());
    Ok(numbers.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use autokestra_sdk::testing::{Expected, FakeHost, Reply};

    #[test]
    fn what_is_new_is_left_as_a_file() {
        let host = FakeHost::new().state("seen", &41).expect(
            Expected::get("https://api.example.com/numbers?after=41"),
            Reply::json(&json!([42, 43])),
        );

        assert_eq!(export().unwrap(), 2);

        assert_eq!(host.artifact("numbers.txt").unwrap(), b"42\n43");
        assert_eq!(host.kept::<u64>("seen"), Some(43));
        assert_eq!(host.logs()[0].field("numbers"), Some("2"));
        assert_eq!(host.progress().last().unwrap().done, 2);
    }

    #[test]
    fn a_busy_server_is_tried_again() {
        let _host = FakeHost::new().expect(Expected::any(), Reply::status(503).header("retry-after", "7"));
        let error = export().unwrap_err();
        assert!(error.is_retryable());
        assert_eq!(error.wait().unwrap().as_secs(), 7);
    }
}
