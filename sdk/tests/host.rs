//! The fake host: what an action is given, what is kept of what it did, and what a test that is wrong is told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use autokestra_sdk::http::{self, ErrorKind, Request};
use autokestra_sdk::prelude::*;
use autokestra_sdk::testing::{Expected, FakeHost, Reply};
use autokestra_sdk::{files, progress, state};

const ITEMS: &str = "https://api.example.com/items";

/// What a panic says.
fn said(what: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(what)).expect_err("it panics");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("a text")).to_owned(),
    }
}

#[test]
fn a_context_is_what_the_test_says() {
    let host = FakeHost::default()
        .execution("exec-1")
        .workflow("nightly")
        .task("greet")
        .attempt(3)
        .index(7)
        .idempotency_key("k")
        .deadline(Duration::from_secs(60));
    let context = host.context();
    assert_eq!(context.execution_id, "exec-1");
    assert_eq!(
        (context.workflow_id.as_str(), context.task_id.as_str()),
        ("nightly", "greet")
    );
    assert_eq!((context.attempt, context.index), (3, Some(7)));
    assert_eq!(context.idempotency_key, "k");
    let left = context.time_left().expect("there is a limit");
    assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(1));
    context.check_time().expect("there is time");
}

#[test]
fn a_host_is_of_one_thread_and_one_at_a_time() {
    let host = FakeHost::new().state("a", &1);
    assert!(said(|| drop(FakeHost::new())).contains("this thread has a FakeHost already"));
    let other = std::thread::spawn(|| FakeHost::new().kept::<u8>("a"))
        .join()
        .expect("it ends");
    assert_eq!(other, None);
    drop(host);
    assert_eq!(FakeHost::new().kept::<u8>("a"), None);
}

#[test]
fn values_have_the_limits_of_the_host() {
    let host = FakeHost::new();
    for (key, value, fits) in [
        ("k".repeat(256), "v".repeat(1000), true),
        ("k".repeat(257), String::new(), false),
        (String::new(), String::new(), false),
        ("k".to_owned(), "v".repeat(64 << 10), false),
    ] {
        let set = state::set(&key, &value);
        assert_eq!(set.is_ok(), fits, "{}", key.len());
        if let Err(error) = set {
            assert_eq!(error.code(), "state");
        }
    }
    state::set("n", &"text").expect("it is kept");
    let error = state::get::<u64>("n").expect_err("it is a text");
    assert_eq!(error.code(), "invalid_json");
    assert!(error.message().starts_with("the value of `n`: "), "{error}");
    assert_eq!(host.kept::<String>("n"), Some("text".to_owned()));
    assert!(said(|| assert!(host.kept::<u64>("n").is_some())).contains("`n` is \"text\", and not what was asked for"));
}

#[test]
fn another_request_than_expected_is_told_with_both() {
    let ask = |request: Request, expected: Expected| {
        said(move || {
            let _host = FakeHost::new().expect(expected, Reply::status(200));
            drop(request.send());
        })
    };
    let text = ask(
        Request::get("https://api.example.com/items?page=2"),
        Expected::get(ITEMS),
    );
    assert_eq!(
        text,
        "unexpected request: the URL is another\n  asked    GET https://api.example.com/items?page=2\n  \
         expected GET https://api.example.com/items\nnothing was asked"
    );
    let text = ask(Request::post(ITEMS), Expected::get(ITEMS));
    assert!(text.contains("the method is POST and not GET"), "{text}");
    let text = ask(Request::get(ITEMS), Expected::get(ITEMS).header("Accept", "text/html"));
    assert!(text.contains("the header `accept` is missing"), "{text}");
    let text = ask(
        Request::get(ITEMS).header("accept", "*/*"),
        Expected::get(ITEMS).header("Accept", "text/html"),
    );
    assert!(
        text.contains("the header `accept` is `*/*` and not `text/html`"),
        "{text}"
    );
    let text = ask(
        Request::post(ITEMS).json(&json!({ "n": 1 })),
        Expected::any().json(&json!({ "n": 2 })),
    );
    assert!(text.contains("the body is `{\"n\":1}` and not `{\"n\":2}`"), "{text}");
    let text = ask(Request::post(ITEMS).body("a"), Expected::any().body("b"));
    assert!(text.contains("the body is `a` and not `b`"), "{text}");
}

#[test]
fn one_request_too_many_or_too_few_is_told() {
    let text = said(|| {
        let _host = FakeHost::new().expect(Expected::get(ITEMS), Reply::status(200));
        for _ in 0..2 {
            drop(Request::get(ITEMS).send());
        }
    });
    assert_eq!(
        text,
        "unexpected request: no more are expected\n  asked    GET https://api.example.com/items\nasked so far:\n  GET \
         https://api.example.com/items"
    );
    let text = said(|| {
        let _host = FakeHost::new().expect(Expected::get(ITEMS), Reply::status(200));
    });
    assert_eq!(
        text,
        "expected and never asked:\n  GET https://api.example.com/items\nnothing was asked"
    );
    // And the thread may have another.
    drop(FakeHost::new());
}

#[test]
fn redirects_are_followed_and_seen() {
    let host = FakeHost::new()
        .expect(
            Expected::get("https://a.example/x").header("authorization", "Bearer t"),
            Reply::status(302).header("location", "https://b.example/y"),
        )
        .expect(Expected::get("https://b.example/y"), Reply::json(&json!({ "n": 1 })));
    let answer: Value = Request::get("https://a.example/x")
        .header("authorization", "Bearer t")
        .send()
        .and_then(http::Response::json)
        .expect("it answers");
    assert_eq!(answer["n"], 1);
    let requests = host.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("authorization"), None);
}

#[test]
fn statuses_and_failures_say_whether_to_try_again() {
    let fails = |reply: Reply| {
        let _host = FakeHost::new().expect(Expected::any(), reply);
        let answered = Request::get(ITEMS).send().and_then(http::Response::error_for_status);
        TaskError::from(answered.expect_err("it fails"))
    };
    for (status, retryable) in [
        (400, false),
        (404, false),
        (408, true),
        (425, true),
        (429, true),
        (500, true),
        (503, true),
    ] {
        let error = fails(Reply::status(status).body("no luck"));
        assert_eq!(
            (error.code(), error.is_retryable()),
            ("http_status", retryable),
            "{status}"
        );
        assert_eq!(
            error.message(),
            format!("the server answered with status {status}: no luck")
        );
        assert_eq!(error.more().expect("details")["status"], status);
    }
    let error = fails(Reply::status(503).header("Retry-After", " 7 ").body("x".repeat(1000)));
    assert_eq!(error.wait(), Some(Duration::from_secs(7)));
    assert!(error.message().len() < 400, "{error}");
    assert_eq!(fails(Reply::status(503).header("retry-after", "soon")).wait(), None);
    let at = |date| fails(Reply::status(429).header("retry-after", date)).wait();
    assert_eq!(at("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
    assert!(at("Tue, 01 Jan 2999 00:00:00 GMT") > Some(Duration::from_secs(1 << 30)));
    for (kind, code, retryable) in [
        (ErrorKind::Denied, "permission_denied", false),
        (ErrorKind::Dns, "dns", true),
        (ErrorKind::Connection, "connection", true),
        (ErrorKind::Timeout, "http_timeout", true),
        (ErrorKind::Tls, "tls", false),
    ] {
        let error = fails(Reply::fails(kind));
        assert_eq!((error.code(), error.is_retryable()), (code, retryable), "{kind:?}");
    }
    let _host = FakeHost::new().expect(Expected::any(), Reply::status(304));
    let unchanged = Request::get(ITEMS).send().and_then(http::Response::error_for_status);
    assert_eq!(unchanged.expect("it is no failure").status(), 304);
}

#[test]
fn progress_is_told_once_a_percent() {
    let host = FakeHost::new();
    assert_eq!(progress::over(0..1000_u16).map(u32::from).sum::<u32>(), 499_500);
    let reports = host.progress();
    assert_eq!(reports.len(), 100);
    assert_eq!(
        (reports[0].done, reports[99].done, reports[99].total),
        (10, 1000, Some(1000))
    );
    drop(host);
    let host = FakeHost::new();
    assert_eq!(progress::over(Vec::<u8>::new()).count(), 0);
    for _ in progress::over(0..3_u8).take(2) {}
    let done: Vec<u64> = host.progress().iter().map(|report| report.done).collect();
    assert_eq!(done, [1], "what is not gone through is not done");
}

#[test]
fn files_come_and_go_as_in_the_sandbox() {
    let host = FakeHost::new()
        .input_file("a/deep/x.txt", "text")
        .input_file("b/y.json", "[1]");
    assert_eq!(files::list().expect("they are listed"), ["a/deep/x.txt", "b/y.json"]);
    assert_eq!(
        files::read_text("/artifacts-in/a/deep/x.txt").expect("it is read"),
        "text"
    );
    assert_eq!(files::read_json::<Vec<u8>>("b/y.json").expect("it is read"), [1]);
    files::write("out/r.txt", "1").expect("it is written");
    files::write_json("out/r.json", &[2]).expect("it is written");
    assert_eq!(host.artifacts(), ["out/r.json", "out/r.txt"]);
    assert_eq!(host.artifact("/artifacts/out/r.json").as_deref(), Some(&b"[2]"[..]));
    assert_eq!(host.artifact("../b/y.json"), None);
    assert!(said(|| drop(FakeHost::default())).contains("already"));
    drop(host);
    let host = FakeHost::new();
    assert_eq!(files::list().expect("there are none"), Vec::<String>::new());
    assert!(host.artifacts().is_empty());
}

/// Waits until its own time is over.
#[action(timeout = "1ms")]
fn waits(context: &Context) -> Result<(), TaskError> {
    loop {
        context.check_time()?;
    }
}

/// Asks when its time is over.
#[action(timeout = "1ms")]
fn asks_late(context: &Context) -> Result<u16, TaskError> {
    while context.check_time().is_ok() {}
    Ok(Request::get(ITEMS).send()?.status())
}

/// Reads a body for longer than it may.
#[action(timeout = "20ms")]
fn reads_late(context: &Context) -> Result<String, TaskError> {
    let response = Request::get(ITEMS).send()?;
    while context.check_time().is_ok() {}
    Ok(response.text()?)
}

#[test]
fn an_action_has_the_time_that_it_gives_itself() {
    let host = FakeHost::new()
        .deadline(Duration::from_secs(3600))
        .expect(Expected::any(), Reply::text("a"));
    let context = host.context();
    let error = waits(&context).expect_err("its time ends");
    assert_eq!((error.code(), error.is_retryable()), ("timeout", true));
    let error = reads_late(&context).expect_err("its time ends");
    assert_eq!((error.code(), error.is_retryable()), ("http_timeout", true));
    let error = asks_late(&context).expect_err("its time ends");
    assert_eq!(error.code(), "http_timeout");
    assert!(
        error.message().contains("before `api.example.com` was asked"),
        "{error}"
    );
    assert!(
        context.time_left().expect("a deadline") > Duration::from_secs(60),
        "its own time ended with it"
    );
}

#[derive(TaskError)]
enum Fault {
    #[fails("no invoice {id}")]
    Missing { id: u32 },
    #[fails("{0} {{0}} {1:?}", code = "odd_2", retryable)]
    Odd(u8, Option<&'static str>),
    #[fails("later", retry_after = "1m30s")]
    Later,
    #[fails(transparent)]
    Http(http::Error),
    #[fails(transparent)]
    Task(TaskError),
}

#[test]
fn an_enum_of_failures_is_one_error_each() {
    let made = |fault: Fault| (fault.to_string(), TaskError::from(fault));
    let (text, error) = made(Fault::Missing { id: 7 });
    assert_eq!(
        (text.as_str(), error.code(), error.is_retryable()),
        ("no invoice 7", "missing", false)
    );
    let (_, error) = made(Fault::Odd(3, None));
    assert_eq!(
        (error.message(), error.code(), error.is_retryable()),
        ("3 {0} None", "odd_2", true)
    );
    let (_, error) = made(Fault::Later);
    assert_eq!((error.code(), error.wait()), ("later", Some(Duration::from_secs(90))));
    fn ask() -> Result<u16, Fault> {
        Ok(Request::get(ITEMS).send()?.status())
    }
    let (text, error) = made(ask().expect_err("no network"));
    assert_eq!((error.code(), error.message()), ("no_network", text.as_str()));
    let inner = TaskError::retryable("busy", "busy").details(json!(1));
    assert_eq!(made(Fault::from(inner.clone())).1, inner);
}
