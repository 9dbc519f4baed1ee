//! Whose pages may connect to an endpoint.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// The page comes by HTTP from the request's Host. A request without Origin is no browser's: let in.
    Same,
    Any,
    These(Vec<Origin>),
}

/// An origin that may connect, in lower case: `scheme://host[:port]`, `null` or `file://`. With `*.` in front of the host:
/// every name below it, and not the name itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(pub String);

impl Origin {
    /// Whether this is the origin that a browser sent; that one in lower case, without its scheme's own port.
    pub fn is(&self, sent: &str) -> bool {
        let Some((scheme, host)) = self.0.split_once("://*") else { return self.0 == sent };
        let sent = sent.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
        // What is left of the name in front of the dot must be something.
        let below = sent.and_then(|sent| sent.strip_suffix(host));
        below.is_some_and(|below| !below.is_empty())
    }

    /// An origin without its scheme's own port, which browsers leave out; others may not.
    pub fn without_own_port(origin: &str) -> &str {
        let own = match origin.split_once("://") {
            Some(("http", _)) => ":80",
            Some(("https", _)) => ":443",
            _ => return origin,
        };
        origin.strip_suffix(own).unwrap_or(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(listed: &str, sent: &str, is: bool) {
        assert_eq!(Origin(listed.into()).is(sent), is, "{listed} {sent}");
    }

    #[test]
    fn an_origin_is_itself_and_a_star_every_name_below() {
        check("https://app.example", "https://app.example", true);
        check("https://app.example", "http://app.example", false);
        check("null", "null", true);
        check("file://", "file://", true);
        check("file://", "file://host", false);
        let below = "https://*.app.example";
        check(below, "https://a.app.example", true);
        check(below, "https://a.b.app.example", true);
        for other in [
            "https://app.example",
            "https://.app.example",
            "http://a.app.example",
            "https://a.app.example:8443",
            "https://evil-app.example",
            "https://a.app.example.evil.example",
            "null",
            "",
        ] {
            check(below, other, false);
        }
        check("https://*.app.example:8443", "https://a.app.example:8443", true);
    }

    #[test]
    fn a_schemes_own_port_goes_without_saying() {
        for (origin, expected) in [
            ("https://a:443", "https://a"),
            ("http://a:80", "http://a"),
            ("http://a:443", "http://a:443"),
            ("app://a:443", "app://a:443"),
            ("null", "null"),
        ] {
            assert_eq!(Origin::without_own_port(origin), expected);
        }
    }
}
