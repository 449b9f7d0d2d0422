//! The examples, run as their first lines say.

use serde_json::json;

use crate::process::{Place, task};
use crate::server::{Server, response};
use crate::support::repository;

/// A place with all examples.
fn place() -> Place {
    let place = Place::new();
    place.copy(&repository().join("examples"));
    place
}

#[test]
fn every_example_is_tried_here() {
    let tried = include_str!("examples.rs");
    for entry in std::fs::read_dir(repository().join("examples")).expect("read examples/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(tried.contains(&format!("run examples/{name}")), "{name} is not tried");
        }
    }
}

#[test]
fn the_weather_report_has_a_table_and_a_chart() {
    let place = place();
    let run = place
        .run("run examples/weather-report.yaml --input title=Rain&Sun --json")
        .code(0);
    assert_eq!(run.json()["outputs"]["hottest"], "35.6 °C on 2014-08-11");
    let page = place.read("examples/out/weather.md");
    // The mean of January's rain, by hand: (173.3 + 105.7 + 94.0 + 93.0) / 4 mm.
    assert!(
        page.starts_with("# Rain&Sun\n") && page.contains("\n| 01 | 8.2 | 2.7 | 116.5 | 14.3 |\n"),
        "{page}"
    );
    assert_eq!(
        page.lines().filter(|line| line.starts_with("| 20")).count(),
        4,
        "{page}"
    );
    let chart = place.read("examples/out/weather.svg");
    assert!(chart.contains("<title>Rain&amp;Sun</title>"), "{chart}");
    assert_eq!(chart.matches("<polyline").count(), 2, "{chart}");
    assert_eq!(chart.matches("<rect").count(), 13, "{chart}");
    // The four aggregations did run side by side: each began before the first of them ended.
    let execution = place.inspect();
    let times = |key: &str| {
        ["months", "years", "records", "kinds"].map(|id| task(&execution, id)[key].as_str().expect("a time").to_owned())
    };
    assert!(
        times("startedAt").iter().max() <= times("endedAt").iter().min(),
        "{execution:#}"
    );
}

#[test]
fn a_service_is_asked_and_told() {
    let place = place();
    let server = Server::start(|_, request| match request.line.as_str() {
        "GET /items?open=true HTTP/1.1" => response(
            "200 OK",
            "application/json",
            r#"{"items":[{"id":"b","since":2},{"id":"a","since":1}]}"#,
        ),
        _ => {
            "HTTP/1.1 201 Created\r\nlocation: /reports/1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
        }
    });
    let line = format!(
        "run examples/call-a-service.yaml --json --input service=http://localhost:{}",
        server.port
    );
    let run = place.run(&line).code(0);
    assert_eq!(run.json()["outputs"], json!({ "open": 2, "report": "/reports/1" }));
    let told = server.requests().pop().expect("it was told");
    assert_eq!(
        (told.line.as_str(), told.body.as_str()),
        ("POST /reports HTTP/1.1", r#"{"open":2,"oldest":"a"}"#)
    );
}

#[test]
fn a_flaky_service_is_asked_again() {
    let place = place();
    let server = Server::start(|number, _| match number {
        1 | 2 => response("503 Service Unavailable", "text/plain", "not yet"),
        _ => response("200 OK", "text/plain", "at last"),
    });
    let line = format!(
        "run examples/retry.yaml --input service=http://127.0.0.1:{}",
        server.port
    );
    let run = place.run(&line).code(0);
    assert_eq!(run.stderr.matches("retry  flaky").count(), 2, "{}", run.stderr);
    let execution = place.inspect();
    let attempts = task(&execution, "flaky")["attempts"]
        .as_array()
        .expect("a list")
        .clone();
    let codes: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt["error"]["code"].clone())
        .collect();
    assert_eq!(codes, [json!("http_status"), json!("http_status"), json!(null)]);
    let logs = execution["logs"].as_array().expect("a list");
    assert!(logs.iter().any(|log| log["message"] == "it said: at last"), "{logs:#?}");
}

#[test]
fn what_was_not_granted_is_denied_with_the_lines_to_add() {
    let place = place();
    let run = place.run("run examples/denied.yaml --logs").code(0);
    for lines in [
        "filesystem: { read: [\"/etc/passwd\"] }",
        "network: [\"example.com:443\"]",
        "read: FAILED, sent: FAILED",
    ] {
        assert!(run.stderr.contains(lines), "{}", run.stderr);
    }
    let execution = place.inspect();
    let events = execution["auditEvents"].as_array().expect("a list");
    assert_eq!(
        events
            .iter()
            .filter(|event| event["type"] == "PERMISSION_DENIED")
            .count(),
        2,
        "{events:#?}"
    );
}

#[test]
fn a_secret_is_three_stars_everywhere() {
    let mut place = place();
    let token = "correct-horse-battery";
    place.set("WORKFLOW_SECRET_API_TOKEN", token);
    // The noisiest way: wasmtime traces the arguments of every call, and must not be heard.
    let run = place.run("run examples/secret.yaml --logs --json -vv").code(0);
    let kept = place
        .run("execution inspect last --with-logs --with-audit --show-inputs --json")
        .code(0);
    // base64 of the token, as the task makes it.
    for form in [token, "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"] {
        for text in [&run.stdout, &run.stderr, &kept.stdout] {
            assert!(!text.contains(form), "{text}");
        }
        for name in ["data/db.sqlite", "data/db.sqlite-wal"] {
            let bytes = std::fs::read(place.path(name)).unwrap_or_default();
            assert!(
                !bytes.windows(form.len()).any(|part| part == form.as_bytes()),
                "{name} has {form}"
            );
        }
    }
    assert_eq!(
        run.json()["outputs"]["everything"],
        json!({ "base64": "***", "url": "***", "text": "***" })
    );
}
