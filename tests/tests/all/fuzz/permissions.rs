//! Patterns of hosts and paths: what one covers it matches, and nothing private is reached by the way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbtest::arbitrary::{Result, Unstructured};
use autokestra_model::permission::path_covers;
use autokestra_model::{NetworkPattern, Source, Workflow};

use super::harness::{by_chance, fuzz};
use super::text::{one, piece};

const LABELS: &[&str] = &[
    "a",
    "b",
    "example",
    "com",
    "localhost",
    "LOCALHOST",
    "0x7f",
    "127",
    "0",
    "1",
    "xn--bcher-kva",
    "a_b",
    "-",
    "",
];

/// An address of version 4, in one of its spellings.
fn address(random: &mut Unstructured<'_>) -> Result<IpAddr> {
    let inside = [
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(10, 0, 0, 1),
        Ipv4Addr::new(169, 254, 169, 254),
        Ipv4Addr::new(192, 168, 1, 1),
        Ipv4Addr::new(8, 8, 8, 8),
        Ipv4Addr::UNSPECIFIED,
    ];
    let v4 = if random.arbitrary()? {
        *random.choose(&inside)?
    } else {
        Ipv4Addr::from(random.arbitrary::<u32>()?)
    };
    let [a, b, c, d] = v4.octets().map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    Ok(match random.int_in_range(0..=6)? {
        0..=2 => v4.into(),
        3 => v4.to_ipv6_mapped().into(),
        4 => Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into(),
        5 => Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1).into(),
        _ => Ipv6Addr::from(random.arbitrary::<u128>()?).into(),
    })
}

/// A host as it may stand in a URL or a pattern.
fn host(random: &mut Unstructured<'_>) -> Result<String> {
    let address = address(random)?;
    Ok(match random.int_in_range(0..=7)? {
        0 => piece(random)?,
        1 => address.to_string(),
        2 => format!("[{address}]"),
        3 => match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                match random.int_in_range(0..=3)? {
                    0 => format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
                    1 => format!("0x{a:x}.0x{b:x}.{c}.{d}"),
                    2 => u32::from(v4).to_string(),
                    _ => format!("{a}.{}", u32::from_be_bytes([0, b, c, d])),
                }
            }
            IpAddr::V6(v6) => format!("[{v6}%eth0]"),
        },
        _ => {
            let mut labels = Vec::new();
            for _ in 0..random.int_in_range(1..=4)? {
                labels.push(one(random, LABELS)?);
            }
            labels.join(".") + one(random, &["", "", "."])?
        }
    })
}

fn pattern(random: &mut Unstructured<'_>) -> Result<String> {
    let prefix = one(random, &["", "", "", "*.", "*", "https://", "*.*."])?;
    let range = if random.ratio(1, 4)? {
        format!("/{}", random.int_in_range(0..=130)?)
    } else {
        String::new()
    };
    let port = one(random, &["", "", ":443", ":80", ":*", ":0", ":65536", ":+80", ":"])?;
    Ok(format!("{prefix}{}{range}{port}", host(random)?))
}

/// A path with everything that paths have.
fn path(random: &mut Unstructured<'_>) -> Result<String> {
    let mut path = one(random, &["", "/", "./", "//"])?.to_owned();
    for _ in 0..random.int_in_range(0..=4)? {
        path += one(random, &["a", "b", ".", "..", "", "data", "é"])?;
        path += one(random, &["/", "/", "//", ""])?;
    }
    Ok(path)
}

/// Where a path leads, with nothing of it left but names.
fn led(path: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts)
}

fn check_networks(random: &mut Unstructured<'_>) -> Result<()> {
    let (first, second) = (pattern(random)?, pattern(random)?);
    let (private, other_private) = (random.ratio(1, 4)?, random.ratio(1, 4)?);
    let ours = NetworkPattern::parse(&first, private);
    let theirs = NetworkPattern::parse(&second, other_private);
    for (text, parsed) in [(&first, &ours), (&second, &theirs)] {
        match parsed {
            Ok(pattern) => assert_eq!(pattern.as_str(), text),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let (Ok(ours), Ok(theirs)) = (ours, theirs) else {
        return Ok(());
    };
    assert!(ours.covers(&ours), "{ours:?} does not cover itself");
    let covers = ours.covers(&theirs);
    for _ in 0..random.int_in_range(0..=6)? {
        // A host that has to do with the patterns is of more use than any other.
        let asked = match random.int_in_range(0..=3)? {
            0 => format!(
                "x.{}",
                second.trim_start_matches("*.").split(':').next().unwrap_or_default()
            ),
            1 => second.split(':').next().unwrap_or_default().to_owned(),
            _ => host(random)?,
        };
        let port = *random.choose(&[80, 443, 1, 8080])?;
        let default = *random.choose(&[80, 443])?;
        let matches = theirs.matches(&asked, port, default);
        assert!(
            !covers || !matches || ours.matches(&asked, port, default),
            "{ours:?} covers {theirs:?}, and not {asked}:{port}"
        );
        for spelling in [format!("{asked}."), asked.to_uppercase(), asked.to_lowercase()] {
            if !asked.ends_with('.') && asked.is_ascii() && !asked.ends_with(']') {
                assert_eq!(
                    theirs.matches(&spelling, port, default),
                    matches,
                    "{theirs:?} tells {spelling} from {asked}"
                );
            }
        }
        let address = address(random)?;
        assert!(
            !covers || !theirs.allows_private(address) || ours.allows_private(address),
            "{ours:?} covers {theirs:?}, and not its {address}"
        );
        check_private(&theirs, other_private, &second, address);
    }
    Ok(())
}

/// What is not public is opened by an address or range, by `localhost`, or by saying so.
fn check_private(pattern: &NetworkPattern, private: bool, text: &str, address: IpAddr) {
    let canonical = address.to_canonical();
    assert_eq!(
        pattern.allows_private(address),
        pattern.allows_private(canonical),
        "spellings of one address"
    );
    if private || !pattern.allows_private(address) {
        return;
    }
    let text = text.to_ascii_lowercase();
    let local = text.starts_with("localhost") && canonical.is_loopback();
    // Only digits, dots, colons, brackets and the bits of a range: an address, in whatever spelling.
    let host = text.strip_suffix(":*").unwrap_or(&text);
    let literal = host
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || b".:/[]".contains(&byte));
    let named = text
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .unwrap_or(443);
    let meant = [named, 443]
        .iter()
        .any(|port| pattern.matches(&canonical.to_string(), *port, *port));
    assert!(local || literal && meant, "{pattern:?} opens {address}");
}

fn check_paths(random: &mut Unstructured<'_>) -> Result<()> {
    let (granted, asked) = (path(random)?, path(random)?);
    // A grant as a workflow may have it; others are refused where they stand.
    let yaml = format!(
        "id: x\npermissions: {{ filesystem: {{ read: [{}] }} }}\ntasks:\n  - {{ id: a, type: a/b.c, permissions: {{ filesystem: {{ read: [{}] }} }} }}\n",
        serde_json::json!(granted),
        serde_json::json!(asked)
    );
    let taken = Workflow::parse(&Source::new("x", yaml)).is_ok();
    let (outer, inner) = (led(&granted), led(&asked));
    if taken {
        assert!(path_covers(&granted, &asked));
        let (Some(outer), Some(inner)) = (outer, inner) else {
            panic!("{granted:?} or {asked:?} leads out, and was taken");
        };
        assert!(inner.starts_with(&outer), "{granted:?} covers {asked:?}");
        assert_eq!(
            granted.starts_with('/'),
            asked.starts_with('/'),
            "{granted:?} covers {asked:?}"
        );
    }
    Ok(())
}

pub(crate) fn target(bytes: &[u8]) {
    by_chance(bytes, check_networks);
    by_chance(bytes, check_paths);
}

#[test]
fn permissions_of_any_text() {
    fuzz("permissions", 512, target);
}
