//! Ways out by sockets. The target is the input's first string, `host:port`, with a text behind a blank where one is sent.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};

use crate::bindings::TaskError;
use crate::{failed, path_of};

fn io(error: &std::io::Error) -> TaskError {
    failed("io", &format!("{:?}: {error}", error.kind()))
}

/// Connects, sends the text, and gives what comes back.
pub(crate) fn tcp_send(input: &str) -> Result<String, TaskError> {
    let (target, text) = path_of(input).split_once(' ').unwrap_or((path_of(input), "ping"));
    exchange(target, text)
}

/// The same with the text as a header of a plain request.
pub(crate) fn tcp_send_http(input: &str) -> Result<String, TaskError> {
    let (target, text) = path_of(input).split_once(' ').unwrap_or((path_of(input), ""));
    exchange(target, &format!("GET / HTTP/1.1\r\nhost: x\r\nx-key: {text}\r\n\r\n"))
}

fn exchange(target: &str, text: &str) -> Result<String, TaskError> {
    let mut stream = TcpStream::connect(target).map_err(|error| io(&error))?;
    // In two pieces, so that nobody who looks at one of them sees all of it.
    let (first, second) = text.split_at(text.len() / 2);
    stream.write_all(first.as_bytes()).map_err(|error| io(&error))?;
    stream.write_all(second.as_bytes()).map_err(|error| io(&error))?;
    let mut answer = [0; 64];
    let count = stream.read(&mut answer).map_err(|error| io(&error))?;
    let answer = String::from_utf8_lossy(answer.get(..count).unwrap_or_default()).into_owned();
    Ok(format!("{answer:?}"))
}

pub(crate) fn tcp_listen(input: &str) -> Result<String, TaskError> {
    let listener = TcpListener::bind(path_of(input)).map_err(|error| io(&error))?;
    let address = listener.local_addr().map_err(|error| io(&error))?;
    Ok(format!("\"{address}\""))
}

/// Opens connections until it may not.
pub(crate) fn tcp_many(input: &str) -> Result<String, TaskError> {
    let mut open = Vec::new();
    for _ in 0..1000 {
        match TcpStream::connect(path_of(input)) {
            Ok(stream) => open.push(stream),
            Err(error) => return Err(failed("io", &format!("{} connections, then {error}", open.len()))),
        }
    }
    Ok(open.len().to_string())
}

pub(crate) fn udp_send(input: &str) -> Result<String, TaskError> {
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(|error| io(&error))?;
    let sent = socket.send_to(b"ping", path_of(input)).map_err(|error| io(&error))?;
    let mut answer = [0; 64];
    let (count, _) = socket.recv_from(&mut answer).map_err(|error| io(&error))?;
    let answer = String::from_utf8_lossy(answer.get(..count).unwrap_or_default()).into_owned();
    Ok(format!("[{sent}, {answer:?}]"))
}

/// The addresses of a name.
pub(crate) fn look_up(input: &str) -> Result<String, TaskError> {
    let found = path_of(input).to_socket_addrs().map_err(|error| io(&error))?;
    let found: Vec<String> = found.map(|address| format!("\"{}\"", address.ip())).collect();
    Ok(format!("[{}]", found.join(",")))
}
