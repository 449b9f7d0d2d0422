//! How far an action has come, for whoever watches.

/// Says that `done` of `total` units are done, with a few words for people.
///
/// ```
/// # use autokestra_sdk::progress;
/// # let host = autokestra_sdk::testing::FakeHost::new();
/// progress::report(3, Some(10), Some("rows are read"));
/// progress::report(4096, None, None);
/// # assert_eq!(host.progress()[0].done, 3);
/// ```
pub fn report(done: u64, total: Option<u64>, note: Option<&str>) {
    #[cfg(target_family = "wasm")]
    crate::bindings::autokestra::plugin::progress::report(done, total, note);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::reported(done, total, note);
}

/// Goes through `items`, and reports how many are done: at most once for each percent, so that long lists cost no more than short ones.
///
/// ```
/// # use autokestra_sdk::progress;
/// # let host = autokestra_sdk::testing::FakeHost::new();
/// let mut sum = 0;
/// for number in progress::over(vec![1, 2, 3, 4]) {
///     sum += number;
/// }
/// # assert_eq!(sum, 10);
/// # assert_eq!(host.progress().iter().map(|report| report.done).collect::<Vec<_>>(), [1, 2, 3, 4]);
/// ```
pub fn over<I>(items: I) -> Over<I::IntoIter>
where
    I: IntoIterator<IntoIter: ExactSizeIterator>,
{
    let items = items.into_iter();
    let total = items.len() as u64;
    Over { items, total, told: 0 }
}

/// Items whose end is reported: what [`over`] gives.
///
/// ```
/// # use autokestra_sdk::progress::{self, Over};
/// let rows: Over<std::vec::IntoIter<u8>> = progress::over(vec![1, 2]);
/// assert_eq!(rows.len(), 2);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it reports while it is gone through"]
pub struct Over<I> {
    items: I,
    total: u64,
    /// The last percent that was told.
    told: u64,
}

impl<I: ExactSizeIterator> Iterator for Over<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        // The item before this one is done only now.
        let left = self.items.len() as u64;
        let done = self.total.saturating_sub(left);
        let percent = (done * 100).checked_div(self.total).unwrap_or(100);
        if done > 0 && percent > self.told {
            self.told = percent;
            report(done, Some(self.total), None);
        }
        self.items.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl<I: ExactSizeIterator> ExactSizeIterator for Over<I> {}
