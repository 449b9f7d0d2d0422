//! Ways out by HTTP, with the contract's own interface: no client stands between, that would refuse what is wrong.

use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme};
use crate::bindings::wasi::io::streams::StreamError;
use crate::script::{Came, Kept, number, word};

/// What is read of a body at a time, and shown of it.
const PIECE_BYTES: u64 = 64 << 10;
const SHOWN_BYTES: usize = 64;

pub(crate) fn step(verb: &str, words: &[String], _: &mut Kept) -> Option<Came> {
    Some(match verb {
        // http METHOD SCHEME AUTHORITY PATH [name=value]…
        "http" => ask(words, 0, words.get(4..).unwrap_or_default()),
        // upload MIB SCHEME AUTHORITY PATH
        "upload" => ask(words, number(words, 0), &[]),
        _ => return None,
    })
}

fn ask(words: &[String], mib: u64, headers: &[String]) -> Came {
    let fields = Fields::new();
    for header in headers {
        let (name, value) = header.split_once('=').unwrap_or((header, ""));
        let appended = fields.append(name, value.as_bytes());
        appended.map_err(|error| format!("header: {error:?}"))?;
    }
    let request = OutgoingRequest::new(fields);
    let method = if mib > 0 {
        Method::Post
    } else {
        Method::Other(word(words, 0).to_owned())
    };
    request.set_method(&method).map_err(|()| "method".to_owned())?;
    let scheme = match word(words, 1) {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    request.set_scheme(Some(&scheme)).map_err(|()| "scheme".to_owned())?;
    let authority = request.set_authority(Some(word(words, 2)));
    authority.map_err(|()| "authority".to_owned())?;
    let path = request.set_path_with_query(Some(word(words, 3)));
    path.map_err(|()| "path".to_owned())?;
    let body = request.body().map_err(|()| "body".to_owned())?;
    let response = outgoing_handler::handle(request, None).map_err(|error| format!("{error:?}"))?;
    send(body, mib)?;
    response.subscribe().block();
    let response = response.get().and_then(Result::ok).ok_or("no response")?;
    let response = response.map_err(|error| format!("{error:?}"))?;
    let body = response.consume().map_err(|()| "consume".to_owned())?;
    Ok(format!("{} {}", response.status(), receive(&body)?))
}

fn send(body: OutgoingBody, mib: u64) -> Result<(), String> {
    let stream = body.write().map_err(|()| "write".to_owned())?;
    let piece = vec![b'x'; 4096];
    for _ in 0..mib * 256 {
        let written = stream.blocking_write_and_flush(&piece);
        // Whoever takes no more says why in the response.
        if written.is_err() {
            drop(stream);
            return Ok(());
        }
    }
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|error| format!("{error:?}"))
}

fn receive(body: &IncomingBody) -> Came {
    let stream = body.stream().map_err(|()| "stream".to_owned())?;
    let (mut shown, mut count) = (Vec::new(), 0);
    loop {
        match stream.blocking_read(PIECE_BYTES) {
            Ok(piece) => {
                count += piece.len();
                let room = SHOWN_BYTES.saturating_sub(shown.len());
                shown.extend(piece.into_iter().take(room));
            }
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(format!("after {count} bytes: {}", error.to_debug_string()));
            }
        }
    }
    Ok(format!("{count} {}", String::from_utf8_lossy(&shown)))
}
