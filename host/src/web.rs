//! The operator's own way to the network: the collector of traces, and plugins that are fetched. No grant, proxy or limit of guests
//! has to do with it.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::LOCATION;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;
use url::Url;

/// A client for bodies of one kind.
pub(crate) type Web<B> = Client<HttpsConnector<HttpConnector>, B>;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// The most that a server may let one wait for the next piece.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client whose connections are made when they are needed.
pub(crate) async fn client<B>(with_tls: bool) -> Result<Web<B>, String>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let tls = if with_tls {
        // The roots are read from files.
        let made = tokio::task::spawn_blocking(with_roots).await;
        made.map_err(|error| error.to_string())?
    } else {
        without_roots()
    };
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls.map_err(|error| format!("set up TLS: {error}"))?)
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// The innermost reason of a request that failed: the layers above it say little.
pub(crate) fn reason(error: &hyper_util::client::legacy::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}

/// What stands at an address: at most `bytes_max` bytes. From `https` no redirect leads elsewhere.
pub(crate) async fn fetch(address: &Url, bytes_max: u64) -> Result<Vec<u8>, String> {
    let client: Web<Empty<Bytes>> = client(address.scheme() == "https").await?;
    let mut at = address.clone();
    for _ in 0..=REDIRECTS_MAX {
        let request = Request::get(at.as_str()).header("user-agent", concat!("autokestra/", env!("CARGO_PKG_VERSION")));
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(PATIENCE, client.request(request)).await;
        let answer = answer.map_err(|_| format!("no answer in {PATIENCE:?}"))?;
        let answer = answer.map_err(|error| reason(&error))?;
        let status = answer.status();
        if status.is_success() {
            return body(answer, bytes_max).await;
        }
        let to = answer.headers().get(LOCATION).filter(|_| status.is_redirection());
        let Some(to) = to else {
            return Err(format!("it answered {status}"));
        };
        let to = to
            .to_str()
            .map_err(|_| "it leads to an address that is no text".to_owned())?;
        let next = at.join(to).map_err(|error| format!("it leads to `{to}`: {error}"))?;
        if next.scheme() != at.scheme() {
            return Err(format!("it leads from {} to {}", at.scheme(), next.scheme()));
        }
        at = next;
    }
    Err(format!("it leads on and on, after {REDIRECTS_MAX} times still"))
}

async fn body(answer: Response<hyper::body::Incoming>, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    loop {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await;
        let Some(frame) = frame.map_err(|_| format!("nothing more came in {PATIENCE:?}"))? else {
            return Ok(bytes);
        };
        let frame = frame.map_err(|error| error.to_string())?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() as u64 + data.len() as u64 > bytes_max {
                return Err(format!("it has more than {bytes_max} bytes"));
            }
            bytes.extend_from_slice(data);
        }
    }
}

type Made = Result<ClientConfig, rustls::Error>;

fn with_roots() -> Made {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_platform_verifier()?.with_no_client_auth())
}

/// For an address without TLS: it trusts nobody, and is asked for nothing.
fn without_roots() -> Made {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let none = rustls::RootCertStore::empty();
    Ok(builder.with_root_certificates(none).with_no_client_auth())
}
