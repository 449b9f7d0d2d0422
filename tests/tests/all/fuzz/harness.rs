//! Runs a target for a while. Crates whose targets are not public include this very file.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arbtest::arbitrary::{Result, Unstructured};
use arbtest::arbtest;

/// How long a target runs where nobody says, in seconds.
const SECONDS: u64 = 2;

/// After so long on one input a target hangs: it writes the input down and ends the process.
const STUCK_AFTER: u32 = 60;

/// Runs `target` on random bytes, at most `size_max` of them at a time, until its time is over.
///
/// `FUZZ_SECONDS` is that time, `ARBTEST_SEED` the seed of one failure, and `FUZZ_INPUT` a file with the bytes of one.
pub(crate) fn fuzz(name: &'static str, size_max: u32, target: fn(&[u8])) {
    if let Some(path) = std::env::var_os("FUZZ_INPUT") {
        return target(&std::fs::read(path).expect("FUZZ_INPUT names a file"));
    }
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let watched = Watched::start(name);
    let property = |random: &mut Unstructured<'_>| {
        let bytes = random.bytes(random.len())?;
        watched.begin(bytes);
        target(bytes);
        Ok(())
    };
    arbtest(property)
        .budget(Duration::from_secs(seconds.unwrap_or(SECONDS)))
        .size_max(size_max)
        .run();
}

/// Checks something with `bytes` as its source of chance. Where they end before it does, that is the end of it.
pub(crate) fn by_chance(bytes: &[u8], check: fn(&mut Unstructured<'_>) -> Result<()>) {
    let mut random = Unstructured::new(bytes);
    let _ended_early = check(&mut random).is_err();
}

/// Shows what a target made of an input that is run again.
pub(crate) fn show(made: &str) {
    if ["FUZZ_INPUT", "ARBTEST_SEED"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
    {
        drop(std::io::stderr().write_all(format!("{made}\n").as_bytes()));
    }
}

/// The input that is under way, and who looks whether it is always the same.
struct Watched {
    current: Arc<Mutex<(u64, Vec<u8>)>>,
    _ended: Sender<()>,
}

impl Watched {
    fn start(name: &'static str) -> Self {
        let current = Arc::new(Mutex::new((0, Vec::new())));
        let (ended, end) = channel::<()>();
        let seen = Arc::clone(&current);
        std::thread::spawn(move || {
            let (mut last, mut stuck) = (0, 0);
            while end.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                let current = seen.lock().unwrap_or_else(PoisonError::into_inner);
                stuck = if current.0 == last { stuck + 1 } else { 0 };
                last = current.0;
                if stuck > STUCK_AFTER {
                    give_up(name, &current.1);
                }
            }
        });
        Self { current, _ended: ended }
    }

    fn begin(&self, bytes: &[u8]) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.0 += 1;
        current.1.clear();
        current.1.extend_from_slice(bytes);
    }
}

fn give_up(name: &str, bytes: &[u8]) -> ! {
    let path: PathBuf = std::env::temp_dir().join(format!("fuzz-{name}-{}", std::process::id()));
    drop(std::fs::write(&path, bytes));
    let told = format!("{name} hangs; FUZZ_INPUT={} runs it again\n", path.display());
    drop(std::io::stderr().write_all(told.as_bytes()));
    std::process::abort();
}
