//! The binary as a process: a temporary folder of its own for each test, a cleared environment.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

/// The target folder that this test was built into.
pub(crate) fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("the test knows its own path");
    let profile = exe
        .parent()
        .and_then(Path::parent)
        .expect("<target>/<profile>/deps/<test>");
    profile.parent().expect("<target>/<profile>").to_path_buf()
}

/// The binary under test. It is built once, by the profile that the tests were built by.
pub(crate) fn workflow_binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let path = target().join("release").join("workflow");
        assert!(path.is_file(), "{} is missing: run `make build` first", path.display());
        path
    });
    &BINARY
}

/// How a process ended, and all that it printed.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Fails the test unless the process ended with `code`.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(
            !self.stderr.contains("panicked"),
            "a panic reached the user:\n{}",
            self.stderr
        );
        self
    }

    /// What was printed to stdout, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{}\n{}", self.stdout, self.stderr))
    }

    /// stdout and stderr with ids, times, durations and the temporary folder made the same on each run.
    pub(crate) fn redacted(&self, place: &Place) -> String {
        let mut text = format!("exit code {}\n", self.code);
        for (name, part) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !part.is_empty() {
                text.extend([format!("--- {name}\n{part}")]);
                if !part.ends_with('\n') {
                    text.push('\n');
                }
            }
        }
        redact(&text, place)
    }
}

/// Makes what differs from run to run the same, at a fixed width.
pub(crate) fn redact(text: &str, place: &Place) -> String {
    let text = text.replace(&place.root().display().to_string(), "<place>");
    let rules = [
        (r"exec-[0-9a-hjkmnp-tv-z]{26}", "exec-<id-------------------->"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time------------------>"),
        (r"\b\d+(\.\d+)? ?(ms|s|µs)\b", "<duration>"),
        (r"\b\d\d:\d\d:\d\d\.\d{3}\b", "<clock----->"),
        (r"\b[0-9a-f]{64}\b", "<digest>"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
        (r"\bduration=\d+", "duration=<millis>"),
        (r"\b\d+\.\d [KM]iB", "<size>"),
        (r"\buid \d+", "uid <number>"),
        (r"process \d+ on [^;\s]+", "process <number> on <host>"),
        (r"([0-9>]) {3,}<", "$1  <"),
        // Columns are as wide as what stands in them.
        (r"(<duration>|DURATION|CPU|MEMORY|SIZE|<size>) +(\S)", "$1  $2"),
    ];
    rules.iter().fold(text, |text, (pattern, with)| {
        regex::Regex::new(pattern)
            .expect("a good pattern")
            .replace_all(&text, *with)
            .into_owned()
    })
}

/// A temporary folder with a database of its own.
#[derive(Debug)]
pub(crate) struct Place {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("workflow-")
            .tempdir()
            .expect("a temporary folder");
        // Servers of tests are on this machine, which the default policy opens to nobody.
        let policy = ("WORKFLOW_POLICY_NETWORK".to_owned(), "*:*, *:* private".to_owned());
        Self {
            folder,
            variables: vec![policy],
        }
    }

    /// One with a file `flow.yaml`.
    pub(crate) fn with_flow(yaml: &str) -> Self {
        let place = Self::new();
        place.write("flow.yaml", yaml);
        place
    }

    /// With the tools that plugins are built with, and with one folder for what builds keep: dependencies are built once for all tests.
    pub(crate) fn with_tools(mut self) -> Self {
        let home = std::env::var("HOME").unwrap_or_default();
        let or = |name: &str, folder: &str| std::env::var(name).unwrap_or_else(|_| format!("{home}/{folder}"));
        self.set("CARGO_HOME", &or("CARGO_HOME", ".cargo"));
        self.set("RUSTUP_HOME", &or("RUSTUP_HOME", ".rustup"));
        self.set("XDG_CACHE_HOME", &target().join("authoring").display().to_string());
        // The ways of this machine to the registries.
        for name in ["PATH", "HTTPS_PROXY", "SSL_CERT_FILE"] {
            if let Ok(value) = std::env::var(name) {
                self.set(name, &value);
            }
        }
        self
    }

    /// Takes a variable back that was set for the processes that run here.
    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    /// Sets a variable for the processes that run here.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        self.write_bytes(name, content.as_bytes());
    }

    pub(crate) fn write_bytes(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("in the folder")).expect("create a folder");
        std::fs::write(&path, content).expect("write a file");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
    }

    /// Copies a file or a folder of the repository here, under its own name.
    pub(crate) fn copy(&self, from: &Path) {
        let to = self.root().join(from.file_name().expect("a named path"));
        copy_all(from, &to);
    }

    /// The command `workflow …` in this folder, with nothing of the caller's environment.
    pub(crate) fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Command {
        let mut command = Command::new(workflow_binary());
        command
            .current_dir(self.root())
            .env_clear()
            .env("HOME", self.root())
            .env("PATH", "/usr/bin:/bin");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `workflow …` to its end. The arguments are split at blanks.
    #[must_use = "a run that nobody looks at proves nothing"]
    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_args(line.split_whitespace())
    }

    /// Runs `workflow …` with arguments that may hold blanks.
    #[must_use = "a run that nobody looks at proves nothing"]
    pub(crate) fn run_args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Run {
        let output = self.command(arguments).output().expect("start the binary");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }

    /// Runs `workflow …` to its end with `input` on its stdin.
    #[must_use = "a run that nobody looks at proves nothing"]
    pub(crate) fn run_with_input(&self, line: &str, input: &[u8]) -> Run {
        use std::io::Write as _;

        let mut command = self.command(line.split_whitespace());
        let mut child = command.stdin(Stdio::piped()).spawn().expect("start the binary");
        let mut stdin = child.stdin.take().expect("a pipe");
        // It may have ended before it read all of it.
        drop(stdin.write_all(input));
        drop(stdin);
        self.finish(child)
    }

    /// Starts `workflow …` and lets it run.
    pub(crate) fn spawn(&self, line: &str) -> Child {
        self.command(line.split_whitespace()).spawn().expect("start the binary")
    }

    /// Waits for a child's end.
    #[must_use = "a run that nobody looks at proves nothing"]
    pub(crate) fn finish(&self, child: Child) -> Run {
        let output = child.wait_with_output().expect("wait for the child");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }

    /// `workflow execution inspect last --json`, as JSON.
    #[track_caller]
    pub(crate) fn inspect(&self) -> Value {
        self.run("execution inspect last --with-logs --with-audit --json")
            .code(0)
            .json()
    }
}

/// Reads a child's stderr until a line that has `text`; what follows is read on, so that the child is not held up.
pub(crate) fn wait_for_line(child: &mut Child, text: &str) {
    use std::io::{BufRead as _, BufReader};

    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut seen = String::new();
    while !seen.contains(text) {
        let read = stderr.read_line(&mut seen).expect("read stderr");
        assert!(read > 0, "it ended early: {seen}");
    }
    std::thread::spawn(move || drop(std::io::copy(&mut stderr, &mut std::io::sink())));
}

/// The most memory that a process had until now, in MiB.
pub(crate) fn peak_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.expect("the line is there").trim().trim_end_matches(" kB");
    kib.parse::<u64>().expect("a number") / 1024
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).expect("create a folder");
        for entry in std::fs::read_dir(from).expect("read a folder") {
            let entry = entry.expect("read a folder's entry");
            copy_all(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).expect("copy a file");
    }
}

/// The task of an inspected execution.
#[track_caller]
pub(crate) fn task<'a>(execution: &'a Value, id: &str) -> &'a Value {
    let tasks = execution["tasks"].as_array().expect("tasks are a list");
    tasks
        .iter()
        .find(|task| task["taskId"] == id)
        .unwrap_or_else(|| panic!("no task `{id}` in {execution:#}"))
}
