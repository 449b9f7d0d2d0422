//! What the macros make of an author's types and functions, tried natively.

use autokestra_sdk::__private::{ActionEntry, call};
use autokestra_sdk::prelude::*;
use autokestra_sdk::{http, progress, state};
use serde_json::json;

/// One row.
#[derive(Data, Debug, PartialEq)]
struct Row {
    /// Its name.
    first_name: String,
    count: Option<u32>,
}

/// What `render` needs.
#[derive(Input)]
struct Render {
    /// Title on top.
    page_title: String,
    #[serde(default)]
    rows: Vec<Row>,
    style: Style,
}

#[derive(Input)]
enum Style {
    Plain,
    InColor { at_night: bool },
}

#[derive(Output)]
struct Page {
    row_count: usize,
    rows: Vec<Row>,
}

/// Renders rows.
///
/// All of them.
#[action(idempotent)]
fn render_rows(context: &Context, input: Render) -> Result<Page, TaskError> {
    let attempt = context.attempt;
    log::info!("rendering in attempt {attempt}", rows = input.rows.len());
    progress::report(1, Some(2), None);
    if let Style::InColor { at_night: true } = input.style {
        return Err(TaskError::retryable("dark", input.page_title).details(json!({ "n": 1 })));
    }
    Ok(Page {
        row_count: input.rows.len(),
        rows: input.rows,
    })
}

#[action(name = "n", title = "Nothing")]
fn nothing() -> Result<(), String> {
    Err("never".to_owned())
}

mod inner {
    use autokestra_sdk::prelude::*;

    #[derive(Input)]
    pub(crate) struct Keep {
        text: String,
    }

    #[action]
    pub(crate) fn keep(input: Keep) -> Result<Option<String>, TaskError> {
        let before = autokestra_sdk::state::get("kept")?;
        autokestra_sdk::state::set("kept", &input.text)?;
        Ok(before)
    }
}

plugin! { name: "test/actions", actions: [render_rows, nothing, inner::keep] }

fn entry(name: &str) -> &'static ActionEntry {
    __ACTIONS.iter().find(|entry| entry.name == name).expect("it is there")
}

fn run(name: &str, input: &str) -> Result<String, TaskError> {
    (entry(name).run)(&Context::for_tests(), input)
}

#[test]
fn an_action_is_described_by_its_function_and_types() {
    let render = entry("render-rows");
    assert_eq!(
        (render.title, render.description),
        ("Render rows", "Renders rows.\n\nAll of them.")
    );
    assert!(render.idempotent && !entry("n").idempotent);
    assert_eq!(entry("n").title, "Nothing");
    let schema = (render.input_schema)();
    let schema = schema.as_value();
    assert_eq!(schema["properties"]["pageTitle"]["description"], "Title on top.");
    assert_eq!(schema["required"], json!(["pageTitle", "style"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(
        schema["$defs"]["Row"]["properties"]["firstName"]["description"],
        "Its name."
    );
    let output = (render.output_schema)();
    assert_eq!(output.as_value()["properties"]["rowCount"]["type"], "integer");
}

#[test]
fn an_action_reads_and_writes_json() {
    let output = run(
        "render-rows",
        r#"{"pageTitle":"T","rows":[{"firstName":"Ada","count":3}],"style":"plain"}"#,
    );
    assert_eq!(
        output.expect("it runs"),
        r#"{"rowCount":1,"rows":[{"firstName":"Ada","count":3}]}"#
    );
    let error = run(
        "render-rows",
        r#"{"pageTitle":"T","style":{"inColor":{"atNight":true}}}"#,
    )
    .expect_err("it is dark");
    assert_eq!(
        (error.code(), error.message(), error.is_retryable()),
        ("dark", "T", true)
    );
    assert_eq!(run("n", "{}").expect_err("never").code(), "failed");
}

#[test]
fn wrong_input_is_told_with_its_place() {
    for (input, pointer) in [
        (r#"{"pageTitle":1,"style":"plain"}"#, "/pageTitle"),
        (
            r#"{"pageTitle":"","style":"plain","rows":[{"firstName":"a"},{"firstName":2}]}"#,
            "/rows/1/firstName",
        ),
        (r#"{"pageTitle":"","style":"loud"}"#, "/style"),
        (r#"{"pageTitle":"","style":"plain","titel":1}"#, "/titel"),
        (
            r#"{"style":"plain"}"#,
            "the input does not fit: missing field `pageTitle`",
        ),
    ] {
        let error = run("render-rows", input).expect_err(input);
        assert_eq!(error.code(), "invalid_input");
        assert!(error.message().contains(pointer), "{input}: {error}");
    }
    assert_eq!(
        run("n", r#"{"x":1}"#).expect_err("it takes nothing").code(),
        "invalid_input"
    );
}

#[test]
fn what_is_kept_is_read_back() {
    assert_eq!(run("keep", r#"{"text":"a"}"#).expect("it runs"), "null");
    assert_eq!(run("keep", r#"{"text":"b"}"#).expect("it runs"), "\"a\"");
    state::delete("kept").expect("it is removed");
    assert_eq!(run("keep", r#"{"text":"c"}"#).expect("it runs"), "null");
}

#[test]
fn common_errors_become_task_errors() {
    fn parse(text: &str) -> Result<u32, TaskError> {
        Ok(text.parse::<u32>()?)
    }
    assert_eq!(parse("x").expect_err("no number").code(), "invalid_number");
    fn read() -> Result<String, TaskError> {
        Ok(std::fs::read_to_string("/nowhere/at/all")?)
    }
    assert_eq!(read().expect_err("no file").code(), "not_found");
    fn fetch() -> Result<Value, TaskError> {
        Ok(http::Request::get("https://example.com").send()?.json()?)
    }
    assert_eq!(fetch().expect_err("no network").code(), "no_network");
    let error = call("{", |_: Value| Ok::<_, TaskError>(())).expect_err("no JSON");
    assert_eq!(error.code(), "invalid_input");
}

#[test]
fn misuse_of_the_macros_is_told_at_its_place() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

/// The compiler writes more around our words, and other things with each version: they are held for the oldest that the sdk is built with.
#[test]
fn misuse_that_the_compiler_sees_is_told_in_our_words() {
    let version = std::process::Command::new("rustc").arg("--version").output();
    let version = version.expect("there is a compiler").stdout;
    let oldest = concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"), ".");
    if String::from_utf8_lossy(&version).starts_with(oldest) {
        trybuild::TestCases::new().compile_fail("tests/ui/compiler/*.rs");
    }
}
