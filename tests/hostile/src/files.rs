//! Ways out by files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::time::SystemTime;

use crate::script::{Came, Kept, number, word};

/// What is read of a file, in bytes: enough to know what it is.
const READ_BYTES_MAX: u64 = 4096;

fn said<T>(result: io::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{:?}", error.kind()))
}

fn done(result: io::Result<()>) -> Came {
    said(result).map(|()| "done".to_owned())
}

pub(crate) fn step(verb: &str, words: &[String], kept: &mut Kept) -> Option<Came> {
    let (path, second) = (word(words, 0), word(words, 1));
    Some(match verb {
        "read" => said(read(path)),
        "write" => done(fs::write(path, second)),
        "append" => done(append(path, second)),
        "truncate" => done(OpenOptions::new().write(true).truncate(true).open(path).map(drop)),
        "size" => done(open_to_write(path).and_then(|file| file.set_len(number(words, 1)))),
        "sparse" => done(sparse(path, number(words, 1))),
        "fill" => done(fill(path, number(words, 1))),
        "list" => said(list(path)),
        "count" => said(fs::read_dir(path).map(|entries| entries.count().to_string())),
        "stat" => said(fs::symlink_metadata(path).map(|of| of.len().to_string())),
        "link" => done(fs::hard_link(path, second)),
        "symlink" => done(symlink(path, second)),
        "rename" => done(fs::rename(path, second)),
        "remove" => done(fs::remove_file(path)),
        "rmdir" => done(fs::remove_dir(path)),
        "mkdir" => done(fs::create_dir(path)),
        "times" => done(File::open(path).and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH))),
        "keep" => said(keep(path, number(words, 1), kept)),
        "many" => said(many(path, number(words, 1))),
        "read-often" => said(read_often(path, number(words, 1))),
        "empty-often" => said(empty_often(path, number(words, 1))),
        _ => return None,
    })
}

#[expect(deprecated, reason = "the one name of it that every platform has")]
fn symlink(target: &str, path: &str) -> io::Result<()> {
    fs::soft_link(target, path)
}

fn open_to_write(path: &str) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(false).open(path)
}

fn read(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

fn append(path: &str, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())
}

/// One byte, far behind the beginning.
fn sparse(path: &str, offset: u64) -> io::Result<()> {
    let mut file = open_to_write(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(b"x")
}

/// So many MiB, again and again over the same one, so that the disk is spared.
fn fill(path: &str, mib: u64) -> io::Result<()> {
    let mut file = open_to_write(path)?;
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..mib {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&piece)?;
    }
    Ok(())
}

fn list(path: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join(" "))
}

fn keep(path: &str, times: u64, kept: &mut Kept) -> io::Result<String> {
    for _ in 0..times {
        kept.files.push(File::open(path)?);
    }
    Ok(kept.files.len().to_string())
}

fn many(folder: &str, count: u64) -> io::Result<String> {
    for number in 0..count {
        drop(File::create(format!("{folder}/{number}"))?);
    }
    Ok(count.to_string())
}

/// Opens a file again and again as one that is emptied. What is refused is tried again.
fn empty_often(path: &str, times: u64) -> io::Result<String> {
    let opened = (0..times).filter(|_| fs::write(path, "mine").is_ok()).count();
    Ok((if opened > 0 { "emptied" } else { "never" }).to_owned())
}

/// Reads again and again while somebody changes what stands there, and tells all that it ever saw.
fn read_often(path: &str, times: u64) -> io::Result<String> {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..times {
        if let Ok(text) = read(path) {
            seen.insert(text);
        }
    }
    Ok(seen.into_iter().collect::<Vec<_>>().join(" "))
}
