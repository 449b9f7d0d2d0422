//! Single files.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};

use autokestra_sdk::prelude::*;
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::draft::Draft;
use crate::unpack::{BYTES_MAX_DEFAULT, corrupt};
use crate::{BUFFER_BYTES, failed};

/// What is compressed.
#[derive(Input)]
pub(crate) struct Gzip {
    /// A file.
    from: String,
    /// The compressed file. Default: the same name with `.gz` behind it.
    to: Option<String>,
    /// From 0 (none) to 9 (smallest). Default 6.
    #[serde(default = "level")]
    #[schemars(range(min = 0, max = 9))]
    level: u32,
}

pub(crate) fn level() -> u32 {
    6
}

pub(crate) fn compression(level: u32) -> Result<Compression, TaskError> {
    if level > 9 {
        return Err(TaskError::new(
            "invalid_input",
            format!("`level` is {level}; it goes from 0 to 9"),
        ));
    }
    Ok(Compression::new(level))
}

/// What was written.
#[derive(Output)]
pub(crate) struct Written {
    /// The file.
    path: String,
    /// Its size in bytes.
    size: u64,
}

/// Compresses a file.
#[action(idempotent, title = "Compress a file")]
pub(crate) fn gzip(input: Gzip) -> Result<Written, TaskError> {
    let level = compression(input.level)?;
    let path = input.to.unwrap_or_else(|| format!("{}.gz", input.from));
    let mut from = File::open(&input.from).map_err(|error| failed(&input.from, error))?;
    let (draft, file) = Draft::begin(&path)?;
    let mut encoder = GzEncoder::new(BufWriter::with_capacity(BUFFER_BYTES, file), level);
    let both = format!("{} to {path}", input.from);
    std::io::copy(&mut from, &mut encoder)
        .and_then(|_| encoder.finish())
        .and_then(|mut file| file.flush())
        .map_err(|error| failed(&both, error))?;
    let size = draft.finish()?;
    Ok(Written { path, size })
}

/// What is uncompressed.
#[derive(Input)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Gunzip {
    /// A compressed file.
    from: String,
    /// The file. Default: the same name without `.gz`.
    to: Option<String>,
    /// The most bytes that it may hold. Default 1 GiB.
    max_bytes: Option<u64>,
}

/// Uncompresses a file.
#[action(idempotent, title = "Uncompress a file")]
pub(crate) fn gunzip(input: Gunzip) -> Result<Written, TaskError> {
    let path = match (input.to, input.from.strip_suffix(".gz")) {
        (Some(path), _) => path,
        (None, Some(path)) => path.to_owned(),
        (None, None) => {
            let text = format!("`{}` does not end in .gz; name the file by `to`", input.from);
            return Err(TaskError::new("invalid_input", text));
        }
    };
    let from = File::open(&input.from).map_err(|error| failed(&input.from, error))?;
    let most = input.max_bytes.unwrap_or(BYTES_MAX_DEFAULT);
    let decoder = MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, from));
    let (draft, file) = Draft::begin(&path)?;
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, file);
    let copied = std::io::copy(&mut decoder.take(most.saturating_add(1)), &mut file)
        .and_then(|copied| file.flush().map(|()| copied))
        .map_err(|error| corrupt(&input.from, &error))?;
    if copied > most {
        let text = format!("{} holds more than {most} bytes; `maxBytes` allows more", input.from);
        return Err(TaskError::new("too_large", text));
    }
    drop(file);
    let size = draft.finish()?;
    Ok(Written { path, size })
}
