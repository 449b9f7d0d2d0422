//! What the README and the guide show, compiled and run: each of their blocks stands in one of these files.

#[path = "guide/action.rs"]
mod action;
#[path = "guide/fail.rs"]
mod fail;
#[path = "guide/test.rs"]
mod test;
