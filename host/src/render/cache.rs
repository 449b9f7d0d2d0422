//! The compiled code that is kept.

use autokestra_sandbox::CacheList;

use super::{Table, Ui, bytes, safe};

/// Digits of a digest that are shown; JSON has all.
const DIGEST_DIGITS: usize = 12;

/// `plugin cache list`.
pub(crate) fn cache(ui: &Ui, list: &CacheList) -> String {
    let folder = list.folder.display().to_string();
    let sum = format!("{} of {}", bytes(list.total_bytes), bytes(list.bytes_max));
    if list.code.is_empty() {
        return format!("nothing is kept in {}: {sum}\n", safe(&folder));
    }
    let mut table = Table::new(ui, &["PLUGIN", "DIGEST", "SIZE", "LAST USE", "FITS", "FUEL"]);
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    for code in &list.code {
        let digest = code.digest.to_string();
        table.row(vec![
            code.plugin.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            digest.get(..DIGEST_DIGITS).unwrap_or(&digest).to_owned(),
            bytes(code.size_bytes),
            code.last_used.to_string(),
            yes(code.fits),
            yes(code.fueled),
        ]);
    }
    format!("{table}{sum}, in {}\n", safe(&folder))
}
