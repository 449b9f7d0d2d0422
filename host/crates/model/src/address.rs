//! Which addresses are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Blocks of version 4 that nobody on the internet means: after the registries of IANA for special-purpose addresses (RFC 6890 and
/// what followed). Loopback, private, link-local (so the metadata services of clouds), carrier-grade NAT, documentation,
/// benchmarks, multicast, reserved.
static NOT_PUBLIC_V4: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| {
    let blocks = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 \
                  192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3";
    blocks
        .split_whitespace()
        .filter_map(|block| block.parse().ok())
        .collect()
});

/// Within 2000::/3, which holds all that is public of version 6: protocol assignments (Teredo, ORCHID, benchmarks), documentation.
static NOT_PUBLIC_V6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| {
    let blocks = "2001::/23 2001:db8::/32 3fff::/20";
    blocks
        .split_whitespace()
        .filter_map(|block| block.parse().ok())
        .collect()
});

/// Whether an address is one that anybody on the internet may mean. All others must be named by a grant.
///
/// One of version 6 that carries an address of version 4 is public where that one is.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether every address of a range is public.
#[must_use]
pub fn is_public_range(range: &IpNet) -> bool {
    match range {
        IpNet::V4(range) => !NOT_PUBLIC_V4
            .iter()
            .any(|block| block.contains(range) || range.contains(block)),
        IpNet::V6(range) if range.prefix_len() == range.max_prefix_len() => is_public(range.addr().into()),
        // A wider one that may carry addresses of version 4 is not looked into.
        IpNet::V6(range) => {
            let [first, ..] = range.addr().segments();
            first & 0xe000 == 0x2000
                && first != 0x2002
                && range.prefix_len() >= 16
                && !NOT_PUBLIC_V6
                    .iter()
                    .any(|block| block.contains(range) || range.contains(block))
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4.iter().any(|block| block.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // NAT64: the address of version 4 stands at the end.
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => v4(g, h),
        // 6to4: it stands at the beginning.
        (0x2002, high) => v4(high, c),
        _ => a & 0xe000 == 0x2000 && !NOT_PUBLIC_V6.iter().any(|block| block.contains(&address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for public in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700::1111",
            "172.32.0.1",
            "100.128.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:0808:0808::1",
        ] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::1",
            "2002:0a00:0001::1",
            "100::1",
            "fec0::1",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!is_public(private.parse().expect("an address")), "{private}");
        }
    }

    #[test]
    fn a_range_is_public_where_all_of_it_is() {
        let public = |text: &str| is_public_range(&text.parse().expect("a range"));
        for yes in ["8.8.8.0/24", "1.1.1.1/32", "2606:4700::/32", "2002:0808:0808::1/128"] {
            assert!(public(yes), "{yes}");
        }
        for no in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "192.0.0.0/8",
            "10.1.2.3/32",
            "::/0",
            "fc00::/7",
            "2000::/3",
            "2002::/16",
            "2001:db8::/48",
        ] {
            assert!(!public(no), "{no}");
        }
    }
}
