//! The files that tasks left.

use autokestra_store::{ExecutionDetail, TaskRunRow};

use super::inspect::name_of;
use super::{Table, Ui, bytes, safe};

/// Digits of a digest that are shown; JSON has all.
const DIGEST_DIGITS: usize = 12;

/// The list of an execution's files.
pub(crate) fn files(ui: &Ui, detail: &ExecutionDetail) -> String {
    let count: usize = detail.tasks.iter().map(|task| task.files.len()).sum();
    if count == 0 {
        return format!("no task of {} left a file\n", detail.row.id);
    }
    table(ui, &detail.tasks, usize::MAX)
}

/// At most `most` files of some task runs.
pub(super) fn table<'a>(ui: &Ui, tasks: impl IntoIterator<Item = &'a TaskRunRow>, most: usize) -> String {
    let mut table = Table::new(ui, &["  TASK", "NAME", "SIZE", "DIGEST"]);
    let files = tasks
        .into_iter()
        .flat_map(|task| task.files.iter().map(move |file| (task, file)));
    for (task, file) in files.take(most) {
        let digest = file.digest.to_string();
        table.row(vec![
            format!("  {}", name_of(task)),
            safe(&file.name).into_owned(),
            bytes(file.size),
            digest.get(..DIGEST_DIGITS).unwrap_or(&digest).to_owned(),
        ]);
    }
    table.to_string()
}
