//! Where spans go and how: address, protocol, trust, headers and compression.

use crate::settings::{self, Protocol};
use crate::telemetry::{
    TelemetryError,
    environment::{Environment, Variable, decoded},
};
use http::{HeaderName, HeaderValue, Uri};
use std::path::PathBuf;

/// The collector, checked as far as it can be without asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::telemetry) struct Collector {
    /// The full address with its scheme, for HTTP with its path.
    pub(in crate::telemetry) endpoint: String,
    pub(in crate::telemetry) protocol: Protocol,
    pub(in crate::telemetry) trust: Trust,
    pub(in crate::telemetry) gzip: bool,
}

/// Files in PEM, read when the exporter starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::telemetry) struct Trust {
    /// Who has to have signed the collector's certificate; none: whom the system trusts.
    pub(in crate::telemetry) authorities: Option<PathBuf>,
    /// Our own certificate and its key.
    pub(in crate::telemetry) identity: Option<(PathBuf, PathBuf)>,
}

pub(super) const ENDPOINTS: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

impl Collector {
    pub(super) fn new(
        file: Option<&settings::Otlp>,
        environment: &Environment<'_>,
    ) -> Result<Self, TelemetryError> {
        let named = named(file, environment);
        let protocol = protocol(file, environment, named.as_ref());
        let endpoint = endpoint(named, protocol, environment)?;
        check_headers(environment);
        Ok(Self {
            endpoint,
            protocol,
            trust: trust(file, environment),
            gzip: wants_gzip(environment),
        })
    }

    pub(in crate::telemetry) fn is_secure(&self) -> bool {
        self.endpoint.starts_with("https:")
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
fn named(file: Option<&settings::Otlp>, environment: &Environment<'_>) -> Option<Named> {
    if let Some(otlp) = file {
        let endpoint = otlp.endpoint.clone();
        return Some(Named { by: "telemetry.otlp.endpoint", endpoint, is_base: true });
    }
    let Variable { name, value } = environment.first(&ENDPOINTS)?;
    Some(Named { by: name, endpoint: value, is_base: name == ENDPOINTS[1] })
}

/// The file, then the variables, then what the port of the address usually means, then the specification's default.
fn protocol(
    file: Option<&settings::Otlp>,
    environment: &Environment<'_>,
    named: Option<&Named>,
) -> Protocol {
    let by_variable = || {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        let Variable { name, value } = environment.first(&names)?;
        let protocol = Protocol::ALL.into_iter().find(|it| it.word().eq_ignore_ascii_case(&value));
        if protocol.is_none() {
            environment.note(format_args!(
                "`{name}` is ignored: `{value}` is neither `grpc`, `http/protobuf` nor `http/json`"
            ));
        }
        protocol
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

fn endpoint(
    named: Option<Named>,
    protocol: Protocol,
    environment: &Environment<'_>,
) -> Result<String, TelemetryError> {
    let Named { by, endpoint, is_base } = named.unwrap_or_else(|| Named {
        by: "the default",
        endpoint: default_endpoint(protocol).to_owned(),
        is_base: true,
    });
    let endpoint = with_scheme(by, endpoint, protocol, environment)?;
    Ok(match protocol {
        Protocol::HttpProtobuf | Protocol::HttpJson if is_base => with_traces_path(&endpoint),
        _ => endpoint,
    })
}

fn default_endpoint(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc => "http://127.0.0.1:4317",
        Protocol::HttpProtobuf | Protocol::HttpJson => "http://127.0.0.1:4318",
    }
}

/// OTLP over HTTP has one path per signal below the base address.
fn with_traces_path(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with("/v1/traces") { base.to_owned() } else { format!("{base}/v1/traces") }
}

/// What is wrong with an address is found here, because an exporter would only fail later, batch after batch. Over gRPC
/// one may do without a scheme, and means TLS then.
fn with_scheme(
    by: &'static str,
    endpoint: String,
    protocol: Protocol,
    environment: &Environment<'_>,
) -> Result<String, TelemetryError> {
    let wrong = |endpoint: &str, reason| {
        Err(TelemetryError::Endpoint { by, endpoint: endpoint.to_owned(), reason })
    };
    if endpoint.split_once("://").map_or(&*endpoint, |(_, rest)| rest).contains('@') {
        // The text of the endpoint is left out: it has a password in it.
        return wrong("***", "has credentials in it; send them with `OTEL_EXPORTER_OTLP_HEADERS`");
    }
    let full = match endpoint.split_once("://") {
        Some(("http" | "https", _)) => endpoint.clone(),
        Some(_) => return wrong(&endpoint, "begins with neither `http://` nor `https://`"),
        None if protocol == Protocol::Grpc => {
            format!("{}{endpoint}", usual_scheme(by, environment))
        }
        None => return wrong(&endpoint, "has no scheme; write `http://` or `https://` before it"),
    };
    match full.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty())) {
        true => Ok(full),
        false => wrong(&endpoint, "is not a URL; write one such as `http://127.0.0.1:4317`"),
    }
}

/// The specification's, where the address has none.
fn usual_scheme(by: &'static str, environment: &Environment<'_>) -> &'static str {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"];
    if environment.first(&names).is_some_and(|it| it.value.eq_ignore_ascii_case("true")) {
        return "http://";
    }
    environment.note(format_args!(
        "`{by}` has no scheme, which over gRPC stands for TLS; for a collector without TLS write `http://` before it, or set `OTEL_EXPORTER_OTLP_INSECURE` to `true`"
    ));
    "https://"
}

fn trust(file: Option<&settings::Otlp>, environment: &Environment<'_>) -> Trust {
    let path =
        |names: [&'static str; 2]| environment.first(&names).map(|it| PathBuf::from(it.value));
    let authorities = file.and_then(|otlp| otlp.certificate.clone()).or_else(|| {
        path(["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"])
    });
    let certificate = path([
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    ]);
    let key = path(["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"]);
    if certificate.is_some() != key.is_some() {
        environment.note(
            "`OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` and `OTEL_EXPORTER_OTLP_CLIENT_KEY` mean something together only: the one that is set is ignored",
        );
    }
    Trust { authorities, identity: certificate.zip(key) }
}

/// The exporter reads the headers itself, and leaves out in silence what it cannot read. Nothing of them is shown but
/// the names of those that have one: the rest may be a secret.
fn check_headers(environment: &Environment<'_>) {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
    let Some(Variable { name, value }) = environment.first(&names) else { return };
    let parts = value.split_terminator(',').map(str::trim).enumerate();
    for (place, part) in parts {
        let Some((key, value)) = part.split_once('=').map(|(key, it)| (key.trim(), it.trim()))
        else {
            environment.note(format_args!(
                "`{name}`: part {} is left out: it is no `key=value`; headers have commas between",
                place + 1
            ));
            continue;
        };
        if key.parse::<HeaderName>().is_err() {
            environment.note(format_args!(
                "`{name}`: part {} is left out: what stands before its `=` is not the name of a header",
                place + 1
            ));
            continue;
        }
        let sent = decoded(value).unwrap_or_else(|| value.to_owned());
        if sent.is_empty() || HeaderValue::from_str(&sent).is_err() {
            environment.note(format_args!(
                "`{name}`: `{key}` is left out: its value is empty or no header can have it"
            ));
        }
    }
}

fn wants_gzip(environment: &Environment<'_>) -> bool {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
    let Some(Variable { name, value }) = environment.first(&names) else { return false };
    let gzip = value.eq_ignore_ascii_case("gzip");
    if !gzip && !value.eq_ignore_ascii_case("none") {
        environment
            .note(format_args!("`{name}` is ignored: `{value}` is neither `gzip` nor `none`"));
    }
    gzip
}
