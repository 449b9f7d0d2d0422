//! What is told to developers on stderr, and what is exported to a collector of traces.

use std::collections::BTreeMap;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::process::{Place, Run, wait_for_line};
use crate::server::{Server, response};

const SECRET: &str = "hunter2-hunter2";

/// The id of the parent in the standard's own example, and its trace.
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn collector() -> Server {
    Server::start(|_, _| response("200 OK", "application/json", "{}"))
}

/// A place whose traces go to a collector.
fn exporting(flow: &str, port: u16) -> Place {
    let mut place = Place::with_flow(flow);
    place.set("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://127.0.0.1:{port}"));
    place.set("WORKFLOW_SECRET_TOKEN", SECRET);
    place
}

/// Every span that a collector was sent, with its attributes as a map.
fn spans(collector: &Server) -> Vec<Value> {
    let mut found = Vec::new();
    for request in collector.requests() {
        assert_eq!(request.line, "POST /v1/traces HTTP/1.1");
        assert_eq!(request.header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_str(&request.body).expect("JSON");
        for resource in body["resourceSpans"].as_array().expect("a list") {
            for scope in resource["scopeSpans"].as_array().expect("a list") {
                found.extend(scope["spans"].as_array().expect("a list").clone());
            }
        }
    }
    for span in &mut found {
        span["attributes"] = json!(map(&span["attributes"]));
        let time = |key: &str| span[key].as_str().expect("a text").parse::<u64>().expect("a number");
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"), "{span:#}");
    }
    found
}

/// Attributes as OTLP writes them, by name.
fn map(attributes: &Value) -> BTreeMap<String, Value> {
    let attributes = attributes.as_array().expect("a list");
    let pairs = attributes.iter().map(|attribute| {
        let key = attribute["key"].as_str().expect("a name").to_owned();
        let value = attribute["value"].as_object().expect("an object");
        (key, value.values().next().expect("a value").clone())
    });
    pairs.collect()
}

fn named<'s>(spans: &'s [Value], name: &str) -> Vec<&'s Value> {
    spans.iter().filter(|span| span["name"] == name).collect()
}

#[test]
fn an_execution_is_a_trace_and_each_attempt_a_span() {
    let collector = collector();
    let server = Server::start(|number, _| match number {
        1 => response("503 Service Unavailable", "text/plain", "later"),
        _ => response("200 OK", "text/plain", "hello"),
    });
    let port = server.port;
    let flow = format!(
        "id: traced\nsecrets: [TOKEN]\ntasks:\n  - id: ask\n    type: core/http.get\n    \
         retry: {{ max: 2, initialSeconds: 0.001, jitter: false }}\n    \
         inputs: {{ url: \"http://127.0.0.1:{port}/x\", headers: {{ x-key: \"{{{{ secrets.TOKEN }}}}\" }} }}\n    \
         permissions: {{ network: [\"127.0.0.1:{port}\"] }}\n  \
         - {{ id: own, type: core/http.get, needs: [ask], inputs: {{ url: \"http://127.0.0.1:{port}/own\", headers: {{ traceparent: \"{PARENT}\" }} }}, \
         permissions: {{ network: [\"127.0.0.1:{port}\"] }} }}\n  \
         - {{ id: bad, type: core/flow.fail, needs: [ask, own], inputs: {{ message: \"no {{{{ secrets.TOKEN }}}}\" }} }}\n"
    );
    let mut place = exporting(&flow, collector.port);
    place.set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20tok");
    place.set("OTEL_SERVICE_NAME", "mine");
    place.set("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test");
    let run = place.run("run flow.yaml --json").code(1);
    assert!(!run.stderr.contains("warning"), "{run:?}");
    let execution = run.json();
    let found = spans(&collector);
    assert_eq!(found.len(), 5, "{found:#?}");
    let root = named(&found, "workflow traced")[0];
    assert_eq!(root["status"]["code"], 2);
    assert_eq!(root["status"]["message"], "task `bad` failed: no ***");
    assert_eq!(root["attributes"]["autokestra.execution.id"], execution["executionId"]);
    assert_eq!(root["parentSpanId"], Value::Null);
    assert!(
        found.iter().all(|span| span["traceId"] == root["traceId"]),
        "{found:#?}"
    );
    // The two attempts of a task are two spans, and the server was told of each by its own.
    let asked = named(&found, "task ask");
    assert_eq!(asked.len(), 2, "{found:#?}");
    for (attempt, request) in (0..).zip(server.requests().iter().filter(|request| request.line.contains("/x"))) {
        let wanted = (attempt + 1).to_string();
        let span = asked
            .iter()
            .find(|span| span["attributes"]["autokestra.attempt"] == wanted.as_str());
        let span = span.expect("it has a span");
        let text = |key: &str| span[key].as_str().expect("a text");
        let traceparent = format!("00-{}-{}-01", text("traceId"), text("spanId"));
        assert_eq!(request.header("traceparent"), Some(traceparent.as_str()));
        assert_eq!(span["parentSpanId"], root["spanId"]);
        assert_eq!(span["attributes"]["autokestra.action"], "core/http.get");
        let (code, state) = if attempt == 0 { (2, "FAILED") } else { (0, "SUCCESS") };
        assert_eq!(
            (&span["status"]["code"], &span["attributes"]["autokestra.state"]),
            (&json!(code), &json!(state))
        );
        assert!(
            span["attributes"]["autokestra.usage.bytes_in"].as_str() > Some("0"),
            "{span:#}"
        );
    }
    let own = server
        .requests()
        .into_iter()
        .find(|request| request.line.contains("/own"));
    assert_eq!(
        own.expect("it came").header("traceparent"),
        Some(PARENT),
        "what a plugin says itself is left"
    );
    let bad = named(&found, "task bad")[0];
    assert_eq!(
        (
            &bad["attributes"]["autokestra.reason"],
            &bad["attributes"]["error.type"]
        ),
        (&json!("flow_failed"), &json!("flow_failed"))
    );
    says_who_it_is(&collector);
}

/// The export has the headers and the resource that the environment gave, and no secret.
fn says_who_it_is(collector: &Server) {
    for request in collector.requests() {
        assert!(
            !request.body.contains(SECRET) && !request.body.contains("hunter2"),
            "{}",
            request.body
        );
    }
    let first = &collector.requests()[0];
    assert_eq!(first.header("authorization"), Some("Bearer tok"));
    let body: Value = serde_json::from_str(&first.body).expect("JSON");
    let resource = map(&body["resourceSpans"][0]["resource"]["attributes"]);
    assert_eq!(
        (&resource["service.name"], &resource["deployment.environment"]),
        (&json!("mine"), &json!("test"))
    );
}

#[test]
fn children_and_retries_are_linked() {
    let collector = collector();
    let mut place = exporting(
        "id: above\ntasks:\n  - { id: below, type: core/flow.run, inputs: { workflow: child.yaml } }\n  \
         - { id: bad, type: core/flow.fail, needs: [below], inputs: { message: no } }\n",
        collector.port,
    );
    place.write(
        "child.yaml",
        "id: child\ntasks: [{ id: say, type: core/console.log, inputs: { message: hi } }]\n",
    );
    place.set("TRACEPARENT", PARENT);
    place.run("run flow.yaml").code(1);
    let found = spans(&collector);
    let (above, child, below) = (
        named(&found, "workflow above")[0],
        named(&found, "workflow child")[0],
        named(&found, "task below")[0],
    );
    // The process's parent is that of what it was asked to run.
    assert_eq!(
        (&above["traceId"], &above["parentSpanId"]),
        (&json!(&PARENT[3..35]), &json!(&PARENT[36..52]))
    );
    assert_eq!(below["traceId"], above["traceId"]);
    assert_ne!(child["traceId"], above["traceId"], "a child has a trace of its own");
    let link = |span: &Value| json!([{ "traceId": span["traceId"], "spanId": span["spanId"] }]);
    assert_eq!(below["links"], link(child));
    assert_eq!(child["links"], link(below));
    place.unset("TRACEPARENT");
    let again = place.run("run flow.yaml --json").code(1).json();
    let id = again["executionId"].as_str().expect("an id");
    place.run(&format!("execution retry {id}")).code(1);
    let found = spans(&collector);
    let above = named(&found, "workflow above");
    assert_eq!(above.len(), 3);
    assert_eq!(above[2]["links"], link(above[1]));
    assert_eq!(above[2]["attributes"]["autokestra.trigger"], "retry");
    // What was kept is no attempt.
    assert_eq!(named(&found, "task below").len(), 2);
}

#[test]
fn stopped_and_sleeping_attempts_have_spans() {
    let collector = collector();
    let place = exporting(
        "id: stop\ntimeoutSeconds: 0.3\ntasks: [{ id: s, type: core/time.sleep, inputs: { seconds: 60 } }]\n",
        collector.port,
    );
    place.run("run flow.yaml").code(1);
    let mut child = exporting(
        "id: stop\ntasks: [{ id: s, type: core/time.sleep, inputs: { seconds: 60 } }]\n",
        collector.port,
    );
    child.set(
        "WORKFLOW_STORAGE_PATH",
        &place.path("data/db.sqlite").display().to_string(),
    );
    let mut running = child.spawn("run flow.yaml");
    wait_for_line(&mut running, "started");
    place.run("execution cancel last").code(0);
    assert_eq!(child.finish(running).code, 4);
    let found = spans(&collector);
    let sleeps = named(&found, "task s");
    let roots = named(&found, "workflow stop");
    assert_eq!((sleeps.len(), roots.len()), (2, 2), "{found:#?}");
    assert_eq!(
        (&roots[0]["status"]["code"], &roots[1]["status"]["code"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(sleeps[1]["attributes"]["autokestra.state"], "CANCELLED");
    let time = |span: &Value, key: &str| span[key].as_str().expect("a text").parse::<u64>().expect("a number");
    assert!(
        time(sleeps[0], "endTimeUnixNano") - time(sleeps[0], "startTimeUnixNano") >= 250_000_000,
        "it slept"
    );
}

/// Runs a small flow with a collector at some place.
fn run_with(variables: &[(&str, &str)]) -> Run {
    let mut place = Place::with_flow("id: f\ntasks: [{ id: a, type: core/console.log, inputs: { message: hi } }]\n");
    for (name, value) in variables {
        place.set(name, value);
    }
    place.run("run flow.yaml").code(0)
}

#[test]
fn a_collector_that_is_down_or_silent_harms_nothing() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://127.0.0.1:{}", closed.local_addr().expect("bound").port());
    // It takes connections and never answers, until it is dropped.
    let silent = run_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]);
    assert!(
        silent
            .stderr
            .contains("warning: 2 of 2 spans were not exported to http://127.0.0.1:"),
        "{silent:?}"
    );
    assert!(silent.stderr.contains("the collector was too slow"), "{silent:?}");
    drop(closed);
    let down = run_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]);
    assert_eq!(down.stderr.matches("warning").count(), 1, "{down:?}");
    assert!(down.stderr.contains("onnection refused"), "{down:?}");
    let refusing = Server::start(|_, _| response("400 Bad Request", "text/plain", "no"));
    let address = format!("http://127.0.0.1:{}", refusing.port);
    let refused = run_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]);
    assert!(refused.stderr.contains("it answered 400"), "{refused:?}");
    assert_eq!(refusing.requests().len(), 1, "what is wrong is not sent again");
    let busy = Server::start(|number, _| match number {
        1 => response("503 Service Unavailable", "text/plain", "later"),
        _ => response("200 OK", "application/json", "{}"),
    });
    let address = format!("http://127.0.0.1:{}", busy.port);
    let sent = run_with(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{address}/v1/traces"))]);
    assert!(!sent.stderr.contains("warning"), "{sent:?}");
    assert_eq!(spans(&busy).len(), 4, "the same two, twice");
    let wrong = run_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost")]);
    assert!(
        wrong.stderr.contains("`OTEL_EXPORTER_OTLP_ENDPOINT` is wrong"),
        "{wrong:?}"
    );
    let off = run_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &address), ("OTEL_SDK_DISABLED", "true")]);
    assert!(!off.stderr.contains("warning"), "{off:?}");
    assert_eq!(busy.requests().len(), 2);
}

#[test]
fn without_a_collector_nobody_is_told_of_spans() {
    let server = Server::start(|_, _| response("200 OK", "text/plain", "hello"));
    let port = server.port;
    let mut place = Place::with_flow(&format!(
        "id: f\ntasks: [{{ id: a, type: core/http.get, inputs: {{ url: \"http://127.0.0.1:{port}/\" }}, permissions: {{ network: [\"127.0.0.1:{port}\"] }} }}]\n"
    ));
    place.set("TRACEPARENT", PARENT);
    place.run("run flow.yaml").code(0);
    assert_eq!(server.requests()[0].header("traceparent"), None);
}

#[test]
fn no_guest_is_given_the_collectors_token() {
    let place = Place::with_flow(
        "id: f\npermissions: { env: [OTEL_EXPORTER_OTLP_HEADERS] }\ntasks: [{ id: a, type: core/console.log, inputs: { message: x } }]\n",
    );
    let refused = place.run("validate flow.yaml").code(2);
    assert!(refused.stderr.contains("reserved_variable"), "{refused:?}");
}

/// The lines of stderr that are JSON.
fn json_lines(run: &Run) -> Vec<Value> {
    run.stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[test]
fn what_goes_on_inside_is_told_to_who_asks() {
    let mut place = Place::with_flow(
        "id: f\nsecrets: [TOKEN]\ntasks: [{ id: a, type: core/console.log, inputs: { message: \"{{ secrets.TOKEN }}\" } }]\n",
    );
    // The secret is a word of a line that is told.
    place.set("WORKFLOW_SECRET_TOKEN", "core/console.log");
    let quiet = place.run("run flow.yaml --no-progress").code(0);
    assert!(!quiet.stderr.contains("attempt starts"), "{quiet:?}");
    for line in ["run flow.yaml -v", "-v run flow.yaml", "run flow.yaml -vv"] {
        let told = place.run(line).code(0).stderr;
        assert!(
            told.contains("DEBUG") && told.contains("attempt starts") && told.contains("action=***"),
            "{told}"
        );
        assert!(
            !told.contains("core/console.log") && !told.contains("wasmtime"),
            "{told}"
        );
    }
    let told = json_lines(&place.run("run flow.yaml -v --log-format json").code(0));
    let starts = told
        .iter()
        .find(|line| line["fields"]["message"] == "attempt starts")
        .expect("it is told");
    assert_eq!(
        (
            &starts["level"],
            &starts["fields"]["attempt"],
            &starts["fields"]["task"]
        ),
        (&json!("DEBUG"), &json!(1), &json!("a"))
    );
    place.set("WORKFLOW_LOG_FORMAT", "json");
    place.set("RUST_LOG", "autokestra_engine=debug,wasmtime=trace,hyper=trace");
    let by_variable = place.run("run flow.yaml").code(0);
    assert!(!by_variable.stderr.contains("warning"), "{by_variable:?}");
    let told = json_lines(&by_variable);
    assert!(!told.is_empty(), "{by_variable:?}");
    for line in &told {
        assert!(
            line["target"]
                .as_str()
                .is_some_and(|target| target.starts_with("autokestra_engine")),
            "{line}"
        );
    }
    place.set("RUST_LOG", "autokestra=loud");
    let wrong = place.run("run flow.yaml").code(0);
    assert!(wrong.stderr.contains("`RUST_LOG` is left out"), "{wrong:?}");
    place.set("WORKFLOW_LOG_FORMAT", "xml");
    place.run("run flow.yaml").code(2);
}
