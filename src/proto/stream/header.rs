//! Stream headers: ours written, the peer's read. RFC 6120 §4.7.

use alloc::string::String;
use alloc::vec::Vec;

use crate::address::{AddressError, Domain};
use crate::ns;
use crate::scan::tree::escape;
use crate::scan::{Attr, Header};

use super::{Condition, StreamError};

/// What our header says beside its namespaces.
#[derive(Clone, Copy, Default)]
pub(super) struct OurHeader<'a> {
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    /// Left out towards a peer that gave none.
    pub(super) version: bool,
}

impl OurHeader<'_> {
    /// Appends XML declaration and header. The prefixes are those that peers have wired in (`stream`, `db`).
    ///
    /// COMPAT: MongooseIM and others know dialback elements by the prefix `db` only; ejabberds of old read a header
    /// only if `xmlns:stream` stands before `xmlns` (which is why Tigase writes them so).
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let namespaces = [("xmlns:stream", ns::STREAMS), ("xmlns", ns::SERVER), ("xmlns:db", ns::DIALBACK)];
        let said = [("from", self.from), ("to", self.to), ("id", self.id), ("version", self.version.then_some("1.0"))];
        let said = said.into_iter().filter_map(|(name, value)| Some((name, value?)));
        out.extend_from_slice(b"<?xml version='1.0'?><stream:stream");
        for (name, value) in namespaces.into_iter().chain(said) {
            for part in [b" ", name.as_bytes(), b"='"] {
                out.extend_from_slice(part);
            }
            escape(value, out);
            out.push(b'\'');
        }
        out.push(b'>');
    }
}

/// What the peer's header says.
#[derive(Debug)]
pub(super) struct PeerHeader {
    /// `None` when missing or empty.
    pub(super) from: Option<Result<Domain, AddressError>>,
    /// As `from`.
    pub(super) to: Option<Result<Domain, AddressError>>,
    /// As `from`.
    pub(super) id: Option<String>,
    pub(super) version: Version,
    pub(super) declares_dialback: bool,
}

/// What a header's `version` means to us. RFC 6120 §4.7.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// No attribute: a peer from before RFC 3920, without features.
    Missing,
    /// Ours or higher; we speak 1.0.
    Supported,
    /// No version number, or one below 1.0.
    Unsupported,
}

impl PeerHeader {
    /// COMPAT: Prosody answers a header without addresses with `from='' to=''`; an empty address is a missing one.
    pub(super) fn read(header: &Header<'_>) -> Self {
        let value = |attr: &Option<Attr<'_>>| attr.as_ref().map(Attr::to_text);
        let filled = |attr: &Option<Attr<'_>>| value(attr).filter(|value| !value.is_empty());
        let domain = |attr: &Option<Attr<'_>>| filled(attr).map(|name| Domain::parse(&name));
        Self {
            from: domain(&header.from),
            to: domain(&header.to),
            id: filled(&header.id),
            version: Version::read(value(&header.version).as_deref()),
            declares_dialback: header.declares_dialback,
        }
    }

    /// The peer's domain, if it said.
    ///
    /// # Errors
    /// It said something that is no domain. RFC 6120 §4.9.3.7, §4.9.3.9.
    pub(super) fn checked_from(&self) -> Result<Option<Domain>, StreamError> {
        self.from.clone().transpose().map_err(|error| match error {
            AddressError::IpLiteral => StreamError::peer(Condition::InvalidFrom, "'from' is an address, not a domain"),
            _ => StreamError::peer(Condition::ImproperAddressing, "'from' is no domain"),
        })
    }

    /// Our domain, if the peer said.
    ///
    /// # Errors
    /// It said something that is no domain. RFC 6120 §4.9.3.6, §4.9.3.7.
    pub(super) fn checked_to(&self) -> Result<Option<Domain>, StreamError> {
        self.to.clone().transpose().map_err(|error| match error {
            AddressError::IpLiteral => StreamError::peer(Condition::HostUnknown, "'to' is an address, not a domain"),
            _ => StreamError::peer(Condition::ImproperAddressing, "'to' is no domain"),
        })
    }
}

impl Version {
    fn read(value: Option<&str>) -> Self {
        let Some(value) = value else { return Self::Missing };
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        match value.split_once('.') {
            // two numbers of any length; the first is not zero
            Some((major, minor)) if is_number(major) && is_number(minor) && major.bytes().any(|b| b != b'0') => {
                Self::Supported
            }
            _ => Self::Unsupported,
        }
    }
}

/// A stream id: 32 hexadecimal digits. RFC 6120 §4.7.3.
pub(super) fn stream_id(bits: [u8; 16]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bits.into_iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HDR-11, HDR-12, HDR-13
    #[test]
    fn version_is_two_numbers_of_which_the_first_is_not_zero() {
        for version in ["1.0", "1.1", "2.0", "10.0", "01.0", "1.99999999999999999999", "4294967296.0", "4294967297.0"] {
            assert_eq!(Version::read(Some(version)), Version::Supported, "{version}");
        }
        for version in ["0.9", "00.9", "1", "abc", "-1", "", "1.", ".1", "1.0.0", " 1.0", "+1.0", "-1.0", "1,0", "１.0"]
        {
            assert_eq!(Version::read(Some(version)), Version::Unsupported, "{version}");
        }
        assert_eq!(Version::read(None), Version::Missing);
    }

    /// COMPAT test: the order of the declarations, for ejabberds of old.
    #[test]
    fn header_is_written_with_values_escaped_and_absent_ones_left_out() {
        let mut out = Vec::new();
        OurHeader { from: Some("a'b<&"), to: None, id: Some("i"), version: false }.write(&mut out);
        assert_eq!(
            core::str::from_utf8(&out).unwrap(),
            "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
             xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
             from='a&apos;b&lt;&amp;' id='i'>"
        );
    }

    #[test]
    fn stream_id_carries_all_128_bits() {
        assert_eq!(stream_id([0; 16]), "00000000000000000000000000000000");
        let bits = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 1, 2, 3, 4, 5, 6, 0xff];
        assert_eq!(stream_id(bits), "0123456789abcdef00010203040506ff");
    }
}
