//! Master keys in the keyring of the desktop, by the program `secret-tool` of libsecret.
//!
//! The program is asked, and no library: one that speaks to the keyring itself would bring 55 crates, and other features of
//! tokio and rustix than wasmtime is built with. A key is kept under its fingerprint, so none replaces another.

use std::io::{self, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use zeroize::Zeroizing;

use super::error::VaultError;
use super::master_key::{Fingerprint, KeyPlace, MasterKey};

const PROGRAM: &str = "secret-tool";

/// More than any answer that is a key.
const ANSWER_BYTES_MAX: usize = 256;

/// The key of a fingerprint; none where the keyring has none.
pub(super) fn look_up(fingerprint: Fingerprint) -> Result<Option<MasterKey>, VaultError> {
    let mut child = start("lookup", &[], fingerprint, Stdio::null())?;
    let answer = child.stdout.take().map_or_else(|| Ok(Zeroizing::default()), answer);
    let (found, said) = end(child)?;
    let text = answer.map_err(|error| failed(&error.to_string()))?;
    match (found, said.is_empty()) {
        (true, _) => MasterKey::parse(&text, KeyPlace::Keyring).map(Some),
        // It says nothing where it found nothing.
        (false, true) => Ok(None),
        (false, false) => Err(failed(&said)),
    }
}

/// Puts a new key into the keyring.
pub(super) fn create() -> Result<MasterKey, VaultError> {
    let key = MasterKey::random(KeyPlace::Keyring)?;
    let fingerprint = key.fingerprint();
    let label = format!("--label=Autokestra: master key {fingerprint} of the secret store");
    let mut child = start("store", &[&label], fingerprint, Stdio::piped())?;
    let given = child
        .stdin
        .take()
        .map_or(Ok(()), |mut stdin| stdin.write_all(key.to_text().as_bytes()));
    let (stored, said) = end(child)?;
    if !stored {
        return Err(failed(&said));
    }
    // A program that does not read to the end may have ended already; what counts is what it gives back.
    given
        .or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(error),
        })
        .map_err(|error| failed(&error.to_string()))?;
    // What was given is what it will give.
    let kept = look_up(fingerprint)?.ok_or_else(|| failed("it does not have the key that it was given"))?;
    Ok(kept)
}

fn start(what: &str, options: &[&str], fingerprint: Fingerprint, stdin: Stdio) -> Result<Child, VaultError> {
    let mut command = Command::new(PROGRAM);
    command
        .arg(what)
        .args(options)
        .args(["application", "autokestra", "master-key"])
        .arg(fingerprint.to_string())
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => failed(&format!("there is no program `{PROGRAM}`")),
        _ => failed(&format!("start `{PROGRAM}`: {error}")),
    })
}

/// What it prints, at once into its place.
fn answer(stdout: ChildStdout) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(ANSWER_BYTES_MAX));
    stdout.take(ANSWER_BYTES_MAX as u64 / 2).read_to_string(&mut text)?;
    Ok(text)
}

/// Whether it did as it was told, and what it said.
fn end(child: Child) -> Result<(bool, String), VaultError> {
    let output = child
        .wait_with_output()
        .map_err(|error| failed(&format!("wait for `{PROGRAM}`: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok((output.status.success(), said.trim().to_owned()))
}

fn failed(reason: &str) -> VaultError {
    let reason = if reason.is_empty() { "it says no" } else { reason };
    VaultError::Keyring {
        reason: reason.to_owned(),
    }
}
