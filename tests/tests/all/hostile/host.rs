//! What an attack could leave behind in the process that it ran in: open files, threads, memory.

use std::time::{Duration, Instant};

/// How much more memory may stay resident after attacks: code that was compiled, and what the allocator keeps.
const GROWTH_MIB_MAX: u64 = 160;

/// How much more memory one attack may take while it goes on, beside another task and with servers in the same process.
const PEAK_MIB_MAX: u64 = 512;

/// How long what ended may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// The process before any attack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    files: usize,
    threads: usize,
    memory_mib: u64,
}

impl Host {
    /// As it is now.
    pub(crate) fn now() -> Self {
        Self {
            files: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
            memory_mib: mib("VmRSS:"),
        }
    }

    /// Lets the next peak be counted from here.
    pub(crate) fn mark() {
        // Where the kernel lets nobody, the peak is that of all attacks.
        drop(std::fs::write("/proc/self/clear_refs", "5"));
    }

    /// What is not as it was before; nothing where all is well.
    #[expect(
        clippy::disallowed_methods,
        reason = "what the host lets go of in the background is waited for by the clock"
    )]
    pub(crate) fn changed(&self) -> Vec<String> {
        let until = Instant::now() + GONE_WITHIN;
        let mut now = Self::now();
        while (now.files > self.files || now.threads > self.threads) && Instant::now() < until {
            std::thread::yield_now();
            now = Self::now();
        }
        let mut found = Vec::new();
        if now.files > self.files {
            found.push(format!(
                "{} files are open, and {} were: {:?}",
                now.files,
                self.files,
                open_files()
            ));
        }
        if now.threads > self.threads {
            found.push(format!(
                "{} threads run, and {} did: {:?}",
                now.threads,
                self.threads,
                threads()
            ));
        }
        if now.memory_mib > self.memory_mib + GROWTH_MIB_MAX {
            found.push(format!(
                "{} MiB are resident, and {} were",
                now.memory_mib, self.memory_mib
            ));
        }
        let peak = mib("VmHWM:");
        if peak > self.memory_mib + PEAK_MIB_MAX {
            found.push(format!(
                "{peak} MiB were resident at a time, and {} before",
                self.memory_mib
            ));
        }
        found
    }
}

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).expect("Linux tells").count()
}

fn open_files() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").expect("Linux tells").flatten();
    let links = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links.map(|path| path.display().to_string()).collect()
}

fn threads() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/task").expect("Linux tells").flatten();
    let names = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}

fn mib(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.expect("the line is there").trim().trim_end_matches(" kB");
    kib.parse::<u64>().expect("a number") / 1024
}
