//! The way out by HTTP: what is granted and nothing else, whatever name or redirect leads there.

use serde_json::Value;

use crate::process::{Place, task};
use crate::server::{Server, response};

/// Runs one GET, and gives its task and the whole execution.
fn get(url: &str, permissions: &str) -> (Value, Value) {
    let place = Place::with_flow(&format!(
        "id: get\ntasks:\n  - id: get\n    type: core/http.get\n    inputs: {{ url: \"{url}\", timeoutSeconds: 5 }}\n    permissions: {{ {permissions} }}\n"
    ));
    let run = place.run("run flow.yaml --no-progress");
    assert!(run.code < 2, "{run:?}");
    let execution = place.inspect();
    (task(&execution, "get").clone(), execution)
}

fn hello() -> Server {
    Server::start(|_, _| response("200 OK", "text/plain", "hello"))
}

#[test]
fn a_denied_host_is_told_with_the_lines_that_grant_it() {
    let server = hello();
    let url = format!("http://127.0.0.1:{}/x", server.port);
    let (ended, execution) = get(&url, "");
    assert_eq!(ended["reasonCode"], "permission_denied", "{ended:#}");
    let logs = execution["logs"].as_array().expect("a list");
    let wanted = format!("permissions:\n  network: [\"127.0.0.1:{}\"]", server.port);
    let told =
        |log: &&Value| log["level"] == "WARN" && log["message"].as_str().is_some_and(|text| text.contains(&wanted));
    assert_eq!(logs.iter().filter(told).count(), 1, "{logs:#?}");
    let events = execution["auditEvents"].as_array().expect("a list");
    let denied = events
        .iter()
        .find(|event| event["type"] == "PERMISSION_DENIED")
        .expect("the trail has it");
    assert_eq!(
        denied["metadata"]["target"],
        format!("127.0.0.1:{}", server.port),
        "{denied:#}"
    );
    assert!(server.requests().is_empty(), "nothing left the sandbox");
    // With those very lines it works.
    let (ended, _) = get(&url, &format!("network: [\"127.0.0.1:{}\"]", server.port));
    assert_eq!(ended["output"]["body"], "hello", "{ended:#}");
}

#[test]
fn other_ports_schemes_and_spellings_are_not_granted() {
    let server = hello();
    let port = server.port;
    for (url, granted) in [
        (format!("http://127.0.0.1:{port}/"), "127.0.0.1:1".to_owned()),
        (format!("http://127.0.0.1:{port}/"), "127.0.0.1".to_owned()),
        (format!("http://localhost:{port}/"), format!("127.0.0.1:{port}")),
        // Wildcards and names open no address that is not public.
        (format!("http://127.0.0.1:{port}/"), format!("*:{port}")),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), format!("*:{port}")),
        (format!("http://2130706433:{port}/"), format!("*:{port}")),
        (format!("http://0x7f.1:{port}/"), format!("*:{port}")),
        (format!("http://0:{port}/"), format!("*:{port}")),
        (format!("http://localhost:{port}/"), format!("*:{port}")),
    ] {
        let (ended, _) = get(&url, &format!("network: [\"{granted}\"]"));
        assert_eq!(
            ended["reasonCode"], "permission_denied",
            "{url} by {granted}: {ended:#}"
        );
    }
    assert!(server.requests().is_empty(), "nothing left the sandbox");
    let (ended, _) = get(
        &format!("http://localhost:{port}/"),
        &format!("network: [\"localhost:{port}\"]"),
    );
    assert_eq!(ended["state"], "SUCCESS", "{ended:#}");
}

#[test]
fn a_redirect_is_checked_and_loses_who_asks() {
    let inner = hello();
    let other = hello();
    let to = inner.port;
    let outer = Server::start(move |_, _| {
        format!(
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{to}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
    });
    let (ended, _) = get(
        &format!("http://127.0.0.1:{}/", outer.port),
        &format!("network: [\"127.0.0.1:{}\"]", outer.port),
    );
    assert_eq!(ended["reasonCode"], "permission_denied", "{ended:#}");
    assert!(inner.requests().is_empty() && other.requests().is_empty());
    let place = Place::with_flow(&format!(
        "id: get\ntasks:\n  - id: get\n    type: core/http.get\n    inputs: {{ url: \"http://127.0.0.1:{}/\", headers: {{ authorization: \
         secret, x-kept: kept }} }}\n    permissions: {{ network: [\"127.0.0.1:*\"] }}\n",
        outer.port
    ));
    place.run("run flow.yaml").code(0);
    let (first, second) = (outer.requests().remove(1), inner.requests().remove(0));
    assert_eq!(
        (first.header("authorization"), first.header("x-kept")),
        (Some("secret"), Some("kept"))
    );
    assert_eq!(
        (second.header("authorization"), second.header("x-kept")),
        (None, Some("kept"))
    );
}

#[test]
fn a_refused_connection_and_a_silent_server_are_retryable() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let place = Place::with_flow(&format!(
        "id: get\ntasks:\n  - id: get\n    type: core/http.get\n    inputs: {{ url: \"http://127.0.0.1:{port}/\", timeoutSeconds: 0.1 }}\n    \
         permissions: {{ network: [\"127.0.0.1:*\"] }}\n"
    ));
    place.run("run flow.yaml").code(1);
    let error = task(&place.inspect(), "get")["attempts"][0]["error"].clone();
    assert_eq!(
        (&error["code"], &error["retryable"]),
        (&"http_timeout".into(), &true.into()),
        "{error:#}"
    );
    drop(silent);
    place.run("run flow.yaml").code(1);
    let error = task(&place.inspect(), "get")["attempts"][0]["error"].clone();
    assert_eq!(
        (&error["code"], &error["retryable"]),
        (&"connection".into(), &true.into()),
        "{error:#}"
    );
}

#[test]
fn retry_after_is_honoured_and_traffic_is_counted() {
    let server = Server::start(|number, _| match number {
        1 => "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            .to_owned(),
        _ => response("200 OK", "text/plain", "hello"),
    });
    let place = Place::with_flow(&format!(
        "id: get\ntasks:\n  - id: get\n    type: core/http.get\n    retry: {{ max: 1, initialSeconds: 0.001, jitter: false }}\n    inputs: {{ url: \
         \"http://127.0.0.1:{0}/\" }}\n    permissions: {{ network: [\"127.0.0.1:{0}\"] }}\n",
        server.port
    ));
    place.run("run flow.yaml").code(0);
    let execution = place.inspect();
    let attempts = task(&execution, "get")["attempts"].as_array().expect("a list").clone();
    assert_eq!(attempts.len(), 2, "{attempts:#?}");
    let time = |text: &Value| text.as_str().expect("a time").parse::<jiff::Timestamp>().expect("ISO");
    let waited = time(&attempts[1]["startedAt"]).as_millisecond() - time(&attempts[0]["endedAt"]).as_millisecond();
    assert!(
        waited >= 1000,
        "it waited {waited} ms of the second that it was told to"
    );
    let usage = &attempts[1]["usage"];
    assert!(
        usage["bytesIn"].as_u64() > Some(50) && usage["bytesOut"].as_u64() > Some(30),
        "{usage:#}"
    );
}
