//! TLS to servers, and whom it trusts.

use rustls_native_certs::load_native_certs;
use std::{
    io,
    sync::{Arc, OnceLock},
};
use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};
use url::Host;

/// Whom to trust.
#[derive(Debug, Clone)]
pub enum Roots {
    /// Those that the system trusts, or the file or folder that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    System,
    These(RootCertStore),
}

/// Makes TLS of sockets. Reads the certificates when it is first needed.
#[derive(Debug)]
pub(crate) struct Tls {
    roots: Roots,
    connector: OnceLock<Connector>,
}

#[derive(Clone)]
struct Connector(TlsConnector);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn new(roots: Roots) -> Self {
        Self { roots, connector: OnceLock::new() }
    }

    /// Speaks TLS on a connection, with whoever has this name.
    pub(crate) async fn secure(
        &self,
        socket: TcpStream,
        host: &Host,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.clone()).map_err(io::Error::other)?,
            Host::Ipv4(address) => ServerName::from(std::net::IpAddr::from(*address)),
            Host::Ipv6(address) => ServerName::from(std::net::IpAddr::from(*address)),
        };
        self.connector().await?.0.connect(name, socket).await
    }

    async fn connector(&self) -> io::Result<Connector> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector.clone());
        }
        let roots = match &self.roots {
            Roots::These(roots) => roots.clone(),
            // Files, and more of them than a worker should read.
            Roots::System => spawn_blocking(of_the_system).await.map_err(io::Error::other)??,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = Connector(TlsConnector::from(Arc::new(config)));
        Ok(self.connector.get_or_init(|| connector).clone())
    }
}

/// One that cannot be read is left out, as browsers do; with none at all, no server can be trusted.
fn of_the_system() -> io::Result<RootCertStore> {
    let found = load_native_certs();
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(found.certs);
    if unusable > 0 || !found.errors.is_empty() {
        let unread = found.errors.len();
        tracing::debug!(unusable, unread, "some of the system's root certificates cannot be used");
    }
    match roots.is_empty() {
        true => Err(io::Error::other(
            "this machine has no root certificates; install `ca-certificates`, or name a file in SSL_CERT_FILE",
        )),
        false => Ok(roots),
    }
}
