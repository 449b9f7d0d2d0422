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

plugin! { name: "no-namespace", actions: [misspelt] }

plugin! { name: "acme/x", action: [misspelt] }

plugin! { name: "acme/x", actions: [] }

fn main() {}
