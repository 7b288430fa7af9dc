//! Stream features: what we offer, and what a peer's offer means. RFC 6120 §4.3.2.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::ns;
use crate::scan::tree::Node;

/// What we offer on a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// STARTTLS, and whether it is required. RFC 6120 §5.4.1.
    pub(super) starttls: Option<bool>,
    /// SASL EXTERNAL. RFC 6120 §6.4.1.
    pub(super) external: bool,
    /// Dialback with errors. XEP-0220 §2.4.
    pub(super) dialback: bool,
    /// Bytes of one stanza. XEP-0478 §3.
    pub(super) max_bytes: Option<u32>,
}

impl Offer {
    /// Appends `<stream:features>`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut put = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        put(&["<stream:features>"]);
        match self.starttls {
            Some(true) => put(&["<starttls xmlns='", ns::TLS, "'><required/></starttls>"]),
            Some(false) => put(&["<starttls xmlns='", ns::TLS, "'/>"]),
            None => {}
        }
        if self.external {
            put(&["<mechanisms xmlns='", ns::SASL, "'><mechanism>EXTERNAL</mechanism></mechanisms>"]);
        }
        if self.dialback {
            put(&["<dialback xmlns='", ns::DIALBACK_FEATURE, "'><errors/></dialback>"]);
        }
        if let Some(bytes) = self.max_bytes {
            let bytes = bytes.to_string();
            put(&["<limits xmlns='", ns::STREAM_LIMITS, "'><max-bytes>", &bytes, "</max-bytes></limits>"]);
        }
        put(&["</stream:features>"]);
    }
}

/// What a peer offers to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offered {
    /// STARTTLS.
    pub(super) starttls: bool,
    /// STARTTLS is said to be required.
    pub(super) starttls_required: bool,
    /// EXTERNAL is among the mechanisms.
    pub(super) external: bool,
    /// The dialback feature.
    pub(super) dialback: bool,
    /// The dialback feature has `<errors/>`. XEP-0220 §2.4.
    pub(super) dialback_errors: bool,
    /// XEP-0478.
    pub(super) max_bytes: Option<u32>,
    /// A feature that we do not know is required. RFC 6120 §4.3.2.
    pub(super) unknown_required: bool,
}

impl Offered {
    /// COMPAT: ejabberd 23.01 without TLS and Tigase send an empty `<mechanisms/>`; that offers nothing.
    pub(super) fn read(features: &Node) -> Self {
        let mut offered = Self::default();
        for feature in &features.children {
            let is_required = feature.children.iter().any(|child| child.name == "required");
            match (feature.namespace.as_str(), feature.name.as_str()) {
                (ns::TLS, "starttls") => {
                    offered.starttls = true;
                    offered.starttls_required |= is_required;
                }
                (ns::SASL, "mechanisms") => {
                    let is_external = |child: &Node| child.is(ns::SASL, "mechanism") && child.text.trim() == "EXTERNAL";
                    offered.external |= feature.children.iter().any(is_external);
                }
                (ns::DIALBACK_FEATURE, "dialback") => {
                    offered.dialback = true;
                    offered.dialback_errors |= feature.child(ns::DIALBACK_FEATURE, "errors").is_some();
                }
                (ns::STREAM_LIMITS, "limits") => offered.max_bytes = max_bytes(feature),
                _ => offered.unknown_required |= is_required,
            }
        }
        offered
    }
}

/// A number too large for `u32` is no bound to us; what is no number says nothing. XEP-0478 §3.
fn max_bytes(limits: &Node) -> Option<u32> {
    let digits: &String = &limits.child(ns::STREAM_LIMITS, "max-bytes")?.text;
    let digits = digits.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(children: &str) -> Offered {
        let text = alloc::format!("<f:features xmlns:f='{}'>{children}</f:features>", ns::STREAMS);
        Offered::read(&Node::parse(text.as_bytes(), &Default::default()).unwrap())
    }

    #[test]
    fn what_we_offer_is_what_is_read() {
        let offer = Offer { starttls: Some(true), external: true, dialback: true, max_bytes: Some(10_000) };
        let mut out = Vec::new();
        offer.write(&mut out);
        let text = String::from_utf8(out).unwrap().replace("<stream:features", "<stream:features xmlns:stream='urn:x'");
        let read = Offered::read(&Node::parse(text.as_bytes(), &Default::default()).unwrap());
        let expected = Offered {
            starttls: true,
            starttls_required: true,
            external: true,
            dialback: true,
            dialback_errors: true,
            max_bytes: Some(10_000),
            unknown_required: false,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn empty_mechanisms_offer_nothing() {
        assert_eq!(offered("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"), Offered::default());
    }

    #[test]
    fn limit_that_is_no_number_says_nothing_and_a_huge_one_is_no_bound() {
        let limit = |text: &str| {
            offered(&alloc::format!("<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>{text}</max-bytes></limits>"))
                .max_bytes
        };
        assert_eq!(limit("10000"), Some(10_000));
        assert_eq!(limit(" 262144\n"), Some(262_144));
        assert_eq!(limit("99999999999999999999"), Some(u32::MAX));
        for text in ["", "x", "-1", "+1", "1e6"] {
            assert_eq!(limit(text), None, "{text}");
        }
    }

    #[test]
    fn only_features_that_we_do_not_know_count_as_unknown() {
        assert!(offered("<sasl2 xmlns='urn:example'><required/></sasl2>").unknown_required);
        assert!(!offered("<sm xmlns='urn:xmpp:sm:3'/>").unknown_required);
        assert!(!offered("<dialback xmlns='urn:xmpp:features:dialback'><required/></dialback>").unknown_required);
    }
}
