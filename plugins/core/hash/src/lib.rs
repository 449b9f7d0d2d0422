//! `core/hash`: digests of data and files.

use std::fs::File;
use std::io::Read;

use autokestra_sdk::prelude::*;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

/// How much of a file is read at a time, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// How the digest is made.
#[derive(Input, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Algorithm {
    Sha256,
    Sha512,
    Blake3,
}

/// How the code is made.
#[derive(Input, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum MacAlgorithm {
    Sha256,
    Sha512,
}

/// Of what the digest is.
#[derive(Input)]
struct Digest {
    /// Text, or any other JSON, which is taken in its shortest form. Either this or `path`.
    data: Option<Value>,
    /// A file that the workflow grants. Either this or `data`.
    path: Option<String>,
    /// sha256, sha512 or blake3.
    algorithm: Algorithm,
}

/// Digests data or a file. The result is in hex.
#[action(idempotent, title = "Digest data or a file")]
fn digest(input: Digest) -> Result<String, TaskError> {
    let mut source = source(input.data, input.path)?;
    Ok(match input.algorithm {
        Algorithm::Sha256 => {
            let mut hash = Sha256::new();
            source.pieces(|piece| hash.update(piece))?;
            hex(&hash.finalize())
        }
        Algorithm::Sha512 => {
            let mut hash = Sha512::new();
            source.pieces(|piece| hash.update(piece))?;
            hex(&hash.finalize())
        }
        Algorithm::Blake3 => {
            let mut hash = blake3::Hasher::new();
            source.pieces(|piece| {
                hash.update(piece);
            })?;
            hash.finalize().to_hex().to_string()
        }
    })
}

/// Of what the code is, and with which key.
#[derive(Input)]
struct Code {
    /// Text, or any other JSON, which is taken in its shortest form. Either this or `path`.
    data: Option<Value>,
    /// A file that the workflow grants. Either this or `data`.
    path: Option<String>,
    /// sha256 or sha512.
    algorithm: MacAlgorithm,
    /// The key, usually `{{ secrets.NAME }}`.
    key: String,
}

/// Makes a keyed code (HMAC) of data or a file. The result is in hex.
#[action(idempotent, title = "Sign data or a file by HMAC", name = "hmac")]
fn code(input: Code) -> Result<String, TaskError> {
    let mut source = source(input.data, input.path)?;
    let key = input.key.as_bytes();
    let bad_key = |_| TaskError::new("invalid_input", "the key is not usable");
    Ok(match input.algorithm {
        MacAlgorithm::Sha256 => {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(bad_key)?;
            source.pieces(|piece| mac.update(piece))?;
            hex(&mac.finalize().into_bytes())
        }
        MacAlgorithm::Sha512 => {
            let mut mac = Hmac::<Sha512>::new_from_slice(key).map_err(bad_key)?;
            source.pieces(|piece| mac.update(piece))?;
            hex(&mac.finalize().into_bytes())
        }
    })
}

/// Bytes to read.
enum Source {
    Data(Vec<u8>),
    File(File, String),
}

fn source(data: Option<Value>, path: Option<String>) -> Result<Source, TaskError> {
    match (data, path) {
        (Some(Value::String(text)), None) => Ok(Source::Data(text.into_bytes())),
        (Some(value), None) => Ok(Source::Data(value.to_string().into_bytes())),
        (None, Some(path)) => match File::open(&path) {
            Ok(file) => Ok(Source::File(file, path)),
            Err(error) => Err(TaskError::from(error).context(path)),
        },
        _ => Err(TaskError::new("invalid_input", "give either `data` or `path`")),
    }
}

impl Source {
    fn pieces(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), TaskError> {
        match self {
            Self::Data(bytes) => take(bytes),
            Self::File(file, path) => {
                let mut piece = vec![0; PIECE_BYTES];
                loop {
                    let read = file
                        .read(&mut piece)
                        .map_err(|error| TaskError::from(error).context(&*path))?;
                    if read == 0 {
                        break;
                    }
                    take(piece.get(..read).unwrap_or_default());
                }
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

plugin! {
    name: "core/hash",
    actions: [digest, code],
}
