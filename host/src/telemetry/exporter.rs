//! The OTLP client: one exporter for the planned protocol, over TLS where the address says so.

use super::{
    TelemetryError,
    plan::{Plan, Trust},
};
use crate::settings::Protocol;
use opentelemetry_otlp::{
    Compression, ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig,
    WithTonicConfig,
    tonic_types::transport::{Certificate, ClientTlsConfig, Identity},
};
use std::{fs, path::Path, time::Duration};

/// Longer than anything runs: what has no limit.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Headers are read from the environment by the exporter itself.
pub(super) fn build(plan: &Plan) -> Result<SpanExporter, TelemetryError> {
    let (collector, timeout) = (&plan.collector, plan.timeout.unwrap_or(FOR_EVER));
    // The first in the process stays; there is no other in this program.
    rustls::crypto::ring::default_provider().install_default().ok();
    let identity = Pem::read(&collector.trust)?;
    let http = match collector.protocol {
        Protocol::Grpc => {
            let mut builder = SpanExporter::builder()
                .with_tonic()
                .with_endpoint(&collector.endpoint)
                .with_timeout(timeout);
            if collector.is_secure() {
                builder = builder.with_tls_config(identity.for_grpc());
            }
            if collector.gzip {
                builder = builder.with_compression(Compression::Gzip);
            }
            return builder.build().map_err(no_exporter);
        }
        Protocol::HttpProtobuf => opentelemetry_otlp::Protocol::HttpBinary,
        Protocol::HttpJson => opentelemetry_otlp::Protocol::HttpJson,
    };
    let mut builder = SpanExporter::builder()
        .with_http()
        // Named, so that no feature of another crate can put a different client in its place.
        .with_http_client(identity.http_client(collector.is_secure(), timeout)?)
        .with_protocol(http)
        .with_endpoint(&collector.endpoint)
        .with_timeout(timeout);
    if collector.gzip {
        builder = builder.with_compression(Compression::Gzip);
    }
    builder.build().map_err(no_exporter)
}

fn no_exporter(error: ExporterBuildError) -> TelemetryError {
    TelemetryError::Exporter(Box::new(error))
}

/// What [`Trust`] names, in PEM.
struct Pem {
    authorities: Option<Vec<u8>>,
    /// The certificate and its key.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Pem {
    fn read(trust: &Trust) -> Result<Self, TelemetryError> {
        let authorities = trust.authorities.as_deref().map(read).transpose()?;
        let identity = trust.identity.as_ref();
        let identity = identity.map(|(certificate, key)| Ok((read(certificate)?, read(key)?)));
        Ok(Self { authorities, identity: identity.transpose()? })
    }

    fn for_grpc(&self) -> ClientTlsConfig {
        let tls = match &self.authorities {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_enabled_roots(),
        };
        match &self.identity {
            Some((certificate, key)) => tls.identity(Identity::from_pem(certificate, key)),
            None => tls,
        }
    }

    /// Spans go where the endpoint says, and nowhere else: no redirects, no proxy from the environment.
    fn http_client(
        &self,
        is_secure: bool,
        timeout: Duration,
    ) -> Result<reqwest::Client, TelemetryError> {
        let wrong = |error: reqwest::Error| TelemetryError::Exporter(Box::new(error));
        let mut client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(pem) = &self.authorities {
            let authorities = reqwest::Certificate::from_pem_bundle(pem).map_err(wrong)?;
            client = client.tls_certs_only(authorities);
        } else if !is_secure {
            // Trusts nobody, which nothing asks for: the system may have no certificates at all.
            client = client.tls_certs_only([]);
        }
        if let Some((certificate, key)) = &self.identity {
            let pem = [certificate.as_slice(), b"\n", key.as_slice()].concat();
            client = client.identity(reqwest::Identity::from_pem(&pem).map_err(wrong)?);
        }
        client.build().map_err(wrong)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TelemetryError> {
    fs::read(file).map_err(|source| TelemetryError::Certificate { file: file.to_owned(), source })
}
