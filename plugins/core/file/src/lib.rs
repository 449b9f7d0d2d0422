//! `core/file`: reads and writes files that the workflow grants.

mod list;
mod transfer;

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use autokestra_sdk::prelude::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Largest file that is read at once, in bytes: a guest's memory holds no more.
const FILE_BYTES_MAX: u64 = 48 << 20;

/// How a file is given.
#[derive(Input, Default)]
#[serde(rename_all = "lowercase")]
enum As {
    #[default]
    Text,
    Lines,
    Json,
    Base64,
}

/// What is read.
#[derive(Input)]
struct Read {
    /// A file.
    path: String,
    /// text (default), lines, json, or base64 for bytes.
    #[serde(default, rename = "as")]
    form: As,
}

/// Reads a file.
#[action(idempotent, title = "Read a file")]
fn read(input: Read) -> Result<Value, TaskError> {
    let path = &input.path;
    let file = File::open(path).map_err(|error| failed(path, error))?;
    let mut bytes = Vec::new();
    let size = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    if size.map_err(|error| failed(path, error))? as u64 > FILE_BYTES_MAX {
        return Err(TaskError::new(
            "file_too_large",
            format!("{path} is larger than {} MiB", FILE_BYTES_MAX >> 20),
        ));
    }
    if let As::Base64 = input.form {
        return Ok(BASE64.encode(bytes).into());
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| TaskError::new("invalid_utf8", format!("{path} is no UTF-8; read it `as: base64`")))?;
    match input.form {
        As::Lines => Ok(text.lines().collect()),
        As::Json => json_of(path, &text),
        As::Text | As::Base64 => Ok(text.into()),
    }
}

fn json_of(path: &str, text: &str) -> Result<Value, TaskError> {
    serde_json::from_str(text).map_err(|error| TaskError::from(error).context(path))
}

/// What is written.
#[derive(Input)]
struct Write {
    /// The file; its folders are made.
    path: String,
    /// Text; any other JSON is written as such.
    content: Value,
    /// The content is base64, of bytes.
    #[serde(default)]
    base64: bool,
}

/// What was written.
#[derive(Output)]
struct Written {
    /// The file.
    path: String,
    /// Its size in bytes.
    size: u64,
}

/// Writes a file in one step: whoever reads it sees the old content or the new, and a failure leaves the old.
#[action(idempotent, title = "Write a file")]
fn write(input: Write) -> Result<Written, TaskError> {
    let bytes = bytes(&input)?;
    let path = Path::new(&input.path);
    make_folder(path)?;
    let draft = draft(path)?;
    let written = match fs::write(&draft, &bytes) {
        Ok(()) => fs::rename(&draft, path),
        // Only this very file is granted, so there is no place for a draft beside it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && path.is_file() => fs::write(path, &bytes),
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        // The first error counts.
        let _gone = fs::remove_file(&draft);
        return Err(failed(&input.path, error));
    }
    Ok(Written {
        size: bytes.len() as u64,
        path: input.path,
    })
}

/// Appends to a file, and makes it where there is none.
#[action(title = "Append to a file")]
fn append(input: Write) -> Result<Written, TaskError> {
    let bytes = bytes(&input)?;
    make_folder(Path::new(&input.path))?;
    let appended = File::options()
        .create(true)
        .append(true)
        .open(&input.path)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.metadata()));
    let size = appended.map_err(|error| failed(&input.path, error))?.len();
    Ok(Written { path: input.path, size })
}

fn bytes(input: &Write) -> Result<Vec<u8>, TaskError> {
    match &input.content {
        Value::String(text) if input.base64 => BASE64
            .decode(text.trim())
            .map_err(|error| TaskError::new("invalid_input", format!("`content` is no base64: {error}"))),
        _ if input.base64 => Err(TaskError::new("invalid_input", "with `base64`, `content` must be text")),
        Value::String(text) => Ok(text.clone().into_bytes()),
        other => Ok(other.to_string().into_bytes()),
    }
}

/// A name beside `path` that nobody else uses.
fn draft(path: &Path) -> Result<PathBuf, TaskError> {
    use std::hash::{BuildHasher as _, RandomState};
    let name = path
        .file_name()
        .ok_or_else(|| TaskError::new("invalid_input", format!("{} names no file", path.display())))?;
    let mut draft = std::ffi::OsString::from(".");
    draft.push(name);
    draft.push(format!(".{:016x}.part", RandomState::new().hash_one(path)));
    Ok(path.with_file_name(draft))
}

fn make_folder(path: &Path) -> Result<(), TaskError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            fs::create_dir_all(folder).map_err(|error| failed(&folder.display().to_string(), error))
        }
        _ => Ok(()),
    }
}

fn failed(path: &str, error: std::io::Error) -> TaskError {
    TaskError::from(error).context(path)
}

plugin! {
    name: "core/file",
    actions: [read, write, append, list::list, list::stat, transfer::copy, transfer::rename, transfer::remove],
}
