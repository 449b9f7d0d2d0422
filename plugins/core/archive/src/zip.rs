//! Zip.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::time::{Duration, SystemTime};

use autokestra_sdk::prelude::*;
use jiff::Timestamp;
use jiff::civil::DateTime as Civil;
use jiff::tz::Offset;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::draft::Draft;
use crate::gzip::{compression, level};
use crate::pack::{self, From, Item};
use crate::tar::yes;
use crate::unpack::{Folder, corrupt, inside, unsafe_entry};
use crate::{BUFFER_BYTES, Packed, Unpacked, failed};

/// From here on the format has other fields for sizes.
const LARGE_BYTES: u64 = u32::MAX as u64;

/// What is packed.
#[derive(Input)]
pub(crate) struct Zip {
    /// A file or a folder, or a list of them. Each goes in under the last part of its path; of one that ends in `/`, what is in it.
    from: From,
    /// The archive.
    to: String,
    /// How much it is compressed, from 0 to 9. Default 6.
    #[serde(default = "level")]
    #[schemars(range(min = 0, max = 9))]
    level: u32,
}

/// Packs files and folders into a zip archive. Links are refused.
#[action(idempotent, title = "Pack a zip archive")]
pub(crate) fn zip(input: Zip) -> Result<Packed, TaskError> {
    compression(input.level)?;
    let items = pack::items(&input.from, &input.to)?;
    let (draft, file) = Draft::begin(&input.to)?;
    let mut writer = ZipWriter::new(BufWriter::with_capacity(BUFFER_BYTES, file));
    for item in &items {
        add(&mut writer, item, input.level)?;
    }
    let done = writer.finish().map_err(|error| wrong(&input.to, error));
    done?.flush().map_err(|error| failed(&input.to, error))?;
    Ok(Packed {
        size: draft.finish()?,
        path: input.to,
        entries: items.len(),
    })
}

fn add(writer: &mut ZipWriter<BufWriter<File>>, item: &Item, level: u32) -> Result<(), TaskError> {
    let shown = item.path.display().to_string();
    let mut options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(i64::from(level)))
        .large_file(item.metadata.len() >= LARGE_BYTES);
    if let Some(at) = item.metadata.modified().ok().and_then(date_of) {
        options = options.last_modified_time(at);
    }
    if item.metadata.is_dir() {
        return writer
            .add_directory(item.name.as_str(), options)
            .map_err(|error| wrong(&shown, error));
    }
    let mut file = File::open(&item.path).map_err(|error| failed(&shown, error))?;
    writer
        .start_file(item.name.as_str(), options)
        .map_err(|error| wrong(&shown, error))?;
    std::io::copy(&mut file, writer).map_err(|error| failed(&shown, error))?;
    Ok(())
}

/// A time as zip keeps it: UTC, in steps of two seconds, from 1980.
fn date_of(at: SystemTime) -> Option<DateTime> {
    let at = Offset::UTC.to_datetime(Timestamp::try_from(at).ok()?);
    let part = |value: i8| u8::try_from(value).ok();
    DateTime::from_date_and_time(
        u16::try_from(at.year()).ok()?,
        part(at.month())?,
        part(at.day())?,
        part(at.hour())?,
        part(at.minute())?,
        part(at.second())?,
    )
    .ok()
}

fn time_of(at: DateTime) -> Option<SystemTime> {
    let part = |value: u8| i8::try_from(value).ok();
    let civil = Civil::new(
        i16::try_from(at.year()).ok()?,
        part(at.month())?,
        part(at.day())?,
        part(at.hour())?,
        part(at.minute())?,
        part(at.second())?,
        0,
    );
    let seconds = Offset::UTC.to_timestamp(civil.ok()?).ok()?.as_second();
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// What is unpacked.
#[derive(Input)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Unzip {
    /// A zip archive.
    from: String,
    /// The folder that its entries go into; it is made where there is none.
    to: String,
    /// Replace files that are there; else it is an error. Default true.
    #[serde(default = "yes")]
    overwrite: bool,
    /// The most bytes that all its files may hold. Default 1 GiB.
    max_bytes: Option<u64>,
    /// The most files and folders that it may hold. Default 10,000.
    max_entries: Option<usize>,
}

/// Unpacks a zip archive. An entry that leads out of the folder, or is a link, ends it before anything is written.
#[action(idempotent, title = "Unpack a zip archive")]
pub(crate) fn unzip(input: Unzip) -> Result<Unpacked, TaskError> {
    let file = File::open(&input.from).map_err(|error| failed(&input.from, error))?;
    let file = BufReader::with_capacity(BUFFER_BYTES, file);
    let mut archive = ZipArchive::new(file).map_err(|error| wrong(&input.from, error))?;
    for name in archive.file_names() {
        let name = name.map_err(|error| wrong(&input.from, error))?;
        inside("".as_ref(), &name)?;
    }
    let mut folder = Folder::open(&input.to, (input.max_bytes, input.max_entries), input.overwrite)?;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| wrong(&input.from, error))?;
        let name = entry.name().map_err(|error| wrong(&input.from, error))?.into_owned();
        if entry.is_symlink() {
            return Err(unsafe_entry(&name, "it is a link"));
        }
        if entry.is_dir() {
            folder.folder(&name)?;
        } else {
            let modified = entry.last_modified().and_then(time_of);
            folder.file(&name, modified, entry)?;
        }
    }
    Ok(Unpacked {
        path: input.to,
        size: folder.size,
        entries: folder.entries,
    })
}

fn wrong(path: &str, error: ZipError) -> TaskError {
    match error {
        ZipError::Io(error) => corrupt(path, &error),
        other => TaskError::new("invalid_archive", format!("{path}: {other}")),
    }
}
