//! The way out by HTTPS: the machine's roots decide, and HTTP/2 is spoken where the other side does.

use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::process::{Place, Run, task};

/// A server that speaks TLS with a certificate of an authority of its own, and what a client must trust to talk to it.
pub(crate) struct Secure {
    pub(crate) port: u16,
    pub(crate) authority: String,
    _runtime: tokio::runtime::Runtime,
}

/// The whole answer to a request for a path.
pub(crate) type Answer = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

fn serve(protocols: &[&[u8]]) -> Secure {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nHTTP/1.1";
    serve_answers(protocols, Arc::new(|_| answer.to_vec()))
}

pub(crate) fn serve_answers(protocols: &[&[u8]], answer: Answer) -> Secure {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .and_then(|parameters| parameters.signed_by(&key, &authority))
        .expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .expect("a good certificate");
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let listener = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("a port on loopback");
    let port = listener.local_addr().expect("bound").port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
            tokio::spawn(async move {
                // A client that does not trust us hangs up.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        let text = format!("{:?} {}", request.version(), request.uri());
                        let mut body = respond.send_response(http::Response::new(()), false).expect("a head");
                        body.send_data(text.into(), true).expect("a body");
                    }
                } else {
                    let mut head = [0; 4096];
                    let count = stream.read(&mut head).await.expect("a request");
                    let head = String::from_utf8_lossy(&head[..count]);
                    let path = head
                        .strip_prefix("GET ")
                        .and_then(|rest| rest.split_once(" HTTP/1.1\r\n"));
                    let (path, _) = path.expect("a request");
                    stream.write_all(&answer(path)).await.expect("an answer");
                    stream.shutdown().await.expect("an end");
                }
            });
        }
    });
    Secure {
        port,
        authority: authority.pem(),
        _runtime: runtime,
    }
}

/// Runs one GET, twice in one attempt's place where asked; `trusted` makes the machine trust the authority.
fn get(server: &Secure, host: &str, trusted: bool) -> (Place, Run) {
    let mut place = Place::with_flow(&format!(
        "id: get\ntasks:\n  - id: get\n    type: core/http.get\n    inputs: {{ url: \"https://{host}:{0}/\", timeoutSeconds: 10 }}\n    permissions: {{ network: \
         [\"{host}:{0}\"] }}\noutputs: {{ said: \"{{{{ tasks.get.output.body }}}}\" }}\n",
        server.port
    ));
    place.write("roots.pem", &server.authority);
    if trusted {
        let path = place.path("roots.pem").display().to_string();
        place.set("SSL_CERT_FILE", &path);
    }
    let run = place.run("run flow.yaml --json");
    (place, run)
}

#[test]
fn a_trusted_server_is_asked_by_the_version_that_it_speaks() {
    let (_, run) = get(&serve(&[]), "localhost", true);
    assert_eq!(run.json()["outputs"]["said"], "HTTP/1.1", "{run:?}");
    let server = serve(&[b"h2", b"http/1.1"]);
    let (_, run) = get(&server, "localhost", true);
    assert_eq!(
        run.json()["outputs"]["said"],
        format!("HTTP/2.0 https://localhost:{}/", server.port),
        "{run:?}"
    );
}

#[test]
fn a_server_that_nobody_vouches_for_is_refused() {
    let server = serve(&[]);
    // Another name than the certificate's, and an authority that the machine does not know.
    for (host, trusted) in [("127.0.0.1", true), ("localhost", false)] {
        let (place, run) = get(&server, host, trusted);
        assert_eq!(run.code, 1, "{run:?}");
        let error = task(&place.inspect(), "get")["attempts"][0]["error"].clone();
        assert_eq!(
            (&error["code"], &error["retryable"]),
            (&"tls".into(), &false.into()),
            "{host}: {error:#}"
        );
    }
}
