//! Tar, plain and compressed.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read, Write};
use std::time::{Duration, SystemTime};

use autokestra_sdk::prelude::*;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use tar::{Archive, Builder, EntryType, Header};

use crate::draft::Draft;
use crate::gzip::{compression, level};
use crate::pack::{self, From, Item};
use crate::unpack::{Folder, corrupt, unsafe_entry};
use crate::{BUFFER_BYTES, Packed, Unpacked, failed};

/// The first bytes of what gzip wrote (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What may stand behind the last entry: archivers fill up to blocks of some KiB.
const PADDING_BYTES_MAX: u64 = 1 << 20;

/// What is packed.
#[derive(Input)]
pub(crate) struct Tar {
    /// A file or a folder, or a list of them. Each goes in under the last part of its path; of one that ends in `/`, what is in it.
    from: From,
    /// The archive.
    to: String,
    /// Compress it by gzip. Default: where its name ends in .gz or .tgz.
    gzip: Option<bool>,
    /// How much gzip compresses, from 0 to 9. Default 6.
    #[serde(default = "level")]
    #[schemars(range(min = 0, max = 9))]
    level: u32,
}

/// Packs files and folders into a tar archive. Links are refused; owners and modes are not kept.
#[action(idempotent, title = "Pack a tar archive")]
pub(crate) fn tar(input: Tar) -> Result<Packed, TaskError> {
    let level = compression(input.level)?;
    let items = pack::items(&input.from, &input.to)?;
    let compressed = input
        .gzip
        .unwrap_or_else(|| input.to.ends_with(".gz") || input.to.ends_with(".tgz"));
    let (draft, file) = Draft::begin(&input.to)?;
    let file = BufWriter::with_capacity(BUFFER_BYTES, file);
    if compressed {
        let encoder = write(GzEncoder::new(file, level), &items, &input.to)?;
        encoder.finish().and_then(|mut file| file.flush())
    } else {
        write(file, &items, &input.to)?.flush()
    }
    .map_err(|error| failed(&input.to, error))?;
    Ok(Packed {
        size: draft.finish()?,
        path: input.to,
        entries: items.len(),
    })
}

fn write<W: Write>(out: W, items: &[Item], archive: &str) -> Result<W, TaskError> {
    let mut builder = Builder::new(out);
    for item in items {
        let shown = item.path.display().to_string();
        let mut header = Header::new_gnu();
        let modified = item.metadata.modified().ok();
        let modified = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        header.set_mtime(modified.unwrap_or_default().as_secs());
        let appended = if item.metadata.is_dir() {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
            builder.append_data(&mut header, format!("{}/", item.name), std::io::empty())
        } else {
            let file = File::open(&item.path).map_err(|error| failed(&shown, error))?;
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o644);
            // The header says the size; a file that grows meanwhile is cut there.
            let size = item.metadata.len();
            header.set_size(size);
            let mut content = Counted {
                file: file.take(size),
                left: size,
            };
            let appended = builder.append_data(&mut header, &item.name, &mut content);
            if appended.is_ok() && content.left > 0 {
                let text = format!("{shown} became shorter while it was packed");
                return Err(TaskError::retryable("file_changed", text));
            }
            appended
        };
        appended.map_err(|error| failed(&shown, error))?;
    }
    builder.into_inner().map_err(|error| failed(archive, error))
}

/// Knows how much of a file did not come.
struct Counted {
    file: std::io::Take<File>,
    left: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.left -= read as u64;
        Ok(read)
    }
}

/// What is unpacked.
#[derive(Input)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Untar {
    /// A tar archive; one that gzip compressed is known by its first bytes.
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

pub(crate) fn yes() -> bool {
    true
}

/// Unpacks a tar archive. An entry that leads out of the folder, or is a link or a device, ends it.
#[action(idempotent, title = "Unpack a tar archive")]
pub(crate) fn untar(input: Untar) -> Result<Unpacked, TaskError> {
    let file = File::open(&input.from).map_err(|error| failed(&input.from, error))?;
    let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
    let begin = file.fill_buf().map_err(|error| failed(&input.from, error))?;
    let compressed = begin.starts_with(&GZIP_MAGIC);
    let mut folder = Folder::open(&input.to, (input.max_bytes, input.max_entries), input.overwrite)?;
    if compressed {
        read(MultiGzDecoder::new(file), &mut folder, &input.from)?;
    } else {
        read(file, &mut folder, &input.from)?;
    }
    Ok(Unpacked {
        path: input.to,
        size: folder.size,
        entries: folder.entries,
    })
}

fn read(from: impl Read, folder: &mut Folder, archive: &str) -> Result<(), TaskError> {
    let wrong = |error: std::io::Error| corrupt(archive, &error);
    let mut tar = Archive::new(from);
    for entry in tar.entries().map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let name = entry.path_bytes();
        let name = std::str::from_utf8(&name)
            .map_err(|_| unsafe_entry(&String::from_utf8_lossy(&name), "its name is no UTF-8"))?
            .to_owned();
        let modified = entry.header().mtime().ok();
        let modified = modified.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)));
        match entry.header().entry_type() {
            EntryType::Directory => folder.folder(&name)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => folder.file(&name, modified, entry)?,
            // What git and others write about the archive itself.
            EntryType::XGlobalHeader => {}
            EntryType::Link | EntryType::Symlink => return Err(unsafe_entry(&name, "it is a link")),
            _ => return Err(unsafe_entry(&name, "it is neither a file nor a folder")),
        }
    }
    // gzip's checksum comes behind the last entry.
    let mut rest = tar.into_inner().take(PADDING_BYTES_MAX + 1);
    if std::io::copy(&mut rest, &mut std::io::sink()).map_err(wrong)? > PADDING_BYTES_MAX {
        let text = format!("{archive}: more than {PADDING_BYTES_MAX} bytes stand behind the last entry");
        return Err(TaskError::new("invalid_archive", text));
    }
    Ok(())
}
