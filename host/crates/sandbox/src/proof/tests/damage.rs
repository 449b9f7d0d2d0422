//! Damaged components: whatever stands in a file, the walk ends, and never panics.

use proptest::prelude::*;

use super::{bytes, reachable, simple};

/// A component with a bit of everything that the walk reads.
fn whole() -> Vec<u8> {
    bytes(&simple(
        r#"(table $t 8 funcref) (table $u 1 funcref (ref.func $two)) (global funcref (ref.func $one))
        (elem (table $t) (i32.const 1) func $one $a) (elem $e func $three) (elem declare func $two)
        (elem (table $u) (i32.const 0) funcref (ref.null func) (ref.func $b))
        (func $start) (start $start)
        (func $a (call $two) (call_indirect $t (i32.const 1)) (call_indirect $u (i32.const 0)))
        (func $b (return_call $a)) (func (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1)))
        (memory 1) (data (i32.const 0) "some data")
        (func (export "run") (call_indirect $t (i32.load (i32.const 0))))"#,
    ))
}

#[test]
fn every_beginning_of_a_component_is_refused() {
    let whole = whole();
    assert!(reachable(&whole).is_ok());
    for length in 0..whole.len() {
        // Behind the last section that counts, a beginning may be a component of its own.
        drop(reachable(&whole[..length]));
    }
    assert!(reachable(&whole[..whole.len() / 2]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_panics(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut damaged = whole();
        for (place, byte) in places {
            let place = place.index(damaged.len());
            damaged[place] = byte;
        }
        drop(reachable(&damaged));
    }

    #[test]
    fn parts_in_another_order_never_panic(cut in any::<prop::sample::Index>(), length in 0_usize..64, to in any::<prop::sample::Index>()) {
        let mut damaged = whole();
        let start = cut.index(damaged.len());
        let end = damaged.len().min(start + length);
        let part: Vec<u8> = damaged.drain(start..end).collect();
        let to = to.index(damaged.len() + 1);
        damaged.splice(to..to, part);
        drop(reachable(&damaged));
    }
}
