//! The receiver's certificate, for 127.0.0.1, and who vouches for it. Made once, good for a hundred years; nobody else
//! uses them, so the key is no secret.

use anyhow::Result;
use std::{path::PathBuf, sync::Arc};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use tonic::transport::{Identity, ServerTlsConfig};

const CERTIFICATE: &[u8] = include_bytes!("../tls/server.pem");
const KEY: &[u8] = include_bytes!("../tls/server.key");

/// Whom a client has to trust (PEM).
pub(super) fn authority() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/support/tls/ca.pem"))
}

pub(super) fn for_grpc() -> ServerTlsConfig {
    ServerTlsConfig::new().identity(Identity::from_pem(CERTIFICATE, KEY))
}

pub(super) fn acceptor() -> Result<TlsAcceptor> {
    let provider = Arc::new(crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE)?;
    let key = PrivateKeyDer::from_pem_slice(KEY)?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
