//! Servers that a plugin may send requests to: the grant `http`.

use crate::{
    address::Reach,
    schema::{Kind, kind::quoted, value::Value},
};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A server, or all below a name, and how it may be spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Without TLS: written `http://…`.
    pub plain: bool,
    pub name: HostName,
    pub port: u16,
    /// Its name may lead to private addresses, or it is one.
    pub private: bool,
}

/// What a [`Host`] says of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostName {
    /// `*`: every name. No address.
    Any,
    /// `*.example.com`: every name below this one, which is kept as `.example.com`.
    Below(String),
    /// This name, in lower case, without a dot at its end.
    Name(String),
    /// This address; IPv4 within IPv6 as IPv4.
    Address(IpAddr),
}

impl Host {
    /// As a file has it; `private` stands beside it there.
    pub fn read(text: &str, private: bool) -> Result<Self, String> {
        let (plain, rest) = match text.split_once("://") {
            Some(("https", rest)) => (false, rest),
            Some(("http", rest)) => (true, rest),
            Some((scheme, _)) => {
                return Err(format!(
                    "`{scheme}://` is not a way to ask; write https:// or http://"
                ));
            }
            None => (false, text),
        };
        let (name, port) = split_port(rest, if plain { 80 } else { 443 })
            .ok_or_else(|| format!("`{text}` has a port that is none; write a number from 1"))?;
        let name = host_name(text, name)?;
        let host = Self { plain, name, port, private };
        host.check(text)?;
        Ok(host)
    }

    fn check(&self, text: &str) -> Result<(), String> {
        let HostName::Address(address) = self.name else {
            return match (&self.name, self.private) {
                (HostName::Any, true) => Err(
                    "`*` with private = true would open everything that this machine can reach; name the private hosts".into(),
                ),
                _ => Ok(()),
            };
        };
        match (Reach::of(address), self.private) {
            (Reach::Nobody, _) => {
                Err(format!("`{text}` is a reserved address, at which no server is"))
            }
            (Reach::Private | Reach::Link, false) => Err(format!(
                "`{text}` is not a public address; if the plugin shall reach it, write {{ host = \"{text}\", private = true }}"
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Host {
    /// As a file has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.plain { ("http://", 80) } else { ("", 443) };
        f.write_str(scheme)?;
        match &self.name {
            HostName::Any => f.write_str("*")?,
            HostName::Below(name) => write!(f, "*{name}")?,
            HostName::Name(name) => f.write_str(name)?,
            HostName::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            HostName::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
        }
        match self.port == usual {
            true => Ok(()),
            false => write!(f, ":{}", self.port),
        }
    }
}

/// How one is written in a file: a text, or `{ host = "…", private = true }`.
pub(crate) fn host() -> Kind<Host> {
    Kind::new(read, |it: &Host| match it.private {
        true => format!("{{ host = {}, private = true }}", quoted(it)),
        false => quoted(it),
    })
}

fn read(value: &Value<'_>) -> Option<Host> {
    if !value.is_table() {
        value.must_be_text(
            "a host, as in \"api.example.com\" or { host = \"10.0.0.7\", private = true }",
        )?;
        value.filled()?;
        return value.read(|text| Host::read(text, false));
    }
    let (mut name, mut private) = (None, Some(false));
    for (key, entry) in value.entries()? {
        match key.as_str() {
            "host" => name = Some(entry),
            "private" => private = entry.truth(),
            _ => entry.mistake("is not known here; there are `host` and `private`"),
        }
    }
    let Some(name) = name else {
        value.mistake("says no host; write { host = \"10.0.0.7\", private = true }");
        return None;
    };
    name.filled()?;
    let private = private?;
    name.read(|text| Host::read(text, private))
}

/// A host's text and its port. None: what stands for a port is none.
fn split_port(text: &str, usual: u16) -> Option<(&str, u16)> {
    let colon = match text.rfind(']') {
        Some(end) => text.get(end..)?.find(':').map(|at| end + at),
        None => text.find(':'),
    };
    let Some(colon) = colon else { return Some((text, usual)) };
    let (name, port) = (text.get(..colon)?, text.get(colon + 1..)?);
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| is_number && *port > 0)?;
    Some((name, port))
}

fn host_name(text: &str, name: &str) -> Result<HostName, String> {
    if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        let address: Ipv6Addr =
            address.parse().map_err(|_| format!("`{text}` has no IPv6 address in its brackets"))?;
        return Ok(HostName::Address(IpAddr::from(address).to_canonical()));
    }
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Ok(HostName::Address(address.into()));
    }
    if name == "*" {
        return Ok(HostName::Any);
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let below = name.strip_prefix('*').filter(|rest| rest.starts_with('.'));
    let labels = below.map_or(name.as_str(), |rest| rest.trim_start_matches('.'));
    if !is_name(labels) || below.is_some_and(|rest| rest.starts_with("..")) {
        return Err(format!(
            "`{text}` is not a host; write a name, an address, or a name below which all are meant, and perhaps a port, as in \"api.example.com\", \"10.0.0.7:8443\" or \"*.example.com\""
        ));
    }
    Ok(match below {
        Some(rest) => HostName::Below(rest.to_owned()),
        None => HostName::Name(name),
    })
}

/// Labels of letters, digits, `-` and `_`, and the last is no number: what ends in one is an address to whoever reads a URL.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= 253 && name.split('.').all(is_label) && !is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::Name(text.into())
    }

    #[track_caller]
    fn check(text: &str, plain: bool, name: HostName, port: u16) {
        let private = matches!(name, HostName::Address(_));
        let host = Host::read(text, private).unwrap();
        assert_eq!(host, Host { plain, name, port, private }, "{text}");
        assert_eq!(Host::read(&host.to_string(), private), Ok(host), "{text} reads back");
    }

    #[test]
    fn without_a_scheme_and_a_port_it_is_https() {
        check("api.example.com", false, name("api.example.com"), 443);
        check("API.Example.com.:8443", false, name("api.example.com"), 8443);
        check("https://a_b.example", false, name("a_b.example"), 443);
        check("http://backend.internal", true, name("backend.internal"), 80);
        check("http://backend:8080", true, name("backend"), 8080);
        check("*.example.com", false, HostName::Below(".example.com".into()), 443);
        check("*", false, HostName::Any, 443);
        check("10.0.0.7:1", false, HostName::Address([10, 0, 0, 7].into()), 1);
        check("[::1]:8443", false, HostName::Address(Ipv6Addr::LOCALHOST.into()), 8443);
        check("[::ffff:7f00:1]", false, HostName::Address([127, 0, 0, 1].into()), 443);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", "*.", "*..a", "a..b", "a b", "a/b", "u@a", "ä.example", "*a.example"] {
            assert!(Host::read(text, false).is_err(), "{text}");
        }
        for text in
            ["ftp://a", "a:0", "a:", "a:+1", "a:65536", "a:b", "[::1", "[a]", "1.2.3", "0x7f.1"]
        {
            assert!(Host::read(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn a_private_address_is_granted_by_saying_so() {
        for text in ["127.0.0.1", "[::1]:8443", "169.254.169.254", "[::ffff:10.0.0.1]"] {
            let why = Host::read(text, false).unwrap_err();
            assert!(why.contains("private = true"), "{why}");
            assert!(Host::read(text, true).is_ok(), "{text}");
        }
        assert!(Host::read("0.0.0.0", true).unwrap_err().contains("reserved"));
        assert!(Host::read("*", true).unwrap_err().contains("name the private hosts"));
    }
}
