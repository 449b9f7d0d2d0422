//! What `plugin test --watch` looks at: asked again and again, which works on every file system, at a few calls a second.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cases;

/// How often it is asked.
const POLL: Duration = Duration::from_millis(250);

/// Files, each with the time of its last change and its length.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Watched(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Watched {
    /// As they are now: the component, and all that lies beside the cases.
    pub(super) fn now(folder: &Path, component: Option<&Path>) -> Self {
        let mut files = BTreeMap::new();
        let mut look = |path: PathBuf| {
            if let Ok(metadata) = std::fs::metadata(&path) {
                files.insert(path, (metadata.modified().ok(), metadata.len()));
            }
        };
        let folders = match component {
            Some(component) => {
                look(component.to_path_buf());
                vec![cases::tests_of(folder)]
            }
            None => vec![cases::tests_of(folder), folder.join("dist")],
        };
        for folder in folders {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.for_each(|entry| look(entry.path()));
        }
        Self(files)
    }

    /// Waits until they are others, and stay as they are for a moment: a component is written in pieces.
    pub(super) async fn changed(self, folder: &Path, component: Option<&Path>) {
        let mut before = self;
        let mut differs = false;
        loop {
            tokio::time::sleep(POLL).await;
            let now = Self::now(folder, component);
            if now == before && differs {
                return;
            }
            differs |= now != before;
            before = now;
        }
    }
}
