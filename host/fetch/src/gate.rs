//! What a plugin's grant lets through: first a target, then each address that it leads to.

use crate::target::Target;
use std::net::IpAddr;
use tengen_settings::{Host as Granted, HostName, address::Reach};
use tengen_wire::fault::{Fault, FaultId};
use url::Host;

/// A target that the grant has.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    pub(crate) target: Target,
    /// It may be at a private address.
    private: bool,
}

impl Pass {
    pub(crate) fn of(target: Target, grant: &[Granted]) -> Result<Self, Fault> {
        let mut granted = grant.iter().filter(|granted| fits(granted, &target)).peekable();
        if granted.peek().is_none() {
            let scheme = if target.plain { "http://" } else { "" };
            return Err(Fault::new(
                FaultId::NotAllowed,
                format!("`{scheme}{}` is not in the plugin's grant `http`", target.authority()),
            ));
        }
        let private = granted.any(|granted| granted.private);
        Ok(Self { target, private })
    }

    /// Whether a connection to this address may be opened. What a link has is reached only by who was granted that very
    /// address: no name, however private, leads there.
    pub(crate) fn lets(&self, address: IpAddr) -> bool {
        match Reach::of(address) {
            Reach::Public => true,
            Reach::Private => self.private,
            Reach::Link => self.private && !matches!(self.target.host, Host::Domain(_)),
            Reach::Nobody => false,
        }
    }

    /// What the plugin is told where none of its addresses was let through.
    pub(crate) fn refusal(&self, address: IpAddr) -> Fault {
        let (host, word) = (&self.target.host, Reach::of(address).word());
        Fault::new(
            FaultId::NotAllowed,
            format!(
                "`{host}` leads to an address that is {word}, which the plugin's grant `http` does not say"
            ),
        )
    }
}

fn fits(granted: &Granted, target: &Target) -> bool {
    let name = match (&granted.name, &target.host) {
        (HostName::Any, Host::Domain(_)) => true,
        // More than the dot before it.
        (HostName::Below(below), Host::Domain(name)) => {
            name.strip_suffix(below.as_str()).is_some_and(|rest| !rest.is_empty())
        }
        (HostName::Name(granted), Host::Domain(name)) => granted == name,
        (HostName::Address(granted), Host::Ipv4(address)) => *granted == IpAddr::from(*address),
        (HostName::Address(granted), Host::Ipv6(address)) => *granted == IpAddr::from(*address),
        _ => false,
    };
    name && granted.plain == target.plain && granted.port == target.port
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(grant: &[(&str, bool)], url: &str) -> Result<Pass, Fault> {
        let granted: Vec<_> =
            grant.iter().map(|(text, private)| Granted::read(text, *private).unwrap()).collect();
        Pass::of(Target::read(url).unwrap(), &granted)
    }

    #[track_caller]
    fn check(granted: &str, yes: &[&str], no: &[&str]) {
        let private = granted.contains("127") || granted.contains('[');
        for url in yes {
            assert!(pass(&[(granted, private)], url).is_ok(), "{granted}: {url}");
        }
        for url in no {
            let why = pass(&[(granted, private)], url).unwrap_err();
            assert_eq!(why.id, FaultId::NotAllowed, "{granted}: {url}");
        }
    }

    #[test]
    fn a_grant_is_a_scheme_a_host_and_a_port() {
        check(
            "api.example.com",
            &["https://api.example.com/", "https://API.example.com.:443/x"],
            &[
                "http://api.example.com/",
                "https://api.example.com:8443/",
                "https://example.com/",
                "https://a.api.example.com/",
                "https://api.example.com.evil.example/",
                "https://api.example.com%2eevil.example/",
            ],
        );
        check("http://b:8080", &["http://b:8080/"], &["https://b:8080/", "http://b/"]);
    }

    #[test]
    fn all_below_a_name_is_neither_the_name_nor_its_lookalikes() {
        check(
            "*.example.com",
            &["https://a.example.com/", "https://a.b.example.com/"],
            &["https://example.com/", "https://badexample.com/", "https://example.com.evil/"],
        );
    }

    #[test]
    fn addresses_are_granted_as_addresses() {
        check("*", &["https://anything.example/"], &["https://8.8.8.8/", "https://[2606::1]/"]);
        check(
            "http://127.0.0.1:81",
            &["http://2130706433:81/", "http://0x7f.1:81/", "http://[::ffff:7f00:1]:81/"],
            &["http://localhost:81/", "http://127.0.0.2:81/", "http://[::1]:81/"],
        );
        check("[::1]", &["https://[0::1]/"], &["https://127.0.0.1/", "https://[::2]/"]);
    }

    fn lets(grant: (&str, bool), url: &str, addresses: [&str; 4]) -> [bool; 4] {
        let pass = pass(&[grant], url).unwrap();
        addresses.map(|address| pass.lets(address.parse().unwrap()))
    }

    const ONE_OF_EACH: [&str; 4] = ["8.8.8.8", "::ffff:10.0.0.1", "169.254.169.254", "0.0.0.0"];

    #[test]
    fn a_name_leads_to_public_addresses_unless_it_is_granted_as_private() {
        let url = "https://a.example/";
        assert_eq!(lets(("a.example", false), url, ONE_OF_EACH), [true, false, false, false]);
        assert_eq!(lets(("a.example", true), url, ONE_OF_EACH), [true, true, false, false]);
    }

    #[test]
    fn a_metadata_service_is_reached_by_its_very_address_alone() {
        let url = "http://169.254.169.254/latest";
        assert!(lets(("http://169.254.169.254", true), url, ONE_OF_EACH)[2]);
        let fault = pass(&[("a.example", true)], "https://a.example/").unwrap();
        let fault = fault.refusal("169.254.169.254".parse().unwrap());
        assert!(fault.message.contains("metadata"), "{fault:?}");
    }

    #[test]
    fn what_one_entry_says_of_private_holds_for_what_fits_it() {
        let grant = [("*.example", false), ("a.example", true)];
        let lets = |url| pass(&grant, url).unwrap().lets([10, 0, 0, 1].into());
        assert!(lets("https://a.example/"));
        assert!(!lets("https://b.example/"));
    }
}
