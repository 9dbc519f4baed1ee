//! What ways to a collector have in common: whom they trust, and for how long they wait.

use super::{TelemetryError, plan::Trust};
use std::{io, path::Path, time::Duration};
use tengen_settings::file;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// Longer than anything runs: what has no limit.
pub(super) const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long a connection may take to come about.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of the longest file of certificates that is read, 1 MiB: what a system trusts has a quarter of that.
const PEM_LIMIT: usize = 1 << 20;

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
            .connect_timeout(CONNECT_WITHIN)
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
