use autokestra_sdk::prelude::*;

#[action]
fn render() -> Result<(), TaskError> {
    Ok(())
}

#[action(name = "render")]
fn render_again() -> Result<(), TaskError> {
    Ok(())
}

plugin! { name: "acme/x", actions: [render, render_again] }

fn main() {}
