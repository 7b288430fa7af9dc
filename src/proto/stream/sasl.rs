//! SASL EXTERNAL: elements, payloads, and the one place that accepts an identity by certificate. RFC 6120 §6, XEP-0178.

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::address::{Domain, DomainPair};
use crate::ns;
use crate::scan::tree::Node;

use super::PeerCertificate;

/// Witness that SASL EXTERNAL proved a pair; only `sasl` makes it.
#[derive(Debug, PartialEq, Eq)]
pub struct ExternalAccepted {
    pair: DomainPair,
}

impl ExternalAccepted {
    /// The pair, in the direction of the stanzas on this stream.
    pub fn pair(&self) -> &DomainPair {
        &self.pair
    }

    pub(crate) fn into_pair(self) -> DomainPair {
        self.pair
    }
}

/// SASL failure conditions. RFC 6120 §6.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslFailure {
    /// §6.5.1
    Aborted,
    /// §6.5.4
    EncryptionRequired,
    /// §6.5.5
    IncorrectEncoding,
    /// §6.5.6
    InvalidAuthzid,
    /// §6.5.7
    InvalidMechanism,
    /// §6.5.8
    MalformedRequest,
    /// §6.5.9
    MechanismTooWeak,
    /// §6.5.10
    NotAuthorized,
    /// §6.5.11
    TemporaryAuthFailure,
    /// One this list lacks (from a peer).
    Other,
}

impl SaslFailure {
    const NAMED: [Self; 9] = [
        Self::Aborted,
        Self::EncryptionRequired,
        Self::IncorrectEncoding,
        Self::InvalidAuthzid,
        Self::InvalidMechanism,
        Self::MalformedRequest,
        Self::MechanismTooWeak,
        Self::NotAuthorized,
        Self::TemporaryAuthFailure,
    ];

    /// The element's name, which is also the word for log and counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::MechanismTooWeak => "mechanism-too-weak",
            Self::NotAuthorized => "not-authorized",
            Self::TemporaryAuthFailure => "temporary-auth-failure",
            Self::Other => "other",
        }
    }

    /// The condition in a peer's `<failure/>`.
    pub(super) fn of_peer(failure: &Node) -> Self {
        let names = failure.children.iter().map(|child| child.name.as_str());
        let known = names.filter_map(|name| Self::NAMED.into_iter().find(|f| f.as_str() == name)).next();
        known.unwrap_or(Self::Other)
    }

    /// Appends `<failure/>`. RFC 6120 §6.4.5.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        for part in ["<failure xmlns='", ns::SASL, "'><", self.as_str(), "/></failure>"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// Appends a SASL element; `attributes` begins with a space, `payload` is base64.
fn write_element(name: &str, attributes: &str, payload: &str, out: &mut Vec<u8>) {
    for part in ["<", name, " xmlns='", ns::SASL, "'", attributes] {
        out.extend_from_slice(part.as_bytes());
    }
    let rest = if payload.is_empty() { ["/>", "", "", ""] } else { [">", payload, "</", name] };
    for part in rest {
        out.extend_from_slice(part.as_bytes());
    }
    if !payload.is_empty() {
        out.push(b'>');
    }
}

/// Appends `<auth/>` with our domain as authorization identity.
///
/// COMPAT: MongooseIM takes the domain from the payload, so it is never left out.
pub(super) fn write_auth(authzid: &Domain, out: &mut Vec<u8>) {
    write_element("auth", " mechanism='EXTERNAL'", &STANDARD.encode(authzid.as_str()), out);
}

/// Appends `<response/>` with our domain, for a server that asks although it was told.
pub(super) fn write_response(authzid: &Domain, out: &mut Vec<u8>) {
    write_element("response", "", &STANDARD.encode(authzid.as_str()), out);
}

/// Appends the empty challenge that asks for the missing initial response. RFC 6120 §6.4.3.
pub(super) fn write_challenge(out: &mut Vec<u8>) {
    write_element("challenge", "", "", out);
}

/// Appends `<success/>`. RFC 6120 §6.4.6.
pub(super) fn write_success(out: &mut Vec<u8>) {
    write_element("success", "", "", out);
}

/// What a peer's `<auth/>` or `<response/>` carries.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// No character data: an initial response that is yet to come.
    Missing,
    /// `=` or nothing encoded: the identity is the certificate's.
    Empty,
    /// An authorization identity.
    Authzid(String),
}

impl Payload {
    /// Reads the payload. RFC 6120 §6.3.5, §6.4.2.
    ///
    /// # Errors
    /// `malformed-request` for child elements, `incorrect-encoding` for anything but base64, `invalid-authzid` for
    /// what cannot be text.
    pub(super) fn read(node: &Node) -> Result<Self, SaslFailure> {
        if !node.children.is_empty() {
            return Err(SaslFailure::MalformedRequest);
        }
        match node.text.as_str() {
            "" => Ok(Self::Missing),
            "=" => Ok(Self::Empty),
            text => {
                let bytes = STANDARD.decode(text).map_err(|_| SaslFailure::IncorrectEncoding)?;
                String::from_utf8(bytes).map(Self::Authzid).map_err(|_| SaslFailure::InvalidAuthzid)
            }
        }
    }
}

/// Receiving: whether EXTERNAL proves the stream's `from`. XEP-0178 §3.
///
/// # Errors
/// `not-authorized` when the certificate does not prove it, `invalid-authzid` for another identity than `from`.
pub(super) fn accept(
    from: Option<&Domain>,
    to: Option<&Domain>,
    certificate: &PeerCertificate,
    authzid: Option<&str>,
) -> Result<ExternalAccepted, SaslFailure> {
    let (Some(from), Some(to)) = (from, to) else { return Err(SaslFailure::NotAuthorized) };
    if let Some(authzid) = authzid
        && !Domain::parse(authzid).is_ok_and(|authzid| authzid == *from)
    {
        return Err(SaslFailure::InvalidAuthzid);
    }
    certificate.proves(from).map_err(|_| SaslFailure::NotAuthorized)?;
    Ok(ExternalAccepted { pair: DomainPair { from: from.clone(), to: to.clone() } })
}

/// Initiating: the peer has accepted us, and its certificate must prove the domain that we send to.
pub(super) fn accepted_by(certificate: &PeerCertificate, from: &Domain, to: &Domain) -> Option<ExternalAccepted> {
    certificate.proves(to).ok()?;
    Some(ExternalAccepted { pair: DomainPair { from: from.clone(), to: to.clone() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(children: usize, text: &str) -> Result<Payload, SaslFailure> {
        let child = Node {
            name: "x".into(),
            namespace: ns::SASL.into(),
            attributes: Vec::new(),
            children: Vec::new(),
            text: String::new(),
        };
        let node = Node { children: alloc::vec![child.clone(); children], text: text.into(), ..child };
        Payload::read(&node)
    }

    /// A1.6: whatever was asked before, no proof is made of a certificate that does not name the domain.
    #[test]
    fn nothing_is_accepted_by_a_certificate_for_another_domain() {
        let (ours, theirs) = (Domain::parse("local.example").unwrap(), Domain::parse("remote.example").unwrap());
        let named = |name: &str| PeerCertificate {
            trust: Ok(()),
            dns_names: alloc::vec![name.into()],
            srv_names: Vec::new(),
            xmpp_addrs: Vec::new(),
            fingerprint: [0; 32],
        };
        assert_eq!(accepted_by(&named("local.example"), &ours, &theirs), None);
        let accepted = accepted_by(&named("remote.example"), &ours, &theirs).unwrap();
        assert_eq!(accepted.into_pair(), DomainPair { from: ours, to: theirs });
    }

    /// SAS-18
    #[test]
    fn garbage_is_incorrectly_encoded() {
        for text in ["!", "====", "YQ", "YQ= ", " YQ==", "YR==", "Y Q==", "YQ==YQ==", "=a"] {
            assert_eq!(payload(0, text), Err(SaslFailure::IncorrectEncoding), "{text}");
        }
        assert_eq!(payload(0, "/w=="), Err(SaslFailure::InvalidAuthzid));
    }

    /// SAS-19
    #[test]
    fn child_elements_make_a_request_malformed() {
        assert_eq!(payload(1, "YQ=="), Err(SaslFailure::MalformedRequest));
    }

    #[test]
    fn payload_is_missing_empty_or_an_identity() {
        assert_eq!(payload(0, ""), Ok(Payload::Missing));
        assert_eq!(payload(0, "="), Ok(Payload::Empty));
        assert_eq!(payload(0, "ZXhhbXBsZS5vcmc="), Ok(Payload::Authzid("example.org".into())));
    }

    #[test]
    fn elements_are_written_with_and_without_payload() {
        let mut out = Vec::new();
        write_auth(&Domain::parse("example.org").unwrap(), &mut out);
        write_challenge(&mut out);
        assert_eq!(
            core::str::from_utf8(&out).unwrap(),
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>ZXhhbXBsZS5vcmc=</auth>\
             <challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
        );
    }
}
