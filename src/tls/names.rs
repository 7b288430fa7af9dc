//! Names in a certificate's subjectAltName. The subject's CN is never looked at (RFC 9525 §2).

use x509_parser::asn1_rs::{Any, Class, FromDer, Oid, Tag, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::CERTIFICATE_NAMES;

/// id-on-dnsSRV. RFC 4985 §2.
const DNS_SRV: Oid<'static> = oid!(1.3.6.1.5.5.7.8.7);
/// id-on-xmppAddr. RFC 6120 §13.7.1.4.
const XMPP_ADDR: Oid<'static> = oid!(1.3.6.1.5.5.7.8.5);

/// What a certificate says its owner is called.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) dns: Vec<String>,
    pub(super) srv: Vec<String>,
    pub(super) xmpp: Vec<String>,
}

/// A subjectAltName that is not what RFC 5280 §4.2.1.6 says, or has over [`CERTIFICATE_NAMES`] entries.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MalformedNames;

/// Reads the names that federation uses; names of other kinds (IP addresses, mail) are passed over.
pub(super) fn subject_names(certificate: &X509Certificate<'_>) -> Result<Names, MalformedNames> {
    let mut names = Names::default();
    let extension = certificate.subject_alternative_name().map_err(|_| MalformedNames)?;
    let Some(extension) = extension else {
        return Ok(names);
    };
    if extension.value.general_names.len() > CERTIFICATE_NAMES {
        return Err(MalformedNames);
    }
    for name in &extension.value.general_names {
        match name {
            GeneralName::DNSName(name) => names.dns.push(host_like(name)?),
            GeneralName::OtherName(kind, value) if *kind == DNS_SRV => names.srv.push(srv_name(value)?),
            GeneralName::OtherName(kind, value) if *kind == XMPP_ADDR => names.xmpp.push(xmpp_addr(value)?),
            GeneralName::Invalid(..) => return Err(MalformedNames),
            _ => {}
        }
    }
    Ok(names)
}

/// SRVName is an IA5String; some tools write a UTF8String, which is taken when it is ASCII.
fn srv_name(value: &[u8]) -> Result<String, MalformedNames> {
    host_like(explicit_string(value, &[Tag::Ia5String, Tag::Utf8String])?)
}

fn xmpp_addr(value: &[u8]) -> Result<String, MalformedNames> {
    let name = explicit_string(value, &[Tag::Utf8String])?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(MalformedNames);
    }
    Ok(name.to_owned())
}

/// A character string of one of these types inside `[0] EXPLICIT`, with nothing after it.
fn explicit_string<'a>(value: &'a [u8], allowed: &[Tag]) -> Result<&'a str, MalformedNames> {
    let (rest, outer) = Any::from_der(value).map_err(|_| MalformedNames)?;
    if !rest.is_empty() || outer.class() != Class::ContextSpecific || outer.tag() != Tag(0) {
        return Err(MalformedNames);
    }
    let (rest, inner) = Any::from_der(outer.data).map_err(|_| MalformedNames)?;
    if !rest.is_empty() || inner.class() != Class::Universal || !allowed.contains(&inner.tag()) {
        return Err(MalformedNames);
    }
    std::str::from_utf8(inner.data).map_err(|_| MalformedNames)
}

/// Only what a host name, a wildcard or an SRV name is made of: no NUL, no blank, nothing outside ASCII.
fn host_like(name: &str) -> Result<String, MalformedNames> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'*');
    if name.is_empty() || !name.bytes().all(legal) {
        return Err(MalformedNames);
    }
    Ok(name.to_ascii_lowercase())
}
