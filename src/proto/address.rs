//! Domainparts and the one place that splits a JID.

use alloc::sync::Arc;
use core::fmt;

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
        let _ = name;
        unimplemented!()
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
    /// U-labels are due) is not: such a stanza is refused, not mapped (`reference/scanning.md` 1.3).
    pub fn is_spelt(&self, domainpart: &str) -> bool {
        self.wire.eq_ignore_ascii_case(domainpart)
    }
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

/// A JID split at its separators; nothing is decoded or mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jid<'a> {
    /// Before the first `@` that stands before the first `/`.
    pub local: Option<&'a str>,
    /// The domainpart as it was spelt.
    pub domain: &'a str,
    /// After the first `/`.
    pub resource: Option<&'a str>,
}

impl<'a> Jid<'a> {
    /// Splits an attribute's decoded value: the resource first (`victim/x@evil`), then the localpart.
    ///
    /// # Errors
    /// [`AddressError`] when a part is empty, longer than [`crate::limits::JID_PART_BYTES`], or the localpart has a
    /// character that RFC 7622 §3.3.1 excludes.
    pub fn split(jid: &'a str) -> Result<Self, AddressError> {
        let _ = jid;
        unimplemented!()
    }
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
