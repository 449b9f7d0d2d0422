//! The walk against small components: each construct, what is too open to be followed precisely, and what is not followed.

mod calls;
mod damage;
mod linking;
mod refused;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::reachable;

/// A component whose one module has `fields`; it may import the host's functions `one`, `two` and `three`, and the
/// function that it exports as `run` can be called.
fn simple(fields: &str) -> String {
    format!(
        r#"(component
        (import "host" (instance $host (export "one" (func)) (export "two" (func)) (export "three" (func))))
        (core func $one (canon lower (func $host "one")))
        (core func $two (canon lower (func $host "two")))
        (core func $three (canon lower (func $host "three")))
        (core module $m
            (import "host" "one" (func $one))
            (import "host" "two" (func $two))
            (import "host" "three" (func $three))
            {fields})
        (core instance $i (instantiate $m (with "host" (instance
            (export "one" (func $one)) (export "two" (func $two)) (export "three" (func $three))))))
        (func (export "run") (canon lift (core func $i "run"))))"#
    )
}

fn bytes(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"))
}

/// The one place that walks: a component that wasmtime takes reaches these functions of `host`, and no others.
#[track_caller]
fn check(wat: &str, expected: &[&str]) {
    let bytes = bytes(wat);
    if let Err(error) = Component::from_binary(&Engine::default(), &bytes) {
        panic!("wasmtime does not take it: {error:?}\n{wat}");
    }
    check_alone(wat, expected);
}

/// The same of a component that is right, and that wasmtime does not take as we build it.
#[track_caller]
fn check_alone(wat: &str, expected: &[&str]) {
    let found = reachable(&bytes(wat)).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    let expected: Vec<String> = expected.iter().map(|name| format!("host#{name}")).collect();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "{wat}");
}

/// The same of one module's fields.
#[track_caller]
fn check_simple(fields: &str, expected: &[&str]) {
    check(&simple(fields), expected);
}

/// A component of which nothing is proved, and why.
#[track_caller]
fn refused(wat: &str, why: &str) {
    let error = reachable(&bytes(wat)).expect_err("it was followed");
    assert!(error.to_string().contains(why), "{error}\n{wat}");
}
