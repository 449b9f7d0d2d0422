use autokestra_sdk::prelude::*;

struct Plain;

#[derive(Input)]
struct OnlyTaken {
    value: u32,
}

#[derive(Output)]
struct OnlyGiven {
    value: u32,
}

#[action]
fn takes_what_is_not_derived(_: Plain) -> Result<(), TaskError> {
    Ok(())
}

#[action]
fn gives_what_is_not_derived() -> Result<Plain, TaskError> {
    Ok(Plain)
}

#[action]
fn takes_no_mapping(_: String) -> Result<(), TaskError> {
    Ok(())
}

#[action]
fn takes_an_output(_: OnlyGiven) -> Result<(), TaskError> {
    Ok(())
}

#[action]
fn gives_an_input(input: OnlyTaken) -> Result<OnlyTaken, TaskError> {
    Ok(input)
}

#[action]
fn fails_with_what_is_no_failure() -> Result<(), std::fmt::Error> {
    Ok(())
}

fn main() {}
