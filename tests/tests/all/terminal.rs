//! A terminal of the tests' own: what a program shows on it, and what is typed.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::process::Place;

/// Nothing that a test waits for takes so long.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What was shown until now.
struct Shown {
    parser: vt100::Parser,
    raw: Vec<u8>,
    ended: bool,
}

/// A program on a terminal.
pub(crate) struct Terminal {
    child: Child,
    typing: File,
    shown: Arc<(Mutex<Shown>, Condvar)>,
    reading: Option<JoinHandle<()>>,
}

/// A test that fails leaves no program behind.
impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What is left on a terminal whose program has ended.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) code: Option<i32>,
    /// All lines, those that were scrolled away too.
    pub(crate) text: String,
    /// Every byte that was written.
    pub(crate) raw: String,
    /// The row and the column of the cursor.
    pub(crate) cursor: (u16, u16),
    pub(crate) cursor_hidden: bool,
}

impl Terminal {
    /// Starts `workflow …`, split at blanks, on a terminal of so many rows and columns.
    pub(crate) fn start(place: &Place, line: &str, size: (u16, u16)) -> Self {
        Self::start_with(place, line, size, &[])
    }

    /// As [`Terminal::start`], with variables of the environment.
    pub(crate) fn start_with(place: &Place, line: &str, size: (u16, u16), with: &[(&str, &str)]) -> Self {
        Self::spawn(&place.command(line.split_whitespace()), place, size, with)
    }

    /// Starts any program, with the environment that `workflow …` would have.
    pub(crate) fn start_program(place: &Place, program: &str, arguments: &[&str], size: (u16, u16)) -> Self {
        let mut command = Command::new(program);
        let inner = place.command([""; 0]);
        command
            .args(arguments)
            .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::spawn(&command, place, size, &[])
    }

    fn spawn(inner: &Command, place: &Place, (rows, columns): (u16, u16), with: &[(&str, &str)]) -> Self {
        // No program inherits the side that types: a terminal that somebody holds and nobody reads blocks whoever writes.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).expect("a terminal");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let mut open = OpenOptions::new();
        open.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
        let slave = open.open(ptsname_r(&master).expect("it has a name")).expect("it opens");
        let typing = File::from(OwnedFd::from(master));
        set_size(&typing, rows, columns);
        let same = || Stdio::from(slave.try_clone().expect("a handle"));
        // In a session of its own, whose terminal this is: then Ctrl-C reaches it.
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(inner.get_program())
            .args(inner.get_args());
        command
            .current_dir(place.root())
            .env_clear()
            .env("TERM", "xterm-256color");
        let known = inner.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.envs(known).envs(with.iter().copied());
        let child = command.stdin(same()).stdout(same()).stderr(same()).spawn();
        let child = child.expect("setsid is part of the system");
        drop(command);
        drop(slave);
        let shown = Arc::new((
            Mutex::new(Shown {
                parser: vt100::Parser::new(rows, columns, 10_000),
                raw: Vec::new(),
                ended: false,
            }),
            Condvar::new(),
        ));
        let reading = std::thread::spawn({
            let (mut from, shown) = (typing.try_clone().expect("a handle"), Arc::clone(&shown));
            move || {
                let mut piece = [0_u8; 8192];
                loop {
                    // The end of a terminal that nobody has open is an error.
                    let count = from.read(&mut piece).unwrap_or(0);
                    let mut now = shown.0.lock().expect("no test panics with the lock");
                    now.parser.process(&piece[..count]);
                    now.raw.extend_from_slice(&piece[..count]);
                    now.ended = count == 0;
                    shown.1.notify_all();
                    if count == 0 {
                        return;
                    }
                }
            }
        });
        Self {
            child,
            typing,
            shown,
            reading: Some(reading),
        }
    }

    fn now(&self) -> MutexGuard<'_, Shown> {
        self.shown.0.lock().expect("no test panics with the lock")
    }

    /// Waits until what is on the screen is as it is wanted, and gives it.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut now = self.now();
        loop {
            let text = now.parser.screen().contents();
            if wanted(&text) {
                return text;
            }
            assert!(!now.ended, "it ended without {what}:\n{text}");
            let (again, waited) = self
                .shown
                .1
                .wait_timeout(now, WAIT_MAX)
                .expect("no panic with the lock");
            assert!(!waited.timed_out(), "{what} does not come:\n{text}");
            now = again;
        }
    }

    /// The screen as it is now.
    pub(crate) fn screen(&self) -> vt100::Screen {
        self.now().parser.screen().clone()
    }

    /// Types.
    pub(crate) fn types(&self, keys: &[u8]) {
        (&self.typing).write_all(keys).expect("it is typed");
    }

    /// Asks the program to stop, as Ctrl-Z does where a shell would take over.
    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGTSTP);
    }

    /// Lets it go on, once it has stopped: what comes before that is lost.
    pub(crate) fn go_on(&self) {
        let process = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(process.expect("a process")), stopped).expect("it stops");
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.child.id()).expect("a process");
        kill(Pid::from_raw(process), signal).expect("it is there");
    }

    /// Makes the terminal larger or smaller.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        self.now().parser.screen_mut().set_size(rows, columns);
        set_size(&self.typing, rows, columns);
    }

    /// Waits for the program's end, and gives what stands on the screen.
    pub(crate) fn end_with_screen(mut self) -> vt100::Screen {
        self.wait();
        let now = self.shown.0.lock().expect("no test panics with the lock");
        now.parser.screen().clone()
    }

    fn wait(&mut self) -> Option<i32> {
        let status = self.child.wait().expect("it ends");
        if let Some(reading) = self.reading.take() {
            reading.join().expect("it reads to the end");
        }
        status.code()
    }

    /// Waits for the program's end.
    pub(crate) fn end(mut self) -> Left {
        let code = self.wait();
        let mut now = self.shown.0.lock().expect("no test panics with the lock");
        let raw = String::from_utf8_lossy(&now.raw).into_owned();
        let screen = now.parser.screen();
        let (cursor, cursor_hidden) = (screen.cursor_position(), screen.hide_cursor());
        Left {
            code,
            text: whole(now.parser.screen_mut()),
            raw,
            cursor,
            cursor_hidden,
        }
    }
}

fn set_size(terminal: &File, rows: u16, columns: u16) {
    let size = rustix::termios::Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(terminal, size).expect("a terminal has a size");
}

/// All lines, those that were scrolled away first.
fn whole(screen: &mut vt100::Screen) -> String {
    screen.set_scrollback(usize::MAX);
    let (rows, columns) = screen.size();
    let mut text = String::new();
    let mut add = |screen: &vt100::Screen, row: u16| {
        let line = screen.rows(0, columns).nth(usize::from(row)).unwrap_or_default();
        // What was wrapped is one line.
        if screen.row_wrapped(row) {
            text.push_str(&line);
        } else {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    };
    for back in (1..=screen.scrollback()).rev() {
        screen.set_scrollback(back);
        add(screen, 0);
    }
    screen.set_scrollback(0);
    (0..rows).for_each(|row| add(screen, row));
    text.trim_end().to_owned() + "\n"
}
