//! The server of a case: it listens on loopback, answers what the case says, and keeps what it was asked.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use autokestra_model::cases::{Answer, BodyMatch, Fixture, PathMatch, has, same};
use autokestra_secrets::{Masked, Masker};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Longest head and body of a request. A plugin can send no more either.
const HEAD_BYTES_MAX: usize = 64 << 10;
const BODY_BYTES_MAX: usize = 64 << 20;
/// Most headers of a request.
const HEADERS_MAX: usize = 256;
/// Most requests that are kept.
const ASKED_MAX: usize = 10_000;
/// Longest part of a value that a message shows, in characters.
const SHOWN_CHARS_MAX: usize = 300;

/// A server. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    address: String,
    kept: Arc<Mutex<Kept>>,
    accepting: AbortHandle,
}

/// A request that came: method and path.
#[derive(Clone, Debug)]
pub(crate) struct Asked(pub(crate) Masked);

/// A request as it is kept.
#[derive(Debug)]
struct Came {
    /// Method and path.
    line: String,
    /// Which fixture answered it.
    fixture: Option<usize>,
    /// What it has otherwise than it should. Values are masked before they are cut.
    wrong: Vec<String>,
}

#[derive(Debug)]
struct Kept {
    fixtures: Vec<Fixture>,
    masker: Masker,
    asked: Vec<Came>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// Listens on a free port.
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?.to_string();
        let kept = Arc::new(Mutex::new(Kept {
            fixtures: Vec::new(),
            masker: Masker::none(),
            asked: Vec::new(),
        }));
        let shared = Arc::clone(&kept);
        let accepting = tokio::spawn(async move {
            // Connections end with the server.
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while open.try_join_next().is_some() {}
                let kept = Arc::clone(&shared);
                open.spawn(async move {
                    // One that is cut off has nothing to be told.
                    drop(serve(stream, &kept).await);
                });
            }
        });
        Ok(Self {
            address,
            kept,
            accepting: accepting.abort_handle(),
        })
    }

    /// `127.0.0.1:port`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// What it answers from now on, and what masks the values of its messages.
    pub(super) fn answers(&self, fixtures: Vec<Fixture>, masker: &Masker) {
        let mut kept = locked(&self.kept);
        kept.fixtures = fixtures;
        kept.masker = masker.clone();
    }

    /// What came, and what is wrong with that: unexpected, missing or other requests than were expected.
    pub(super) fn judge(&self, masker: &Masker) -> (Vec<Asked>, Vec<String>) {
        let kept = locked(&self.kept);
        let mut wrong = Vec::new();
        for (number, asked) in kept.asked.iter().enumerate() {
            let place = format!("request {}, {}", number + 1, asked.line);
            if asked.fixture.is_none() {
                wrong.push(format!("{place}: nothing in `http` answers it (any more)"));
            }
            wrong.extend(asked.wrong.iter().map(|why| format!("{place}: {why}")));
        }
        for (index, fixture) in kept.fixtures.iter().enumerate() {
            let came = kept.asked.iter().filter(|asked| asked.fixture == Some(index)).count();
            if let Some(times) = fixture.times.and_then(|times| usize::try_from(times).ok())
                && came < times
            {
                let often = if times == 1 {
                    String::new()
                } else {
                    format!(" {came} of {times} times")
                };
                let came = if often.is_empty() { "did not come" } else { "came" };
                wrong.push(format!("{} {came}{often}", named(fixture)));
            }
        }
        let asked = kept.asked.iter().map(|asked| Asked(masker.mask(&asked.line)));
        (asked.collect(), wrong)
    }
}

fn locked(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn named(fixture: &Fixture) -> String {
    match &fixture.path {
        PathMatch::Exact(path) => format!("{} {path}", fixture.method),
        PathMatch::Pattern(pattern) => {
            let text = pattern.as_str();
            let text = text
                .strip_prefix("^(?:")
                .and_then(|text| text.strip_suffix(")$"))
                .unwrap_or(text);
            format!("{} (pattern {text})", fixture.method)
        }
    }
}

/// A request as it was read.
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

async fn serve(mut stream: TcpStream, kept: &Mutex<Kept>) -> io::Result<()> {
    let request = read(&mut stream).await?;
    let answer = take(&request, &mut locked(kept));
    let mut head = format!("HTTP/1.1 {} Fixture\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    let has_body = !matches!(answer.status, 204 | 304);
    if has_body {
        head.extend(["content-length: ", &answer.body.len().to_string(), "\r\n"]);
    }
    head.push_str("connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    if has_body && request.method != "HEAD" {
        stream.write_all(&answer.body).await?;
    }
    stream.shutdown().await
}

/// The answer to a request, which is kept.
fn take(request: &Request, kept: &mut Kept) -> Answer {
    let fits = |fixture: &Fixture| {
        fixture.method == request.method
            && match &fixture.path {
                PathMatch::Exact(path) => *path == request.target,
                PathMatch::Pattern(pattern) => pattern.is_match(&request.target),
            }
    };
    let came = |index: usize| kept.asked.iter().filter(|asked| asked.fixture == Some(index)).count();
    let open = |index: usize, fixture: &Fixture| {
        let times = fixture.times.and_then(|times| usize::try_from(times).ok());
        times.is_none_or(|times| came(index) < times)
    };
    let mut found = kept.fixtures.iter().enumerate();
    let found = found.find(|(index, fixture)| fits(fixture) && open(*index, fixture));
    let (fixture, wrong, answer) = match found {
        Some((index, fixture)) => {
            let wrong = differences(request, fixture, &kept.masker);
            (Some(index), wrong, fixture.response.clone())
        }
        None => (None, Vec::new(), unknown()),
    };
    if kept.asked.len() < ASKED_MAX {
        kept.asked.push(Came {
            line: format!("{} {}", request.method, request.target),
            fixture,
            wrong,
        });
    }
    answer
}

/// The answer to what nobody expected.
fn unknown() -> Answer {
    Answer {
        status: 501,
        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
        body: b"no request of the case fits".to_vec(),
    }
}

/// What a request has otherwise than its fixture says.
fn differences(request: &Request, fixture: &Fixture, masker: &Masker) -> Vec<String> {
    let shown = |text: &str| shown(&masker.mask(text));
    let mut wrong = Vec::new();
    for (name, expected) in &fixture.headers {
        let given: Vec<&str> = request
            .headers
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect();
        if given.is_empty() {
            wrong.push(format!("it has no header `{name}`; expected `{expected}`"));
        } else if given.join(", ") != *expected {
            wrong.push(format!(
                "its header `{name}` is `{}`; expected `{expected}`",
                shown(&given.join(", "))
            ));
        }
    }
    let body = String::from_utf8_lossy(&request.body);
    match &fixture.body {
        None => {}
        Some(BodyMatch::Text(expected)) if body == expected.as_str() => {}
        Some(BodyMatch::Text(expected)) => {
            wrong.push(format!(
                "its body is `{}`; expected `{}`",
                shown(&body),
                shown(expected)
            ));
        }
        Some(BodyMatch::Json(expected) | BodyMatch::JsonHas(expected)) => {
            let whole = matches!(fixture.body, Some(BodyMatch::Json(_)));
            match serde_json::from_str::<Value>(&body) {
                Ok(given) if whole && same(&given, expected) || !whole && has(&given, expected) => {}
                Ok(given) => {
                    let that = if whole { "expected" } else { "it must have" };
                    let (given, expected) = (given.to_string(), expected.to_string());
                    wrong.push(format!("its body is {}; {that} {}", shown(&given), shown(&expected)));
                }
                Err(error) => wrong.push(format!("its body is no JSON ({error}): `{}`", shown(&body))),
            }
        }
    }
    wrong
}

fn shown(text: &Masked) -> String {
    let text = text.as_str();
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

async fn read(stream: &mut TcpStream) -> io::Result<Request> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let mut bytes = Vec::new();
    let (mut request, at) = loop {
        if let Some(read) = head(&bytes)? {
            break read;
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(bad("the head is too long"));
        }
        more(stream, &mut bytes).await?;
    };
    let mut rest = bytes.split_off(at);
    let header = |name: &str| {
        let found = request.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    if header("transfer-encoding").is_some() {
        request.body = chunks(stream, rest).await?;
        return Ok(request);
    }
    let length = header("content-length").map_or(Ok(0), str::parse::<usize>);
    let length = length.map_err(|_| bad("no length"))?;
    if length > BODY_BYTES_MAX {
        return Err(bad("the body is too long"));
    }
    while rest.len() < length {
        more(stream, &mut rest).await?;
    }
    rest.truncate(length);
    request.body = rest;
    Ok(request)
}

/// The head of a request and where it ends; none where there is more to come.
fn head(bytes: &[u8]) -> io::Result<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let status = parsed.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(end) = status else {
        return Ok(None);
    };
    let headers = parsed.headers.iter().map(|header| {
        let value = String::from_utf8_lossy(header.value).into_owned();
        (header.name.to_ascii_lowercase(), value)
    });
    let request = Request {
        headers: headers.collect(),
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        body: Vec::new(),
    };
    Ok(Some((request, end)))
}

/// A body in chunks.
async fn chunks(stream: &mut TcpStream, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (size_len, size) = loop {
            match httparse::parse_chunk_size(&bytes) {
                Ok(httparse::Status::Complete(found)) => break found,
                Ok(httparse::Status::Partial) => more(stream, &mut bytes).await?,
                Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "a bad chunk")),
            }
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if body.len().saturating_add(size) > BODY_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the body is too long"));
        }
        if size == 0 {
            return Ok(body);
        }
        // Behind each chunk stands the end of a line.
        while bytes.len() < size_len + size + 2 {
            more(stream, &mut bytes).await?;
        }
        body.extend(bytes.drain(..size_len + size + 2).skip(size_len).take(size));
    }
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
