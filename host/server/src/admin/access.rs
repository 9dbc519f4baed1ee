//! Which admin call a request is, and whether it may be made.
//!
//! A web page in somebody's browser can reach a loopback address: so the Host must be ours (or a name that an attacker
//! points at us would do), the Origin must not be foreign, and what changes something needs a key even on loopback. Whether
//! the gateway is well is told to everybody under every name: it gives nothing away, and probes call it by names of theirs.

use http::{HeaderMap, Method, Request, StatusCode, header};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};
use tengen_settings::{Admin, Secret};

/// A call that may be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action<'a> {
    Health,
    Ready {
        /// Whether the caller may know more than whether: it called the listener by its own name.
        whole: bool,
    },
    Stats,
    Metrics,
    Plugins,
    Reload(&'a str),
    Sinks,
    /// An order about signals and sinks, and its query.
    Order(&'a str, &'a str),
}

/// Why a call is refused; told to the caller, who may be anyone.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error(
        "the Host header does not name this listener; call it by its address, or by a name in `admin.hosts`"
    )]
    Host,
    #[error("calls from web pages of another origin are refused")]
    Origin,
    #[error(
        "no such call; there are /healthz, /readyz, /stats, /metrics, /plugins, /plugins/NAME/reload, /sinks and /sinks/ORDER"
    )]
    Unknown,
    #[error("this call takes {allow}")]
    Method { allow: &'static str },
    #[error(
        "calls that change something need a key, and `admin.keys` is empty; add one to the configuration"
    )]
    NoKeys,
    #[error("this call needs a key; send it as `Authorization: Bearer KEY`")]
    NoKey,
    #[error("the key is not one of `admin.keys`")]
    WrongKey,
    #[error("too many calls are being carried out; try again later")]
    Busy,
}

impl Denied {
    /// Whether it is told of with what concerns security.
    pub(super) fn is_of_security(&self) -> bool {
        matches!(self, Self::Host | Self::Origin | Self::NoKeys | Self::NoKey | Self::WrongKey)
    }

    /// The kind, for the log.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
            Self::Unknown => "unknown",
            Self::Method { .. } => "method",
            Self::NoKeys => "no-keys",
            Self::NoKey => "no-key",
            Self::WrongKey => "wrong-key",
            Self::Busy => "busy",
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin | Self::NoKeys => StatusCode::FORBIDDEN,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoKey | Self::WrongKey => StatusCode::UNAUTHORIZED,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Action<'_> {
    /// Whether everybody may ask it, whatever they call us.
    pub(super) fn is_probe(&self) -> bool {
        matches!(self, Self::Health | Self::Ready { .. })
    }
}

/// The call a request makes, if it may. `listen`: where the listener really is.
pub(super) fn check<'a, B>(
    request: &'a Request<B>,
    listen: SocketAddr,
    admin: &Admin,
) -> Result<Action<'a>, Denied> {
    let meant = is_meant(request, listen, &admin.hosts);
    let query = request.uri().query().unwrap_or_default();
    let action = match action(request.uri().path(), query) {
        Some(Action::Ready { .. }) => Action::Ready { whole: meant.is_ok() },
        Some(probe) if probe.is_probe() => probe,
        other => {
            meant?;
            other.ok_or(Denied::Unknown)?
        }
    };
    let changes = matches!(action, Action::Reload(_) | Action::Order(..));
    match *request.method() {
        Method::POST if changes => key(request.headers(), &admin.keys)?,
        Method::GET | Method::HEAD if !changes => {}
        _ => return Err(Denied::Method { allow: if changes { "POST" } else { "GET, HEAD" } }),
    }
    Ok(action)
}

fn action<'a>(path: &'a str, query: &'a str) -> Option<Action<'a>> {
    Some(match path {
        "/healthz" => Action::Health,
        "/readyz" => Action::Ready { whole: false },
        "/stats" => Action::Stats,
        "/metrics" => Action::Metrics,
        "/plugins" => Action::Plugins,
        "/sinks" => Action::Sinks,
        _ if path.starts_with("/sinks/") => {
            let order = path.strip_prefix("/sinks/")?;
            (!order.is_empty() && !order.contains('/')).then_some(Action::Order(order, query))?
        }
        _ => {
            let name = path.strip_prefix("/plugins/")?.strip_suffix("/reload")?;
            (!name.is_empty() && !name.contains('/')).then_some(Action::Reload(name))?
        }
    })
}

/// Whether a request was meant for this listener: it names it, and is from no page of somebody else's.
fn is_meant<B>(request: &Request<B>, listen: SocketAddr, hosts: &[String]) -> Result<(), Denied> {
    let host = host(request).ok_or(Denied::Host)?;
    if !is_ours(host, listen) && !hosts.iter().any(|name| is_named(host, name)) {
        return Err(Denied::Host);
    }
    let same = |origin: &str| {
        origin.strip_prefix("http://").is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    };
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    match origins.all(|origin| origin.to_str().is_ok_and(same)) {
        true => Ok(()),
        false => Err(Denied::Origin),
    }
}

/// The one Host header; none as well if the request line names another host.
fn host<B>(request: &Request<B>) -> Option<&str> {
    let mut all = request.headers().get_all(header::HOST).iter();
    let host = all.next()?.to_str().ok()?;
    let line = request.uri().authority();
    let agrees = line.is_none_or(|line| line.as_str().eq_ignore_ascii_case(host));
    (agrees && all.next().is_none() && !host.contains('@')).then_some(host)
}

/// Whether a Host header is this name of `admin.hosts`: with any port, unless the name has one.
fn is_named(host: &str, name: &str) -> bool {
    let without_port = host.parse::<http::uri::Authority>().ok();
    let without_port = without_port.as_ref().map(http::uri::Authority::host);
    host.eq_ignore_ascii_case(name)
        || without_port.is_some_and(|without| without.eq_ignore_ascii_case(name))
}

/// Whether a Host header names loopback or the listener's own address. A listener on all addresses cannot know its own:
/// there, every address is taken, and still no name.
fn is_ours(host: &str, listen: SocketAddr) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    match bare.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) => {
            let own = listen.ip().to_canonical();
            ip.is_loopback() || ip == own || own.is_unspecified()
        }
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}

/// Hashes are compared, so that the time it takes tells nothing of a key.
fn key(headers: &HeaderMap, keys: &[Secret]) -> Result<(), Denied> {
    if keys.is_empty() {
        return Err(Denied::NoKeys);
    }
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .ok_or(Denied::NoKey)?;
    let (scheme, given) = given.split_once(' ').ok_or(Denied::NoKey)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denied::NoKey);
    }
    let given = Sha256::digest(given.trim());
    let known = keys.iter().fold(false, |known, key| known | (Sha256::digest(&key.0) == given));
    if known { Ok(()) } else { Err(Denied::WrongKey) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTEN: &str = "10.1.2.3:8081";

    fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<()> {
        let builder = Request::builder().method(method).uri(path);
        headers
            .iter()
            .fold(builder, |builder, (name, value)| builder.header(*name, *value))
            .body(())
            .unwrap()
    }

    #[track_caller]
    fn check_headers(headers: &[(&str, &str)], listen: &str, expected: Result<(), Denied>) {
        let request = request("GET", "/stats", headers);
        let admin = Admin { hosts: vec!["tengen.prod.svc".into(), "node:9".into()], ..admin(&[]) };
        let found = check(&request, listen.parse().unwrap(), &admin).map(drop);
        assert_eq!(found, expected, "{headers:?}");
    }

    fn admin(keys: &[&str]) -> Admin {
        let keys = keys.iter().map(|key| Secret((*key).into())).collect();
        Admin { keys, ..Admin::default() }
    }

    #[test]
    fn only_loopback_our_own_address_and_the_names_of_the_configuration_are_hosts() {
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:8081",
            "127.9.9.9",
            "[::1]:8081",
            "[::ffff:127.0.0.1]:8081",
            "[::ffff:10.1.2.3]",
            "10.1.2.3:8081",
            "10.1.2.3",
            "tengen.prod.svc",
            "Tengen.Prod.svc:8081",
            "node:9",
        ] {
            check_headers(&[("host", host)], LISTEN, Ok(()));
        }
        for host in [
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "10.1.2.4",
            "127.0.0.1.evil.example",
            "tengen.prod.svc.evil.example",
            "a@tengen.prod.svc",
            "a@127.0.0.1",
            "node",
            "node:10",
            "",
            "a b",
        ] {
            check_headers(&[("host", host)], LISTEN, Err(Denied::Host));
        }
        check_headers(&[], LISTEN, Err(Denied::Host));
        check_headers(
            &[("host", "localhost"), ("host", "evil.example")],
            LISTEN,
            Err(Denied::Host),
        );
    }

    #[test]
    fn a_listener_on_all_addresses_takes_every_address_and_no_name() {
        check_headers(&[("host", "192.168.0.9:8081")], "0.0.0.0:8081", Ok(()));
        check_headers(&[("host", "evil.example:8081")], "0.0.0.0:8081", Err(Denied::Host));
    }

    #[test]
    fn a_foreign_origin_is_refused() {
        let with = |origin| [("host", "localhost:8081"), ("origin", origin)];
        check_headers(&with("http://localhost:8081"), LISTEN, Ok(()));
        for origin in
            ["http://localhost:3000", "https://localhost:8081", "https://evil.example", "null", ""]
        {
            check_headers(&with(origin), LISTEN, Err(Denied::Origin));
        }
    }

    #[test]
    fn probes_are_answered_whoever_asks_and_nothing_else_is() {
        let strange: [&[(&str, &str)]; 5] = [
            &[],
            &[("host", "tengen:8081")],
            &[("host", "10.9.9.9:8081")],
            &[("host", "a"), ("host", "b")],
            &[("host", "evil.example"), ("origin", "https://evil.example")],
        ];
        for headers in strange {
            let at = |path| {
                let request = request("GET", path, headers);
                check(&request, LISTEN.parse().unwrap(), &admin(&[])).map(drop)
            };
            assert_eq!((at("/healthz"), at("/readyz")), (Ok(()), Ok(())), "{headers:?}");
            for path in [
                "/stats",
                "/metrics",
                "/plugins",
                "/plugins/chat/reload",
                "/healthz/",
                "/",
                "/Healthz",
            ] {
                assert_eq!(at(path), Err(Denied::Host), "{path} {headers:?}");
            }
        }
    }

    #[test]
    fn a_request_line_that_names_another_host_is_not_for_us() {
        let from = |line: &str| {
            let request = request("GET", line, &[("host", "localhost:8081")]);
            check(&request, LISTEN.parse().unwrap(), &admin(&[])).map(drop)
        };
        assert_eq!(from("http://LOCALHOST:8081/stats"), Ok(()));
        assert_eq!(from("http://evil.example/stats"), Err(Denied::Host));
        assert_eq!(from("http://evil.example/healthz"), Ok(()));
    }

    #[track_caller]
    fn check_reload(
        authorization: Option<&str>,
        keys: &[&str],
        expected: Result<Action<'_>, Denied>,
    ) {
        let mut headers = vec![("host", "localhost")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        let request = request("POST", "/plugins/chat/reload", &headers);
        assert_eq!(check(&request, LISTEN.parse().unwrap(), &admin(keys)), expected);
    }

    #[test]
    fn what_changes_something_needs_a_key_even_on_loopback() {
        check_reload(Some("Bearer k2"), &["k1", "k2"], Ok(Action::Reload("chat")));
        check_reload(Some("bearer k1"), &["k1"], Ok(Action::Reload("chat")));
        check_reload(Some("Bearer k3"), &["k1"], Err(Denied::WrongKey));
        check_reload(Some("Basic k1"), &["k1"], Err(Denied::NoKey));
        check_reload(Some("k1"), &["k1"], Err(Denied::NoKey));
        check_reload(None, &["k1"], Err(Denied::NoKey));
        check_reload(Some("Bearer k1"), &[], Err(Denied::NoKeys));
        check_reload(Some("Bearer "), &[], Err(Denied::NoKeys));
    }

    #[test]
    fn calls_have_their_paths_and_methods() {
        let local = [("host", "localhost")];
        let call = |method, path: &'static str| {
            let request = request(method, path, &local);
            check(&request, LISTEN.parse().unwrap(), &admin(&[])).map(drop)
        };
        for path in ["/healthz", "/readyz", "/stats", "/metrics", "/plugins", "/stats?x=1"] {
            assert_eq!(call("GET", path), Ok(()), "{path}");
            assert_eq!(call("POST", path), Err(Denied::Method { allow: "GET, HEAD" }), "{path}");
        }
        assert_eq!(call("GET", "/plugins/chat/reload"), Err(Denied::Method { allow: "POST" }));
        for path in
            ["/", "/plugins/", "/plugins//reload", "/plugins/a/b/reload", "/healthz/", "/metrics/"]
        {
            assert_eq!(call("GET", path), Err(Denied::Unknown), "{path}");
        }
    }
}
