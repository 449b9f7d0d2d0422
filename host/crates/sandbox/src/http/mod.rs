//! The way out by HTTP: every request is held against the grants, every address is checked before it is connected to.

mod address;
mod body;
mod connect;
mod error;
#[cfg(test)]
mod fuzz;
mod tls;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autokestra_model::NetworkPattern;
use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioTimer;
use tokio::task::JoinSet;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks};

use self::body::Limited;
use self::connect::{Connector, Target};
use crate::attempt::Capability;
use crate::capture::locked;
use crate::denial::Denials;

pub(crate) use tls::Tls;

/// Largest body of a request or a response, in bytes: 64 MiB.
const BODY_BYTES_MAX: u64 = 64 << 20;

/// How long an unused connection is kept for the next request of the attempt.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Unused connections that are kept for one host.
const IDLE_PER_HOST_MAX: usize = 4;

/// Bytes that crossed the border, TLS and all.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
}

impl Traffic {
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// What `wasi:http` needs of one instance.
pub(crate) struct Http {
    pub(crate) context: WasiHttpCtx,
    pub(crate) egress: Egress,
}

/// The way out of one attempt. Dropping it ends every connection.
pub(crate) struct Egress {
    grants: Arc<[NetworkPattern]>,
    denials: Denials,
    tls: Tls,
    connector: Connector,
    plain: Option<Client<Connector, WasiBody>>,
    /// Made in the background of the first request that needs it, since the platform's roots are read from files.
    secure: Arc<tokio::sync::OnceCell<Client<HttpsConnector<Connector>, WasiBody>>>,
    tasks: Tasks,
    traffic: Arc<Traffic>,
}

impl Egress {
    pub(crate) fn new(grants: Arc<[NetworkPattern]>, denials: Denials, tls: Tls) -> Self {
        let traffic = Arc::new(Traffic::default());
        Self {
            connector: Connector::new(Arc::clone(&grants), Arc::clone(&traffic)),
            grants,
            denials,
            tls,
            plain: None,
            secure: Arc::default(),
            tasks: Tasks::default(),
            traffic,
        }
    }

    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        // The tasks hold this very set, so it would not be dropped by itself.
        locked(&self.tasks.0).abort_all();
    }
}

/// The tasks that drive connections: they end with the attempt, whatever they are doing.
#[derive(Clone, Debug, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let mut tasks = locked(&self.0);
        // Those that ended are let go of here.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

fn client<C>(connector: C, tasks: Tasks) -> Client<C, WasiBody>
where
    C: hyper_util::client::legacy::connect::Connect + Clone,
{
    Client::builder(tasks)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .build(connector)
}

type Sent = Result<
    (
        http::Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiHttpHooks for Egress {
    fn set_host_header(&mut self) -> bool {
        // The client does, where the version of HTTP has one.
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let target = match Target::of(request.uri()) {
            Ok(target) => target,
            Err(error) => return Box::new(std::future::ready(Err(error))),
        };
        let granted = self.grants.iter().any(|pattern| target.is_meant_by(pattern));
        let denials = self.denials.clone();
        if !granted {
            return Box::new(async move {
                deny(&denials, &target, Refusal::NotGranted).await;
                Err(Error::HttpRequestDenied)
            });
        }
        let first_byte = options.as_ref().and_then(|options| options.first_byte_timeout);
        let between = options.as_ref().and_then(|options| options.between_bytes_timeout);
        let request = request.map(|body| Limited::request(body, BODY_BYTES_MAX).boxed_unsync());
        let sending = self.sending(request, target.secure);
        Box::new(async move {
            let response = match first_byte {
                None => sending.await,
                Some(limit) => match tokio::time::timeout(limit, sending).await {
                    Ok(response) => response,
                    Err(_) => return Err(Error::ConnectionReadTimeout),
                },
            };
            let response = match response {
                Ok(response) => response,
                Err(failure) => {
                    if failure.is_denial() {
                        deny(&denials, &target, Refusal::PrivateAddress).await;
                    }
                    return Err(failure.into_wasi());
                }
            };
            let declared = http_body::Body::size_hint(response.body()).lower();
            if declared > BODY_BYTES_MAX {
                return Err(Error::HttpResponseBodySize(Some(declared)));
            }
            let response = response.map(|body| {
                let body = body.map_err(Error::from);
                Limited::response(body, BODY_BYTES_MAX, between).boxed_unsync()
            });
            let nothing: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(std::future::ready(Ok(())));
            Ok((response, nothing))
        })
    }
}

impl Egress {
    /// Sends a request that was granted. Which client it takes depends on the scheme.
    fn sending(
        &mut self,
        request: http::Request<WasiBody>,
        secure: bool,
    ) -> impl Future<Output = Result<http::Response<hyper::body::Incoming>, error::Failure>> + Send + use<> {
        let connector = self.connector.clone();
        let tasks = self.tasks.clone();
        let plain = (!secure).then(|| {
            let made = || client(connector.clone(), tasks.clone());
            self.plain.get_or_insert_with(made).clone()
        });
        let (cell, tls) = (Arc::clone(&self.secure), self.tls.clone());
        async move {
            let response = match plain {
                Some(client) => client.request(request).await,
                None => {
                    let client = cell
                        .get_or_try_init(|| async {
                            let config = tls.config().await?;
                            let connector = HttpsConnectorBuilder::new()
                                .with_tls_config(config)
                                .https_only()
                                .enable_all_versions()
                                .wrap_connector(connector);
                            Ok::<_, error::Failure>(client(connector, tasks))
                        })
                        .await?
                        .clone();
                    client.request(request).await
                }
            };
            response.map_err(|error| error::Failure::of(&error))
        }
    }
}

/// Why a target is refused.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    NotGranted,
    PrivateAddress,
}

async fn deny(denials: &Denials, target: &Target, refusal: Refusal) {
    let entry = target.entry();
    let (message, yaml) = match refusal {
        Refusal::NotGranted => (
            format!("a connection to `{entry}` is not granted"),
            format!("permissions:\n  network: [\"{entry}\"]"),
        ),
        Refusal::PrivateAddress => (
            format!("`{entry}` leads to an address that is not public, and the grant does not say that it may"),
            format!("permissions:\n  network: [{{ host: \"{entry}\", private: true }}]"),
        ),
    };
    denials.tell(Capability::Network, &entry, &message, &yaml).await;
}
