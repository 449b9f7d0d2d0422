//! The value of a secret, from a person or a pipe. It never comes from an argument, which other users of the machine see.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::AsFd as _;

use autokestra_model::SecretName;
use autokestra_secrets::SecretValue;
use autokestra_secrets::vault::SECRET_BYTES_MAX;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::{CliError, Exit};

/// What is read at most: a value that is too long is told as such, with its line end and what a reader wants beyond.
const READ_BYTES_MAX: usize = SECRET_BYTES_MAX + 4;

/// What a reader wants beyond what it reads, to see the end.
const ROOM: usize = 64;

/// Reads a value: from the terminal without showing it, else all of stdin.
pub(super) async fn read(name: &SecretName) -> Result<SecretValue, CliError> {
    let value = if io::stdin().is_terminal() {
        ask(name).await?
    } else {
        all_of_stdin()?
    };
    if value.expose().is_empty() {
        let error = CliError::input(format!("no value was given for `{name}`"));
        return Err(error.hint(format!("pipe it: workflow secret set {name} < FILE")));
    }
    Ok(value)
}

async fn ask(name: &SecretName) -> Result<SecretValue, CliError> {
    let failed = |error: &io::Error| CliError::new(Exit::Machine, format!("read the value of `{name}`: {error}"));
    // Where nobody listens, Ctrl-C ends the process before the terminal shows again what is typed.
    let listening = signal(SignalKind::interrupt()).map_err(|error| failed(&error))?;
    let prompt = format!("Value of {name} (not shown): ");
    let asked = tokio::task::spawn_blocking(move || rpassword::prompt_password(prompt)).await;
    drop(listening);
    let asked = asked.map_err(|error| failed(&io::Error::other(error)))?;
    asked.map(SecretValue::new).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => CliError::new(Exit::Interrupted, "interrupted; nothing was set"),
        io::ErrorKind::UnexpectedEof => CliError::input(format!("no value was given for `{name}`")),
        _ => failed(&error).hint(format!("pipe it: workflow secret set {name} < FILE")),
    })
}

/// All of stdin but one line end. It is read past the buffer of the standard library, which nobody overwrites.
fn all_of_stdin() -> Result<SecretValue, CliError> {
    let failed = |error: io::Error| CliError::input(format!("read the value from stdin: {error}"));
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(READ_BYTES_MAX + ROOM));
    let mut limited = File::from(stdin).take(READ_BYTES_MAX as u64);
    limited.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(value) => Ok(SecretValue::new(value)),
        Err(error) => {
            error.into_bytes().zeroize();
            let error = CliError::input("the value is no text (UTF-8)");
            Err(error.hint("encode it, as by base64, and decode it where it is used"))
        }
    }
}
