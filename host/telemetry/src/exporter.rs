//! The OTLP client: one exporter for the planned protocol, over TLS where the address says so.

use super::{
    TelemetryError,
    plan::{Plan, Trust},
};
use http::{HeaderMap, HeaderName, HeaderValue, header::USER_AGENT};
use opentelemetry_otlp::{
    Compression, ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig,
    WithTonicConfig,
    tonic_types::{
        metadata::MetadataMap,
        transport::{Certificate, ClientTlsConfig, Identity},
    },
};
use std::{collections::HashMap, io, path::Path, time::Duration};
use tengen_settings::{Protocol, file};

/// Longer than anything runs: what has no limit.
pub(super) const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Bytes of the longest file of certificates that is read, 1 MiB: what a system trusts has a quarter of that.
const PEM_LIMIT: usize = 1 << 20;

/// What the environment says is in the plan. The exporter looks there once more for headers and, where nothing is to be
/// compressed, for the compression; it finds what the plan has, or nothing.
pub(super) fn build(plan: &Plan) -> Result<SpanExporter, TelemetryError> {
    let (collector, timeout) = (&plan.collector, plan.timeout.unwrap_or(FOR_EVER));
    // The first in the process stays; there is no other in this program.
    rustls::crypto::ring::default_provider().install_default().ok();
    let identity = Pem::read(&collector.trust)?;
    let http = match collector.protocol {
        Protocol::Grpc => {
            let mut builder = SpanExporter::builder()
                .with_tonic()
                .with_endpoint(collector.endpoint.full())
                .with_metadata(MetadataMap::from_headers(collector.headers.clone()))
                .with_timeout(timeout);
            if collector.endpoint.is_secure() {
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
        .with_http_client(identity.http_client(collector.endpoint.is_secure(), timeout)?)
        .with_protocol(http)
        .with_endpoint(collector.endpoint.full())
        .with_headers(for_http(&collector.headers))
        .with_timeout(timeout);
    if collector.gzip {
        builder = builder.with_compression(Compression::Gzip);
    }
    builder.build().map_err(no_exporter)
}

/// As the exporter over HTTP takes them: it resolves percent signs in what it is given.
fn for_http(headers: &HeaderMap) -> HashMap<String, String> {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        // The exporter's own goes by this spelling, and one in another would stand beside it.
        let name = if *name == USER_AGENT { "User-Agent" } else { name.as_str() };
        // Nothing is lost: it was made of a text.
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.to_owned(), value.replace('%', "%25"))
    };
    headers.iter().map(pair).collect()
}

fn no_exporter(error: ExporterBuildError) -> TelemetryError {
    TelemetryError::Exporter(Box::new(error))
}

/// What [`Trust`] names, in PEM.
pub(super) struct Pem {
    authorities: Option<Vec<u8>>,
    /// The certificate and its key.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Pem {
    pub(super) fn read(trust: &Trust) -> Result<Self, TelemetryError> {
        let authorities = trust.authorities.as_deref().map(read).transpose()?;
        let identity = trust.identity.as_ref();
        let identity = identity.map(|(certificate, key)| Ok((read(certificate)?, read(key)?)));
        Ok(Self { authorities, identity: identity.transpose()? })
    }

    pub(super) fn for_grpc(&self) -> ClientTlsConfig {
        let tls = match &self.authorities {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_enabled_roots(),
        };
        match &self.identity {
            Some((certificate, key)) => tls.identity(Identity::from_pem(certificate, key)),
            None => tls,
        }
    }

    /// What is sent goes where the endpoint says, and nowhere else: no redirects, no proxy from the environment.
    pub(super) fn http_client(
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

/// A path in a variable may name anything: a pipe that nobody writes to would keep the gateway from starting.
fn read(path: &Path) -> Result<Vec<u8>, TelemetryError> {
    let wrong = |source| TelemetryError::Certificate { file: path.to_owned(), source };
    let (pem, _) = file::read(path, PEM_LIMIT + 1).map_err(wrong)?;
    if pem.len() > PEM_LIMIT {
        return Err(wrong(io::Error::other(format!("it has more than {PEM_LIMIT} bytes"))));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The exporter resolves them, and `50%41` would be sent as `50A`.
    #[test]
    fn headers_keep_their_percent_signs() {
        let mut headers = HeaderMap::new();
        headers.insert("x-share", HeaderValue::from_static("50%41"));
        headers.insert(USER_AGENT, HeaderValue::from_static("me"));
        let pairs = [("x-share", "50%2541"), ("User-Agent", "me")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(for_http(&headers), HashMap::from(pairs));
    }

    #[test]
    fn a_certificate_is_a_regular_file_of_some_length() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("long.pem");
        std::fs::write(&long, vec![b'x'; PEM_LIMIT + 1]).unwrap();
        let why = |path: &Path| match read(path) {
            Err(TelemetryError::Certificate { source, .. }) => source.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(why(&long), "it has more than 1048576 bytes");
        assert!(why(folder.path()).contains("a directory"));
        assert!(why(Path::new("/dev/zero")).contains("a device"));
    }
}
