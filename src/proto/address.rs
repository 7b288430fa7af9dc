//! Domainparts and the one place that splits a JID.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::limits::JID_PART_BYTES;

/// Bytes of a label. RFC 1035 §2.3.4.
const LABEL_BYTES: usize = 63;
/// Bytes of a name without its trailing dot. RFC 1035 §2.3.4.
const NAME_BYTES: usize = 253;

/// A prepared domain name: what every comparison in ringgate is made on.
///
/// Two domains are equal when their A-label forms are. RFC 7622 §3.2.
#[derive(Clone)]
pub struct Domain {
    /// U-labels, lower case, no trailing dot: what goes on the wire.
    wire: Arc<str>,
    /// A-labels, lower case: what goes into DNS, TLS and comparisons. Same allocation when all ASCII.
    ascii: Arc<str>,
}

impl Domain {
    /// Prepares a domainpart: trailing dot off, lower case, UTS 46 mapping.
    ///
    /// # Errors
    /// [`AddressError`] for an empty name or label, a label over 63 or a name over 253 bytes, characters that
    /// no host name has, and IP literals.
    pub fn parse(name: &str) -> Result<Self, AddressError> {
        if name.is_empty() {
            return Err(AddressError::Empty);
        }
        if name.len() > JID_PART_BYTES {
            return Err(AddressError::TooLong);
        }
        refuse_ip_literal(name)?;
        match prepare_plain(name)? {
            Some(ascii) => {
                let ascii: Arc<str> = ascii.into();
                Ok(Self { wire: Arc::clone(&ascii), ascii })
            }
            None => Self::parse_international(name),
        }
    }

    /// A name with a label that is not plain ASCII: UTS 46, not transitional, STD 3 rules.
    fn parse_international(name: &str) -> Result<Self, AddressError> {
        let uts46 = Uts46::new();
        let ascii = uts46
            .to_ascii(name.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Ignore)
            .map_err(|_| AddressError::Domain)?;
        let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
        refuse_ip_literal(ascii)?; // full-width digits map to digits
        check_labels(ascii)?;
        let (wire, sound) = uts46.to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
        sound.map_err(|_| AddressError::Domain)?;
        let ascii: Arc<str> = ascii.into();
        let wire = if *wire == *ascii { Arc::clone(&ascii) } else { Arc::from(&*wire) };
        Ok(Self { wire, ascii })
    }

    /// The U-label form, for stream headers and stanzas.
    pub fn as_str(&self) -> &str {
        &self.wire
    }

    /// The A-label form, for DNS, SNI and certificates.
    pub fn as_ascii(&self) -> &str {
        &self.ascii
    }

    /// Whether the bytes of a stanza's domainpart are this domain, apart from ASCII case.
    ///
    /// Anything that a backend's nameprep would have to map (full-width letters, U+3002, A-labels where
    /// U-labels are due) is not: such a stanza is refused, not mapped.
    pub fn is_spelt<T: AsRef<[u8]> + ?Sized>(&self, domainpart: &T) -> bool {
        let (wire, domainpart) = (self.wire.as_bytes(), domainpart.as_ref());
        wire == domainpart || wire.eq_ignore_ascii_case(domainpart)
    }
}

/// The lower-case form of a name of letters, digits, hyphens and dots; `None` when UTS 46 must look at it.
fn prepare_plain(name: &str) -> Result<Option<String>, AddressError> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_plain = |label: &str| {
        label.is_ascii() && !label.as_bytes().get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"xn--"))
    };
    if !name.split('.').all(is_plain) {
        return Ok(None);
    }
    check_labels(name)?;
    Ok(Some(name.to_ascii_lowercase()))
}

/// Whether every label is a host name's. RFC 1123 §2.1.
fn check_labels(name: &str) -> Result<(), AddressError> {
    if name.len() > NAME_BYTES {
        return Err(AddressError::TooLong);
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(AddressError::Empty);
        }
        if label.len() > LABEL_BYTES {
            return Err(AddressError::TooLong);
        }
        let is_host = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_host || label.starts_with('-') || label.ends_with('-') {
            return Err(AddressError::Domain);
        }
    }
    Ok(())
}

/// Refuses what a resolver would take for an address: `[v6]`, v6, v4, and names that end in a number (`127.1`).
fn refuse_ip_literal(name: &str) -> Result<(), AddressError> {
    if name.starts_with('[') || name.parse::<Ipv6Addr>().is_ok() || name.parse::<Ipv4Addr>().is_ok() {
        return Err(AddressError::IpLiteral);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_hex = last.strip_prefix("0x").or(last.strip_prefix("0X"));
    let is_number = match is_hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()),
    };
    if is_number { Err(AddressError::IpLiteral) } else { Ok(()) }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Self) -> bool {
        self.ascii == other.ascii
    }
}
impl Eq for Domain {}
impl core::hash::Hash for Domain {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.ascii.hash(state);
    }
}
impl PartialOrd for Domain {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Domain {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.ascii.cmp(&other.ascii)
    }
}
impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.wire)
    }
}
impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({})", self.wire)
    }
}

/// Sender Domain and Target Domain of stanzas in one direction. XEP-0220 §1.3.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainPair {
    /// The Sender Domain.
    pub from: Domain,
    /// The Target Domain.
    pub to: Domain,
}

impl DomainPair {
    /// The pair in the other direction.
    pub fn reversed(&self) -> Self {
        Self { from: self.to.clone(), to: self.from.clone() }
    }
}

/// A JID split at its separators; nothing is decoded or mapped. Bytes, because the scanner has proven them to be UTF-8 and
/// nothing here needs to know it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jid<'a> {
    /// Before the first `@` that stands before the first `/`.
    pub local: Option<&'a [u8]>,
    /// The domainpart as it was spelt.
    pub domain: &'a [u8],
    /// After the first `/`.
    pub resource: Option<&'a [u8]>,
}

impl<'a> Jid<'a> {
    /// Splits an attribute's decoded value: the resource first (`victim/x@evil`), then the localpart.
    ///
    /// # Errors
    /// [`AddressError`] when a part is empty, longer than [`crate::limits::JID_PART_BYTES`], or the localpart has a
    /// character that RFC 7622 §3.3.1 excludes.
    pub fn split<T: AsRef<[u8]> + ?Sized>(jid: &'a T) -> Result<Self, AddressError> {
        let jid = jid.as_ref();
        let mut first = run(jid, 0, AT | SLASH | PECULIAR);
        let is_plain = jid.get(first).is_none_or(|byte| class(*byte) != PECULIAR);
        if !is_plain {
            first = run(jid, first, AT | SLASH);
        }
        let (local, rest) = match jid.get(first) {
            Some(b'@') => (Some(&jid[..first]), &jid[first + 1..]),
            _ => (None, jid),
        };
        let domain_bytes = if local.is_some() { run(rest, 0, SLASH) } else { first };
        let (domain, resource) = rest.split_at(domain_bytes);
        let resource = resource.get(1..);
        for part in [Some(domain), local, resource].into_iter().flatten() {
            match part.len() {
                0 => return Err(AddressError::Empty),
                1..=JID_PART_BYTES => {}
                _ => return Err(AddressError::TooLong),
            }
        }
        match local {
            Some(local) if !is_plain && !is_localpart(local) => Err(AddressError::Localpart),
            _ => Ok(Self { local, domain, resource }),
        }
    }
}

/// `@`
const AT: u8 = 1;
/// `/`
const SLASH: u8 = 2;
/// Not plain in a localpart: excluded, or part of a character beyond ASCII.
const PECULIAR: u8 = 4;

/// What each byte is in an address; 0 for nothing of note.
static CLASS: [u8; 256] = {
    let mut table = [PECULIAR; 256];
    let mut byte = 0;
    while byte < 128 {
        if is_plain(byte) {
            table[byte as usize] = 0;
        }
        byte += 1;
    }
    table[b'@' as usize] = AT;
    table[b'/' as usize] = SLASH;
    table
};

fn class(byte: u8) -> u8 {
    CLASS[usize::from(byte)]
}

/// Index of the first byte of one of these classes from `from` on, or the end. Byte after byte, since the parts of an
/// address are short, but eight to a look at the bounds.
#[inline(always)]
fn run(text: &[u8], from: usize, classes: u8) -> usize {
    let mut at = from;
    while let Some(eight) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        for (n, byte) in eight.iter().enumerate() {
            if class(*byte) & classes != 0 {
                return at + n;
            }
        }
        at += 8;
    }
    while text.get(at).is_some_and(|byte| class(*byte) & classes == 0) {
        at += 1;
    }
    at
}

/// Whether an ASCII character may stand in a localpart. RFC 7622 §3.3.1.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'&' | b'\'' | b'/' | b':' | b'<' | b'>' | b'@')
}

/// Whether no character is excluded by RFC 7622 §3.3.1 or can be no part of any identifier (white space, controls).
fn is_localpart(local: &[u8]) -> bool {
    let is_allowed = |c: char| match u8::try_from(c) {
        Ok(b) if b.is_ascii() => is_plain(b),
        _ => !c.is_whitespace() && !c.is_control(),
    };
    core::str::from_utf8(local).is_ok_and(|local| local.chars().all(is_allowed))
}

/// Why an address is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// A part that is there must not be empty.
    Empty,
    /// A part, a label or a name is too long.
    TooLong,
    /// The localpart has a character that is not allowed in one.
    Localpart,
    /// The domainpart is no host name.
    Domain,
    /// The domainpart is an IP address; federation needs a name.
    IpLiteral,
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    fn domain(name: &str) -> Domain {
        Domain::parse(name).unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }

    /// ADR-01
    #[test]
    fn part_of_1024_bytes_is_too_long_and_1023_is_not() {
        let long = "a".repeat(1024);
        let most = "a".repeat(1023);
        assert_eq!(Jid::split(&format!("{long}@example.org")), Err(AddressError::TooLong));
        assert_eq!(Jid::split(&format!("u@example.org/{long}")), Err(AddressError::TooLong));
        assert_eq!(Jid::split(&long), Err(AddressError::TooLong));
        assert!(Jid::split(&format!("{most}@example.org/{most}")).is_ok());
        assert_eq!(Domain::parse(&long).unwrap_err(), AddressError::TooLong);
    }

    /// ADR-02
    #[test]
    fn trailing_dot_names_the_same_domain() {
        assert_eq!(domain("example.org."), domain("example.org"));
        assert_eq!(domain("example.org.").as_str(), "example.org");
        assert_eq!(domain("bücher.example。"), domain("bücher.example"));
        assert_eq!(Domain::parse("example.org..").unwrap_err(), AddressError::Empty);
        assert_eq!(Domain::parse(".").unwrap_err(), AddressError::Empty);
    }

    /// ADR-03
    #[test]
    fn case_width_and_ideographic_stops_are_prepared_before_comparison() {
        let plain = domain("example.org");
        for spelling in ["EXAMPLE.ORG", "Example.oRg", "ｅｘａｍｐｌｅ.org", "example。org", "example．org"] {
            assert_eq!(domain(spelling), plain, "{spelling}");
            assert_eq!(domain(spelling).as_str(), "example.org", "{spelling}");
        }
    }

    #[test]
    fn a_label_and_u_label_are_one_domain_with_one_wire_form() {
        for spelling in ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "XN--BCHER-KVA.example"] {
            let name = domain(spelling);
            assert_eq!(name.as_str(), "bücher.example", "{spelling}");
            assert_eq!(name.as_ascii(), "xn--bcher-kva.example", "{spelling}");
        }
        assert_eq!(domain("bücher.example").to_string(), "bücher.example");
        assert_ne!(domain("straße.example"), domain("strasse.example"));
    }

    #[test]
    fn a_label_that_decodes_to_plain_ascii_or_to_nothing_is_refused() {
        for name in ["xn--.example", "xn--example-.org", "xn--zzzzzzzzzzzz.example", "xn--a.example"] {
            assert_eq!(Domain::parse(name).map(|d| d.to_string()), Err(AddressError::Domain), "{name}");
        }
    }

    #[test]
    fn spelling_on_a_stanza_must_be_the_wire_form_apart_from_ascii_case() {
        let name = domain("bücher.example");
        assert!(name.is_spelt("bücher.EXAMPLE"));
        assert!(!name.is_spelt("xn--bcher-kva.example"));
        assert!(!name.is_spelt("bücher。example"));
        assert!(!name.is_spelt("bücher.example."));
    }

    /// ADR-06
    #[test]
    fn address_literals_are_refused_as_such() {
        for literal in [
            "192.0.2.1",
            "192.0.2.1.",
            "[2001:db8::1]",
            "2001:db8::1",
            "::1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "１２７.0.0.1",
        ] {
            assert_eq!(Domain::parse(literal).unwrap_err(), AddressError::IpLiteral, "{literal}");
        }
        assert!(Domain::parse("1.2.3.4.example").is_ok());
    }

    /// ADR-07
    #[test]
    fn impossible_host_names_are_refused() {
        for name in [
            "_xmpp.example.org",
            "exa mple.org",
            "example.org/x",
            "u@example.org",
            "exam\u{0}ple.org",
            "*.example.org",
            "-a.example",
            "a-.example",
            "example.org:5269",
            "exa<mple.org",
            "exa'mple.org",
            "bü_cher.example",
        ] {
            assert_eq!(Domain::parse(name).unwrap_err(), AddressError::Domain, "{name}");
        }
        let label = "a".repeat(64);
        assert_eq!(Domain::parse(&format!("{label}.org")).unwrap_err(), AddressError::TooLong);
        assert!(Domain::parse(&format!("{}.org", &label[1..])).is_ok());
        assert_eq!(Domain::parse(&format!("{}.org", "ü".repeat(60))).unwrap_err(), AddressError::TooLong);
        let name_254 = format!("{}.{}", [&label[1..]; 3].join("."), "a".repeat(62));
        assert_eq!(name_254.len(), 254);
        assert_eq!(Domain::parse(&name_254).unwrap_err(), AddressError::TooLong);
        assert!(Domain::parse(&name_254[1..]).is_ok());
        for name in ["", "a..b", ".a"] {
            assert_eq!(Domain::parse(name).unwrap_err(), AddressError::Empty, "{name}");
        }
    }

    /// ADR-08
    #[test]
    fn localpart_with_an_excluded_character_is_refused() {
        for c in ['"', '&', '\'', ':', '<', '>', ' ', '\t', '\n', '\u{7f}', '\u{85}', '\u{a0}', '\u{3000}'] {
            let jid = format!("a{c}b@example.org");
            assert_eq!(Jid::split(&jid), Err(AddressError::Localpart), "{c:?}");
        }
        assert_eq!(Jid::split("a/b@example.org").unwrap().domain, b"a");
        assert_eq!(Jid::split("a@b@example.org").unwrap().domain, b"b@example.org");
        assert_eq!(Domain::parse("b@example.org").unwrap_err(), AddressError::Domain);
    }

    /// ADR-09
    #[test]
    fn resource_is_opaque() {
        for resource in ["a/b@c", "\u{1faff}\u{10fffd}", " ", "x\u{378}"] {
            let jid = format!("ü@example.org/{resource}");
            let split = Jid::split(&jid).unwrap();
            let (local, resource) = ("ü".as_bytes(), resource.as_bytes());
            assert_eq!(split, Jid { local: Some(local), domain: b"example.org", resource: Some(resource) });
        }
    }

    #[test]
    fn resource_is_cut_off_before_the_localpart_is_sought() {
        let split = Jid::split("victim.example/x@evil.example").unwrap();
        assert_eq!(split, Jid { local: None, domain: b"victim.example", resource: Some(b"x@evil.example") });
    }

    #[test]
    fn empty_parts_are_refused() {
        for jid in ["", "@example.org", "u@", "u@/r", "example.org/", "/r"] {
            assert_eq!(Jid::split(jid), Err(AddressError::Empty), "{jid}");
        }
    }
}
