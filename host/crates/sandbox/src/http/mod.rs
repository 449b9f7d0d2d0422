//! The way out by HTTP: every request is held against the grants, every address is checked before it is connected to.

mod body;
mod connect;
mod error;
mod filled;
mod secrets;
mod tls;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autokestra_model::TraceContext;
use bytes::Bytes;
use http::Uri;
use http::header::{HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioTimer;
use tokio::task::JoinSet;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks};

use self::body::Limited;
use self::connect::Connector;
use self::filled::{Cleaned, Filled};
use self::secrets::Encoding;
use crate::bound::Bound;
use crate::capture::locked;
use crate::network::{Gate, Refusal, Target, Traffic};

pub(crate) use tls::Tls;

/// Largest body of a request or a response, in bytes: 64 MiB.
const BODY_BYTES_MAX: u64 = 64 << 20;

/// Largest request body that is put together before it is sent, so that its length is known although secrets were put in.
const WHOLE_BODY_BYTES_MAX: u64 = 256 << 10;

/// How long an unused connection is kept for the next request of the attempt.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Unused connections that are kept for one host.
const IDLE_PER_HOST_MAX: usize = 4;

/// The header of W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What `wasi:http` needs of one instance.
pub(crate) struct Http {
    pub(crate) context: WasiHttpCtx,
    pub(crate) egress: Egress,
}

/// What the way out of all attempts shares.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpSetup {
    pub(crate) tls: Tls,
    /// The proxy that the operator named. Those of the environment are not used.
    pub(crate) proxy: Option<Uri>,
}

/// The way out of one attempt. Dropping it ends every connection.
pub(crate) struct Egress {
    gate: Gate,
    tls: Tls,
    connector: Connector,
    bound: Option<Arc<Bound>>,
    plain: Option<Client<Connector, WasiBody>>,
    /// Made in the background of the first request that needs it, since the platform's roots are read from files.
    secure: Arc<tokio::sync::OnceCell<Client<HttpsConnector<Connector>, WasiBody>>>,
    tasks: Tasks,
    over_limit: Arc<AtomicBool>,
    /// What requests say of the trace that they belong to, unless the guest says something itself.
    traceparent: Option<HeaderValue>,
}

impl Egress {
    pub(crate) fn new(gate: Gate, traffic: Arc<Traffic>, bound: Option<Arc<Bound>>, setup: &HttpSetup) -> Self {
        Self {
            connector: Connector::new(gate.clone(), traffic, setup.proxy.clone()),
            gate,
            tls: setup.tls.clone(),
            bound,
            plain: None,
            secure: Arc::default(),
            tasks: Tasks::default(),
            over_limit: Arc::default(),
            traceparent: None,
        }
    }

    /// Lets every request say which span it belongs to.
    pub(crate) fn traced(mut self, trace: Option<TraceContext>) -> Self {
        self.traceparent = trace.and_then(|trace| HeaderValue::from_str(&trace.to_string()).ok());
        self
    }

    /// Whether a body was longer than it may be.
    pub(crate) fn over_limit(&self) -> bool {
        self.over_limit.load(Ordering::Relaxed)
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
        // A tunnel carries what nobody looks at.
        if request.method() == http::Method::CONNECT {
            return Box::new(std::future::ready(Err(Error::HttpRequestMethodInvalid)));
        }
        let (target, secure) = match Target::of(request.uri()) {
            Ok(target) => target,
            Err(error) => return Box::new(std::future::ready(Err(error))),
        };
        let gate = self.gate.clone();
        if !gate.grants(&target) {
            // Its body is taken and goes nowhere, until the guest ends it or is gone: where a body is not taken, the event loop of
            // StarlingMonkey aborts the guest, before it looks why.
            let mut body = request.into_body();
            drop(tokio::spawn(
                async move { while let Some(Ok(_)) = body.frame().await {} },
            ));
            return Box::new(async move {
                gate.deny(&target, Refusal::NotGranted).await;
                Err(Error::HttpRequestDenied)
            });
        }
        let first_byte = options.as_ref().and_then(|options| options.first_byte_timeout);
        let between = options.as_ref().and_then(|options| options.between_bytes_timeout);
        let over = Arc::clone(&self.over_limit);
        let mut request = request;
        if let Some(traceparent) = &self.traceparent
            && !request.headers().contains_key(TRACEPARENT)
        {
            request.headers_mut().insert(TRACEPARENT, traceparent.clone());
        }
        let request = request.map(|body| Limited::request(body, BODY_BYTES_MAX, Arc::clone(&over)).boxed_unsync());
        let sender = self.sender(secure);
        let bound = self.bound.clone();
        let method = request.method().clone();
        Box::new(async move {
            let request = match &bound {
                None => request,
                Some(bound) => fill(bound, request, &target).await?,
            };
            let sending = sender.send(request);
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
                        gate.deny(&target, Refusal::PrivateAddress).await;
                    }
                    return Err(failure.into_wasi());
                }
            };
            let declared = http_body::Body::size_hint(response.body()).lower();
            if declared > BODY_BYTES_MAX {
                over.store(true, Ordering::Relaxed);
                return Err(Error::HttpResponseBodySize(Some(declared)));
            }
            let response = response.map(|body| {
                let body = body.map_err(Error::from);
                Limited::response(body, BODY_BYTES_MAX, between, over).boxed_unsync()
            });
            let response = match bound {
                None => response,
                Some(bound) => clean(&bound, response, &target, &method)?,
            };
            let nothing: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(std::future::ready(Ok(())));
            Ok((response, nothing))
        })
    }
}

/// Puts the values of bound secrets into a request that goes where they may go.
async fn fill(
    bound: &Arc<Bound>,
    request: http::Request<WasiBody>,
    target: &Target,
) -> Result<http::Request<WasiBody>, Error> {
    let (mut head, body) = request.into_parts();
    if let Err(unsent) = secrets::fill_head(bound, &mut head, target) {
        return Err(secrets::deny(bound, &unsent, target).await);
    }
    let declared = head.headers.remove(http::header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let filled = Filled::new(
        body,
        Arc::clone(bound),
        target.clone(),
        Encoding::of_body(&head.headers),
    );
    // What is short gets its length back: there are servers that take no body without one.
    let body = if declared.is_some_and(|declared| declared <= WHOLE_BODY_BYTES_MAX) {
        let whole: Bytes = filled.collect().await?.to_bytes();
        Full::new(whole).map_err(|never| match never {}).boxed_unsync()
    } else {
        filled.boxed_unsync()
    };
    Ok(http::Request::from_parts(head, body))
}

/// Takes the values of bound secrets out of an answer.
fn clean(
    bound: &Arc<Bound>,
    response: http::Response<WasiBody>,
    target: &Target,
    method: &http::Method,
) -> Result<http::Response<WasiBody>, Error> {
    let (mut head, body) = response.into_parts();
    secrets::clean_head(bound, &mut head, target, method)?;
    Ok(http::Response::from_parts(
        head,
        Cleaned::new(body, Arc::clone(bound)).boxed_unsync(),
    ))
}

impl Egress {
    /// What sends a request that was granted. Which client it takes depends on the scheme.
    fn sender(&mut self, secure: bool) -> Sender {
        let (connector, tasks) = (self.connector.clone(), self.tasks.clone());
        if secure {
            return Sender::Secure {
                cell: Arc::clone(&self.secure),
                tls: self.tls.clone(),
                connector,
                tasks,
            };
        }
        let made = || client(connector, tasks);
        Sender::Plain(Box::new(self.plain.get_or_insert_with(made).clone()))
    }
}

/// Sends one request.
enum Sender {
    Plain(Box<Client<Connector, WasiBody>>),
    Secure {
        cell: Arc<tokio::sync::OnceCell<Client<HttpsConnector<Connector>, WasiBody>>>,
        tls: Tls,
        connector: Connector,
        tasks: Tasks,
    },
}

impl Sender {
    async fn send(
        self,
        request: http::Request<WasiBody>,
    ) -> Result<http::Response<hyper::body::Incoming>, error::Failure> {
        let response = match self {
            Self::Plain(client) => client.request(request).await,
            Self::Secure {
                cell,
                tls,
                connector,
                tasks,
            } => {
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
