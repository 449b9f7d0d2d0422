use autokestra_sdk::prelude::*;

#[derive(Input)]
struct Generic<T> {
    value: T,
}

#[action(idempotnt)]
fn misspelt() -> Result<(), TaskError> {
    Ok(())
}

#[action]
async fn waits() -> Result<(), TaskError> {
    Ok(())
}

#[action]
fn gives_nothing() {}

#[action]
fn gives_a_plain_value() -> u32 {
    1
}

#[action]
fn takes_too_much(context: &Context, a: String, b: String) -> Result<(), TaskError> {
    Ok(())
}

#[action(name = "Not A Name")]
fn badly_named() -> Result<(), TaskError> {
    Ok(())
}

#[action(timeout = "soon")]
fn ends_when() -> Result<(), TaskError> {
    Ok(())
}

#[action(timeout = 30)]
fn ends_after_what() -> Result<(), TaskError> {
    Ok(())
}

#[action(idempotent, idempotent)]
fn says_it_twice() -> Result<(), TaskError> {
    Ok(())
}

#[action]
fn borrows(input: &Context, text: &str) -> Result<(), TaskError> {
    Ok(())
}

#[action]
fn is_of_a_type<T>(input: T) -> Result<(), TaskError> {
    Ok(())
}

#[action]
struct NoFunction;

#[derive(Input)]
union Bits {
    whole: u32,
    half: u16,
}

#[derive(TaskError)]
struct NoEnum;

#[derive(TaskError)]
enum WithoutWords {
    NotFound,
}

#[derive(TaskError)]
enum Wrong {
    #[fails("it is {0}", kode = "x")]
    Misspelt(u8),
}

#[derive(TaskError)]
enum BadWords {
    #[fails("it is bad", code = "Bad Code")]
    BadCode,
}

#[derive(TaskError)]
enum BadWait {
    #[fails("later", retry_after = "0s")]
    Later,
}

#[derive(TaskError)]
enum HoldsNothing {
    #[fails(transparent)]
    Empty,
}

#[derive(TaskError)]
enum WithoutMessage {
    #[fails(retryable)]
    Busy,
}

plugin! { name: "no-namespace", actions: [misspelt] }

plugin! { name: "acme/x", action: [misspelt] }

plugin! { name: "acme/x", actions: [] }

plugin! { name: "acme/x", actions: [misspelt, misspelt] }

plugin! { name: "acme/x", name: "acme/y", actions: [misspelt] }

plugin! { actions: [misspelt] }

plugin! { name: "acme/x" }

fn main() {}
