//! Where a signal goes and how: address, protocol, trust, headers and compression.

use super::{
    address::{Address, shown},
    headers::headers,
    signal::{Signal, variables},
};
use crate::{
    TelemetryError,
    environment::{Environment, Variable},
};
use http::{HeaderMap, Uri};
use std::path::PathBuf;
use tengen_settings::{self as settings, Protocol};

/// The collector, checked as far as it can be without asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collector {
    /// For HTTP with the path of the signal.
    pub(crate) endpoint: Address,
    pub(crate) protocol: Protocol,
    pub(crate) trust: Trust,
    /// Sent with every export.
    pub(crate) headers: HeaderMap,
    pub(crate) gzip: bool,
}

/// Files in PEM, read when the exporter starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trust {
    /// Who has to have signed the collector's certificate; none: whom the system trusts.
    pub(crate) authorities: Option<PathBuf>,
    /// Our own certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// The variables that name a collector for this signal.
pub(crate) fn endpoints(signal: Signal) -> [&'static str; 2] {
    variables!(signal, "ENDPOINT")
}

impl Collector {
    pub(crate) fn new(
        signal: Signal,
        file: Option<&settings::Otlp>,
        environment: &Environment<'_>,
    ) -> Result<Self, TelemetryError> {
        let named = named(signal, file, environment);
        let protocol = protocol(signal, file, environment, named.as_ref());
        let endpoint = endpoint(signal, named, protocol, environment)?;
        Ok(Self {
            endpoint,
            protocol,
            trust: trust(signal, file, environment),
            headers: headers(signal, environment),
            gzip: wants_gzip(signal, environment),
        })
    }
}

/// An address as somebody wrote it.
struct Named {
    by: &'static str,
    endpoint: String,
    /// Whether the path of the signal is to be added.
    is_base: bool,
}

/// The file, then the variables.
fn named(
    signal: Signal,
    file: Option<&settings::Otlp>,
    environment: &Environment<'_>,
) -> Option<Named> {
    if let Some(otlp) = file {
        let endpoint = otlp.endpoint.clone();
        return Some(Named { by: "telemetry.otlp.endpoint", endpoint, is_base: true });
    }
    let names = endpoints(signal);
    let Variable { name, value } = environment.first(&names)?;
    let [_, of_all] = names;
    Some(Named { by: name, endpoint: value, is_base: name == of_all })
}

/// The file, then the variables, then what the port of the address usually means, then the specification's default.
fn protocol(
    signal: Signal,
    file: Option<&settings::Otlp>,
    environment: &Environment<'_>,
    named: Option<&Named>,
) -> Protocol {
    let by_variable = || {
        let names = variables!(signal, "PROTOCOL");
        environment.read(&names, "is neither `grpc`, `http/protobuf` nor `http/json`", |value| {
            Protocol::ALL.into_iter().find(|it| it.word().eq_ignore_ascii_case(value))
        })
    };
    let usual = || match named {
        Some(_) if file.is_some() => Protocol::Grpc,
        Some(named) if port(&named.endpoint) == Some(4317) => Protocol::Grpc,
        _ => Protocol::HttpProtobuf,
    };
    file.and_then(|otlp| otlp.protocol).or_else(by_variable).unwrap_or_else(usual)
}

fn port(endpoint: &str) -> Option<u16> {
    endpoint.parse::<Uri>().ok()?.port_u16()
}

/// Over gRPC an address may do without a scheme, and means TLS then.
fn endpoint(
    signal: Signal,
    named: Option<Named>,
    protocol: Protocol,
    environment: &Environment<'_>,
) -> Result<Address, TelemetryError> {
    let Named { by, endpoint, is_base } = named.unwrap_or_else(|| Named {
        by: "the default",
        endpoint: default_endpoint(protocol).to_owned(),
        is_base: true,
    });
    let usual = || (protocol == Protocol::Grpc).then(|| usual_scheme(signal, by, environment));
    let address = Address::read(&endpoint, usual).map_err(|reason| TelemetryError::Endpoint {
        by,
        endpoint: shown(&endpoint).to_owned(),
        reason,
    })?;
    Ok(match protocol {
        Protocol::HttpProtobuf | Protocol::HttpJson if is_base => address.of_signal(signal),
        _ => address,
    })
}

fn default_endpoint(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc => "http://127.0.0.1:4317",
        Protocol::HttpProtobuf | Protocol::HttpJson => "http://127.0.0.1:4318",
    }
}

/// The specification's, where the address has none.
fn usual_scheme(signal: Signal, by: &'static str, environment: &Environment<'_>) -> &'static str {
    if environment.flag(&variables!(signal, "INSECURE")) {
        return "http://";
    }
    environment.note(format_args!(
        "`{by}` has no scheme, which over gRPC stands for TLS; for a collector without TLS write `http://` before it, or set `OTEL_EXPORTER_OTLP_INSECURE` to `true`"
    ));
    "https://"
}

fn trust(signal: Signal, file: Option<&settings::Otlp>, environment: &Environment<'_>) -> Trust {
    let path =
        |names: [&'static str; 2]| environment.first(&names).map(|it| PathBuf::from(it.value));
    let authorities = file
        .and_then(|otlp| otlp.certificate.clone())
        .or_else(|| path(variables!(signal, "CERTIFICATE")));
    let certificate = path(variables!(signal, "CLIENT_CERTIFICATE"));
    let key = path(variables!(signal, "CLIENT_KEY"));
    if certificate.is_some() != key.is_some() {
        environment.note(
            "`OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` and `OTEL_EXPORTER_OTLP_CLIENT_KEY` mean something together only: the one that is set is ignored",
        );
    }
    Trust { authorities, identity: certificate.zip(key) }
}

fn wants_gzip(signal: Signal, environment: &Environment<'_>) -> bool {
    let names = variables!(signal, "COMPRESSION");
    let gzip = environment.read(&names, "is neither `gzip` nor `none`", |value| {
        match value.to_ascii_lowercase().as_str() {
            "gzip" => Some(true),
            "none" => Some(false),
            _ => None,
        }
    });
    gzip.unwrap_or(false)
}
