//! Servers that attack whoever asks them. They live as long as the runtime that they were started in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How a server attacks.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// It does not: it says hello.
    Plain,
    /// A body without an end.
    Endless,
    /// The same, with a length that no disk has.
    Declared,
    /// The head comes byte by byte, and never ends.
    Drip,
    /// It takes the request, and never answers.
    Silent,
    /// 100,000 headers.
    Headers,
    /// One header without an end.
    LongHeader,
    /// A part of what was promised, and then the end.
    Cut,
    /// Bytes that are no HTTP.
    Noise,
    /// A length and chunks, with a second response inside the first.
    Smuggle,
    /// Compressed bytes that would be many.
    Bomb,
    /// To an address that is not public.
    RedirectPrivate,
    /// To itself, again and again.
    RedirectLoop,
    /// To a file of this machine.
    RedirectFile,
    /// Terminal escapes in what it says.
    Escapes,
}

/// A server, and what it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hostile {
    pub(crate) port: u16,
    taken: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<u8>>>,
}

/// Most of what it was asked that is kept.
const HEARD_BYTES_MAX: usize = 1 << 20;

impl Hostile {
    /// Starts it, on a port of the system's choice.
    pub(crate) async fn start(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
        let server = Self {
            port: listener.local_addr().expect("bound").port(),
            ..Self::default()
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.taken.fetch_add(1, Ordering::SeqCst);
                serving.open.fetch_add(1, Ordering::SeqCst);
                let serving = serving.clone();
                tokio::spawn(async move {
                    // Whoever hangs up ends it.
                    drop(serving.serve(kind, stream).await);
                    serving.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    /// How many connections it took.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// How many of them are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// All that it was told.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().expect("unpoisoned")).into_owned()
    }

    async fn serve(&self, kind: Kind, stream: TcpStream) -> std::io::Result<()> {
        let (mut from, mut to) = stream.into_split();
        let mut piece = vec![0; 64 << 10];
        let count = from.read(&mut piece).await?;
        self.hear(&piece[..count]);
        // What comes behind is heard as well, so that a connection's end is seen.
        let hearing = async {
            loop {
                let count = from.read(&mut piece).await?;
                if count == 0 {
                    return Ok::<_, std::io::Error>(());
                }
                self.hear(&piece[..count]);
            }
        };
        tokio::select! {
            heard = hearing => heard,
            answered = answer(kind, self.port, &mut to) => answered,
        }
    }

    fn hear(&self, bytes: &[u8]) {
        let mut heard = self.heard.lock().expect("unpoisoned");
        if heard.len() < HEARD_BYTES_MAX {
            heard.extend_from_slice(bytes);
        }
    }
}

async fn answer(kind: Kind, port: u16, to: &mut tokio::net::tcp::OwnedWriteHalf) -> std::io::Result<()> {
    let redirect =
        |to: String| format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let text = match kind {
        Kind::Plain => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello".to_owned(),
        Kind::Endless => return forever(to, "HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 64 << 10]).await,
        Kind::Declared => {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\n";
            return forever(to, head, &[b'x'; 64 << 10]).await;
        }
        Kind::LongHeader => return forever(to, "HTTP/1.1 200 OK\r\nx-long: ", &[b'x'; 64 << 10]).await,
        Kind::Drip => return drip(to).await,
        Kind::Silent => return std::future::pending().await,
        Kind::Headers => {
            let headers: String = (0..100_000).map(|number| format!("x-{number}: y\r\n")).collect();
            format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n")
        }
        Kind::Cut => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_owned(),
        Kind::Noise => "\u{0}\u{1}\u{2}220 mail.example ESMTP\r\n\r\n".to_owned(),
        Kind::Smuggle => "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
            .to_owned(),
        Kind::Bomb => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 10255\r\nconnection: close\r\n\r\n";
            to.write_all(head).await?;
            return to.write_all(&bomb()).await;
        }
        Kind::RedirectPrivate => redirect("http://169.254.169.254/latest/meta-data".to_owned()),
        Kind::RedirectLoop => redirect(format!("http://127.0.0.1:{port}/again")),
        Kind::RedirectFile => redirect("file:///etc/passwd".to_owned()),
        Kind::Escapes => {
            let body = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}txt.exe\r";
            format!("HTTP/1.1 404 Nothing\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        }
    };
    to.write_all(text.as_bytes()).await?;
    to.shutdown().await
}

async fn forever(to: &mut tokio::net::tcp::OwnedWriteHalf, head: &str, piece: &[u8]) -> std::io::Result<()> {
    to.write_all(head.as_bytes()).await?;
    loop {
        to.write_all(piece).await?;
    }
}

async fn drip(to: &mut tokio::net::tcp::OwnedWriteHalf) -> std::io::Result<()> {
    to.write_all(b"HTTP/1.1 200 OK\r\nx-slow: ").await?;
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    loop {
        tick.tick().await;
        to.write_all(b"x").await?;
    }
}

/// A deflated file of 10 MiB of zeros has about this form: a head, and the same byte again and again.
fn bomb() -> Vec<u8> {
    let mut bytes = vec![
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xec, 0xc1, 0x01, 0x01, 0, 0, 0, 0x80, 0x90, 0xfe, 0xaf, 0xee, 0x08, 0x0a,
    ];
    bytes.resize(10_255, 0);
    bytes
}
