//! What stands in the place before an attack, and what changes while it goes on.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde::Deserialize;

/// One thing that is there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Step {
    Folder {
        path: String,
    },
    File {
        path: String,
        #[serde(default)]
        text: String,
    },
    /// A symbolic link. What begins with a slash is taken from the place.
    Link {
        path: String,
        to: String,
    },
    /// A second name of a file.
    Hard {
        path: String,
        to: String,
    },
    Fifo {
        path: String,
    },
    Socket {
        path: String,
    },
    /// A link that leads to one and the other, in turn, as fast as it can be changed.
    Swap {
        path: String,
        between: [String; 2],
    },
}

/// What goes on beside the attack, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    _sockets: Vec<UnixListener>,
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

/// Puts everything there.
pub(crate) fn make(root: &Path, steps: &[Step]) -> Beside {
    let mut beside = Beside::default();
    for step in steps {
        let at = |path: &str| root.join(path.trim_start_matches('/'));
        let target = |to: &str| if to.starts_with('/') { at(to) } else { PathBuf::from(to) };
        match step {
            Step::Folder { path } => std::fs::create_dir_all(at(path)).expect("made"),
            Step::File { path, text } => {
                std::fs::create_dir_all(at(path).parent().expect("in the place")).expect("made");
                std::fs::write(at(path), text).expect("written");
            }
            Step::Link { path, to } => symlink(target(to), at(path)).expect("linked"),
            Step::Hard { path, to } => std::fs::hard_link(at(to), at(path)).expect("linked"),
            Step::Fifo { path } => {
                let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
                nix::unistd::mkfifo(&at(path), mode).expect("made");
            }
            Step::Socket { path } => beside._sockets.push(UnixListener::bind(at(path)).expect("bound")),
            Step::Swap { path, between } => {
                let stop = Arc::clone(&beside.stop);
                let (path, ends) = (at(path), between.clone().map(|to| target(&to)));
                symlink(&ends[0], &path).expect("linked");
                beside
                    .threads
                    .push(std::thread::spawn(move || swap(&path, &ends, &stop)));
            }
        }
    }
    beside
}

fn swap(path: &Path, ends: &[PathBuf; 2], stop: &AtomicBool) {
    let next = path.with_extension("next");
    for end in ends.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        symlink(end, &next).expect("linked");
        std::fs::rename(&next, path).expect("put in its place");
    }
}
