//! Whom a request trusts.

use super::{
    Gate, Names,
    server::{Server, read},
    text,
};
use crate::Roots;
use std::sync::Arc;
use tengen_wire::fault::FaultId;
use tokio::io::AsyncWriteExt;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

const AUTHORITY: &[u8] = include_bytes!("../../../../tests/support/tls/ca.pem");
/// For 127.0.0.1 and `localhost`.
const CERTIFICATE: &[u8] = include_bytes!("../../../../tests/support/tls/server.pem");
const KEY: &[u8] = include_bytes!("../../../../tests/support/tls/server.key");

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_slice(KEY).unwrap())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// One whose authority is the tests' own.
fn ours() -> Roots {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(AUTHORITY).unwrap()).unwrap();
    Roots::These(roots)
}

async fn asked(roots: Roots, host: &str) -> Result<String, FaultId> {
    let server = Server::start("127.0.0.1:0").await;
    let names = Names::saying(&[&["127.0.0.1"]]);
    let gate = Gate::trusting(roots, &names, &[&format!("{host}:{}!", server.port())]);
    let serve = async {
        let Ok(mut stream) = acceptor().accept(server.accept().await).await else { return };
        read(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let url = format!("https://{host}:{}/", server.port());
    let ((), answered) = tokio::join!(serve, gate.get(&url));
    answered.map(|it| text(&it).to_owned()).map_err(|fault| fault.id)
}

#[tokio::test]
async fn a_server_is_asked_that_somebody_trusted_vouches_for() {
    assert_eq!(asked(ours(), "localhost").await.unwrap(), "ok");
    assert_eq!(asked(ours(), "127.0.0.1").await.unwrap(), "ok");
}

#[tokio::test]
async fn a_server_is_not_asked_that_nobody_vouches_for_or_that_has_another_name() {
    assert_eq!(asked(Roots::System, "localhost").await, Err(FaultId::Unreachable));
    assert_eq!(asked(ours(), "a.example").await, Err(FaultId::Unreachable));
}
