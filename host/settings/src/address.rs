//! What an IP address is, seen from the gateway: whether a plugin's request may go there, and what has to be granted for it.
//!
//! By the registries of special-purpose addresses (RFC 6890 and its successors), and what clouds have put among them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To somebody on the internet.
    Public,
    /// To this machine, or to its neighbours: loopback, private and unique local addresses, those of carriers (100.64.0.0/10).
    Private,
    /// To what only this machine's link has, and clouds answer for: their services there hand out credentials.
    Link,
    /// To nobody: unspecified, of many receivers, reserved, for documentation and for benchmarks, and IPv4 within IPv6
    /// where somebody else decides where it comes out (6to4, Teredo, local NAT64).
    Nobody,
}

impl Reach {
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// For people: "an address that is …".
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Link => "link-local or a cloud's metadata service",
            Self::Nobody => "reserved",
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, d] = address.octets();
    match (a, b, c, d) {
        // Clouds have put metadata among other people's addresses: Alibaba's, Azure's, Oracle's.
        (100, 100, 100, 200) | (168, 63, 129, 16) | (192, 0, 0, 192) => Reach::Link,
        (169, 254, ..) => Reach::Link,
        (10 | 127, ..) | (172, 16..=31, ..) | (192, 168, ..) | (100, 64..=127, ..) => {
            Reach::Private
        }
        // "This network", of many receivers, reserved, and broadcast.
        (0 | 224..=255, ..) => Reach::Nobody,
        // Protocol assignments, and documentation.
        (192, 0, 0 | 2, _) | (198, 51, 100, _) | (203, 0, 113, _) => Reach::Nobody,
        // Relays of 6to4, and benchmarks.
        (192, 88, 99, _) | (198, 18..=19, ..) => Reach::Nobody,
        _ => Reach::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Reach {
    if let Some(within) = embedded(address) {
        return of_v4(within);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Private,
        // Amazon's and Google's metadata, among the unique local addresses.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Reach::Link,
        [0xfe80..=0xfebf, ..] => Reach::Link,
        [0xfc00..=0xfdff, ..] => Reach::Private,
        // Protocol assignments (Teredo, benchmarks, identifiers that are no addresses), documentation, 6to4.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => {
            Reach::Nobody
        }
        // What has been given out so far; everything else is reserved.
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Nobody,
    }
}

/// The IPv4 address that this one stands for, where it is certain who that is: mapped (`::ffff:0:0/96`) and NAT64
/// (`64:ff9b::/96`).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let is_known =
        matches!((a, b, c, d, e, f), (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0));
    is_known.then(|| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn all(reach: Reach, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
        }
    }

    #[test]
    fn what_people_have_on_the_internet_is_public() {
        all(Reach::Public, &["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1"]);
        all(Reach::Public, &["172.32.0.1", "192.0.1.1", "198.17.0.1", "198.20.0.1", "223.255.1.1"]);
        all(Reach::Public, &["2606:4700::1111", "2001:4860:4860::8888", "2001:200::1", "2a00::1"]);
        all(Reach::Public, &["::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]);
    }

    #[test]
    fn neighbours_are_private() {
        all(Reach::Private, &["127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1"]);
        all(Reach::Private, &["172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255"]);
        all(Reach::Private, &["::1", "fc00::1", "fd12:3456::1", "::ffff:127.0.0.1"]);
        all(Reach::Private, &["::ffff:10.1.2.3", "64:ff9b::192.168.0.1", "64:ff9b::7f00:1"]);
    }

    #[test]
    fn what_clouds_answer_for_is_of_the_link() {
        all(Reach::Link, &["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16"]);
        all(Reach::Link, &["192.0.0.192", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "febf::1"]);
        all(Reach::Link, &["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]);
    }

    #[test]
    fn what_is_nobodys_is_told_from_the_rest() {
        all(Reach::Nobody, &["0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.1.1", "240.0.0.1"]);
        all(Reach::Nobody, &["255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1"]);
        all(Reach::Nobody, &["198.18.0.1", "198.19.255.255", "192.88.99.1", "192.0.0.8"]);
        all(Reach::Nobody, &["::", "::2", "::127.0.0.1", "::8.8.8.8", "ff02::1", "2001:db8::1"]);
        all(Reach::Nobody, &["2001::1", "2001:0:7f00:1::", "2002:7f00:1::", "2002:808:808::1"]);
        all(Reach::Nobody, &["3fff::1", "64:ff9b:1::7f00:1", "100::1", "fec0::1", "5f00::1"]);
        all(Reach::Nobody, &["::ffff:0.0.0.0", "64:ff9b::e000:1", "2001:2::1", "4000::1"]);
    }

    proptest! {
        #[test]
        fn no_way_to_write_an_address_leads_elsewhere(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let plain = Reach::of(v4.into());
            prop_assert_eq!(Reach::of(v4.to_ipv6_mapped().into()), plain);
            let nat64 = Ipv6Addr::from_bits(0x0064_ff9b_u128 << 96 | u128::from(bits));
            prop_assert_eq!(Reach::of(nat64.into()), plain);
        }

        #[test]
        fn what_the_standard_library_calls_local_is_never_public(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let local = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast();
            let odd = v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!(local || odd) || Reach::of(v4.into()) != Reach::Public);
        }
    }
}
