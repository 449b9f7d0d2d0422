//! Files that tasks leave for others: what is in `/artifacts` when the task succeeds is kept, and found by later tasks below `/artifacts-in`.
//!
//! No permission is needed. A task sees the files of another only if its inputs name them: `"{{ tasks.report.files['report.csv'] }}"` is the path at
//! which they are found. A task may leave 1,000 files of 1 GiB together; their contents are not masked, so no secret belongs into them.
//!
//! ```
//! use autokestra_sdk::files;
//! use autokestra_sdk::prelude::*;
//!
//! /// Which file is counted.
//! #[derive(Input)]
//! struct Count {
//!     /// Where it is: `"{{ tasks.export.files['rows.csv'] }}"`.
//!     path: String,
//! }
//!
//! /// Counts the lines of a file that another task left, and leaves a report.
//! #[action(idempotent)]
//! fn count(input: Count) -> Result<usize, TaskError> {
//!     let lines = files::read_text(&input.path)?.lines().count();
//!     files::write("report/lines.txt", format!("{lines}\n"))?;
//!     Ok(lines)
//! }
//! # use autokestra_sdk::testing::FakeHost;
//! # let host = FakeHost::new().input_file("export/rows.csv", "a\nb\n");
//! # assert_eq!(count(Count { path: "/artifacts-in/export/rows.csv".into() }).unwrap(), 2);
//! # assert_eq!(host.artifact("report/lines.txt").unwrap(), b"2\n");
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::TaskError;

/// Where a task leaves files.
///
/// ```
/// # use autokestra_sdk::files;
/// assert_eq!(files::ARTIFACTS, "/artifacts");
/// ```
pub const ARTIFACTS: &str = "/artifacts";

/// Where a task finds the files of others, each in a folder of its task's name.
///
/// ```
/// # use autokestra_sdk::files;
/// assert_eq!(files::ARTIFACTS_IN, "/artifacts-in");
/// ```
pub const ARTIFACTS_IN: &str = "/artifacts-in";

/// Leaves a file: `name` is below [`ARTIFACTS`], with `/` between folders, which are made.
///
/// ```
/// # use autokestra_sdk::{TaskError, files};
/// # let host = autokestra_sdk::testing::FakeHost::new();
/// files::write("pages/index.html", "<h1>Hello</h1>")?;
/// # assert_eq!(host.artifacts(), ["pages/index.html"]);
/// # Ok::<_, TaskError>(())
/// ```
///
/// # Errors
/// `invalid_path` where the name leads elsewhere; else what the file system says.
pub fn write(name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<(), TaskError> {
    let path = out(name.as_ref())?;
    fs::write(&path, content).map_err(|error| failed("write", name.as_ref(), error))
}

/// Leaves a file of JSON.
///
/// ```
/// # use autokestra_sdk::{TaskError, files, json};
/// # let host = autokestra_sdk::testing::FakeHost::new();
/// files::write_json("totals.json", &json!({ "rows": 3 }))?;
/// # assert_eq!(host.artifact("totals.json").unwrap(), br#"{"rows":3}"#);
/// # Ok::<_, TaskError>(())
/// ```
///
/// # Errors
/// As [`write()`], or `invalid_json` where the value has no JSON.
pub fn write_json<T: Serialize + ?Sized>(name: impl AsRef<Path>, value: &T) -> Result<(), TaskError> {
    write(name, serde_json::to_vec(value)?)
}

/// Creates a file that is left, to be written in pieces. Wrap it into a `BufWriter` where they are small.
///
/// ```
/// # use autokestra_sdk::{TaskError, files};
/// # let host = autokestra_sdk::testing::FakeHost::new();
/// use std::io::Write as _;
///
/// let mut file = std::io::BufWriter::new(files::create("rows.csv")?);
/// for row in 0..3 {
///     writeln!(file, "{row}")?;
/// }
/// file.flush()?;
/// # assert_eq!(host.artifact("rows.csv").unwrap(), b"0\n1\n2\n");
/// # Ok::<_, TaskError>(())
/// ```
///
/// # Errors
/// As [`write()`].
pub fn create(name: impl AsRef<Path>) -> Result<File, TaskError> {
    let path = out(name.as_ref())?;
    File::create(&path).map_err(|error| failed("create", name.as_ref(), error))
}

/// Opens a file that another task left. `path` is the one that the workflow gave, or what is behind [`ARTIFACTS_IN`] in it: `task/name`.
///
/// ```
/// # use autokestra_sdk::{TaskError, files};
/// # let host = autokestra_sdk::testing::FakeHost::new().input_file("export/rows.csv", "a\nb\n");
/// use std::io::{BufRead as _, BufReader};
///
/// for line in BufReader::new(files::open("export/rows.csv")?).lines() {
///     let line = line?;
///     # assert!(line == "a" || line == "b");
/// }
/// # Ok::<_, TaskError>(())
/// ```
///
/// # Errors
/// `not_found` where the inputs of the task do not name it; `invalid_path` where it leads elsewhere.
pub fn open(path: impl AsRef<Path>) -> Result<File, TaskError> {
    let found = found(path.as_ref())?;
    File::open(&found).map_err(|error| failed("open", path.as_ref(), error))
}

/// Reads a file that another task left, whole.
///
/// ```
/// # use autokestra_sdk::{TaskError, files};
/// # let host = autokestra_sdk::testing::FakeHost::new().input_file("render/logo.png", [0x89]);
/// let logo: Vec<u8> = files::read("/artifacts-in/render/logo.png")?;
/// # assert_eq!(logo, [0x89]);
/// # Ok::<_, TaskError>(())
/// ```
///
/// # Errors
/// As [`open`].
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>, TaskError> {
    let found = found(path.as_ref())?;
    fs::read(&found).map_err(|error| failed("read", path.as_ref(), error))
}

/// Reads a text that another task left.
///
/// ```
/// # use autokestra_sdk::{TaskError, files};
/// # let host = autokestra_sdk::testing::FakeHost::new().input_file("export/rows.csv", "a\n");
/// assert_eq!(files::read_text("export/rows.csv")?, "a\n");
/// # Ok::<_, TaskError>(())
/// ```
///
/// # Errors
/// As [`open`], or `invalid_utf8`.
pub fn read_text(path: impl AsRef<Path>) -> Result<String, TaskError> {
    let bytes = read(path.as_ref())?;
    String::from_utf8(bytes).map_err(|error| TaskError::from(error).context(words("read", path.as_ref())))
}

/// Reads JSON that another task left.
///
/// ```
/// # use autokestra_sdk::{TaskError, Value, files};
/// # let host = autokestra_sdk::testing::FakeHost::new().input_file("sum/totals.json", r#"{"rows":3}"#);
/// let totals: Value = files::read_json("sum/totals.json")?;
/// # assert_eq!(totals["rows"], 3);
/// # Ok::<_, TaskError>(())
/// ```
///
/// # Errors
/// As [`open`], or `invalid_json`.
pub fn read_json<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<T, TaskError> {
    let bytes = read(path.as_ref())?;
    serde_json::from_slice(&bytes).map_err(|error| TaskError::from(error).context(words("read", path.as_ref())))
}

/// The files of other tasks that are here, as `task/name`, in order.
///
/// ```
/// # use autokestra_sdk::{TaskError, files};
/// # let host = autokestra_sdk::testing::FakeHost::new().input_file("a/x.txt", "").input_file("b/deep/y.txt", "");
/// assert_eq!(files::list()?, ["a/x.txt", "b/deep/y.txt"]);
/// # Ok::<_, TaskError>(())
/// ```
///
/// # Errors
/// What the file system says. Where the inputs name no files there are none.
pub fn list() -> Result<Vec<String>, TaskError> {
    let mut names = Vec::new();
    match walk(&root(ARTIFACTS_IN)?, "", &mut names) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(TaskError::from(error).context(format!("list `{ARTIFACTS_IN}`")))
        }
        Ok(()) | Err(_) => {
            names.sort();
            Ok(names)
        }
    }
}

/// All files below a folder, by name.
pub(crate) fn walk(folder: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

/// Where a file that is left stands; its folder is made.
fn out(name: &Path) -> Result<PathBuf, TaskError> {
    let path = root(ARTIFACTS)?.join(below(name, ARTIFACTS)?);
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.map_err(|error| failed("make the folder of", name, error))?;
    Ok(path)
}

/// Where a file of another task stands.
fn found(path: &Path) -> Result<PathBuf, TaskError> {
    Ok(root(ARTIFACTS_IN)?.join(below(path, ARTIFACTS_IN)?))
}

/// The part of a path that is below `root`, whether it says so or not.
pub(crate) fn below<'p>(path: &'p Path, root: &str) -> Result<&'p Path, TaskError> {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if plain && relative.components().next().is_some() {
        return Ok(relative);
    }
    let text = format!("`{}` is no name of a file below `{root}`", path.display());
    Err(TaskError::new("invalid_path", text))
}

fn failed(verb: &str, path: &Path, error: io::Error) -> TaskError {
    let missing = error.kind() == io::ErrorKind::NotFound && verb != "write";
    let mut error = TaskError::from(error).context(words(verb, path));
    if missing {
        error = error.and("a task sees the files of another only if its inputs name them");
    }
    error
}

fn words(verb: &str, path: &Path) -> String {
    format!("{verb} `{}`", path.display())
}

/// What stands at `folder` in the sandbox.
#[cfg(target_family = "wasm")]
#[expect(clippy::unnecessary_wraps, reason = "outside of the sandbox it fails")]
fn root(folder: &str) -> Result<PathBuf, TaskError> {
    Ok(PathBuf::from(folder))
}

#[cfg(not(target_family = "wasm"))]
fn root(folder: &str) -> Result<PathBuf, TaskError> {
    crate::testing::folder(folder).ok_or_else(|| {
        let text = format!("`{folder}` is there inside of the sandbox only; in a test, make a `FakeHost`");
        TaskError::new("no_artifacts", text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeHost;

    #[test]
    fn names_stay_below_their_folder() {
        for (path, expected) in [
            ("a.txt", Some("a.txt")),
            ("deep/a.txt", Some("deep/a.txt")),
            ("/artifacts/a.txt", Some("a.txt")),
            ("", None),
            ("/artifacts", None),
            ("../a.txt", None),
            ("deep/../../a.txt", None),
            ("/etc/passwd", None),
            ("/artifacts/../a", None),
            ("/artifacts-in/a/b", None),
        ] {
            let found = below(Path::new(path), ARTIFACTS).ok();
            assert_eq!(found, expected.map(Path::new), "{path}");
        }
    }

    #[test]
    fn failures_say_what_and_why() {
        assert_eq!(write("a", "b").unwrap_err().code(), "no_artifacts");
        let _host = FakeHost::new().input_file("a/b", [0xff]);
        let error = open("export/rows.csv").unwrap_err();
        assert_eq!(error.code(), "not_found");
        assert!(error.message().starts_with("open `export/rows.csv`: "), "{error}");
        assert!(error.message().contains("only if its inputs name them"), "{error}");
        assert_eq!(read_text("a/b").unwrap_err().code(), "invalid_utf8");
        let error = read_json::<u8>("a/b").unwrap_err();
        assert_eq!(error.code(), "invalid_json");
        assert!(error.message().starts_with("read `a/b`: "), "{error}");
        write("a", "").unwrap();
        assert_eq!(write("a/b", "").unwrap_err().code(), "io");
        assert_eq!(write("../x", "").unwrap_err().code(), "invalid_path");
    }
}
