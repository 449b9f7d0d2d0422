//! What is not followed, and says so: then the imports bound what it could do.

use super::{bytes, reachable, refused, simple};

#[test]
fn constructs_that_are_not_followed_are_named() {
    let host = r#"(import "host" (instance $host (export "one" (func))))"#;
    for (definitions, why) in [
        (r#"(import "m" (core module $m))"#, "from the host"),
        (r#"(import "c" (component))"#, "from the host"),
        (
            r#"(import "i" (instance $i (export "m" (core module)))) (alias export $i "m" (core module $m))"#,
            "from the host",
        ),
        (r#"(core module $m) (export "m" (core module $m))"#, "exports a module"),
        (
            r#"(component $c) (export "c" (component $c))"#,
            "exports a module, a component",
        ),
        (r#"(export "i" (instance $host))"#, "an instance of the host"),
        (
            r#"(core module $m) (component $c (alias outer 1 $m (core module $n)) (core instance (instantiate $n))) (instance (instantiate $c))"#,
            "from around it",
        ),
        (
            r#"(component $d) (component $c (alias outer 1 $d (component $e))) (instance (instantiate $c))"#,
            "from around it",
        ),
        (r#"(core func (canon task.return))"#, "threads, streams or futures"),
        (r#"(core func (canon waitable-set.new))"#, "threads, streams or futures"),
        (
            r#"(core func (canon thread.available_parallelism))"#,
            "threads, streams or futures",
        ),
        (
            r#"(type $s (stream)) (core func (canon stream.new $s))"#,
            "threads, streams or futures",
        ),
        (
            r#"(alias export $host "one" (func $one)) (start $one)"#,
            "start function of its own",
        ),
        (r#"(import "v" (value $v u32))"#, "from the host"),
    ] {
        refused(&format!("(component {host} {definitions})"), why);
    }
}

#[test]
fn stacks_that_switch_are_not_followed() {
    let switching = r#"(type $f (func)) (type $k (cont $f)) (elem declare func $one)
        (func (export "run") (drop (cont.new $k (ref.func $one))))"#;
    refused(&simple(switching), "switches between stacks");
}

#[test]
fn nesting_without_bound_is_not_followed() {
    let file = "(component ".repeat(40) + &")".repeat(40);
    refused(&file, "nests its components too deep");
    // A chain of instances, each with the one before it in it.
    let mut chain = String::from(r#"(component (instance $i0)"#);
    for index in 1..40 {
        chain.extend([format!(
            r#"(instance $i{index} (export "i" (instance $i{})))"#,
            index - 1
        )]);
    }
    refused(&(chain + ")"), "nests its instances too deep");
}

#[test]
fn a_small_file_cannot_ask_for_much_work() {
    // Ten levels, eight instances of the one below on each: 8^10 instances in all.
    refused(&nested_instantiations(10), "too large");
}

/// A component of `depth` levels, each of which instantiates the level below it eight times.
fn nested_instantiations(depth: usize) -> String {
    if depth == 0 {
        return "(component $c (core module $m (func)) (core instance (instantiate $m)))".to_owned();
    }
    let inner = nested_instantiations(depth - 1);
    format!("(component $c {inner} {})", "(instance (instantiate $c))".repeat(8))
}

#[test]
fn what_is_no_component_is_malformed() {
    for bytes in [
        &b""[..],
        b"\0asm",
        b"no wasm at all",
        b"\0asm\x01\0\0\0",
        b"\0asm\x0d\0\x01\0\x0b",
    ] {
        assert!(reachable(bytes).is_err(), "{bytes:?}");
    }
    assert!(reachable(&bytes("(module)")).is_err());
    let unknown = [bytes("(component)").as_slice(), &[99, 0]].concat();
    assert!(
        reachable(&unknown)
            .expect_err("an unknown section")
            .to_string()
            .contains("section")
    );
}
