//! Where a request is for, as its URL says.

use tengen_wire::fault::{Fault, FaultId};
use url::{Host, Url};

/// The most bytes of a URL.
const LONGEST: usize = 8 << 10;

/// The parts of a URL that a request needs. The host has one spelling: numbers in whatever base are an address, IPv4 within
/// IPv6 is IPv4, names are in lower case, in ASCII, and end without a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Without TLS.
    pub(crate) plain: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
    /// The path and the query.
    pub(crate) path: String,
}

impl Target {
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        if text.len() > LONGEST {
            return Err(Fault::new(
                FaultId::TooLarge,
                format!("the URL has more than {LONGEST} bytes"),
            ));
        }
        // What readers of URLs leave out in silence.
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(malformed(
                "the URL has white space or a control character; write it as %20 and the like",
            ));
        }
        let url =
            Url::parse(text).map_err(|why| malformed(&format!("the URL cannot be read: {why}")))?;
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(malformed("the URL must begin with https:// or http://")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(malformed(
                "the URL has a user before its host; send it as the header `authorization`",
            ));
        }
        let port = url.port_or_known_default().filter(|port| *port > 0);
        let port = port.ok_or_else(|| malformed("the URL's port is 0, which nobody listens at"))?;
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self { plain, host: host(&url)?, port, path })
    }

    /// What the header `Host` says.
    pub(crate) fn authority(&self) -> String {
        match self.port == if self.plain { 80 } else { 443 } {
            true => self.host.to_string(),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

fn host(url: &Url) -> Result<Host, Fault> {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            match name.is_empty() || name.ends_with('.') {
                true => Err(malformed("the URL's host is no name")),
                false => Ok(Host::Domain(name.to_owned())),
            }
        }
        Some(Host::Ipv4(address)) => Ok(Host::Ipv4(address)),
        Some(Host::Ipv6(address)) => {
            Ok(address.to_ipv4_mapped().map_or(Host::Ipv6(address), Host::Ipv4))
        }
        None => Err(malformed("the URL has no host")),
    }
}

fn malformed(why: &str) -> Fault {
    Fault::new(FaultId::Malformed, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, authority: &str, path: &str) {
        let target = Target::read(text).unwrap();
        assert_eq!(
            (target.authority().as_str(), target.path.as_str()),
            (authority, path),
            "{text}"
        );
    }

    #[test]
    fn a_host_has_one_spelling() {
        check("https://API.Example.com/a/../b?c=d#e", "api.example.com", "/b?c=d");
        check("https://api.example.com.:443", "api.example.com", "/");
        check("http://bücher.example:8080/ü", "xn--bcher-kva.example:8080", "/%C3%BC");
        check("https://good.example\\@evil.example/", "good.example", "/@evil.example/");
    }

    #[test]
    fn numbers_in_every_base_are_the_address_that_they_mean() {
        for host in ["127.0.0.1", "2130706433", "0x7f000001", "017700000001", "0177.0.0.1", "127.1"]
        {
            check(&format!("http://{host}/"), "127.0.0.1", "/");
        }
        for host in
            ["127.0.0.1.", "%31%32%37.0.0.1", "1２7.0.0.1", "[::ffff:7f00:1]", "[::ffff:127.0.0.1]"]
        {
            check(&format!("http://{host}/"), "127.0.0.1", "/");
        }
        check("https://[0:0:0:0:0:0:0:1]:8443/", "[::1]:8443", "/");
    }

    #[test]
    fn localhost_with_a_dot_is_localhost() {
        check("http://localhost./", "localhost", "/");
        check("http://LOCALHOST.:80/", "localhost", "/");
    }

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let fault = Target::read(text).unwrap_err();
        assert!(fault.message.contains(why), "{text}: {fault:?}");
    }

    #[test]
    fn a_user_in_the_url_is_refused() {
        for text in ["https://a@b.example/", "https://a:c@b.example/", "https://:c@b.example/"] {
            refused(text, "has a user");
        }
        refused("https://good.example@127.0.0.1/", "has a user");
    }

    #[test]
    fn what_no_server_can_be_asked_by_is_refused() {
        refused("ftp://a.example/", "must begin with https://");
        refused("file:///etc/passwd", "must begin with https://");
        refused("a.example/b", "cannot be read");
        refused("https://", "cannot be read");
        refused("https://a.example:0/", "port is 0");
        refused("https://a..", "no name");
        refused("https://a.ex\tample/", "white space");
        refused(" https://a.example/", "white space");
        refused("https://1.2.3.4.5/", "cannot be read");
        refused(&format!("https://a.example/{}", "a".repeat(LONGEST)), "more than 8192 bytes");
    }
}
