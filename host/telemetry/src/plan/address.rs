//! The collector's address: checked, completed, and what of it may be shown.

use super::signal::Signal;
use http::Uri;
use std::{borrow::Cow, fmt};

/// An address that an exporter can use. It has no credentials; its query may be a secret all the same.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// `http` or `https`, host and port, and the path where there is one.
    base: String,
    query: Option<String>,
}

/// Never shows the query.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.base, f)
    }
}

impl Address {
    /// Err: what is wrong with it. It is found here, because an exporter would only fail later, batch after batch.
    /// `usual` gives the scheme of an address that has none, if it may do without.
    pub(super) fn read(
        text: &str,
        usual: impl FnOnce() -> Option<&'static str>,
    ) -> Result<Self, &'static str> {
        if before_query(text).contains('@') {
            return Err("has credentials in it; send them with `OTEL_EXPORTER_OTLP_HEADERS`");
        }
        let full = match scheme(text) {
            Some(scheme) if ["http", "https"].iter().any(|it| scheme.eq_ignore_ascii_case(it)) => {
                Cow::Borrowed(text)
            }
            Some(_) => return Err("begins with neither `http://` nor `https://`"),
            None => match usual() {
                Some(usual) => Cow::Owned(format!("{usual}{text}")),
                None => return Err("has no scheme; write `http://` or `https://` before it"),
            },
        };
        Self::of_url(&full).ok_or("is not a URL; write one such as `http://127.0.0.1:4317`")
    }

    fn of_url(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
        let behind_host = authority.as_str().strip_prefix(authority.host())?;
        // What stands there and is no port may be the beginning of a password.
        let is_whole = behind_host.is_empty() || authority.port_u16().is_some();
        let path = if uri.path() == "/" { "" } else { uri.path() };
        (is_whole && !authority.host().is_empty()).then(|| Self {
            base: format!("{scheme}://{authority}{path}"),
            query: uri.query().map(str::to_owned),
        })
    }

    /// OTLP over HTTP has one path per signal below the base address. Who wrote one of them meant the collector.
    pub(super) fn of_signal(self, signal: Signal) -> Self {
        let base = self.base.trim_end_matches('/');
        let below = Signal::ALL.iter().find_map(|signal| base.strip_suffix(signal.path()));
        let base = below.unwrap_or(base);
        Self { base: format!("{base}{}", signal.path()), query: self.query }
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// With all that the exporter needs of it.
    pub(crate) fn full(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.base),
            None => self.base.clone(),
        }
    }

    /// Without its query: some collectors take their keys there.
    pub(crate) fn shown(&self) -> &str {
        &self.base
    }
}

/// What may be shown of a text that should be an address and is none: no query, and nothing where there may be credentials.
pub(super) fn shown(text: &str) -> &str {
    if text.contains('@') { "***" } else { before_query(text) }
}

fn before_query(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

/// What stands before `://`, unless that is in a path or a query.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    (!scheme.contains(['/', '?', '#'])).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, full: &str, shown: &str) {
        let address = Address::read(text, || Some("https://")).unwrap();
        assert_eq!((address.full().as_str(), address.shown()), (full, shown));
        assert_eq!(format!("{address:?}"), format!("{shown:?}"));
    }

    #[track_caller]
    fn check_traces(text: &str, full: &str) {
        let address = Address::read(text, || None).unwrap();
        assert_eq!(address.clone().of_signal(Signal::Traces).full(), full);
        let full = full.replace("/v1/traces", "/v1/metrics");
        assert_eq!(address.of_signal(Signal::Metrics).full(), full);
    }

    // A query holds the key of some collectors, and was shown in the statistics.
    #[test]
    fn a_query_is_sent_and_not_shown() {
        check("http://c:4318/otlp?api-key=k", "http://c:4318/otlp?api-key=k", "http://c:4318/otlp");
        check("https://c/?key=a@b", "https://c?key=a@b", "https://c");
        check("c:4317", "https://c:4317", "https://c:4317");
        check("http://[::1]:4317", "http://[::1]:4317", "http://[::1]:4317");
    }

    // The path of the signal was put behind the query, and `HTTPS` was no scheme.
    #[test]
    fn the_path_of_the_signal_stands_before_the_query() {
        check_traces("https://c/otlp?tenant=a", "https://c/otlp/v1/traces?tenant=a");
        check_traces("https://c?tenant=a", "https://c/v1/traces?tenant=a");
        check_traces("http://c/x/v1/traces/", "http://c/x/v1/traces");
        check_traces("http://c/x/v1/metrics", "http://c/x/v1/traces");
        check_traces("http://c/x/#part", "http://c/x/v1/traces");
        check_traces("HTTPS://c:4318", "https://c:4318/v1/traces");
    }

    #[test]
    fn nothing_of_a_password_is_taken_for_an_address_or_shown() {
        for text in ["http://me:k@c", "http://me:k/y@c", "http://me:k?y@c", "me:k@c", "ftp://me@c"]
        {
            assert!(Address::read(text, || Some("https://")).is_err(), "{text}");
            assert_eq!(shown(text), "***");
        }
        assert_eq!(shown("c:4318/otlp?api-key=k"), "c:4318/otlp");
        assert!(Address::read("c?to=http://d", || None).unwrap_err().contains("no scheme"));
    }
}
