//! The way to the collector: the operator's own, which no grant, proxy or limit of guests has to do with.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::Full;

use crate::web::{self, Web};

/// How often a request is sent that the collector may take later.
const TRIES: u32 = 2;

/// The wait before it is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Speaks to one collector.
pub(super) struct Collector {
    client: Web<Full<Bytes>>,
    endpoint: Uri,
    headers: HeaderMap,
    timeout: Duration,
}

impl Collector {
    /// One whose connections are made when they are needed.
    pub(super) async fn new(endpoint: Uri, headers: HeaderMap, timeout: Duration) -> Result<Self, String> {
        Ok(Self {
            client: web::client(endpoint.scheme_str() == Some("https")).await?,
            endpoint,
            headers,
            timeout,
        })
    }

    /// Sends one request; why it was not taken.
    pub(super) async fn send(&self, body: Bytes) -> Result<(), String> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (why, later) = match tokio::time::timeout(self.timeout, self.once(body.clone())).await {
                Ok(Ok(status)) if status.is_success() => return Ok(()),
                Ok(Ok(status)) => (format!("it answered {status}"), is_later(status)),
                Ok(Err(why)) => (why, true),
                Err(_) => (format!("no answer in {:?}", self.timeout), false),
            };
            if !later || tries >= TRIES {
                return Err(why);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn once(&self, body: Bytes) -> Result<StatusCode, String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        request.headers_mut().extend(self.headers.clone());
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|error| web::reason(&error))?;
        Ok(answer.status())
    }
}

/// Whether the standard says that the same request may be taken later.
fn is_later(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}
