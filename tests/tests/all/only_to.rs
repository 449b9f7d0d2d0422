//! Secrets with `onlyTo`: the task never has the value, the named hosts get it, and nobody else does.

use serde_json::{Value, json};

use crate::process::{Place, Run, task};
use crate::server::{Request, Server, response};

const VALUE: &str = "s3cr3t value/\"ü\"&=+";

/// A place whose workflow has the secret `KEY`, for the hosts of `only_to`, and these tasks.
fn place(only_to: &str, tasks: &str) -> Place {
    let mut place = Place::with_flow(&format!(
        "id: bound\nsecrets: [{{ name: KEY, onlyTo: [{only_to}] }}]\npermissions: {{ network: [\"127.0.0.1:*\"] }}\ntasks:\n{tasks}"
    ));
    place.set("WORKFLOW_SECRET_KEY", VALUE);
    place
}

/// Answers with the whole request.
fn echo() -> Server {
    Server::start_concurrent(|_, request| response("200 OK", "text/plain", &told(request)))
}

fn told(request: &Request) -> String {
    let headers = request.headers.iter().map(|(key, value)| format!("{key}: {value}\n"));
    format!("{}\n{}\n{}", request.line, headers.collect::<String>(), request.body)
}

/// Neither the value nor a form of it is in what a run printed or kept.
#[track_caller]
fn holds_nothing(place: &Place, run: &Run) {
    let kept = place
        .run("execution inspect last --with-logs --with-audit --show-inputs --json")
        .code(0);
    let mut found = format!("{}{}{}", run.stdout, run.stderr, kept.stdout).into_bytes();
    for name in ["data/db.sqlite", "data/db.sqlite-wal"] {
        found.extend(std::fs::read(place.path(name)).unwrap_or_default());
    }
    for form in [VALUE, "s3cr3t%20value", "s3cr3t+value", "s3cr3t value/\\\""] {
        let holds = found.windows(form.len()).any(|part| part == form.as_bytes());
        assert!(!holds, "`{form}` was kept or shown");
    }
}

fn denied(execution: &Value) -> Vec<Value> {
    let events = execution["auditEvents"].as_array().expect("a list").iter();
    let denied = events.filter(|event| event["type"] == "PERMISSION_DENIED");
    denied.map(|event| event["metadata"].clone()).collect()
}

#[test]
fn the_named_host_gets_the_value_wherever_it_stands_and_the_task_never_does() {
    let server = echo();
    let url = format!("http://127.0.0.1:{}/", server.port);
    let place = place(
        &format!("\"127.0.0.1:{}\"", server.port),
        &format!(
            "  - {{ id: seen, type: core/console.log, inputs: {{ message: 'it is {{{{ secrets.KEY }}}}' }} }}
  - id: head
    type: core/http.get
    inputs:
      url: '{url}{{{{ secrets.KEY }}}}/x'
      query: {{ key: '{{{{ secrets.KEY }}}}' }}
      headers: {{ x-key: 'Bearer {{{{ secrets.KEY }}}}' }}
  - {{ id: text, type: core/http.post, inputs: {{ url: '{url}', body: 'a {{{{ secrets.KEY }}}} b' }} }}
  - {{ id: json, type: core/http.post, inputs: {{ url: '{url}', json: {{ key: '{{{{ secrets.KEY }}}}', more: [1] }} }} }}
  - {{ id: form, type: core/http.post, inputs: {{ url: '{url}', form: {{ key: '{{{{ secrets.KEY }}}}' }} }} }}
outputs:
  texts: ['{{{{ tasks.head.output.body }}}}', '{{{{ tasks.text.output.body }}}}', '{{{{ tasks.json.output.body }}}}', '{{{{ tasks.form.output.body }}}}']
"
        ),
    );
    let run = place.run("run flow.yaml --json --logs -vv").code(0);
    let requests = server.requests();
    let request = |id: &str| {
        let position = ["text", "json", "form"].iter().position(|known| *known == id);
        let bodies = [
            format!("a {VALUE} b"),
            json!({ "key": VALUE, "more": [1] }).to_string(),
            "key=s3cr3t+value%2F%22%C3%BC%22%26%3D%2B".to_owned(),
        ];
        let wanted = position.map(|position| bodies[position].clone());
        let found = requests.iter().find(|request| match &wanted {
            Some(body) => request.body == *body,
            None => request.line.starts_with("GET"),
        });
        found
            .unwrap_or_else(|| panic!("no request as {id} should be: {requests:#?}"))
            .clone()
    };
    let head = request("head");
    let encoded = "s3cr3t%20value%2F%22%C3%BC%22%26%3D%2B";
    assert_eq!(head.line, format!("GET /{encoded}/x?key={encoded} HTTP/1.1"));
    assert_eq!(head.header("x-key"), Some(format!("Bearer {VALUE}").as_str()));
    for id in ["text", "json", "form"] {
        let request = request(id);
        let length = request.header("content-length").and_then(|length| length.parse().ok());
        assert_eq!(
            length,
            Some(request.body.len()),
            "a short body keeps a length: {request:?}"
        );
    }
    // What came back said the value, and the task was not told.
    let texts = run.json()["outputs"]["texts"].clone();
    let texts: Vec<&str> = texts
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(texts.iter().all(|text| text.contains("***")), "{texts:#?}");
    assert!(texts[1].ends_with("\n\na *** b"), "{texts:#?}");
    holds_nothing(&place, &run);
}

#[test]
fn a_placeholder_sent_elsewhere_is_denied_and_audited() {
    let (meant, other) = (echo(), echo());
    for inputs in [
        "headers: { x-key: '{{ secrets.KEY }}' }",
        "query: { key: '{{ secrets.KEY }}' }",
        "body: 'a {{ secrets.KEY }}'",
        "json: ['{{ secrets.KEY }}']",
    ] {
        let place = place(
            &format!("\"127.0.0.1:{}\"", meant.port),
            &format!(
                "  - {{ id: leak, type: core/http.post, inputs: {{ url: 'http://127.0.0.1:{}/', {inputs} }} }}\n",
                other.port
            ),
        );
        let run = place.run("run flow.yaml --no-progress").code(1);
        let execution = place.inspect();
        assert_eq!(
            task(&execution, "leak")["reasonCode"],
            "permission_denied",
            "{inputs}: {execution:#}"
        );
        let denied = denied(&execution);
        let target = format!("secret KEY to 127.0.0.1:{}", other.port);
        assert_eq!(
            denied,
            [json!({ "capability": "secret", "target": target })],
            "{inputs}"
        );
        assert!(
            other
                .requests()
                .iter()
                .all(|request| !told(request).contains("autokestra-secret-")),
            "not even the placeholder left: {inputs}"
        );
        holds_nothing(&place, &run);
    }
    assert!(meant.requests().is_empty());
}

#[test]
fn a_long_body_is_filled_however_it_is_cut() {
    let server =
        Server::start_concurrent(|_, request| response("200 OK", "text/plain", &request.body.len().to_string()));
    let place = place(
        &format!("\"127.0.0.1:{}\"", server.port),
        &format!(
            "  - id: long
    type: core/http.post
    inputs:
      url: 'http://127.0.0.1:{}/'
      body: '{{% for n in range(9000) %}}{{{{ n }}}}:{{{{ secrets.KEY }}}},{{% endfor %}}'
",
            server.port
        ),
    );
    let run = place.run("run flow.yaml --no-progress").code(0);
    let wanted: String = (0..9000).map(|number| format!("{number}:{VALUE},")).collect();
    let request = server.requests().remove(0);
    assert_eq!(
        request.header("transfer-encoding"),
        Some("chunked"),
        "a long one streams: {:?}",
        request.headers
    );
    // The body as the test's server keeps it has the lines of its chunks in it.
    let chunks = regex::Regex::new("(?m)\r?\n?^[0-9a-fA-F]+\r\n").expect("a good pattern");
    let sent = chunks.replace_all(&request.body, "").replace("\r\n", "");
    assert!(
        sent == wanted,
        "{} bytes were sent, {} were meant",
        sent.len(),
        wanted.len()
    );
    holds_nothing(&place, &run);
}

#[test]
fn a_host_that_knows_the_value_may_not_hide_it() {
    let server = Server::start_concurrent(|_, request| {
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        assert_eq!(request.header("range"), None);
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\nconnection: close\r\n\r\n\x1f\u{b}ab"
            .to_owned()
    });
    let place = place(
        &format!("\"127.0.0.1:{}\"", server.port),
        &format!(
            "  - {{ id: hide, type: core/http.get, inputs: {{ url: 'http://127.0.0.1:{}/', headers: {{ accept-encoding: gzip, range: 'bytes=0-3', x-key: '{{{{ secrets.KEY }}}}' }} }} }}\n",
            server.port
        ),
    );
    place.run("run flow.yaml --no-progress").code(1);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_value_with_line_ends_makes_no_second_header() {
    let server = echo();
    let mut place = place(
        &format!("\"127.0.0.1:{}\"", server.port),
        &format!(
            "  - {{ id: smuggle, type: core/http.get, inputs: {{ url: 'http://127.0.0.1:{}/', headers: {{ x-key: '{{{{ secrets.KEY }}}}' }} }} }}\n",
            server.port
        ),
    );
    place.unset("WORKFLOW_SECRET_KEY");
    place.set("WORKFLOW_SECRET_KEY", "first-line\r\nx-admin: yes");
    let run = place.run("run flow.yaml --no-progress").code(1);
    assert!(server.requests().is_empty(), "{:?}", server.requests());
    assert!(!run.stderr.contains("first-line"), "{}", run.stderr);
}

#[test]
fn a_redirect_takes_no_value_along() {
    let other = echo();
    let to = other.port;
    let meant = Server::start_concurrent(move |_, _| {
        format!(
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{to}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
    });
    let place = place(
        &format!("\"127.0.0.1:{}\"", meant.port),
        &format!(
            "  - {{ id: hop, type: core/http.get, inputs: {{ url: 'http://127.0.0.1:{}/', headers: {{ x-key: '{{{{ secrets.KEY }}}}' }} }} }}\n",
            meant.port
        ),
    );
    place.run("run flow.yaml --no-progress").code(1);
    assert_eq!(meant.requests()[0].header("x-key"), Some(VALUE));
    assert!(other.requests().is_empty(), "{:?}", other.requests());
    assert_eq!(denied(&place.inspect()).len(), 1);
}

#[test]
fn what_a_parent_hands_down_is_filled_in_its_child() {
    let server = echo();
    let place = place(
        &format!("\"127.0.0.1:{}\"", server.port),
        "  - { id: child, type: core/flow.run, inputs: { workflow: child, inputs: { key: '{{ secrets.KEY }}' } } }\n",
    );
    place.write(
        "child.yaml",
        &format!(
            "id: child\ninputs: [{{ id: key, type: string }}]\npermissions: {{ network: [\"127.0.0.1:*\"] }}\ntasks:\n  - {{ id: use, type: core/http.get, \
             inputs: {{ url: 'http://127.0.0.1:{}/', headers: {{ x-key: '{{{{ inputs.key }}}}' }} }} }}\n",
            server.port
        ),
    );
    let run = place.run("run flow.yaml --no-progress").code(0);
    assert_eq!(server.requests()[0].header("x-key"), Some(VALUE));
    holds_nothing(&place, &run);
}
