//! Calls between modules and components: what one takes from another, under whatever name.

use super::{check, check_alone};

const HOST: &str = r#"(import "host" (instance $host (export "one" (func)) (export "two" (func)) (export "three" (func))))
    (core func $one (canon lower (func $host "one")))
    (core func $two (canon lower (func $host "two")))"#;

#[track_caller]
fn check_with_host(definitions: &str, expected: &[&str]) {
    check(&format!("(component {HOST} {definitions})"), expected);
}

#[test]
fn names_may_change_on_the_way() {
    check_with_host(
        r#"(core instance $renamed (export "x" (func $two)))
        (core module $m (import "a" "x" (func $x)) (func (export "run") (call $x)))
        (core instance $i (instantiate $m (with "a" (instance $renamed))))
        (alias core export $i "run" (core func $f))
        (core instance $again (export "y" (func $f)))
        (core module $n (import "b" "y" (func $y)) (export "z" (func $y)))
        (core instance $j (instantiate $n (with "b" (instance $again))))
        (func (export "run") (canon lift (core func $j "z")))"#,
        &["two"],
    );
}

#[test]
fn a_module_that_stands_twice_is_followed_where_it_is_called() {
    let twice = |called: &str| {
        format!(
            r#"(core module $m (import "a" "f" (func $f)) (func (export "run") (call $f)) (func $start) (start $start))
            (core instance $first (instantiate $m (with "a" (instance (export "f" (func $one))))))
            (core instance $second (instantiate $m (with "a" (instance (export "f" (func $two))))))
            (func (export "run") (canon lift (core func ${called} "run")))"#
        )
    };
    check_with_host(&twice("first"), &["one"]);
    check_with_host(&twice("second"), &["two"]);
}

#[test]
fn a_table_that_another_module_fills_is_known() {
    // As `wit-component` does it: a shim calls slots of a table that is filled when all else is there.
    let shim = |call: &str| {
        format!(
            r#"(core module $shim (table (export "t") 2 2 funcref)
                (func (export "0") (call_indirect 0 (i32.const 0)))
                (func (export "1") (call_indirect 0 (i32.const 1))))
            (core instance $s (instantiate $shim))
            (core module $main (import "s" "0" (func $a)) (import "s" "1" (func $b)) (func (export "run") (call {call})))
            (core instance $i (instantiate $main (with "s" (instance $s))))
            (alias core export $s "t" (core table $t))
            (core module $fixup (import "" "t" (table 2 2 funcref)) (import "" "0" (func $a)) (import "" "1" (func $b))
                (elem (i32.const 0) func $a $b))
            (core instance (instantiate $fixup (with "" (instance
                (export "t" (table $t)) (export "0" (func $one)) (export "1" (func $two))))))
            (func (export "run") (canon lift (core func $i "run")))"#
        )
    };
    check_with_host(&shim("$a"), &["one"]);
    check_with_host(&shim("$b"), &["two"]);
    // Once any of them writes to the table, its slots are unknown.
    let written = shim("$a").replace(
        "(elem (i32.const 0)",
        "(func (table.set (i32.const 0) (ref.null func))) (elem (i32.const 0)",
    );
    check_with_host(&written, &["one", "two"]);
}

#[test]
fn what_moves_values_runs_too() {
    check(
        r#"(component
        (import "host" (instance $host (export "one" (func)) (export "two" (func)) (export "three" (func (result string)))))
        (core func $one (canon lower (func $host "one")))
        (core func $two (canon lower (func $host "two")))
        (core module $memory (memory (export "m") 1))
        (core instance $memory (instantiate $memory))
        (core module $m (import "a" "one" (func $one)) (import "a" "two" (func $two))
            (func (export "run") (result i32) (i32.const 0))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (call $one) (i32.const 0))
            (func (export "post") (param i32) (call $two)))
        (core instance $i (instantiate $m (with "a" (instance (export "one" (func $one)) (export "two" (func $two))))))
        (func (export "run") (result string) (canon lift (core func $i "run") (memory $memory "m")
            (realloc (func $i "realloc")) (post-return (func $i "post")))))"#,
        &["one", "two"],
    );
    check(
        r#"(component
        (import "host" (instance $host (export "one" (func)) (export "three" (func (result string)))))
        (core func $one (canon lower (func $host "one")))
        (core module $memory (import "a" "one" (func $one)) (memory (export "m") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (call $one) (i32.const 0)))
        (core instance $memory (instantiate $memory (with "a" (instance (export "one" (func $one))))))
        (core func $three (canon lower (func $host "three") (memory $memory "m") (realloc (func $memory "realloc"))))
        (core module $m (import "a" "three" (func $three (param i32))) (func (export "run") (call $three (i32.const 0))))
        (core instance $i (instantiate $m (with "a" (instance (export "three" (func $three))))))
        (func (export "run") (canon lift (core func $i "run"))))"#,
        &["one", "three"],
    );
}

#[test]
fn a_destructor_may_run_at_any_time() {
    check_with_host(
        r#"(core module $m (import "a" "one" (func $one)) (func (export "drop") (param i32) (call $one)) (func (export "run")))
        (core instance $i (instantiate $m (with "a" (instance (export "one" (func $one))))))
        (type $r (resource (rep i32) (dtor (func $i "drop"))))
        (core func $new (canon resource.new $r))
        (core func $rep (canon resource.rep $r))
        (core func $gone (canon resource.drop $r))
        (core module $n (import "r" "new" (func (param i32) (result i32))) (import "r" "rep" (func (param i32) (result i32)))
            (import "r" "drop" (func (param i32))))
        (core instance (instantiate $n (with "r" (instance
            (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $gone))))))
        (func (export "run") (canon lift (core func $i "run")))"#,
        &["one"],
    );
}

#[test]
fn only_what_is_exported_can_be_called() {
    let lifted = r#"(core module $m (import "a" "one" (func $one)) (func (export "x") (call $one)) (func (export "run")))
        (core instance $i (instantiate $m (with "a" (instance (export "one" (func $one))))))
        (func $x (canon lift (core func $i "x")))
        (func (export "run") (canon lift (core func $i "run")))"#;
    check_with_host(lifted, &[]);
    check_with_host(&format!(r#"{lifted} (export "x" (func $x))"#), &["one"]);
    check_with_host(
        &format!(r#"{lifted} (instance (export "y") (export "x" (func $x)))"#),
        &["one"],
    );
    // Lowered again, it can be called from within.
    let inner = r#"(core func $again (canon lower (func $x)))
        (core module $n (import "a" "f" (func $f)) (func (export "z") (call $f)))
        (core instance $j (instantiate $n (with "a" (instance (export "f" (func $again))))))
        (func (export "z") (canon lift (core func $j "z")))"#;
    check_with_host(&format!("{lifted} {inner}"), &["one"]);
}

#[test]
fn the_hosts_own_functions_may_be_passed_on() {
    let passed = r#"(alias export $host "two" (func $f)) (export "f" (func $f))"#;
    check_alone(&format!("(component {HOST} {passed})"), &["two"]);
}

const INNER: &str = r#"(component $c
        (import "f" (func $f))
        (import "g" (instance $g (export "h" (func))))
        (core func $f (canon lower (func $f)))
        (core func $h (canon lower (func $g "h")))
        (core module $m (import "a" "f" (func $f)) (import "a" "h" (func $h)) (func (export "f") (call $f)) (func (export "h") (call $h)))
        (core instance $i (instantiate $m (with "a" (instance (export "f" (func $f)) (export "h" (func $h))))))
        (func (export "f") (canon lift (core func $i "f")))
        (func (export "h") (canon lift (core func $i "h"))))
    (alias export $host "one" (func $one))
    (alias export $host "two" (func $two))
    (instance $g (export "h" (func $two)))"#;

#[test]
fn components_within_are_followed_with_what_they_are_given() {
    let exported = |name: &str| {
        format!(
            r#"{INNER} (instance $i (instantiate $c (with "f" (func $one)) (with "g" (instance $g)))) (export "run" (func $i "{name}"))"#
        )
    };
    check_with_host(&exported("f"), &["one"]);
    check_with_host(&exported("h"), &["two"]);
    let whole = format!(
        r#"{INNER} (instance $i (instantiate $c (with "f" (func $one)) (with "g" (instance $g)))) (export "run" (instance $i))"#
    );
    check_with_host(&whole, &["one", "two"]);
    // The host's own instance, handed down whole.
    let handed = r#"(component $c (import "g" (instance $g (export "two" (func)))) (alias export $g "two" (func $f)) (export "f" (func $f)))
        (instance $i (instantiate $c (with "g" (instance $host)))) (export "run" (func $i "f"))"#;
    check_alone(&format!("(component {HOST} {handed})"), &["two"]);
}

#[test]
fn modules_and_components_may_be_handed_down() {
    check_with_host(
        r#"(component $c
            (import "m" (core module $m (import "a" "f" (func)) (export "run" (func))))
            (import "c" (component $d (import "f" (func)) (export "g" (func))))
            (import "f" (func $f))
            (core func $f (canon lower (func $f)))
            (core instance $i (instantiate $m (with "a" (instance (export "f" (func $f))))))
            (func $run (canon lift (core func $i "run")))
            (instance $d (instantiate $d (with "f" (func $run))))
            (export "run" (func $d "g")))
        (core module $m (import "a" "f" (func $f)) (func (export "run") (call $f)))
        (component $d (import "f" (func $f)) (export "g" (func $f)))
        (alias export $host "one" (func $one))
        (instance $i (instantiate $c (with "m" (core module $m)) (with "c" (component $d)) (with "f" (func $one))))
        (export "run" (func $i "run"))"#,
        &["one"],
    );
}

#[test]
fn what_is_instantiated_within_starts_too() {
    check_with_host(
        r#"(component $c
            (import "f" (func $f))
            (core func $f (canon lower (func $f)))
            (core module $m (import "a" "f" (func $f)) (start $f))
            (core instance $i (instantiate $m (with "a" (instance (export "f" (func $f)))))))
        (alias export $host "one" (func $one))
        (instance $i (instantiate $c (with "f" (func $one))))"#,
        &["one"],
    );
}
