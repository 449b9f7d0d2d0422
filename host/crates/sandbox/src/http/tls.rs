//! TLS by rustls, with the roots that the machine trusts.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::sync::OnceCell;

use super::error::Failure;

/// The machine's TLS, set up where a guest first asks for it. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls(Arc<OnceCell<ClientConfig>>);

impl Tls {
    pub(super) async fn config(&self) -> Result<ClientConfig, Failure> {
        let made = self.0.get_or_try_init(|| async {
            // The roots are read from files.
            let made = tokio::task::spawn_blocking(configure).await;
            made.map_err(|error| Failure::no_tls(&error.to_string()))?
                .map_err(|error| Failure::no_tls(&error.to_string()))
        });
        made.await.cloned()
    }
}

fn configure() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_platform_verifier()?.with_no_client_auth())
}
