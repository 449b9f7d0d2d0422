//! Addresses and targets of any kind: what is not public is reached by those grants alone that name it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use arbtest::arbitrary::{Result, Unstructured};
use autokestra_model::{NetworkPattern, is_public};
use ipnet::IpNet;

use super::target::Target;

#[path = "../../../../../tests/tests/all/fuzz/harness.rs"]
mod harness;

/// The special-purpose ranges of IANA that are not for everybody, and multicast.
static INSIDE: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    let ranges = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 \
         192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 ::/16 64:ff9b:1::/48 \
         100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8";
    ranges.split(' ').map(|range| range.parse().expect("a range")).collect()
});

/// The plain way: by the list, and by the address of version 4 that one of version 6 carries.
fn model(address: IpAddr) -> bool {
    if let IpAddr::V6(v6) = address {
        let [a, b, c, d, e, f, g, h] = v6.segments();
        let carried = match (a, b) {
            (0, 0) if (c, d, e, f) == (0, 0, 0, 0xffff) => Some((g, h)),
            (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => Some((g, h)),
            (0x2002, high) => Some((high, c)),
            _ => None,
        };
        if let Some((high, low)) = carried {
            return model(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)).into());
        }
        // Nothing outside of it was ever given to anybody.
        let global: IpNet = "2000::/3".parse().expect("a range");
        if !global.contains(&address) {
            return false;
        }
    }
    !INSIDE.iter().any(|range| range.contains(&address))
}

/// An address: any, or one at the edge of a range.
fn address(random: &mut Unstructured<'_>) -> Result<IpAddr> {
    let range = random.choose(&INSIDE)?;
    let edge = if random.arbitrary()? {
        range.network()
    } else {
        range.broadcast()
    };
    let step = random.int_in_range(-1_i32..=1)?;
    let near = match edge {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4).wrapping_add_signed(step)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6).wrapping_add_signed(step.into())).into(),
    };
    let v4 = match near {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(_) => Ipv4Addr::from(random.arbitrary::<u32>()?),
    };
    let [a, b, c, d] = v4.octets().map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    Ok(match random.int_in_range(0..=5)? {
        0 => v4.to_ipv6_mapped().into(),
        1 => Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into(),
        2 => Ipv6Addr::new(0x2002, high, low, random.arbitrary()?, 0, 0, 0, 1).into(),
        3 => Ipv6Addr::from(random.arbitrary::<u128>()?).into(),
        _ => near,
    })
}

fn check(random: &mut Unstructured<'_>) -> Result<()> {
    let address = address(random)?;
    harness::show(&address.to_string());
    assert_eq!(is_public(address), model(address), "{address}");
    assert_eq!(is_public(address), is_public(address.to_canonical()), "{address}");
    let hosts = [
        "api.example.com",
        "API.Example.COM.",
        "localhost",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[::1]",
        "10.0.0.1",
        "[::ffff:10.0.0.1]",
        "a.b",
    ];
    let host = random.choose(&hosts)?;
    let port = random.choose(&["", ":80", ":443", ":8080"])?;
    let Ok(uri) = format!("{}://{host}{port}/x", random.choose(&["http", "https"])?).parse() else {
        return Ok(());
    };
    let (target, _) = Target::of(&uri).expect("it names a host");
    let own = NetworkPattern::parse(&target.to_string(), false).expect("what is advised can be written");
    assert!(target.is_meant_by(&own), "{target:?} is not meant by its own entry");
    let patterns = [
        "*:*",
        "*.example.com:*",
        "api.example.com:*",
        "2130706433:*",
        "0x7f.1:*",
        "127.1:*",
        "*.b:*",
    ];
    let grants: Vec<NetworkPattern> = patterns
        .iter()
        .map(|text| NetworkPattern::parse(text, false).expect("a good pattern"))
        .collect();
    // Names and wildcards, however they are spelled, lead to nothing that is not public.
    assert!(
        model(address) || !target.may_lead_to(address, &grants),
        "{target:?} leads to {address}"
    );
    Ok(())
}

fn target(bytes: &[u8]) {
    harness::by_chance(bytes, check);
}

#[test]
fn addresses_of_any_kind() {
    harness::fuzz("address", 128, target);
}
