//! Calls within one module: direct ones, through tables, through references.

use super::{check_alone, check_simple, simple};

#[test]
fn what_is_imported_and_not_called_is_not_reached() {
    check_simple(r#"(func (export "run"))"#, &[]);
    check_simple(r#"(func (export "run")) (func (call $one))"#, &[]);
    check_simple(r#"(func (export "run") (call $two))"#, &["two"]);
    check_simple(r#"(export "run" (func $three))"#, &["three"]);
}

#[test]
fn calls_are_followed_through_functions() {
    let through =
        r#"(func (export "run") (call $a)) (func $a (call $b)) (func $b (call $a) (call $one)) (func (call $two))"#;
    check_simple(through, &["one"]);
    check_simple(
        r#"(func (export "run") (return_call $a)) (func $a (return_call $one))"#,
        &["one"],
    );
    // Dead code is code.
    check_simple(r#"(func (export "run") (return) (call $one))"#, &["one"]);
    check_simple(
        r#"(func (export "run") (if (i32.const 0) (then (call $one))))"#,
        &["one"],
    );
}

#[test]
fn other_exports_of_a_module_are_no_way_in() {
    check_simple(r#"(func (export "run")) (func (export "other") (call $one))"#, &[]);
}

#[test]
fn a_start_function_runs() {
    check_simple(
        r#"(func (export "run")) (func $start (call $one)) (start $start)"#,
        &["one"],
    );
    check_simple(r#"(func (export "run")) (start $two)"#, &["two"]);
}

const TABLE: &str = r#"(table $t 8 funcref) (elem (table $t) (i32.const 1) func $one $a) (func $a (call $two))
    (table $other 8 funcref) (elem (table $other) (i32.const 0) func $three)"#;

#[test]
fn a_constant_slot_of_a_table_is_one_function() {
    let at = |slot: &str| format!(r#"{TABLE} (func (export "run") (call_indirect $t ({slot})))"#);
    check_simple(&at("i32.const 1"), &["one"]);
    check_simple(&at("i32.const 2"), &["two"]);
    // Empty ones trap.
    check_simple(&at("i32.const 0"), &[]);
    check_simple(&at("i32.const 3"), &[]);
    check_simple(&at("i32.const -1"), &[]);
    let tail = r#"(func (export "run") (return_call_indirect $t (i32.const 1)))"#;
    check_simple(&format!("{TABLE} {tail}"), &["one"]);
}

#[test]
fn any_other_slot_is_all_that_the_table_holds() {
    let at = |slot: &str| {
        format!(r#"{TABLE} (global $g i32 (i32.const 1)) (func (export "run") (call_indirect $t {slot}))"#)
    };
    check_simple(&at("(global.get $g)"), &["one", "two"]);
    check_simple(&at("(i32.add (i32.const 0) (i32.const 1))"), &["one", "two"]);
    check_simple(&at("(block (result i32) (i32.const 1))"), &["one", "two"]);
    check_simple(
        &at("(if (result i32) (i32.const 0) (then (i32.const 1)) (else (i32.const 2)))"),
        &["one", "two"],
    );
}

#[test]
fn later_segments_win_and_earlier_ones_are_followed_too() {
    let twice = r#"(table $t 2 funcref) (elem (table $t) (i32.const 0) func $one $two)
        (elem (table $t) (i32.const 1) func $three) (func (export "run") (call_indirect $t (i32.const 1)))"#;
    check_simple(twice, &["three", "two"]);
}

#[test]
fn a_table_that_code_writes_to_may_hold_any_reference() {
    let all = &["one", "three", "two"];
    let run = r#"(func (export "run") (call_indirect $t (i32.const 1)))"#;
    for write in [
        "(func (table.set $t (i32.const 1) (ref.null func)))",
        "(func (table.fill $t (i32.const 1) (ref.null func) (i32.const 1)))",
        "(func (drop (table.grow $t (ref.null func) (i32.const 1))))",
        "(func (table.copy $t $other (i32.const 0) (i32.const 0) (i32.const 1)))",
        "(elem $e func $three) (func (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1)))",
    ] {
        check_simple(&format!("{TABLE} {run} {write}"), all);
    }
    // Reading changes nothing, and neither does writing to another table.
    let read = "(func (drop (table.get $t (i32.const 1))) (drop (table.size $t)))";
    check_simple(&format!("{TABLE} {run} {read}"), &["one"]);
    let other = "(func (table.copy $other $t (i32.const 0) (i32.const 0) (i32.const 1)))";
    check_simple(&format!("{TABLE} {run} {other}"), &["one"]);
}

#[test]
fn references_are_those_of_code_globals_and_all_segments() {
    let run = r#"(table $t 1 funcref) (func (export "run") (table.set $t (i32.const 0) (ref.null func)) (call_indirect $t (i32.const 0)))"#;
    check_simple(run, &[]);
    for held in [
        "(elem declare func $one)",
        "(elem func $one)",
        "(elem funcref (ref.null func) (ref.func $one))",
        "(global funcref (ref.func $one))",
        "(elem declare func $one) (func (drop (ref.func $one)))",
        "(table 1 funcref (ref.func $one))",
    ] {
        check_simple(&format!("{run} {held}"), &["one"]);
    }
}

#[test]
fn a_table_that_begins_full_may_hold_any_reference() {
    let run = r#"(func (export "run") (call_indirect $t (i32.const 0)))"#;
    check_simple(&format!("(table $t 1 funcref (ref.func $one)) {run}"), &["one"]);
    check_simple(
        &format!("(table $t 1 funcref (ref.null func)) {run} (elem func $two)"),
        &[],
    );
}

#[test]
fn a_segment_at_an_unknown_place_loosens_its_table() {
    let run = r#"(table $t 8 funcref) (func (export "run") (call_indirect $t (i32.const 0)))"#;
    let segment = "(elem (table $t) (i32.add (i32.const 1) (i32.const 1)) func $one) (elem func $two)";
    check_simple(&format!("{run} {segment}"), &["one"]);
}

#[test]
fn calls_of_references_are_calls_of_all_of_them() {
    // wasmtime takes these only with more of its features than we build.
    let references = r#"(type $f (func)) (elem declare func $one) (func (export "run") (call_ref $f (ref.func $one)))"#;
    let tail = references.replace("call_ref", "return_call_ref");
    for fields in [references, &tail] {
        check_alone(&simple(fields), &["one"]);
    }
}
