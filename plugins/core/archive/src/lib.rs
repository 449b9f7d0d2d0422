//! `core/archive`: packs files and folders, and unpacks them, in constant memory.

mod draft;
mod gzip;
mod pack;
mod tar;
mod unpack;
mod zip;

use autokestra_sdk::prelude::*;

/// Bytes that are held at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// What was packed.
#[derive(Output)]
struct Packed {
    /// The archive.
    path: String,
    /// Its size in bytes.
    size: u64,
    /// Files and folders in it.
    entries: usize,
}

/// What was unpacked.
#[derive(Output)]
struct Unpacked {
    /// The folder.
    path: String,
    /// Bytes of all files.
    size: u64,
    /// Files and folders.
    entries: usize,
}

fn failed(path: &str, error: std::io::Error) -> TaskError {
    TaskError::from(error).context(path)
}

plugin! {
    name: "core/archive",
    actions: [zip::zip, zip::unzip, gzip::gzip, gzip::gunzip, tar::tar, tar::untar],
}
