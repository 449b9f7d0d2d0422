//! How far an action has come, for whoever watches.

/// Says that `done` of `total` units are done, with a few words for people.
pub fn report(done: u64, total: Option<u64>, note: Option<&str>) {
    #[cfg(target_family = "wasm")]
    crate::bindings::autokestra::plugin::progress::report(done, total, note);
    #[cfg(not(target_family = "wasm"))]
    {
        // In a test nobody watches.
        let _unwatched = (done, total, note);
    }
}
